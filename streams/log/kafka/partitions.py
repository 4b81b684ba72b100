"""Which partition a record belongs to: a function of its key alone, the same in every process and
for ever.

Never the client's own partitioner: its hash is the library's choice, and a journal must outlive the
library.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def partition_of_instrument(instrument: int, partitions: int) -> int:
    """The partition (and the shard) of an instrument's records: its id modulo the number of
    partitions.

    Ids are consecutive in ``ref.instruments``, so instruments spread evenly, and a new one moves no
    other.
    """
    return instrument % partitions


def partitions_of_instruments(
    instruments: Any, partitions: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """:func:`partition_of_instrument` of an array of ids."""
    return np.asarray(instruments, np.int64) % partitions


def key_of_instrument(instrument: int) -> bytes:
    """The record key of an instrument: its id as decimal text, readable in every tool."""
    return str(instrument).encode()
