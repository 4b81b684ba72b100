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
from jobs.checking.reading import Array
from streams.numeric.bounds import COUNT_MAX
from streams.numeric.checking.codes import Code
from streams.numeric.checking.records import BREAK, check_trades

CONTIGUOUS_SHARE = 2
"""Ids that continue one another in fewer than 1 of so many steps are not numbered one by one."""


class TradeCheck:
    """The trades of all instruments."""

    def __init__(self, checks: Any) -> None:
        self._checks = checks
        self._ids: dict[int, TradeIds] = {}

    def take(self, rows: Array, offsets: Array) -> None:
        """The next rows."""
        breaks = np.zeros(len(rows), BREAK)
        found = check_trades(self._checks, rows, offsets, breaks)
        for place, slot, last_id, time in breaks[:found].tolist():
            ids = self._ids.get(slot)
            if ids is None:
                ids = self._ids[slot] = TradeIds()
            if last_id >= 0:
                ids.continued_to(last_id, time)
            self._judge(ids, slot, rows[place], int(offsets[place]))
            stream = self._checks.streams[slot]
            if not stream["is_chained"]:  # the rule knows where a new numbering goes on
                stream["next_id"] = min(ids.following, COUNT_MAX)

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
