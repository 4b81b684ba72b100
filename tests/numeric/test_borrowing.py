"""Borrowing kernels count no references. Oracle: the LLVM code itself, next to that of the plain
kernel, which does count.
"""

from __future__ import annotations

import numpy as np
import pytest

from schemas.kernel import kernel
from streams.numeric.borrowing import borrowing_kernel


def first_of_row(table, row):
    view = table[row]
    total = 0
    for place in range(view.shape[0]):
        total += view[place]
    return total


@pytest.mark.parametrize(
    ("decorator", "counts"),
    [(kernel, True), (borrowing_kernel, False)],
    ids=["kernel", "borrowing"],
)
def test_only_the_plain_kernel_counts_references(decorator, counts, tmp_path, monkeypatch):
    monkeypatch.setenv("SQ_KERNEL_CACHE", str(tmp_path))
    compiled = decorator(first_of_row)
    monkeypatch.setattr(compiled, "_cache", _NoCache())
    assert compiled(np.arange(6).reshape(2, 3), 1) == 12
    code = "".join(compiled.inspect_llvm().values())
    calls = [
        line
        for line in code.splitlines()
        if "call" in line and ("NRT_incref" in line or "NRT_decref" in line)
    ]
    assert bool(calls) == counts


class _NoCache:
    """Compile now, so that there is code to look at."""

    def load_overload(self, *arguments):
        return None

    def save_overload(self, *arguments):
        return None
