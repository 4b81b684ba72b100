"""A topic of one instrument put in order of time, in bounded memory.

A stage's clock is the running maximum of event time, so rows that lie newest first would all happen
at one moment. They are written as they come, and where that is no order, once more: one share of
the times after the other, each by a pass over the blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from connectors.blocks import TopicBlocks
from connectors.tables.kinds import Kind
from connectors.tables.repeated import Jumps
from schemas.codec import codec
from streams.log.local import LocalLog
from streams.log.reader import TopicReader

Array = np.ndarray[Any, Any]

SHARE_ROWS = 1 << 21
SAMPLED = 64
"""Times that are looked at in each block, to know where shares of like size begin."""


class Order:
    """How the times of rows follow one another.

    Attributes:
        behind: rows whose time lies before that of a row in front of them.
        has_risen: True once a time lies behind the one in front.
    """

    def __init__(self) -> None:
        self.behind = 0
        self.has_risen = False
        self._last = 0
        self._reached = 0

    def see(self, times: Array) -> None:
        """The next rows."""
        if not len(times):
            return
        before = np.concatenate(([self._last or times[0]], times[:-1]))
        self.has_risen = self.has_risen or bool((times > before).any())
        reached = np.maximum.accumulate(np.maximum(times, self._reached))
        self.behind += int((times < reached).sum())
        self._last, self._reached = int(times[-1]), int(reached[-1])


def _decoded(reader: TopicReader, kind: Kind) -> Iterator[Array]:
    form = codec(kind.record)
    for block in reader.blocks():
        yield form.decode_rows(block.body, block.count)


def sort_by_time(
    log: LocalLog,
    topic: TopicBlocks,
    kind: Kind,
    order: Order,
    has_ids: bool,
    jumps: Jumps | None,
) -> tuple[TopicBlocks, Array]:
    """The topic in order, and rows that were left out because an equal id has the same time.
    ``jumps`` flags it anew.

    Rows of one time lie by their ids; without ids as they came, or turned round where the whole
    table is newest first. Those without ids are numbered anew from 1.
    """
    topic.flush()
    reader = log.set_aside(topic.topic)
    times, ids = kind.time, kind.id
    anew = TopicBlocks(log, topic.topic)
    left_out = []
    number = 1
    for low, high in _shares(reader, kind):
        rows = _rows_of(reader, kind, low, high)
        if not len(rows):
            continue
        if not has_ids and not order.has_risen:
            rows = rows[::-1]
        keys = (rows[ids], rows[times]) if has_ids else (rows[times],)
        rows = rows[np.lexsort(keys)]
        if has_ids:
            is_twin = np.zeros(len(rows), np.bool_)
            is_twin[1:] = rows[ids][1:] == rows[ids][:-1]
            left_out.append(rows[is_twin])
            rows = rows[~is_twin]
            if jumps is not None:
                jumps.flag(rows)
        else:
            rows[ids] = np.arange(number, number + len(rows))
            number += len(rows)
        anew.add_rows(rows)
    log.drop_aside(topic.topic)
    return anew, np.concatenate(left_out) if left_out else np.zeros(0, codec(kind.record).dtype)


def _shares(reader: TopicReader, kind: Kind) -> list[tuple[int, int]]:
    """Spans of time, the first one's lower bound included, of about SHARE_ROWS each."""
    sampled, count = [], 0
    for rows in _decoded(reader, kind):
        places = np.linspace(0, len(rows) - 1, min(SAMPLED, len(rows))).astype(np.int64)
        sampled.append(rows[kind.time][places])
        count += len(rows)
    times = np.sort(np.concatenate(sampled))
    shares = max(1, -(-count // SHARE_ROWS))
    edges = np.unique(times[np.arange(1, shares) * len(times) // shares]).tolist()
    return list(zip([0, *edges], [*edges, 1 << 62], strict=True))


def _rows_of(reader: TopicReader, kind: Kind, low: int, high: int) -> Array:
    """Rows from ``low`` to before ``high``, as they lie."""
    parts = []
    for rows in _decoded(reader, kind):
        is_in = (rows[kind.time] >= low) & (rows[kind.time] < high)
        if is_in.any():
            parts.append(rows[is_in])
    return np.concatenate(parts) if parts else np.zeros(0, codec(kind.record).dtype)
