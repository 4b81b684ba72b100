"""Owns the records of a compiled stage: allocates header, tables and index, lets tables grow, and
gives and takes the snapshot.

A stage's subclass says what the records are. Rows are never removed; what is in use of a table
``x`` is the header's field ``x_used``, and its address the field ``x``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec
import numpy as np

from schemas.errors import BadData
from streams.numeric.deadlines import NO_TIMER
from streams.numeric.index import ENTRY, put, slots_for
from streams.numeric.table import Table, table_at


class BadState(BadData):
    """Bytes that are no state of this stage, as this version writes it."""

    code = "bad_state"


class Snapshot(msgspec.Struct, array_like=True, frozen=True):
    """The state in canonical form: the header's state fields, and the bytes of the rows in use."""

    header: list[int]
    tables: list[bytes]


class StageState:
    """The records of one stage.

    Attributes:
        header: an array of one record; ``row`` is it.
        tables: by name, the index among them.
        outputs: an array of one record that says where handlers write what they emit; ``out`` is
            it. Tables of outputs are no state.

    Args:
        lengths: rows of tables at first, where they are not to be as LENGTHS says.
    """

    NAME: ClassVar[str]
    HEADER: ClassVar[Any]
    STATE_FIELDS: ClassVar[tuple[str, ...]]
    """fields of the header that are state: the others are settings, faults, addresses"""
    ROWS: ClassVar[Mapping[str, Any]]
    """record type of each table that is state"""
    LENGTHS: ClassVar[Mapping[str, int]]
    KEYS: ClassVar[Mapping[str, Callable[[Any], tuple[int, int]]]]
    """of a row of each table that the index finds rows of: its key"""
    OUTPUTS: ClassVar[Any] = np.dtype([])
    """record type of the outputs: of each the address of its table, and the rows used of it"""
    OUTPUT_ROWS: ClassVar[Mapping[str, Any]] = {}
    """record type of each table of an output; ``LENGTHS`` has its rows at first"""

    def __init__(self, lengths: Mapping[str, int] | None = None) -> None:
        self.header = np.zeros(1, self.HEADER)
        self.row = self.header[0]
        self.outputs = np.zeros(1, self.OUTPUTS)
        self.out = self.outputs[0]
        self.tables: dict[str, Table] = {}
        kinds = {**self.ROWS, **self.OUTPUT_ROWS}
        for name, length in {**self.LENGTHS, **(lengths or {})}.items():
            if name in kinds:
                self.put(name, Table(kinds[name], length))
        self._build_index()

    def put(self, name: str, table: Table) -> None:
        """Make a table the one of this name."""
        self.tables[name] = table
        (self.out if name in self.OUTPUT_ROWS else self.row)[name] = table.address

    @property
    def timer(self) -> int:
        """Deadline of the header's timer; never where it has none."""
        return int(self.row["timer"]) if "timer" in self.HEADER.names else NO_TIMER

    def used(self, name: str) -> int:
        """Rows in use of a table."""
        return int(self.row[f"{name}_used"])

    def used_rows(self, name: str) -> Any:
        """The rows in use of a table."""
        return self.tables[name].rows[: self.used(name)]

    def take_fault(self) -> dict[str, int]:
        """Entity, value and limit of the fault that a handler has left, which is none any more."""
        fault = self.row["fault"]
        fault["code"] = 0
        return {name: int(fault[name]) for name in ("entity", "value", "limit")}

    def grow(self, name: str, length: int = 0) -> None:
        """Twice the rows, or so many; the index grows with the tables it finds rows of."""
        table = self.tables[name]
        self.put(name, table.grown(max(2 * len(table), length, 1)))
        if name in self.KEYS:
            self._build_index()

    def _build_index(self) -> None:
        """An index with room for every row that the tables have, of those in use."""
        names = [name for name in self.KEYS if name in self.ROWS]
        if not names:
            return
        self.put("index", Table(ENTRY, slots_for(sum(len(self.tables[name]) for name in names))))
        entries = entries_of(self.tables["index"])
        for name in names:
            for place, row in enumerate(self.used_rows(name)):
                put(entries, *self.KEYS[name](row), place)

    def encoded(self) -> bytes:
        """The state in canonical form: equal states have equal bytes, whatever the lengths are."""
        header = [int(self.row[name]) for name in self.STATE_FIELDS]
        return msgspec.msgpack.encode(Snapshot(header, list(self.contents().values())))

    def take(self, encoded: bytes) -> None:
        """Become what ``encoded`` says. Raises BadState, with nothing changed."""
        not_ours = f"the state of {self.NAME} is not of the form that this version writes"
        try:
            found = msgspec.msgpack.decode(encoded, type=Snapshot)
        except msgspec.DecodeError as problem:
            raise BadState(f"{not_ours}: {problem}") from problem
        names = list(self.contents())
        if len(found.header) != len(self.STATE_FIELDS) or len(found.tables) != len(names):
            raise BadState(f"{not_ours}: it has other parts")
        values = dict(zip(self.STATE_FIELDS, found.header, strict=True))
        contents = dict(zip(names, found.tables, strict=True))
        if not all(self.is_whole(name, contents, values) for name in names):
            raise BadState(f"{not_ours}: its lengths do not agree")
        for name, value in values.items():
            self.row[name] = value
        self.take_contents(contents)

    # -- parts of the snapshot, by name

    def contents(self) -> dict[str, bytes]:
        """What the snapshot has beside the header: of each table the rows in use."""
        return {name: self.used_rows(name).tobytes() for name in self.ROWS}

    def is_whole(
        self, name: str, contents: Mapping[str, bytes], values: Mapping[str, int]
    ) -> bool:
        """True if a part has the rows that the header's fields, or other parts, say."""
        return len(contents[name]) == values[f"{name}_used"] * int(self.ROWS[name].itemsize)

    def take_contents(self, contents: Mapping[str, bytes]) -> None:
        """Make these parts the state's; the header has its fields already."""
        for name, dtype in self.ROWS.items():
            rows = np.frombuffer(contents[name], dtype)
            table = Table(dtype, max(len(self.tables[name]), len(rows)))
            table.rows[: len(rows)] = rows
            self.put(name, table)
        self._build_index()


def entries_of(index: Table) -> Any:
    """An index as ``put`` takes it: compiled code the array, plain Python a view of it."""
    return index.rows if hasattr(put, "py_func") else table_at(index.address, ENTRY)
