"""Runs of offsets: how a topic with holes says which offset each record of a block has.

The ``.runs`` file beside a segment holds two little-endian 64-bit numbers a run: first offset and
count. Only blocks with a hole inside have runs there; the index says which, with a checksum over
them. It is written before its block, and the block before its index entry, so a block the index
knows always has its offsets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xxhash

RUNS_SUFFIX = ".runs"
RUN_BYTES = 16

Offsets = np.ndarray[Any, np.dtype[np.int64]]


def runs_of(offsets: Offsets) -> Offsets:
    """Runs of rising offsets, shape (runs, 2): first offset and count.

    Raises:
        ValueError: the offsets do not rise.
    """
    steps = np.diff(offsets)
    if len(steps) and int(steps.min()) < 1:
        raise ValueError(
            f"offsets must rise, and {int(offsets[np.argmin(steps)])} is followed by "
            f"{int(offsets[np.argmin(steps) + 1])}"
        )
    begins = np.concatenate(([0], np.flatnonzero(steps != 1) + 1))
    counts = np.diff(np.append(begins, len(offsets)))
    return np.column_stack((offsets[begins], counts)).astype("<i8")


def offsets_of(runs: Offsets) -> Offsets:
    """The offsets that runs stand for."""
    counts = runs[:, 1]
    ends = np.cumsum(counts)
    return np.repeat(runs[:, 0] - (ends - counts), counts) + np.arange(int(ends[-1]))


def runs_from(
    buffer: bytes, checksum: int, first_offset: int, end_offset: int, records: int
) -> Offsets:
    """Runs as they lie in the file, checked against the block they belong to.

    Raises:
        ValueError: they fail their checksum, or do not stand for that block's records.
    """
    if xxhash.xxh3_64_intdigest(buffer) != checksum:
        raise ValueError("a block's runs of offsets fail their checksum")
    runs = np.frombuffer(buffer, "<i8").reshape(-1, 2).astype(np.int64)
    ends = runs[:, 0] + runs[:, 1]
    is_sound = bool((runs[:, 1] > 0).all() and (runs[1:, 0] > ends[:-1]).all())
    if not is_sound or (int(runs[0, 0]), int(ends[-1]), int(runs[:, 1].sum())) != (
        first_offset,
        end_offset,
        records,
    ):
        raise ValueError("a block's runs of offsets are not what the index says")
    return runs
