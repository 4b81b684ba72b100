"""Records to Avro bytes and back: ``codec("Quote")``.

Three forms of the same records, and a compiled path between each two:

- a *body*: Avro bytes of records, one behind the other, as a block of the log holds them;
- *rows*: a structured NumPy array, what kernels read and write (plus a table of levels for depth
  updates);
- *records*: frozen structs of ``schemas.records``, what ledgers and strategies read and write.

Records without a fixed width (text, bytes, nested lists) have no rows and go through fastavro,
which is also the oracle of the others.
"""

from __future__ import annotations

import functools
import importlib
import struct
from collections.abc import Sequence
from typing import Any

import fastavro
import msgspec
import numpy as np

from schemas import records
from schemas.errors import WrongUse
from schemas.forgetting import forgettable
from schemas.general import BadRecord, GeneralCodec, MalformedRecord
from schemas.msgpack import NO_LEVELS as NO_WORDS
from schemas.msgpack import write_rows
from schemas.shapes import schemas, shapes, snake
from schemas.walk import walk
from schemas.wire import NO_ROOM, most_levels

Array = np.ndarray[Any, Any]

LEVEL = np.dtype([("price", "i8"), ("quantity", "i8")], align=True)
NO_LEVELS = np.zeros(0, LEVEL)
FEW = 8
OF_USERS = "User"
"""Records of users' own topics are named so (``user_topics.py``)."""
_PACKER = msgspec.msgpack.Encoder()


class UnknownRecord(WrongUse):
    """A record name without a schema."""

    code = "unknown_record"


class NoRows(WrongUse):
    """Rows were asked of a record that has no fixed width."""

    code = "no_rows"


def _bytes_of(body: Any) -> Array:
    """Bytes-like or uint8 array as a read-only uint8 array: one type, so that kernels compile once.
    """
    array: Array = np.frombuffer(body, np.uint8) if len(body) else np.zeros(0, np.uint8)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


class Packed:
    """Structs on their way to a body.

    Attributes:
        codec: of their record.
        packed: msgpack of them all.
        count: how many they are.
    """

    __slots__ = ("codec", "count", "packed")

    def __init__(self, codec: Codec, packed: bytes, count: int) -> None:
        self.codec = codec
        self.packed = packed
        self.count = count

    def body(self) -> bytes:
        """Their body. Raises BadRecord, naming the field, if a value is not of the schema."""
        return self.codec._body_of(self.packed, self.count)

    def records(self) -> list[Any]:
        """Structs of the same values again."""
        return [self.codec.record(*values) for values in msgspec.msgpack.decode(self.packed)]


class Codec:
    """Bytes, rows and structs of one record type.

    Attributes:
        name: record name.
        record: its struct class.
        schema: the schema as JSON data.
        fingerprint: SHA-256 of the schema's parsing canonical form.
        dtype: dtype of a row; None without a fixed width.
        has_levels: True for depth updates, whose rows come with a table of levels.
    """

    def __init__(self, name: str) -> None:
        shape = shapes().get(name)
        if shape is None:
            raise UnknownRecord(f"no record is named {name!r}; records are {', '.join(shapes())}")
        self.name = name
        self.record: type[Any] = getattr(records, name)
        self.schema = schemas()[name]
        canonical = fastavro.schema.to_parsing_canonical_form(self.schema)
        self.fingerprint = bytes.fromhex(fastavro.schema.fingerprint(canonical, "SHA-256"))
        self.has_levels = shape.has_levels
        self._general = GeneralCodec(shape, self.schema)
        self._compiled: Any = None
        self._small: Any = None
        self.dtype: Any = None
        is_compiled = not name.startswith(OF_USERS)  # nothing is compiled for theirs
        if (shape.fixed_width or shape.has_levels) and is_compiled:
            self._compiled = importlib.import_module(f"schemas.compiled.{snake(name)}")
            self.dtype = self._compiled.DTYPE
        self._shape = shape
        self._reader = msgspec.msgpack.Decoder(list[self.record])  # type: ignore[name-defined]
        self._values = self._make_values()

    def __repr__(self) -> str:
        return f"Codec({self.name}, {self.fingerprint.hex()[:16]})"

    def encode_rows(
        self, rows: Array, count: int | None = None, levels: Array = NO_LEVELS
    ) -> Array:
        """Body of the first ``count`` rows as a uint8 array. Raises NoRows, BadRecord for a row
        without an Avro form.
        """
        compiled = self._rows_of()
        count = len(rows) if count is None else count
        rows = np.ascontiguousarray(rows)
        if not self.has_levels:
            body = np.empty(self.room_for(count), np.uint8)
            return body[: self.encode_onto(rows, count, body, 0)]
        sides = rows["bid_count"][:count], rows["ask_count"][:count]
        total = sum(int(each.sum(dtype=np.int64)) for each in sides)
        room = self.room_for(count) + max(total, 0) * compiled.LEVEL_MAX_BYTES
        body = np.empty(room, np.uint8)
        end = compiled.encode(rows, 0, count, levels, body, 0)
        return body[: self._encoded_end(end, rows, count)]

    def room_for(self, count: int) -> int:
        """Bytes that must be free for ``encode_onto``. Raises NoRows."""
        room: int = count * self._rows_of().MAX_BYTES
        return room

    def encode_onto(self, rows: Array, count: int, body: Array, position: int) -> int:
        """Write the first ``count`` rows, which have no levels and are contiguous, from
        ``body[position]`` on; the position behind them. Raises NoRows, BadRecord for a row without
        an Avro form.
        """
        end = self._rows_of().encode(rows, 0, count, body, position)
        return self._encoded_end(end, rows, count)

    def _encoded_end(self, end: int, rows: Array, count: int) -> int:
        """The position that an encoder returned. Raises WrongUse, BadRecord for what is none."""
        if end == NO_ROOM:
            there = f"{count} rows of {self.name} were asked for, {len(rows)} are there"
            raise WrongUse(f"{there}; pass a count that fits")
        if end < 0:
            wrong = "an enum, boolean, null or level range outside its schema"
            row = -end - 1
            raise BadRecord(f"row {row} of {self.name} has {wrong}: {rows[row]}")
        return end

    def decode_with_ends(self, body: Any, count: int) -> tuple[Array, Array, Array]:
        """(rows, levels, position after each record) of a whole body. Raises NoRows,
        MalformedRecord.
        """
        compiled = self._rows_of()
        source = _bytes_of(body)
        rows = np.zeros(count, compiled.DTYPE)
        ends = np.empty(count, np.int64)
        levels = NO_LEVELS
        if self.has_levels:
            levels = np.empty(most_levels(source), LEVEL)
            end = compiled.decode(source, 0, len(source), rows, 0, count, ends, levels, 0)
            # a corrupt count: with room for the most that any count may claim, the record is found
            if end == NO_ROOM:
                end = compiled.decode(
                    source,
                    0,
                    len(source),
                    rows,
                    0,
                    count,
                    ends,
                    np.empty(len(source) // 2, LEVEL),
                    0,
                )
        else:
            end = compiled.decode(source, 0, len(source), rows, 0, count, ends)
        if end < 0:
            raise MalformedRecord(self.name, -end - 1)
        if end != len(source):
            raise MalformedRecord(
                self.name, count, f"{len(source) - end} bytes follow the last record"
            )
        if self.has_levels and count:
            last = rows[-1]
            levels = levels[
                : int(last["first_level"]) + int(last["bid_count"]) + int(last["ask_count"])
            ]
        return rows, levels, ends

    def decode_into(
        self,
        body: Array,
        position: int,
        end: int,
        rows: Array,
        first: int,
        count: int,
        ends: Array,
        levels: Array = NO_LEVELS,
        first_level: int = 0,
    ) -> None:
        """Decode ``body[position:end]`` into ``rows[first : first + count]`` and, for depth
        updates, ``levels[first_level:]``.

        ``levels`` needs room for ``(end - position) // 2``. ``ends`` takes the position in ``body``
        after each record. Raises NoRows, MalformedRecord, WrongUse if a table is too short.
        """
        compiled = self._rows_of()
        source = _bytes_of(body)
        if self.has_levels:
            reached = compiled.decode(
                source, position, end, rows, first, count, ends, levels, first_level
            )
        else:
            reached = compiled.decode(source, position, end, rows, first, count, ends)
        if reached == NO_ROOM:
            raise WrongUse(
                f"{count} rows of {self.name} do not fit behind {first} of {len(rows)}; pass "
                "longer tables"
            )
        if reached < 0:
            raise MalformedRecord(self.name, -reached - 1)
        if reached != end:
            raise MalformedRecord(self.name, count, f"{end - reached} bytes follow the last record")

    def decode_rows(self, body: Any, count: int) -> Any:
        """Rows of a whole body, for depth updates (rows, levels). Raises NoRows, MalformedRecord.
        """
        rows, levels, _ = self.decode_with_ends(body, count)
        return (rows, levels) if self.has_levels else rows

    def record_ends(self, body: Any, count: int) -> Array:
        """Position after each record of a whole body, int64. Raises MalformedRecord."""
        if self._compiled is None:
            return np.array(self._general.decode(bytes(body), count)[1], np.int64)
        return self.decode_with_ends(body, count)[2]

    def end_of(self, body: Any, count: int) -> int:
        """Position after the first ``count`` records of a body; what their values are is not looked
        at. Raises MalformedRecord.
        """
        if self._compiled is None:
            ends = self._general.decode(bytes(body), count, is_whole=False)[1]
            return ends[-1] if ends else 0
        end, _ = self._walk(body, count, ())
        if end < 0:
            raise MalformedRecord(self.name, -end - 1)
        return end

    def has_integers(self, names: Sequence[str]) -> bool:
        """True if each of these fields is an int or a long, and never null."""
        kinds = {field.name: (field.kind, field.nullable) for field in self._shape.fields}
        return self._compiled is not None and all(
            kinds[name] in (("int", False), ("long", False)) for name in names
        )

    def integer_columns(self, body: Any, count: int, names: Sequence[str]) -> dict[str, Array]:
        """The named columns of a whole body, int64. Raises NoRows, MalformedRecord.

        Args:
            names: of fields of which ``has_integers`` holds.
        """
        self._rows_of()
        end, columns = self._walk(body, count, names)
        if end != len(body):
            raise MalformedRecord(self.name, 0, f"{len(body)} bytes are no {count} records")
        return dict(zip(names, columns, strict=True))

    def _walk(self, body: Any, count: int, names: Sequence[str]) -> tuple[int, Array]:
        """(position after the first ``count`` records or -index - 1, the named columns)."""
        places = np.full(len(self._shape.fields), -1, np.int64)
        order = [field.name for field in self._shape.fields]
        for row, name in enumerate(names):
            places[order.index(name)] = row
        columns = np.empty((len(names), count if names else 0), np.int64)
        return int(walk(self._compiled.FIELDS, _bytes_of(body), count, places, columns)), columns

    def encode_records(self, found: Sequence[Any]) -> bytes:
        """Body of the structs. Raises BadRecord, naming the field, if a value is not of the schema.
        """
        found = found if isinstance(found, list) else list(found)
        for kind in set(map(type, found)) - {self.record}:
            raise BadRecord(
                f"a {kind.__name__} was handed to the codec of {self.name}; use "
                f"codec({kind.__name__!r})"
            )
        return self.encode_trusted(found)

    def encode_trusted(self, found: list[Any]) -> bytes:
        """The same for structs that are known to be of this record's class."""
        packed = self.pack_trusted(found)
        return packed.body() if isinstance(packed, Packed) else packed

    def pack_trusted(self, found: list[Any]) -> Packed | bytes:
        """The first half of ``encode_trusted``: the body, or where the compiled path serves, what
        another thread can make it of.
        """
        if self._compiled is None or not found:
            return self._general.encode(found)
        try:
            return Packed(self, _PACKER.encode(found), len(found))
        except (OverflowError, TypeError):
            return self._general.encode(found)

    def _body_of(self, packed: bytes, count: int) -> bytes:
        """Body of packed structs. Raises BadRecord."""
        compiled = self._rows_of()
        source = np.frombuffer(packed, np.uint8)
        levels = len(packed) // 3 * compiled.LEVEL_MAX_BYTES if self.has_levels else 0
        body = np.empty(count * compiled.MAX_BYTES + levels, np.uint8)
        end = compiled.msgpack_to_body(
            source, 1 if count < 16 else 3 if count < 65536 else 5, count, body, 0
        )
        if end < 0:
            return self._general.encode(
                [self.record(*values) for values in msgspec.msgpack.decode(packed)]
            )
        return body[:end].tobytes()

    def rows_to_records(
        self, rows: Array, first: int = 0, count: int | None = None, levels: Array = NO_LEVELS
    ) -> list[Any]:
        """Structs of ``rows[first : first + count]``. Raises NoRows, WrongUse if the rows are not
        there.
        """
        compiled = self._rows_of()
        count = len(rows) - first if count is None else count
        if first < 0 or count < 0 or first + count > len(rows):
            raise WrongUse(
                f"rows {first} to {first + count} of {self.name} were asked for, {len(rows)} are "
                "there; pass a range that fits"
            )
        rows = rows[first : first + count]
        if not rows.flags.c_contiguous:
            rows = np.ascontiguousarray(rows)
        if self.has_levels:
            return self._leveled_records(rows, levels)
        if count <= FEW:
            return self._few_records(rows, count)
        buffer = np.empty(5 + count * compiled.PACKED_BYTES + 8, np.uint8)
        end = compiled.rows_to_msgpack(rows, 0, count, buffer, 5)
        return self._unpacked(buffer, end, rows, levels)

    def row_to_record(self, rows: Array, place: int) -> Any:
        """Struct of one row. Raises NoRows, WrongUse if the row is not there."""
        if self._values is not None and 0 <= place < len(rows):
            return self.record(*self._values.unpack_from(rows, place * self._values.size))  # type: ignore[arg-type]  # an array is a buffer
        return self.rows_to_records(rows, place, 1)[0]

    def _make_values(self) -> struct.Struct | None:
        """What reads a row's values in order, if they are the record's fields, one by one: integers
        and floats.
        """
        fields = msgspec.structs.fields(self.record)
        if self.dtype is None or self.dtype.names != tuple(field.name for field in fields):
            return None
        kinds = {int: "iu", float: "f"}
        if not all(self.dtype[field.name].kind in kinds.get(field.type, "") for field in fields):
            return None
        text, end = "=", 0
        for name in self.dtype.names:
            kind, at = self.dtype.fields[name]
            # eight bytes to NumPy, four to struct
            text += f"{at - end}x{kind.char.replace('l', 'q').replace('L', 'Q')}"
            end = at + kind.itemsize
        return struct.Struct(f"{text}{self.dtype.itemsize - end}x")

    def _few_records(self, rows: Array, count: int) -> list[Any]:
        """Structs of a few rows through a buffer that is kept: what one event costs matters more
        than what a thousand do.
        """
        compiled = self._compiled
        if self._small is None:
            self._small = np.zeros(1 + FEW * compiled.PACKED_BYTES + 8, np.uint8)
            self._small_view = memoryview(self._small)
        end = write_rows(
            compiled.FIELDS, rows.view(np.uint8), rows.itemsize, 0, count, NO_WORDS, self._small, 1
        )
        if end < 0:
            return self._unpacked(self._small, end, rows, NO_LEVELS)
        self._small[0] = 0x90 | count
        decoded: list[Any] = self._reader.decode(self._small_view[:end])
        return decoded

    def _leveled_records(self, rows: Array, levels: Array) -> list[Any]:
        """Structs of depth rows and their table of levels."""
        compiled = self._compiled
        used = rows["bid_count"].astype(np.int64) + rows["ask_count"]
        if len(rows) and (
            int(used.min()) < 0
            or int(rows["first_level"].min()) < 0
            or int((rows["first_level"] + used).max()) > len(levels)
        ):
            raise WrongUse(
                f"rows of {self.name} point outside their table of {len(levels)} levels; pass the "
                "table they were decoded with"
            )
        size = (
            5
            + len(rows) * compiled.PACKED_BYTES
            + int(used.sum()) * compiled.LEVEL_PACKED_BYTES
            + 8
        )
        buffer = np.empty(size, np.uint8)
        end = compiled.rows_to_msgpack(rows, levels, 0, len(rows), buffer, 5)
        return self._unpacked(buffer, end, rows, levels)

    def _unpacked(self, buffer: Array, end: int, rows: Array, levels: Array) -> list[Any]:
        """Structs from packed rows; through the body where a decimal is wider than msgpack's
        integers.
        """
        if end < 0:
            return self._general.decode(
                self.encode_rows(rows, len(rows), levels).tobytes(), len(rows)
            )[0]
        buffer[:5] = memoryview(b"\xdd" + len(rows).to_bytes(4, "big"))
        decoded: list[Any] = self._reader.decode(buffer[:end].data)
        return decoded

    def decode_records(self, body: Any, count: int) -> list[Any]:
        """Structs of a whole body. Raises MalformedRecord."""
        if self._compiled is None:
            return self._general.decode(bytes(body), count)[0]
        rows, levels, _ = self.decode_with_ends(body, count)
        return self.rows_to_records(rows, 0, count, levels)

    def _rows_of(self) -> Any:
        """The compiled module. Raises NoRows."""
        if self._compiled is None:
            raise NoRows(
                f"{self.name} has no rows, for its width is not fixed; use encode_records and "
                "decode_records"
            )
        return self._compiled


@forgettable
@functools.cache
def codec(name: str) -> Codec:
    """The codec of a record type, by record name. Raises UnknownRecord."""
    return Codec(name)
