"""Trade ids that come twice: exact among the last four million rows, and, sorted, within a time."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

REMEMBERED_ROWS = 1 << 22


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
