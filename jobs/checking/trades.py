"""Ids of trades: each once and without a gap, by the rule that imports have (``TradeIds``).

The compiled step finds the ids that do not continue the one before, which are few; the rule judges
those.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from connectors.captures.numbers import BadField
from connectors.captures.sequences import TradeIds
from jobs.checking.counting import count
from jobs.checking.reading import Array, by_row, slots_of
from streams.numeric.bounds import COUNT_MAX
from streams.numeric.checking.codes import Code
from streams.numeric.checking.records import check_trades

CONTIGUOUS_SHARE = 2
"""Ids that continue one another in fewer than 1 of so many steps are not numbered one by one."""


class TradeCheck:
    """The trades of all instruments."""

    def __init__(self, checks: Any) -> None:
        self._checks = checks
        self._ids: dict[int, TradeIds] = {}

    def take(self, rows: Array, offsets: Array) -> None:
        """The next rows."""
        breaks = np.empty(len(rows), np.int64)
        found = check_trades(self._checks, rows, offsets, breaks)
        slots = slots_of(self._checks, rows["instrument"])
        is_break = np.zeros(len(rows), bool)
        is_break[breaks[:found]] = True
        for slot, places in by_row(slots):
            ids = self._ids.setdefault(slot, TradeIds())
            broken = np.flatnonzero(is_break[places]).tolist()
            for at in broken:
                if at:  # those before it continued one another
                    self._continued(ids, rows[places[at - 1]])
                self._judge(ids, slot, rows[places[at]], int(offsets[places[at]]))
            if not broken or broken[-1] != len(places) - 1:
                self._continued(ids, rows[places[-1]])
            if broken:
                self._checks.streams[slot]["next_id"] = min(ids.following, COUNT_MAX)

    @staticmethod
    def _continued(ids: TradeIds, row: Any) -> None:
        ids.continued_to(int(row["trade_id"]), int(row["event_time"]))

    def _judge(self, ids: TradeIds, slot: int, row: Any, offset: int) -> None:
        last, time = int(row["trade_id"]), int(row["event_time"])
        first = last - max(int(row["trade_count"]), 1) + 1  # an aggregate has its last id
        missing, restarts = ids.missing, ids.restarts
        try:
            where = ids.see(first, time)
        except BadField:
            count(self._checks, slot, Code.TRADE_DUPLICATE, offset, time)
            return
        ids.continued_to(last, time)
        if ids.restarts > restarts:
            count(self._checks, slot, Code.TRADE_IDS_ANEW, offset, time)
        elif where == "late":
            count(self._checks, slot, Code.TRADE_ID_LATE, offset, time)
        elif where == "gap":
            count(self._checks, slot, Code.TRADE_GAP, offset, time, ids.missing - missing)

    def close(self) -> None:
        """The topic ends: gaps that were filled since are none, and ids that are not numbered one
        by one show nothing.
        """
        for slot, ids in self._ids.items():
            stream, tallies = self._checks.streams[slot], self._checks.tallies[slot]
            gaps = tallies[int(Code.TRADE_GAP)]
            if CONTIGUOUS_SHARE * int(stream["chained"]) < int(stream["rows"]) - 1:
                if gaps["count"]:
                    tallies[int(Code.IDS_NOT_CONTIGUOUS)] = gaps
                tallies[int(Code.TRADE_GAP)] = 0
            elif ids.missing == 0:
                tallies[int(Code.TRADE_GAP)] = 0
            else:
                gaps["total"] = ids.missing
