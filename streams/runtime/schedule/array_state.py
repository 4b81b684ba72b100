"""The state of a compiled stage that is a tuple of arrays: as bytes, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.runtime.failures import StageFailed


def bytes_of_arrays(state: Any) -> bytes:
    """The arrays, one after the other."""
    return b"".join(np.ascontiguousarray(array).tobytes() for array in state)


def check_length(name: str, state: Any, content: bytes) -> None:
    """Raise StageFailed if these bytes are not as many as the stage's arrays have."""
    needed = sum(array.nbytes for array in state)
    if len(content) != needed:
        text = f"the snapshot of {name} has {len(content)} bytes, this configuration needs {needed}"
        raise StageFailed(text)


def take_arrays(state: Any, content: bytes) -> None:
    """The arrays become what :func:`bytes_of_arrays` gave."""
    position = 0
    for array in state:
        found = np.frombuffer(content, array.dtype, array.size, position)
        array[...] = found.reshape(array.shape)
        position += array.nbytes
