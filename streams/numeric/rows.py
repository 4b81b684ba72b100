"""Rows of any record type, by their address: kernels that copy what they need not understand."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.borrowing import inner_kernel
from streams.numeric.table import LENGTH_BYTES, record_at

WORD = np.dtype([("value", "i8")])
WORD_BYTES = 8


@inner_kernel
def copy_row(source: Any, target: Any, stride: Any) -> None:
    """Copy a row of so many bytes, a multiple of eight."""
    for at in range(0, stride, WORD_BYTES):
        record_at(target + at, WORD).value = record_at(source + at, WORD).value


@inner_kernel
def row_address(table: Any, place: Any, stride: Any) -> Any:
    """Where a row lies of the table at an address (``table.py``)."""
    return table + LENGTH_BYTES + place * stride
