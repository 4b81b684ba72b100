"""Text of the compiled kernels."""


def kernels() -> dict[str, str]:
    return {}
