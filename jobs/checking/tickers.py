"""The book's top against the venue's own best bid and ask (``streams.numeric.checking.depth``).

Tickers are read beside the depth, a little ahead: until every instrument has one whose id is above
those of its updates, or until they are a minute ahead, so that memory is bounded whatever lies in
the topics.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from connectors.ordering import by_value
from jobs.checking.reading import Array, TopicReading, slots_of
from streams.numeric.checking.depth import compare_tops
from streams.numeric.checking.records import check_tickers, end_states

AHEAD_MAX = 60 * 10**9
"""ns of event time."""


class TickerCheck:
    """md.book_tickers, and the tops that are compared with it.

    Args:
        checks: of the topic.
        reading: the topic; None where the folder has none.
    """

    def __init__(self, checks: Any, reading: TopicReading | None) -> None:
        self._checks = checks
        self._reading = reading
        self._waiting: dict[int, list[Array]] = {}
        self._known: dict[int, int] = {}

    def compare(self, depth: Any, tops: Array, time: int) -> None:
        """Compare the tops of a block of depth. ``depth``: the checks of md.depth; ``time``: event
        time that the depth has reached, ns.
        """
        if self._reading is None or not len(tops):
            return
        groups = list(_split(tops, tops["slot"]))
        wanted = {slot: int(found["update_id"].max()) for slot, found in groups}
        while any(self._known.get(slot, -1) <= top for slot, top in wanted.items()):
            if self._reading.time > time + AHEAD_MAX or not self._read():
                break
        for slot, found in groups:
            parts = self._waiting.get(slot)
            if parts:
                tickers = parts[0] if len(parts) == 1 else np.concatenate(parts)
                done = compare_tops(depth, found, tickers)
                self._waiting[slot] = [tickers[done:].copy()]
        for parts in self._waiting.values():  # of instruments without updates: keep a part behind
            while len(parts) > 2 and parts[1]["event_time"][-1] < time - AHEAD_MAX:
                parts.pop(0)

    def _read(self) -> bool:
        """One more block; False at the end."""
        assert self._reading is not None
        read = self._reading.rows()
        if read is None:
            return False
        rows, _, offsets = read
        check_tickers(self._checks, rows, offsets)
        for slot, found in _split(rows, slots_of(self._checks, rows["instrument"])):
            self._waiting.setdefault(slot, []).append(found)
            self._known[slot] = int(found["update_id"][-1])
        return True

    def close(self) -> None:
        """Read the rest, which nothing is compared with."""
        if self._reading is None:
            return
        while self._read():
            self._waiting.clear()
        end_states(self._checks)


def _split(rows: Array, slots: Array) -> Iterator[tuple[int, Array]]:
    """(row of the checks, its rows in order) of each one that occurs."""
    for slot, places in by_value(slots):
        yield slot, rows if len(places) == len(rows) else rows[places]
