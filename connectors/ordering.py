"""Market data of several instruments in one order that none of them has a part in choosing.

A merge of topics takes records by the running maximum of event time within a partition (design
section 5). Where several instruments share a partition in order of arrival, a late record of one
takes a neighbour's time. So a recording holds its records in order of (running maximum of event
time of the record's own instrument, instrument). The order inside an instrument stays. Then both
maxima are the same number, and what one instrument's records, clock and timers are does not depend
on which others lie beside them.

Two passes over the blocks, in bounded memory: a survey measures how far records lie behind, the
second pass holds records back for that long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from connectors.blocks import TopicBlocks
from schemas.catalogue import topic as topic_of
from schemas.codec import NO_LEVELS, codec
from schemas.shapes import time_field
from streams.log.local import LocalLog
from streams.log.reader import TopicReader

Array = np.ndarray[Any, Any]
ORDER = "running maximum of event time by instrument, instrument"
"""What a recording's manifest says whose records lie so."""
CLOCK_JUMP_MAX = 3_600 * 10**9
"""ns; the runner takes no time from a record that is further than this ahead of its own receipt,
and neither does the order.
"""
LATEST = 1 << 62


class Span(msgspec.Struct):
    """What one instrument has in a topic: ``first`` and ``last`` event time (ns UTC), number of
    records, those behind its running maximum.
    """

    first: int
    last: int
    count: int = 0
    behind: int = 0


class Survey(msgspec.Struct):
    """What the first pass finds in one topic of one recording.

    Attributes:
        spans: by instrument.
        lateness: ns; how far a record's key lies behind the highest before it.
        is_ordered: True if the records lie in the order already.
    """

    spans: dict[int, Span] = {}
    lateness: int = 0
    is_ordered: bool = True


class Keys:
    """Running maximum of event time by instrument, block after block."""

    def __init__(self) -> None:
        self.maxima: dict[int, int] = {}

    def of(self, rows: Array) -> Array:
        """The keys of the next rows, int64 ns."""
        times = rows[time_field(rows.dtype.names)].astype(np.int64)
        received = (
            rows["receive_time"]
            if "receive_time" in rows.dtype.names
            else np.zeros(len(rows), np.int64)
        )
        is_wrong = (
            (times < 0) | (times > LATEST) | ((received > 0) & (times - received > CLOCK_JUMP_MAX))
        )
        times[is_wrong] = 0
        keys = np.empty(len(rows), np.int64)
        for instrument, places in by_value(rows["instrument"]):
            reached = np.maximum.accumulate(
                np.maximum(times[places], self.maxima.get(instrument, 0))
            )
            self.maxima[instrument] = int(reached[-1])
            keys[places] = reached
        return keys


def by_value(values: Array) -> Iterator[tuple[int, Array]]:
    """(value, its places in order) of each value that occurs."""
    if not len(values):
        return
    if values[0] == values[-1] and (values == values[0]).all():  # one instrument, as most have
        yield int(values[0]), np.arange(len(values))
        return
    order = np.argsort(values, kind="stable")
    edges = np.flatnonzero(np.diff(values[order])) + 1
    for places in np.split(order, edges):
        yield int(values[places[0]]), places


def survey(reader: TopicReader) -> Survey:
    """The first pass over a topic of market data. Raises CorruptBlock."""
    found, keys, highest, last = Survey(), Keys(), 0, (0, -1)
    for rows, _ in _decoded(reader):
        reached = keys.of(rows)
        before = np.maximum.accumulate(
            np.maximum(np.concatenate(([highest], reached[:-1])), highest)
        )
        found.lateness = max(found.lateness, int((before - reached).max()))
        highest = max(highest, int(reached.max()))
        found.is_ordered = found.is_ordered and _is_ordered(reached, rows["instrument"], last)
        last = int(reached[-1]), int(rows["instrument"][-1])
        for instrument, places in by_value(rows["instrument"]):
            times = rows[time_field(rows.dtype.names)][places]
            span = found.spans.setdefault(instrument, Span(int(times.min()), int(times.max())))
            span.first, span.last = (
                min(span.first, int(times.min())),
                max(span.last, int(times.max())),
            )
            span.count += len(places)
            span.behind += int((times < reached[places]).sum())
    return found


def _is_ordered(keys: Array, instruments: Array, last: tuple[int, int]) -> bool:
    key = np.concatenate(([last[0]], keys))
    instrument = np.concatenate(([last[1]], instruments.astype(np.int64)))
    return bool(
        ((key[1:] > key[:-1]) | ((key[1:] == key[:-1]) & (instrument[1:] >= instrument[:-1]))).all()
    )


def _decoded(reader: TopicReader) -> Iterator[tuple[Array, Array]]:
    """(rows, levels) of every block."""
    form = codec(topic_of(reader.topic).record)
    for block in reader.blocks():
        found = form.decode_rows(block.body, block.count)
        yield found if form.has_levels else (found, NO_LEVELS)


class _Source:
    """One recording's topic on its way: rows that are read and not given, with their keys."""

    def __init__(self, reader: TopicReader, lateness: int) -> None:
        self._blocks = _decoded(reader)
        self._keys = Keys()
        self._lateness = lateness
        self._highest = 0
        self.is_read = False
        self.held: list[tuple[Array, Array, Array]] = []

    @property
    def complete(self) -> int:
        """Every record whose key is lower than this has been read."""
        return LATEST + 1 if self.is_read else self._highest - self._lateness

    def read(self) -> None:
        """One more block."""
        found = next(self._blocks, None)
        if found is None:
            self.is_read = True
            return
        rows, levels = found
        keys = self._keys.of(rows)
        self._highest = max(self._highest, int(keys.max()))
        self.held.append((rows, keys, levels))

    def take(self, bound: int) -> tuple[Array, Array, Array] | None:
        """(rows, keys, levels) of what is held with a key below the bound, in order of arrival."""
        if not self.held:
            return None
        rows, keys, levels = _joined(self.held)
        is_taken = keys < bound
        kept = ~is_taken
        self.held = [(rows[kept], keys[kept], levels)] if kept.any() else []
        return (rows[is_taken], keys[is_taken], levels) if is_taken.any() else None


def _joined(parts: Sequence[tuple[Array, Array, Array]]) -> tuple[Array, Array, Array]:
    """Rows one behind the other over one table of levels, which holds no level twice."""
    rows = np.concatenate([part[0] for part in parts])
    keys = np.concatenate([part[1] for part in parts])
    if "first_level" not in (rows.dtype.names or ()):
        return rows, keys, NO_LEVELS
    tables, start, at = [], 0, 0
    for part, _, levels in parts:
        counts = part["bid_count"].astype(np.int64) + part["ask_count"]
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        places = np.repeat(
            part["first_level"].astype(np.int64) - (ends - counts), counts
        ) + np.arange(total)
        tables.append(levels[places])
        rows["first_level"][at : at + len(part)] = start + ends - counts
        start, at = start + total, at + len(part)
    return rows, keys, np.concatenate(tables)


def ordered(
    readers: Sequence[TopicReader], surveys: Sequence[Survey]
) -> Iterator[tuple[Array, Array]]:
    """(rows, levels) of one topic of several recordings in the one order; of equal keys and
    instruments the earlier reader's come first.
    """
    sources = [
        _Source(reader, each.lateness) for reader, each in zip(readers, surveys, strict=True)
    ]
    while any(not source.is_read or source.held for source in sources):
        _read_on(sources)
        bound = min(source.complete for source in sources)
        parts = [part for part in (source.take(bound) for source in sources) if part is not None]
        if parts:
            rows, keys, levels = _joined(parts)
            order = np.lexsort((rows["instrument"], keys))
            yield rows[order], levels


def put_in_order(log: LocalLog, topic: TopicBlocks) -> TopicBlocks:
    """A topic of an open log in the one order: as it is, or written anew. Raises LogFull,
    LogWriteFailed.
    """
    topic.flush()
    found = survey(log.reader(topic.topic))
    if found.is_ordered:
        return topic
    reader = log.set_aside(topic.topic)
    anew = TopicBlocks(log, topic.topic)
    for rows, levels in ordered([reader], [found]):
        anew.add_rows(rows, levels if "first_level" in rows.dtype.names else None)
    log.drop_aside(topic.topic)
    return anew


def _read_on(sources: Sequence[_Source]) -> None:
    """Read as many rows as are held, at least a block, so that no row is moved more than a few
    times however many must be held.
    """
    wanted = max(1, sum(len(part[0]) for source in sources for part in source.held))
    while wanted > 0:
        behind = min(
            (source for source in sources if not source.is_read),
            key=lambda source: source.complete,
            default=None,
        )
        if behind is None:
            return
        behind.read()
        wanted -= 0 if behind.is_read else len(behind.held[-1][0])
