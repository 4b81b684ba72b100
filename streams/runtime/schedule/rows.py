"""Records that Python stages emit as rows, and rows as the records that Python stages take."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import Packed, codec
from schemas.errors import ShrivenError
from streams.numeric.conversion import reader, writer
from streams.runtime.failures import BadEmission, bad_emission
from streams.runtime.schedule.output_buffer import Bodies
from streams.runtime.schedule.records import TOPIC

ROWS = 256
"""Rows of a topic's table at first."""


class Rows:
    """The table of a topic whose records are rows, and the order in which they were delivered."""

    def __init__(self, topics: Any, number: int, record: str) -> None:
        self.codec = codec(record)
        self.dtype = self.codec.dtype
        self.write = writer(record)
        self._read = reader(record)
        self._topics, self._number = topics, number
        self._words = topics.view(np.int64).data  # NumPy takes as long for a field as all else
        names = TOPIC.names or ()
        self._used, self._ordered, self._is_disordered = (
            number * len(names) + names.index(name) for name in ("used", "ordered", "is_disordered")
        )
        self._stride = self.dtype.itemsize
        self._lay_out(np.zeros(ROWS, self.dtype), np.zeros(ROWS, np.int64))

    def _lay_out(self, rows: Any, order: Any) -> None:
        self.rows, self.order, self._length = rows, order, len(rows)
        self.bytes = rows.view(np.uint8).data
        topic = self._topics[self._number]
        topic["rows"], topic["order"] = rows.ctypes.data, order.ctypes.data
        topic["length"], topic["stride"] = len(rows), self.dtype.itemsize

    def grow(self, length: int) -> None:
        """Room for at least so many rows."""
        length = max(length, 2 * len(self.rows))
        rows, order = np.zeros(length, self.dtype), np.zeros(length, np.int64)
        rows[: len(self.rows)], order[: len(self.order)] = self.rows, self.order
        self._lay_out(rows, order)

    def append(self, record: Any) -> int:
        """Write a record behind the others; its place."""
        words, used = self._words, self._used
        place: int = words[used]
        if place == self._length:
            self.grow(place + 1)
        self.write(record, self.bytes, place * self._stride)
        words[used] = place + 1
        return place

    def record(self, place: int) -> Any:
        """The record of a row."""
        return self._read(self.bytes, place * self._stride)

    def encode_into(self, bodies: Bodies) -> None:
        """Encode all that were delivered, in that order; they are no more then.

        Raises:
            BadEmission: one is not what its schema allows.
        """
        words = self._words
        count, is_disordered = words[self._ordered], words[self._is_disordered]
        words[self._used] = words[self._ordered] = words[self._is_disordered] = 0
        if not count:
            return
        rows = self.rows.take(self.order[:count]) if is_disordered else self.rows
        try:
            bodies.encode(self.codec, rows, count)
        except ShrivenError as problem:
            bad = list(self.codec.rows_to_records(rows, 0, count))
            raise bad_emission(bad, self.codec.encode_trusted, problem) from problem


def has_rows(topic: str) -> bool:
    """True if records of the topic are rows of a fixed width, of fields that convert."""
    coder = codec(topic_of(topic).record)
    if coder.dtype is None or coder.has_levels:
        return False
    try:
        writer(coder.name)
    except ValueError:
        return False
    return True


def rows_of(found: list[Any], coder: Any) -> tuple[Any, BadEmission | None]:
    """Rows of records, up to the first that its schema does not allow, and the error for that one.
    """
    try:
        packed = coder.pack_trusted(found)
        body = packed.body() if isinstance(packed, Packed) else packed
        return coder.decode_rows(body, len(found)), None
    except ShrivenError:
        good: list[Any] = []
        for record in found:
            try:
                coder.encode_trusted([record])
            except ShrivenError as problem:
                refused = bad_emission([record], coder.encode_trusted, problem)
                return coder.decode_rows(coder.encode_trusted(good), len(good)), refused
            good.append(record)
        raise


def not_allowed(record: Any, coder: Any, why: Exception) -> Exception:
    """The error for a record that is no row: its schema's where that refuses it."""
    try:
        coder.encode_trusted([record])
    except ShrivenError as problem:
        return bad_emission([record], coder.encode_trusted, problem)
    return why
