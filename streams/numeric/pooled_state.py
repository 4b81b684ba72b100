"""Owns the records of a compiled stage that has pools of rows (``pool.py``) beside its tables.

A snapshot has the rows of each chain, first to last, their links zeroed: equal states have equal
bytes, whatever rows were given back and however long the tables are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.index import ENTRY, put_all, slots_for
from streams.numeric.pool import LINKS
from streams.numeric.stage_state import StageState, entries_of
from streams.numeric.table import Table

Array = np.ndarray[Any, Any]
EMPTY_CHAIN = (-1, -1, 0)


class PooledState(StageState):
    """The records of one stage with pools: header fields ``POOL`` and ``CHAIN`` of these names.

    Every row in use is in one of the chains.
    """

    POOLS: ClassVar[Mapping[str, Any]] = {}
    """record type of each pool's rows"""
    CHAINS: ClassVar[Mapping[str, str]]
    """chain -> its pool, in the order of the snapshot"""
    KEY_FIELDS: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """the two fields that are the key of a pool's rows, where it is not the order's id"""

    def __init__(self, lengths: Mapping[str, int] | None = None) -> None:
        super().__init__(lengths)
        given = {**self.LENGTHS, **(lengths or {})}
        for name, dtype in self.POOLS.items():
            self._empty(name, Table(dtype, given[name]))

    def put(self, name: str, table: Table) -> None:
        """Make a table the one of this name, or the rows of the pool of this name."""
        if name not in self.POOLS:
            super().put(name, table)
            return
        self.tables[name] = table
        self.row[name]["rows"] = table.address

    def grow(self, name: str, length: int = 0) -> None:
        """Twice the rows, or so many; an index grows with them."""
        if name not in self.POOLS:
            super().grow(name, length)
            return
        table = self.tables[name]
        self.put(name, table.grown(max(2 * len(table), length, 1)))
        self._index_pool(name)

    def reserve(self, pool: str, rows: int) -> None:
        """See to it that so many rows more can be taken."""
        needed = int(self.row[pool]["taken"]) + rows
        if needed > len(self.tables[pool]):
            self.grow(pool, needed)

    def places(self, chain: str) -> Array:
        """Places of a chain's rows, first to last."""
        found = self.row[chain]
        return self.places_of(self.CHAINS[chain], found["first"], found["count"])

    def places_of(self, pool: str, first: Any, count: Any) -> Array:
        """The same of a chain with this beginning and length, or of many, one after the other."""
        found = np.empty(int(np.atleast_1d(count).sum()), np.int64)
        walk(np.atleast_1d(first), self.tables[pool].rows["next_row"], found)
        return found

    def chained(self, chain: str) -> Any:
        """Copies of a chain's rows, first to last, without their links."""
        rows = self.tables[self.CHAINS[chain]].rows[self.places(chain)]
        for name, _ in LINKS:
            rows[name] = 0
        return rows

    # -- parts of the snapshot

    def contents(self) -> dict[str, bytes]:
        """Those of the tables, and the rows of each chain."""
        found = {chain: self.chained(chain).tobytes() for chain in self.CHAINS}
        return super().contents() | found

    def is_whole(
        self, name: str, contents: Mapping[str, bytes], values: Mapping[str, int]
    ) -> bool:
        """A chain's rows tell their number."""
        if name not in self.CHAINS:
            return super().is_whole(name, contents, values)
        return len(contents[name]) % int(self.POOLS[self.CHAINS[name]].itemsize) == 0

    def take_contents(self, contents: Mapping[str, bytes]) -> None:
        """Pools have the rows of their chains, one chain after the other, and no free ones."""
        super().take_contents(contents)
        for pool, dtype in self.POOLS.items():
            chains = [chain for chain, each in self.CHAINS.items() if each == pool]
            if chains:  # others are the stage's to take
                listed = [np.frombuffer(contents[chain], dtype) for chain in chains]
                self.take_rows(pool, dict(zip(chains, listed, strict=True)))

    def take_rows(self, pool: str, listed: Mapping[str, Any]) -> None:
        """A pool becomes these rows, by chain."""
        count = sum(map(len, listed.values()))
        table = Table(self.POOLS[pool], max(len(self.tables[pool]), count))
        self._empty(pool, table)
        start = 0
        for chain, rows in listed.items():
            self.row[chain] = linked(table.rows, start, rows)
            start += len(rows)
        self.row[pool]["taken"] = self.row[pool]["used"] = count
        self._index_pool(pool)

    def _empty(self, pool: str, table: Table) -> None:
        """Give a pool its rows, none of which is taken."""
        self.row[pool] = (0, 0, -1, 0, 0)
        self.put(pool, table)
        for chain, each in self.CHAINS.items():
            if each == pool:
                self.row[chain] = EMPTY_CHAIN
        self._index_pool(pool)

    def _index_pool(self, pool: str) -> None:
        """An index with room for all rows, of those that chains have."""
        index = Table(ENTRY, slots_for(len(self.tables[pool])))
        self.tables[f"{pool}_index"] = index
        self.row[pool]["index"] = index.address
        places = self.taken(pool)
        rows = self.tables[pool].rows[places]
        first, second = self.KEY_FIELDS.get(pool, ("order_id_high", "order_id_low"))
        put_all(entries_of(index), rows[first], rows[second], places)

    def taken(self, pool: str) -> Array:
        """Places of a pool's rows that are in use."""
        chains = [chain for chain, each in self.CHAINS.items() if each == pool]
        return np.concatenate([self.places(chain) for chain in chains])


@borrowing_kernel
def walk(first: Any, following: Any, found: Any) -> None:
    """The places of the chains that begin at these, one after the other, into ``found``."""
    count = 0
    for place in first:
        while place >= 0:
            found[count] = place
            count += 1
            place = following[place]


def linked(rows: Any, start: int, found: Any) -> tuple[int, int, int]:
    """Write found rows from a place on, one linked to the next; returns their CHAIN."""
    count = len(found)
    if count == 0:
        return EMPTY_CHAIN
    end = start + count
    rows[start:end] = found
    places = np.arange(start, end)
    rows["next_row"][start:end] = places + 1
    rows["previous_row"][start:end] = places - 1
    rows["next_row"][end - 1] = rows["previous_row"][start] = -1
    return start, end - 1, count
