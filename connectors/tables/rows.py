"""Rows of a table as text and where each field lies in it, whatever kind of file they came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from schemas.errors import WrongUse
from streams.numeric.text_fields import split_lines

Array = np.ndarray[Any, Any]

BATCH_ROWS = 1 << 17


class NotATable(WrongUse):
    """The file is no table that can be read, or an archive that holds none."""

    code = "not_a_table"


class Batch(msgspec.Struct):
    """Rows of a table.

    Attributes:
        text: UTF-8 bytes. starts, ends: by field, where each row's text lies.
        rows: start and end of each row's text, and how many columns it has: 0 for a blank one,
            -1 for one that is not whole.
        columns: how many a row must have. line: number of the first row in its file, from 1.
        unit: of the times, where the file itself says it; empty else.
        midnight: where the times are of one day, its midnight by the zone's clock, ns as if it were
            UTC; None where they count from 1970.
    """

    text: Array
    starts: dict[str, Array]
    ends: dict[str, Array]
    rows: Array
    columns: int
    line: int
    unit: str = ""
    midnight: int | None = None

    def raw(self, row: int) -> bytes:
        """The row's own text."""
        return bytes(self.text[self.rows[row, 0] : self.rows[row, 1]])

    def field(self, name: str, row: int) -> str:
        """One field's text."""
        start, end = int(self.starts[name][row]), int(self.ends[name][row])
        return bytes(self.text[start:end]).decode("utf-8", "replace")


def row_batches(
    text: Array, separator: str, places: dict[str, int], columns: int
) -> Iterator[Batch]:
    """Batches of a text of whole lines, the first of which is line 1."""
    of_column = np.full(columns, -1, np.int64)
    names = list(places)
    for number, name in enumerate(names):
        of_column[places[name]] = number
    line = 1
    done = np.zeros(2, np.int64)
    while len(text):
        starts = np.zeros((len(names), BATCH_ROWS), np.int64)
        ends, rows = np.zeros_like(starts), np.zeros((BATCH_ROWS, 3), np.int64)
        split_lines(text, ord(separator), of_column, starts, ends, rows, done)
        count = int(done[0])
        yield Batch(
            text=text,
            starts={name: starts[number, :count] for number, name in enumerate(names)},
            ends={name: ends[number, :count] for number, name in enumerate(names)},
            rows=rows[:count],
            columns=columns,
            line=line,
        )
        line += count
        text = text[int(done[1]) :]
