"""Trade ids that come twice: exact among the last four million rows, and, sorted, within a time.
And ids that do not come at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Flag

Array = np.ndarray[Any, Any]

REMEMBERED_ROWS = 1 << 22
GAP = int(Flag.GAP)


class Repeated:
    """The ids of one instrument's trades as they come. Ids that only rise cost a comparison."""

    def __init__(self) -> None:
        self._highest = -(1 << 63)
        self._parts: list[Array] = []
        self._held = 0

    def of(self, ids: Array) -> Array:
        """True for each id that came before."""
        found = np.zeros(len(ids), np.bool_)
        if not len(ids):
            return found
        rises = bool((ids[1:] > ids[:-1]).all()) and int(ids[0]) > self._highest
        if not rises:
            found[np.setdiff1d(np.arange(len(ids)), np.unique(ids, return_index=True)[1])] = True
            for part in self._parts:
                if part[0] <= ids.max() and part[-1] >= ids.min():
                    found |= np.isin(ids, part)
        self._highest = max(self._highest, int(ids.max()))
        self._parts.append(np.sort(ids))
        self._held += len(ids)
        while self._held - len(self._parts[0]) > REMEMBERED_ROWS:
            self._held -= len(self._parts.pop(0))
        return found


class Jumps:
    """Where ids that rise by one leave some out."""

    def __init__(self) -> None:
        self._lowest, self._highest, self._count = 1 << 63, -(1 << 63), 0

    def flag(self, rows: Array) -> None:
        """The next rows of trades: GAP where ids before one are left out, and not where not.
        An aggregate stands for as many ids as it has trades, and its own is the last of them."""
        ids = rows["trade_id"]
        if not len(ids):
            return
        reached = np.maximum.accumulate(ids)
        before = np.empty_like(reached)
        firsts = ids - rows["trade_count"] + 1
        before[0] = self._highest if self._count else ids[0]
        before[1:] = np.maximum(reached[:-1], before[0])
        rows["flags"] = np.where(firsts - 1 > before, rows["flags"] | GAP, rows["flags"] & ~GAP)
        self._highest = max(self._highest, int(reached[-1]))
        self._lowest = min(self._lowest, int(firsts.min()))
        self._count += int(rows["trade_count"].sum())

    @property
    def missing(self) -> int:
        """Ids between the lowest and the highest that no row had."""
        return max(0, self._highest - self._lowest + 1 - self._count) if self._count else 0
