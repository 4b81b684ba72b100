"""Records of a stage in two processes: the host's are the stage's, the child has a copy of them.

A copy is made of the bytes that changed since the last one. It has the rows and places that the
stage has, so that compiled code reads the same there; addresses are the process's own. Nothing of
a copy ever comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from streams.numeric.pooled_state import PooledState
from streams.numeric.table import Table

Array = np.ndarray[Any, Any]
HEADER = "header"
Change = tuple[str, int, int, bytes]
"""Of one table: its name, its length in bytes, where the bytes begin that changed, and those."""


def _tables(state: PooledState) -> Iterator[tuple[str, Table]]:
    """Those that compiled code reads: what a stage emits is no other's to read."""
    return ((name, each) for name, each in state.tables.items() if name not in state.OUTPUT_ROWS)


class Mirror:
    """In the host: knows what the child has of a state."""

    def __init__(self, name: str, state: PooledState) -> None:
        self._name, self._state = name, state
        self._sent: dict[str, bytes] = {}

    def changes(self) -> list[Change]:
        """What the child is to be told; it is told of it."""
        state = self._state
        found: list[Change] = []
        for name, array in [(HEADER, state.header), *((n, t.rows) for n, t in _tables(state))]:
            before, now = self._sent.get(name, b""), array.tobytes()
            if now != before:
                start, end = _span(before, now)
                found.append((f"{self._name}.{name}", len(now), start, now[start:end]))
                self._sent[name] = now
        return found


def _span(before: bytes, now: bytes) -> tuple[int, int]:
    """From the first to behind the last byte that differs."""
    if len(before) != len(now):
        return 0, len(now)
    differ = np.flatnonzero(np.frombuffer(before, np.uint8) != np.frombuffer(now, np.uint8))
    return int(differ[0]), int(differ[-1]) + 1


class Copy:
    """In the child: keeps a state as the host has it.

    Args:
        own: fields of the header that stay as they are here.
    """

    def __init__(self, name: str, state: PooledState, own: tuple[str, ...]) -> None:
        self._prefix, self._state, self._own = f"{name}.", state, own
        self._received: dict[str, bytearray] = {}

    def take(self, changes: Iterable[Change]) -> None:
        """Become what the host has, whatever a strategy has noted here meanwhile."""
        for full, length, start, content in changes:
            if not full.startswith(self._prefix):
                continue
            known = self._received.setdefault(full.removeprefix(self._prefix), bytearray(length))
            if len(known) != length:
                known[:] = bytes(length)
            known[start : start + len(content)] = content
        state = self._state
        kept = {name: state.row[name].item() for name in self._own}
        for name, received in self._received.items():
            array = self._array(name, len(received))
            array.view(np.uint8)[:] = np.frombuffer(received, np.uint8)
        for name, table in _tables(state):
            self._put(name, table)
        for name, value in kept.items():
            state.row[name] = value

    def _array(self, name: str, length: int) -> Array:
        """The memory of a table, which has this length then."""
        if name == HEADER:
            return self._state.header
        table = self._state.tables[name]
        if table.rows.nbytes != length:
            table = Table(table.rows.dtype, length // table.rows.dtype.itemsize)
            self._state.tables[name] = table
        return table.rows

    def _put(self, name: str, table: Table) -> None:
        """Let the header say where a table lies here."""
        pool = name.removesuffix("_index")
        if pool != name and pool in self._state.POOLS:
            self._state.row[pool]["index"] = table.address
        else:
            self._state.put(name, table)
