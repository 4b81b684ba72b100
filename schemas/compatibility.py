"""What a schema may be, and how it may change.

``lint`` holds the rules of design section 4, each there because a reader was measured to fail
without it: fastavro and polars must read every file, and any version must read the data of any
other (FULL_TRANSITIVE). ``changes`` compares two versions in both directions, ``refusals`` a whole
history, every version with every other.

A change is allowed only if it adds a field that is null or an empty list by default, removes such a
field, appends enum symbols, moves fields, or rewrites docs. Aliases are no way to rename: an old
reader does not know them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from schemas.errors import BadData
from schemas.shapes import snake

NAMESPACE = "shrivenquant"
PRIMITIVES = ("int", "long", "double", "boolean", "string", "bytes")
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 0}
KNOWN_KEYS = {
    "record": {"type", "name", "namespace", "doc", "fields"},
    "field": {"name", "doc", "unit", "type", "default"},
    "enum": {"type", "name", "doc", "symbols", "default"},
    "array": {"type", "items"},
}

Schema = dict[str, Any]


class IncompatibleSchema(BadData):
    """A schema breaks a rule, or a change would leave data that some version cannot read."""

    code = "incompatible_schema"


def check(versions: Sequence[Schema]) -> None:
    """Raise IncompatibleSchema, listing every refusal, unless all versions (oldest first) follow
    the rules and read each other's data.
    """
    found = refusals(versions)
    if found:
        listed = "\n  ".join(found)
        raise IncompatibleSchema(
            f"{len(found)} rules of schema evolution are broken; undo the change or add a new "
            f"field instead:\n  {listed}"
        )


def refusals(versions: Sequence[Schema]) -> list[str]:
    """Every broken rule in a history of one record, oldest version first; empty if there is none.
    """
    found = [problem for version in versions for problem in lint(version)]
    for later in range(len(versions)):
        for earlier in range(later):
            found.extend(changes(versions[earlier], versions[later]))
    return list(dict.fromkeys(found))


def lint(schema: Schema) -> list[str]:
    """Every rule of design section 4 that a record schema breaks."""
    if schema.get("type") != "record":
        return [f"{schema.get('name', 'schema')}: the top of a schema file is a record"]
    found = []
    if schema.get("namespace") != NAMESPACE:
        found.append(f"{schema['name']}: namespace must be {NAMESPACE}")
    seen: set[str] = set()
    found.extend(_lint_record(schema, schema["name"], seen, top=True))
    return found


def _lint_record(schema: Schema, path: str, seen: set[str], top: bool) -> Iterator[str]:
    """Problems of a record and of everything in it. ``seen`` collects the named types of the whole
    file.
    """
    yield from _lint_name(schema, path, seen)
    yield from _lint_keys(schema, path, "record")
    names = [field["name"] for field in schema.get("fields", [])]
    if not names:
        yield f"{path}: a record has fields"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{path}.{name}: named twice"
    for field in schema.get("fields", []):
        inner = f"{path}.{field['name']}"
        yield from _lint_keys(field, inner, "field")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", field["name"]):
            yield f"{inner}: field names are snake_case"
        for key in ("doc", "unit"):
            if not str(field.get(key, "")).strip():
                yield f"{inner}: has no {key}"
        yield from _lint_type(field["type"], inner, seen, top)
        yield from _lint_default(field, inner)


def _lint_name(schema: Schema, path: str, seen: set[str]) -> Iterator[str]:
    """Problems of a named type's own name and doc."""
    name = schema.get("name", "")
    if name in seen:
        yield f"{path}: type {name} is named twice in one record"
    seen.add(name)
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
        yield f"{path}: type names are CamelCase, not {name!r}"
    if not str(schema.get("doc", "")).strip():
        yield f"{path}: type {name} has no doc"


def _lint_keys(schema: Schema, path: str, kind: str) -> Iterator[str]:
    """Keys that mean nothing to one of the readers, aliases among them."""
    for key in sorted(set(schema) - KNOWN_KEYS[kind]):
        yield f"{path}: {key!r} is not allowed in a {kind}"


def _lint_type(kind: Any, path: str, seen: set[str], top: bool) -> Iterator[str]:
    """Problems of a field's type."""
    if isinstance(kind, list):
        if len(kind) != 2 or kind[0] != "null" or isinstance(kind[1], list):
            yield f"{path}: the only union is [null, X]"
            return
        kind = kind[1]
        if isinstance(kind, dict) and kind.get("type") != "bytes":
            yield f"{path}: the X of [null, X] is a plain type or a decimal, not {kind.get('type')}"
            return
    if isinstance(kind, str):
        if kind not in PRIMITIVES:
            yield (
                f"{path}: type {kind} is not allowed; types are {', '.join(PRIMITIVES)}, "
                "decimal, enum, array of records"
            )
    elif kind.get("type") == "enum":
        if not top:
            yield (
                f"{path}: enums stand only at a record's top level, for a new symbol inside an "
                "array cannot be read"
            )
        yield from _lint_enum(kind, path, seen)
    elif kind.get("type") == "array":
        yield from _lint_keys(kind, path, "array")
        items = kind.get("items")
        if not isinstance(items, dict) or items.get("type") != "record":
            yield f"{path}: an array holds records, which can grow"
        else:
            yield from _lint_record(items, f"{path}[]", seen, top=False)
    elif kind != DECIMAL:
        yield f"{path}: type {kind.get('type')} is not allowed; a decimal is {DECIMAL}"


def _lint_enum(kind: Schema, path: str, seen: set[str]) -> Iterator[str]:
    """Problems of an enum."""
    yield from _lint_name(kind, path, seen)
    yield from _lint_keys(kind, path, "enum")
    symbols = kind.get("symbols", [])
    if not symbols or symbols[0] != "UNKNOWN" or kind.get("default") != "UNKNOWN":
        yield f"{path}: the first symbol and the default of an enum are UNKNOWN"
    if len(set(symbols)) != len(symbols) or not all(
        re.fullmatch(r"[A-Z][A-Z0-9_]*", symbol) for symbol in symbols
    ):
        yield f"{path}: symbols are unique and in capitals"


def _lint_default(field: Schema, path: str) -> Iterator[str]:
    """The only defaults are null, for every union, and the empty list, for arrays."""
    kind = field["type"]
    nullable = isinstance(kind, list)
    if nullable and ("default" not in field or field["default"] is not None):
        yield f"{path}: a [null, X] field has the default null"
    if not nullable and "default" in field:
        is_array = isinstance(kind, dict) and kind.get("type") == "array"
        if not is_array or field["default"] != []:
            yield f"{path}: the only defaults are null and []"


def changes(earlier: Schema, later: Schema) -> list[str]:
    """Why one version cannot read the other's data, in either direction; empty if both can."""
    return list(_record_changes(earlier, later, later.get("name", "")))


def _record_changes(earlier: Schema, later: Schema, path: str) -> Iterator[str]:
    for key in ("name", "namespace"):
        if earlier.get(key) != later.get(key):
            yield f"{path}: {key} changed from {earlier.get(key)} to {later.get(key)}"
    old = {field["name"]: field for field in earlier["fields"]}
    new = {field["name"]: field for field in later["fields"]}
    for name, field in old.items():
        if name not in new and "default" not in field:
            yield (
                f"{path}.{name}: removed, and it has no default: an old reader cannot read new data"
            )
    for name, field in new.items():
        if name not in old and "default" not in field:
            yield (
                f"{path}.{name}: added without default null or []: a new reader cannot read old "
                "data"
            )
        if name in old:
            yield from _field_changes(old[name], field, f"{path}.{name}")


def _field_changes(earlier: Schema, later: Schema, path: str) -> Iterator[str]:
    if earlier.get("unit") != later.get("unit"):
        yield (
            f"{path}: unit changed from {earlier.get('unit')} to {later.get('unit')}: old "
            "numbers would be misread"
        )
    if ("default" in earlier) != ("default" in later) or earlier.get("default") != later.get(
        "default"
    ):
        yield f"{path}: default changed"
    yield from _type_changes(earlier["type"], later["type"], path)


def _type_changes(earlier: Any, later: Any, path: str) -> Iterator[str]:
    if isinstance(earlier, list) != isinstance(later, list):
        yield (
            f"{path}: union {'narrowed' if isinstance(earlier, list) else 'widened'}: one of the "
            "readers meets a branch it does not know"
        )
    elif isinstance(earlier, list):
        if len(earlier) != len(later):
            yield (
                f"{path}: union {'narrowed' if len(later) < len(earlier) else 'widened'}: one of "
                "the readers meets a branch it does not know"
            )
        else:
            for old, new in zip(earlier, later, strict=True):
                yield from _type_changes(old, new, path)
    elif _kind(earlier) != _kind(later):
        yield f"{path}: type changed from {_kind(earlier)} to {_kind(later)}"
    elif _kind(earlier) == "enum":
        yield from _enum_changes(earlier, later, path)
    elif _kind(earlier) == "array":
        yield from _items_changes(earlier["items"], later["items"], path)
    elif earlier != later:
        yield f"{path}: type changed from {earlier} to {later}"


def _items_changes(earlier: Any, later: Any, path: str) -> Iterator[str]:
    if _kind(earlier) == _kind(later) == "record":
        yield from _record_changes(earlier, later, f"{path}[]")
    else:
        yield from _type_changes(earlier, later, f"{path}[]")


def _enum_changes(earlier: Schema, later: Schema, path: str) -> Iterator[str]:
    if earlier["name"] != later["name"]:
        yield f"{path}: enum renamed from {earlier['name']} to {later['name']}"
    old, new = earlier["symbols"], later["symbols"]
    removed = [symbol for symbol in old if symbol not in new]
    if removed:
        yield f"{path}: symbols removed: {', '.join(removed)}"
    elif new[: len(old)] != old:
        yield f"{path}: symbols moved: compiled code knows them by index; append new ones"
    elif len(new) > len(old) and earlier.get("default") != "UNKNOWN":
        yield f"{path}: symbols added to an enum without default: an old reader cannot read them"


def _kind(kind: Any) -> str:
    """Name of a type without its attributes."""
    return str(kind["type"]) if isinstance(kind, dict) else str(kind)


def lint_all(files: dict[str, Schema]) -> list[str]:
    """Problems of all schemas by file name: each one's own, file names, and enums or records that
    differ between files.
    """
    found = []
    enums: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for file, schema in sorted(files.items()):
        found.extend(lint(schema))
        if file != f"{snake(schema['name'])}.avsc":
            found.append(
                f"{file}: holds {schema['name']}, whose file is {snake(schema['name'])}.avsc"
            )
        for name in _record_names(schema):
            if name in names:
                found.append(f"{file}: record {name} is also in {names[name]}")
            names[name] = file
        for field in schema["fields"]:
            if _kind(field["type"]) == "enum":
                symbols = enums.setdefault(field["type"]["name"], field["type"]["symbols"])
                if symbols != field["type"]["symbols"]:
                    found.append(
                        f"{file}: enum {field['type']['name']} has other symbols elsewhere"
                    )
    return found


def _record_names(schema: Schema) -> Iterator[str]:
    """Names of a record and of the records in its arrays."""
    yield schema["name"]
    for field in schema["fields"]:
        if _kind(field["type"]) == "array" and isinstance(field["type"]["items"], dict):
            yield from _record_names(field["type"]["items"])
