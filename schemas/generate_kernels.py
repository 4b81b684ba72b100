"""Text of ``schemas/compiled/``: for each fixed-width record, and for depth updates, its dtype and
its Avro kernels.

A row holds each field in a fixed place:

- int i4, long i8, double f8, boolean u1, enum u1 (index of the symbol);
- id: ``<name>_high`` and ``<name>_low``, ten base-32 characters each, in i8;
- decimal: ``<name>_high`` i8 and ``<name>_low`` u8, two's complement of 128 bits;
- null: NaN in f8, the smallest int64 in i8 and in the high half of a decimal;
- order-book levels: ``first_level`` i8 and one ``<side>_count`` i4 per array, pointing into a table
  of levels.
"""

from __future__ import annotations

import re

from schemas.shapes import Field, Shape, is_levels, shapes, snake

NOTICE = "Generated from {file}.avsc by `python -m schemas.generate`; edit that, not this."

CODES = {
    "int": 0,
    "long": 1,
    "double": 2,
    "boolean": 3,
    "enum": 4,
    "id": 5,
    "decimal": 6,
    "levels": 7,
}
COLUMN = {"int": "i4", "long": "i8", "double": "f8", "boolean": "u1", "enum": "u1"}
MAX_BYTES = {"int": 5, "long": 10, "double": 8, "boolean": 1, "enum": 2, "id": 21, "decimal": 17}
LEVEL_MAX_BYTES = 20
PACKED_BYTES = {"id": 21, "boolean": 1, "enum": 9, "int": 9, "long": 9, "double": 9, "decimal": 9}
SLACK = 8


def columns(shape: Shape) -> list[tuple[str, str]]:
    """(name, NumPy type) of every column of a row."""
    found: list[tuple[str, str]] = []
    for field in shape.fields:
        if is_levels(field):
            if not any(name == "first_level" for name, _ in found):
                found.append(("first_level", "i8"))
            found.append((count_of(field), "i4"))
        elif field.kind == "id":
            found += [(f"{field.name}_high", "i8"), (f"{field.name}_low", "i8")]
        elif field.kind == "decimal":
            found += [(f"{field.name}_high", "i8"), (f"{field.name}_low", "u8")]
        else:
            found.append((field.name, COLUMN[field.kind]))
    return found


def count_of(field: Field) -> str:
    """Column with the number of levels of an array: ``bids`` has ``bid_count``."""
    return f"{field.name[:-1]}_count"


def max_bytes(shape: Shape) -> int:
    """Most bytes of one record's body without its levels, and the slack a writer needs."""
    total = sum(
        2 if is_levels(field) else MAX_BYTES[field.kind] + field.nullable for field in shape.fields
    )
    return total + sum(18 for field in shape.fields if is_levels(field)) + SLACK


def packed_bytes(shape: Shape) -> int:
    """Most bytes of one record as msgpack, without its levels."""
    return 3 + sum(5 if is_levels(field) else PACKED_BYTES[field.kind] for field in shape.fields)


def write_lines(field: Field) -> list[str]:
    """Statements that write one field of ``row``."""
    name = field.name
    value = f"row.{name}"
    if is_levels(field):
        return [
            f"at = write_levels(at, table, level, row.{count_of(field)})",
            f"level += row.{count_of(field)}",
        ]
    if field.kind == "id":
        return [f"at = write_id(at, row.{name}_high, row.{name}_low)"]
    if field.kind == "decimal":
        absent, write = (
            f"row.{name}_high == NULL",
            f"at = write_decimal(at, row.{name}_high, row.{name}_low)",
        )
        if not field.nullable:
            return [f"if {absent}:", "    return first - index - 1", write]
    elif field.kind == "double":
        absent, write = f"np.isnan({value})", f"at = write_double(at, {value})"
    elif field.kind == "boolean":
        return [f"if {value} > 1:", "    return first - index - 1", f"at = write_byte(at, {value})"]
    elif field.kind == "enum":
        width = "write_byte" if len(field.symbols) <= 64 else "write_long"
        factor = "2 * " if width == "write_byte" else ""
        return [
            f"if {value} >= {len(field.symbols)}:",
            "    return first - index - 1",
            f"at = {width}(at, {factor}{value})",
        ]
    else:
        absent, write = f"{value} == NULL", f"at = write_long(at, {value})"
    if not field.nullable:
        return [write]
    return [
        f"if {absent}:",
        "    at = write_byte(at, 0)",
        "else:",
        "    at = write_byte(at, 2)",
        f"    {write}",
    ]


def read_lines(field: Field) -> list[str]:
    """Statements that read one field into ``row``."""
    name = field.name
    if is_levels(field):
        count = count_of(field)
        return [
            f"row.{count}, at = read_levels(at, stop, table + 16 * level, table_end)",
            f"level += row.{count}",
        ]
    if field.kind == "enum":
        return [f"row.{name}, at = read_enum(at, stop, {len(field.symbols)})"]
    if field.kind == "id":
        return [f"row.{name}_high, row.{name}_low, at = read_id(at, stop)"]
    targets, null = (
        f"row.{name}",
        [f"row.{name} = {'np.nan' if field.kind == 'double' else 'NULL'}"],
    )
    if field.kind == "decimal":
        targets, null = (
            f"row.{name}_high, row.{name}_low",
            [f"row.{name}_high = NULL", f"row.{name}_low = 0"],
        )
    read = f"{targets}, at = read_{field.kind}(at, stop)"
    if not field.nullable:
        return [read]
    test = f"np.isnan(row.{name})" if field.kind == "double" else f"row.{name} == NULL"
    refused = [] if field.kind == "decimal" else [f"    if {test}:", "        at = stop + 1"]
    return [
        "present, at = read_enum(at, stop, 2)",
        "if present:",
        f"    {read}",
        *refused,
        "else:",
        *(f"    {line}" for line in null),
    ]


def indented(lines: list[str], depth: int) -> str:
    """The lines, each behind ``depth`` levels of indentation."""
    return "\n".join(" " * (4 * depth) + line for line in lines)


HEAD = '''# mypy: ignore-errors
"""Rows and bytes of {name}: {doc}

{notice}
"""

import numpy as np

from schemas import msgpack
from schemas.kernel import unlocked_kernel
from schemas.memory import address_of
from schemas.wire import (
{imports}
)

DTYPE = np.dtype(
    [
{columns}
    ],
    align=True,
)

MAX_BYTES = {max_bytes}  # of one body{without}, and the slack a writer needs
PACKED_BYTES = {packed_bytes}  # of one msgpack array{without}
{levels_constants}
# kind, nullable, offset in a row, {last_column}
FIELDS = np.array(
    [
{fields}
    ],
    np.int64,
)
'''

FIXED = '''

@unlocked_kernel
def encode(rows, first, count, body, position):
    """Write ``rows[first : first + count]`` as Avro from ``body[position]`` -> next position, -index - 1 if row ``index`` has no Avro form.

    NO_ROOM if the rows are not there or the body is shorter than ``count * MAX_BYTES``; nothing is written then.
    """
    if first < 0 or first + count > rows.size or position < 0 or body.size - position < count * MAX_BYTES:
        return NO_ROOM
    base = address_of(body)
    at = base + position
    for index in range(first, first + count):
        row = rows[index]
{writes}
    return at - base


@unlocked_kernel
def decode(body, position, end, rows, first, count, ends):
    """Read ``count`` records from ``body[position:end]`` into ``rows[first:]`` -> next position, -index - 1 if record ``index`` is malformed.

    ``ends[first + index]`` becomes the position after record ``index``. NO_ROOM if rows, ends or body are too short.
    """
    if first < 0 or first + count > rows.size or first + count > ends.size or position < 0 or end > body.size:
        return NO_ROOM
    base = address_of(body)
    at = base + position
    stop = base + end
    for index in range(first, first + count):
        row = rows[index]
{reads}
        if at > stop:
            return first - index - 1
        ends[index] = at - base
    return at - base


def rows_to_msgpack(rows, first, count, buffer, position):
    """Write rows as msgpack arrays, ``PACKED_BYTES`` free for each -> next position, or negative if a decimal exceeds 64 bits."""
    return msgpack.write_rows(FIELDS, rows.view(np.uint8), rows.itemsize, first, count, msgpack.NO_LEVELS, buffer, position)


def msgpack_to_body(buffer, position, count, body, body_position):
    """Turn ``count`` msgpack arrays into Avro, ``MAX_BYTES`` free for each -> next position, -index - 1 if record ``index`` does not fit."""
    return msgpack.write_bodies(FIELDS, buffer, position, count, body, body_position)
'''

LEVELED = '''

@unlocked_kernel
def encode(rows, first, count, levels, body, position):
    """Write ``rows[first : first + count]`` and their levels as Avro from ``body[position]`` -> next position, or -index - 1.

    Negative: row ``index`` has no Avro form. NO_ROOM if the rows are not there or the body is shorter than ``count * MAX_BYTES`` and
    ``LEVEL_MAX_BYTES`` a level; nothing is written then.
    """
    if first < 0 or first + count > rows.size or position < 0:
        return NO_ROOM
    total = 0
    for index in range(first, first + count):
        row = rows[index]
        used = np.int64(row.bid_count) + np.int64(row.ask_count)
        if row.bid_count < 0 or row.ask_count < 0 or row.first_level < 0 or row.first_level > levels.size - used:
            return first - index - 1
        total += used
    if body.size - position < count * MAX_BYTES + total * LEVEL_MAX_BYTES:
        return NO_ROOM
    base = address_of(body)
    table = address_of(levels)
    at = base + position
    for index in range(first, first + count):
        row = rows[index]
        level = row.first_level
{writes}
    return at - base


@unlocked_kernel
def decode(body, position, end, rows, first, count, ends, levels, level):
    """Read ``count`` records from ``body[position:end]`` into ``rows[first:]``, their levels into ``levels[level:]``, bids then asks.

    Returns the next position, -index - 1 if record ``index`` is malformed, NO_ROOM if a table is too short: ``most_levels`` says how
    many levels always suffice. ``ends[first + index]`` becomes the position after record ``index``.
    """
    if first < 0 or first + count > rows.size or first + count > ends.size or position < 0 or end > body.size:
        return NO_ROOM
    if level < 0 or level > levels.size:
        return NO_ROOM
    base = address_of(body)
    table = address_of(levels)
    table_end = table + 16 * levels.size
    at = base + position
    stop = base + end
    for index in range(first, first + count):
        row = rows[index]
        row.first_level = level
{reads}
        if at > stop:
            return NO_ROOM if row.bid_count < 0 or row.ask_count < 0 else first - index - 1
        ends[index] = at - base
    return at - base


def rows_to_msgpack(rows, levels, first, count, buffer, position):
    """Write rows as msgpack arrays, ``PACKED_BYTES`` and ``LEVEL_PACKED_BYTES`` a level free -> next position, or negative."""
    table = levels.view(np.int64)
    return msgpack.write_rows(FIELDS, rows.view(np.uint8), rows.itemsize, first, count, table, buffer, position)


def msgpack_to_body(buffer, position, count, body, body_position):
    """Turn ``count`` msgpack arrays into Avro, ``MAX_BYTES`` and ``LEVEL_MAX_BYTES`` a level free -> next position, or -index - 1."""
    return msgpack.write_bodies(FIELDS, buffer, position, count, body, body_position)
'''


def module(shape: Shape) -> str:
    """Text of one compiled module."""
    leveled = shape.has_levels
    writes = indented([line for field in shape.fields for line in write_lines(field)], 2)
    reads = indented([line for field in shape.fields for line in read_lines(field)], 2)
    names = ["NO_ROOM", *(["NULL"] if "NULL" in writes + reads else [])]
    names += sorted(set(re.findall(r"\b(?:read|write)_\w+(?=\()", writes + reads)))
    fields = []
    for field in shape.fields:
        kind = "levels" if is_levels(field) else field.kind
        column = {
            "levels": count_of(field),
            "id": f"{field.name}_high",
            "decimal": f"{field.name}_high",
        }.get(kind, field.name)
        last = 'DTYPE.fields["first_level"][1]' if kind == "levels" else str(len(field.symbols))
        fields.append(
            f'        [{CODES[kind]}, {int(field.nullable)}, DTYPE.fields["{column}"][1], {last}], '
            f" # {field.name}: {kind}"
        )
    constants = ""
    if leveled:
        constants = '\nLEVEL = np.dtype([("price", "i8"), ("quantity", "i8")], align=True)\n'
        constants += f"LEVEL_MAX_BYTES = {LEVEL_MAX_BYTES}\nLEVEL_PACKED_BYTES = 19\n"
    head = HEAD.format(
        name=shape.name,
        doc=shape.doc,
        notice=NOTICE.format(file=snake(shape.name)),
        imports="\n".join(f"    {name}," for name in names),
        columns="\n".join(f'        ("{name}", "{kind}"),' for name, kind in columns(shape)),
        max_bytes=max_bytes(shape),
        packed_bytes=packed_bytes(shape),
        without=" without its levels" if leveled else "",
        levels_constants=constants,
        last_column="number of symbols, or offset of first_level"
        if leveled
        else "number of symbols",
        fields="\n".join(fields),
    )
    return head + (LEVELED if leveled else FIXED).format(writes=writes, reads=reads)


def kernels() -> dict[str, str]:
    """File name and text of every compiled module."""
    init = (
        '"""Dtype and kernels of each fixed-width record, generated by `python -m '
        'schemas.generate`; read one, they are alike."""\n'
    )
    texts = {"__init__.py": init}
    texts.update(
        {
            f"{snake(shape.name)}.py": module(shape)
            for shape in shapes().values()
            if shape.fixed_width or shape.has_levels
        }
    )
    return texts
