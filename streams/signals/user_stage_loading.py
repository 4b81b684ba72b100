"""Users' own stages by file: a declaration is read without executing it, a class is imported.

``spread.py:Spread`` names a class; ``spread.py`` the only class of the file that has a ``TOPIC``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from schemas.errors import WrongUse
from schemas.user_topics import schema_of
from streams.signals.catalogue import UnknownStrategy, read_sources
from streams.signals.loading import import_strategy
from streams.signals.sources import StrategySources
from streams.signals.user_stage import Stage


class BadUserStage(WrongUse):
    """A user's stage that cannot be used: its declaration, its name, or what it reads."""

    code = "bad_user_stage"


class Declaration(NamedTuple):
    """What a stage's file says of it.

    Attributes:
        cls: name of the class.
        topic: the topic that it writes.
        fields: name -> (type, unit, doc).
        schema: of its records.
    """

    cls: str
    topic: str
    fields: dict[str, tuple[str, str, str]]
    schema: dict[str, Any]


def split_name(name: str) -> tuple[Path, str]:
    """(file, class) of ``FILE.py:CLASS``; without a class it is empty. Raises BadUserStage."""
    file, _, cls = (name, "", "") if name.endswith(".py") else name.rpartition(":")
    if not file.endswith(".py"):
        raise BadUserStage(f"{name!r} names no stage; write a file and its class: spread.py:Spread")
    return Path(file), cls


def stage_sources(name: str) -> StrategySources:
    """The files of a stage. Raises BadUserStage, UnusableArtefact."""
    try:
        return read_sources(split_name(name)[0])
    except UnknownStrategy as problem:
        raise BadUserStage(
            f"stage {name}: {problem.text.replace('strategy file', 'the file')}"
        ) from problem


def declaration_of(name: str, main: Path) -> Declaration:
    """What the class that ``name`` means declares, read from the text of its file.

    Raises:
        BadUserStage: there is no such class, or TOPIC and FIELDS are not written out.
        BadUserTopic: they cannot be.
    """
    wanted = split_name(name)[1]
    try:
        tree = ast.parse(main.read_bytes())
    except (SyntaxError, ValueError) as problem:
        raise BadUserStage(
            f"stage {name}: the file is no Python: {problem}; correct it"
        ) from problem
    found = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and "TOPIC" in _assigned(node)
    }
    if not wanted and len(found) != 1:
        raise BadUserStage(
            f"stage {name}: the file has {', '.join(found) or 'no class with a TOPIC'}; name one: "
            f"{main.name}:CLASS"
        )
    cls = wanted or next(iter(found))
    if cls not in found:
        raise BadUserStage(
            f"stage {name}: the file has no class {cls!r} with a TOPIC; it has: "
            f"{', '.join(found) or 'none'}"
        )
    values = _assigned(found[cls])
    topic, fields = _literal(name, cls, "TOPIC", values), _literal(name, cls, "FIELDS", values)
    if not isinstance(topic, str):
        raise BadUserStage(f'stage {name}: TOPIC is no text; write TOPIC = "user.spread"')
    if not isinstance(fields, dict) or not fields or not all(map(_is_field, fields.items())):
        raise BadUserStage(
            f'stage {name}: FIELDS is not {{"name": ("type", "unit", "what it is"), ...}}; write '
            'it so'
        )
    return Declaration(
        cls, topic, fields, schema_of(topic, fields, ast.get_docstring(found[cls]) or "")
    )


def load_stage(name: str, sources: StrategySources, declared: Declaration) -> type[Stage]:
    """The class of a stage, imported. Raises BadUserStage, UnusableStrategyFile, BadStrategy."""
    found = vars(import_strategy(sources)).get(declared.cls)
    if not (isinstance(found, type) and issubclass(found, Stage)):
        raise BadUserStage(
            f"stage {name}: {declared.cls} does not derive from streams.signals.user_stage.Stage"
        )
    if (declared.topic, declared.fields) != (found.TOPIC, dict(found.FIELDS)):
        raise BadUserStage(
            f"stage {name}: {declared.cls} has other TOPIC or FIELDS when it is imported than its "
            "text says; write them out"
        )
    return found


def in_order(stages: Mapping[str, tuple[str, Sequence[str]]]) -> list[str]:
    """Names of the stages, each behind those whose topics it reads, else in order of the names.

    Args:
        stages: name -> (topic written, topics read).

    Raises:
        BadUserStage: two write one topic, or some read each other's in a circle.
    """
    writers: dict[str, str] = {}
    for name, (topic, _) in sorted(stages.items()):
        if topic in writers:
            raise BadUserStage(
                f"stages {writers[topic]} and {name} both write {topic}; give one of them another "
                "TOPIC"
            )
        writers[topic] = name
    done: list[str] = []
    while len(done) < len(stages):
        ready = [
            name for name, (_, read) in sorted(stages.items())
            if name not in done
            and all(writers[topic] in done for topic in read if topic in writers)
        ]  # fmt: skip
        if not ready:
            left = ", ".join(sorted(stages.keys() - set(done)))
            raise BadUserStage(
                f"stages {left} read each other's topics in a circle; take one of these topics "
                "out of WAKES"
            )
        done.append(ready[0])
    return done


def _assigned(node: ast.ClassDef) -> dict[str, ast.expr]:
    """Names that a class body gives a value."""
    found: dict[str, ast.expr] = {}
    for each in node.body:
        targets = (
            each.targets
            if isinstance(each, ast.Assign)
            else [each.target]
            if isinstance(each, ast.AnnAssign)
            else []
        )
        value = each.value if isinstance(each, ast.Assign | ast.AnnAssign) else None
        found.update(
            {
                target.id: value
                for target in targets
                if isinstance(target, ast.Name) and value is not None
            }
        )
    return found


def _literal(name: str, cls: str, what: str, values: Mapping[str, ast.expr]) -> Any:
    try:
        return ast.literal_eval(values[what])
    except KeyError:
        raise BadUserStage(f"stage {name}: {cls} has no {what}; write it into the class") from None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise BadUserStage(
            f"stage {name}: {what} of {cls} is not written out; write names and texts, nothing "
            "computed"
        ) from None


def _is_field(pair: tuple[Any, Any]) -> bool:
    name, value = pair
    return (
        isinstance(name, str)
        and isinstance(value, tuple)
        and len(value) == 3
        and all(isinstance(each, str) for each in value)
    )
