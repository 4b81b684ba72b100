"""Topics of a user's own stages: the catalogue knows them while a run, or a reader, needs them.

A topic ``user.spread`` holds records named ``UserSpread``; a reader's handler is
``on_user_spread``. No record of ours has a name that begins so. :func:`register` makes one known to
everything that asks the catalogue, the codecs and the shapes; :func:`scope` forgets at its end what
became known inside, so that nothing of one run is left for the next in the same process.

Two kinds of knowledge: what a stage of this run *declares* holds until the scope ends; what a
folder's files say (``is_found``) gives way to a declaration and to the next folder. A folder
written with another version of a declared schema is read as topics of other versions are
(``streams/log/older.py``).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from schemas import catalogue, records, shapes
from schemas.catalogue import Topic
from schemas.compatibility import lint
from schemas.errors import ShrivenError, WrongUse
from schemas.forgetting import forget_all
from schemas.shapes import Field, Shape, shape_of, snake

PREFIX = "user."
RECORD_PREFIX = "User"
EVENT_TIME = "event_time"
TYPES: dict[str, type[Any]] = {
    "int": int,
    "long": int,
    "double": float,
    "boolean": bool,
    "string": str,
}
"""What a field may be, and what it is in Python; ``long?`` may be null."""
_NAME = re.compile(r"user(\.[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*)")


class BadUserTopic(WrongUse):
    """A topic or a schema that a user's stage cannot have."""

    code = "bad_user_topic"


class _Known(NamedTuple):
    schema: dict[str, Any]
    is_found: bool


_KNOWN: dict[str, _Known] = {}


def is_user_topic(topic: str) -> bool:
    """True for a name that only a user's stage can write to."""
    return topic.startswith(PREFIX)


def record_name(topic: str) -> str:
    """``user.spread`` -> ``UserSpread``.

    Raises BadUserTopic for a name that no such topic can have.
    """
    found = "".join(part.capitalize() for part in re.split(r"[._]", topic))
    if not _NAME.fullmatch(topic) or len(topic) > 64 or snake(found) != topic.replace(".", "_"):
        raise BadUserTopic(
            f"{topic!r} cannot be the topic of a user's stage; write user. and a name of "
            "lower-case words "
            "of two letters or more with underscores between them, for example user.spread"
        )
    return found


def schema_of(topic: str, fields: Mapping[str, tuple[str, str, str]], doc: str) -> dict[str, Any]:
    """The Avro schema of a topic: ``event_time``, which every record begins with, and the fields,
    each as (type, unit, doc).

    Raises:
        BadUserTopic: names every field that cannot be.
    """
    declared: list[dict[str, Any]] = [
        {"name": EVENT_TIME, "doc": "The clock at emission.", "unit": "ns UTC", "type": "long"}
    ]
    problems = (
        [f"{EVENT_TIME} is there already: the stage writes it itself"]
        if EVENT_TIME in fields
        else []
    )
    for name, (kind, unit, text) in fields.items():
        plain = kind.removesuffix("?")
        if plain not in TYPES:
            problems.append(
                f"{name}: type {kind} is not one of {', '.join(TYPES)}, each with ? where it may "
                "be null"
            )
        field: dict[str, Any] = {"name": name, "doc": text, "unit": unit, "type": plain}
        declared.append(
            field if plain == kind else field | {"type": ["null", plain], "default": None}
        )
    schema = {
        "type": "record",
        "name": record_name(topic),
        "namespace": "shrivenquant",
        "doc": doc,
        "fields": declared,
    }
    problems += [] if problems else lint(schema)
    if problems:
        raise BadUserTopic(
            f"the records of {topic}: {'; '.join(problems)}; correct FIELDS, or the text of the "
            "class"
        )
    return schema


def register(topic: str, schema: Mapping[str, Any], is_found: bool = False) -> None:
    """Make a topic known. What a folder says changes nothing that a stage declares.

    Raises:
        BadUserTopic: the schema is not one that :func:`schema_of` makes for the topic.
    """
    known = _KNOWN.get(topic)
    if known is not None and is_found and not known.is_found:
        return
    shape = _shape_of(topic, schema)
    content = dict(schema)
    if known is not None and known.schema == content:
        _KNOWN[topic] = _Known(content, is_found)
        return
    _forget(topic)
    _KNOWN[topic] = _Known(content, is_found)
    shapes.schemas()[shape.name] = content
    shapes.shapes()[shape.name] = shape
    setattr(records, shape.name, _struct_of(shape))
    catalogue.TOPICS[topic] = _entry(topic, shape)
    forget_all()


def schema_fact(topic: str) -> dict[str, Any]:
    """What a genesis record says of a user's topic besides: who reads it has not the stage."""
    known = _KNOWN.get(topic)
    return {} if known is None else {"schema": known.schema}


def _shape_of(topic: str, schema: Any) -> Shape:
    """Its fields. Raises BadUserTopic: it may come from anywhere, and is none of a stage's."""
    try:
        if not isinstance(schema, dict):
            raise TypeError(f"{type(schema).__name__} in place of a record")
        problems = lint(schema)
        shape = shape_of(schema)
    except (KeyError, TypeError, ValueError, AttributeError, ShrivenError) as problem:
        raise BadUserTopic(f"the schema of {topic} is none: {problem!r:.100}") from problem
    first, kinds = shape.fields[0], {field.kind for field in shape.fields}
    if (
        problems
        or shape.name != record_name(topic)
        or (first.name, first.kind, first.nullable) != (EVENT_TIME, "long", False)
        or not kinds <= TYPES.keys()
    ):
        why = f": {problems[0]}" if problems else ""
        raise BadUserTopic(
            f"the schema of {topic} is not one that a stage of this version has{why}"
        )
    return shape


@contextlib.contextmanager
def scope() -> Iterator[None]:
    """Forget at the end what became known inside, and know again what was known before."""
    before = dict(_KNOWN)
    try:
        yield
    finally:
        for topic in [each for each, known in _KNOWN.items() if before.get(each) != known]:
            _forget(topic)
        for topic, known in before.items():
            register(topic, known.schema, known.is_found)


def _forget(topic: str) -> None:
    if _KNOWN.pop(topic, None) is None:
        return
    name = record_name(topic)
    del shapes.schemas()[name], shapes.shapes()[name], catalogue.TOPICS[topic]
    delattr(records, name)
    forget_all()


def _entry(topic: str, shape: Shape) -> Topic:
    second = shape.fields[1]
    key = (
        second.name
        if second.name in ("instrument", "account")
        and second.kind in ("int", "long")
        and not second.nullable
        else ""
    )
    return Topic(topic, shape.name, key, "user", len(catalogue.TOPICS), "user", True, None)


def _struct_of(shape: Shape) -> type[Any]:
    fields = [(field.name, _python_type(field)) for field in shape.fields]
    return msgspec.defstruct(
        shape.name,
        fields,
        frozen=True,
        array_like=True,
        gc=False,
        module=records.__name__,
        namespace={"__doc__": shape.doc},
    )


def _python_type(field: Field) -> Any:
    kind = TYPES[field.kind]
    return kind | None if field.nullable else kind
