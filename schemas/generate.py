"""Write every generated file from the ``.avsc`` files: ``python -m schemas.generate``.

A test asserts that the committed files are what this writes, byte for byte.
"""

from __future__ import annotations

import sys
from itertools import takewhile
from pathlib import Path

from schemas.shapes import FOLDER, Field, Shape, enums, is_levels, schemas, shapes

NOTICE = "Generated from the .avsc files by `python -m schemas.generate`; edit those, not this."

FLAGS = (
    ("STALE", 1, "the book or mark behind the value is older than it may be"),
    ("GAP", 2, "records are missing before this one"),
    ("CROSSED", 4, "best bid at or above best ask"),
    ("ONE_SIDED", 8, "no bid or no ask"),
    ("LATE", 16, "event time behind the clock"),
    ("AMENDED", 32, "replaces an earlier version"),
    ("ESTIMATED_TIME", 64, "event time is not the venue's own"),
    ("OUT_OF_HOURS", 128, "outside the venue's session"),
    ("PARTIAL", 256, "the interval is not covered in full"),
    ("SYNTHETIC", 512, "filled in, not observed"),
    ("SIMULATED", 1024, "from a generated market"),
    ("OFF_TICK", 2048, "price off the tick or quantity off the lot"),
    ("FIRST_OF_SNAPSHOT", 4096, "first chunk of a book snapshot: clears the book"),
    ("LAST_OF_SNAPSHOT", 8192, "last chunk of a book snapshot: completes it"),
    ("FUTURES_CHAIN", 16384, "updates chain by previous id, the rule of futures feeds"),
    ("OVERFLOW", 32768, "a sum beyond int64, whose wide field holds it"),
)

REASONS = (
    ("NONE", "the measure is not null"),
    ("WARMING_UP", "its window is not full yet"),
    ("UNDEFINED", "its formula has no value for what was seen"),
    ("NO_TRADES", "no trade with a known aggressor, or no trade at all"),
    ("STALE_BOOK", "there was no book in sync"),
    ("NOT_GIVEN", "the settings name no parameters for it"),
)
"""Why a measure of ``md.microstructure`` is null. A record names an enum once, and these are in a
dozen of its fields: they are integers with the unit ``MeasureReason``.
"""

PYTHON_TYPES = {
    "int": "int",
    "long": "int",
    "double": "float",
    "boolean": "bool",
    "string": "str",
    "id": "str",
    "bytes": "bytes",
    "decimal": "int",
    "enum": "int",
}


def vocabulary() -> str:
    """Text of ``vocabulary.py``: an IntEnum per Avro enum, value = symbol index, the flags and the
    reasons.
    """
    lines = [
        '"""One vocabulary: every enum of the schemas, and the data-quality '
        f'flags.\n\n{NOTICE}\n"""',
        "",
        "import enum",
    ]
    docs = {
        field["type"]["name"]: field["type"]["doc"]
        for schema in schemas().values()
        for field in schema["fields"]
        if isinstance(field["type"], dict) and field["type"]["type"] == "enum"
    }
    for name, field in enums().items():
        lines += ["", "", f"class {name}(enum.IntEnum):", f'    """{docs[name]}"""', ""]
        lines += [f"    {symbol} = {index}" for index, symbol in enumerate(field.symbols)]
    lines += [
        "",
        "",
        "class Flag(enum.IntFlag):",
        '    """Data-quality bits of the ``flags`` field."""',
        "",
    ]
    lines += [f"    {name} = {value}  # {text}" for name, value, text in FLAGS]
    lines += ["", "", "class MeasureReason(enum.IntEnum):"]
    lines += ['    """Why a measure of ``md.microstructure`` is null."""', "", "    UNKNOWN = 0"]
    lines += [f"    {name} = {value}  # {text}" for value, (name, text) in enumerate(REASONS, 1)]
    return "\n".join(lines) + "\n"


def python_type(field: Field) -> str:
    """Annotation of a field in its struct."""
    if field.item is not None:
        return "list[tuple[int, int]]" if is_levels(field) else f"list[{field.item.name}]"
    return PYTHON_TYPES[field.kind] + (" | None" if field.nullable else "")


def added_fields(shape: Shape) -> set[str]:
    """Nullable fields at a record's end: they came later, and code that makes the record without
    them still does.
    """
    return {field.name for field in takewhile(lambda field: field.nullable, reversed(shape.fields))}


def struct(shape: Shape) -> list[str]:
    """Lines of one struct class."""
    lines = ["", "", f"class {shape.name}(msgspec.Struct, frozen=True, array_like=True, gc=False):"]
    lines += [f'    """{shape.doc}"""', ""]
    added = added_fields(shape)
    for field in shape.fields:
        note = (
            f"{field.enum}"
            if field.kind == "enum"
            else "(price, quantity)"
            if is_levels(field)
            else field.unit
        )
        default = " = None" if field.name in added else ""
        lines.append(f"    {field.name}: {python_type(field)}{default}  # {note}")
    return lines


def records() -> str:
    """Text of ``records.py``: one struct per record, records inside arrays before the record that
    holds them.
    """
    lines = [
        '"""One frozen struct per record, fields in schema order, units beside them.',
        "",
        "Enum fields hold the plain integer of their class in ``schemas.vocabulary``; decimals are "
        "Python integers of any size;",
        "order-book levels are (price, quantity) tuples.",
        "",
        f'{NOTICE}\n"""',
        "",
        "import msgspec",
    ]
    for shape in shapes().values():
        inner = [
            field.item for field in shape.fields if field.item is not None and not is_levels(field)
        ]
        for one in [*inner, shape]:
            lines += struct(one)
    lines += [
        "",
        "",
        "RECORDS: tuple[type[msgspec.Struct], ...] = (",
        *(f"    {name}," for name in shapes()),
        ")",
    ]
    return "\n".join(lines) + "\n"


def outputs() -> dict[Path, str]:
    """Every generated file and its text."""
    from schemas.generate_kernels import kernels

    files = {FOLDER / "vocabulary.py": vocabulary(), FOLDER / "records.py": records()}
    files.update({FOLDER / "compiled" / name: text for name, text in kernels().items()})
    return files


def main() -> int:
    """Write what changed, remove what is no longer generated, and say so."""
    files = outputs()
    (FOLDER / "compiled").mkdir(exist_ok=True)
    for path in sorted((FOLDER / "compiled").glob("*.py")):
        if path not in files:
            path.unlink()
            sys.stdout.write(f"removed {path.relative_to(FOLDER.parent)}\n")
    for path, text in files.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(FOLDER.parent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
