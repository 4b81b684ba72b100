"""Strategies by name or file, with their parameters as text: what ``sq backtest --strategy NAME
--set KEY=VALUE`` says.

A strategy is a stage: a module with kernels, or a subclass of
``streams.signals.strategy.Strategy``. A user's own is one file: ``my_file.py:MyStrategy`` names a
class, ``my_file.py`` a kernel module (it has NAME, INPUTS, new_state and ``on_...`` functions) or
the one strategy class in it. The helpers beside the file that it imports, and the artefacts that it
declares, belong to it (``sources.py``).
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from schemas.errors import WrongUse
from streams.signals.loading import UnusableStrategyFile, import_strategy
from streams.signals.sources import StrategySources, sources_of
from streams.signals.strategy import NoSettings, Strategy

# name -> (module, class; None for a kernel module)
STRATEGIES: dict[str, tuple[str, str | None]] = {
    "ema-cross": ("streams.signals.ema_cross", None),
    "ema-cross-python": ("streams.signals.ema_cross_python", "EmaCross"),
    "noop-python": ("streams.signals.noop_python", "Noop"),
    "template": ("streams.signals.template", "BarReversal"),
}
KERNEL_MODULE = ("NAME", "INPUTS", "OUTPUTS", "RESERVE", "STATE_VERSION", "Settings", "new_state")


class UnknownStrategy(WrongUse):
    """No strategy of that name, file or class."""

    code = "unknown_strategy"


class UnknownParameter(WrongUse):
    """The strategy has no parameter of that name."""

    code = "unknown_parameter"


class BadParameter(WrongUse):
    """A parameter's value cannot be read or is out of range."""

    code = "bad_parameter"


def load_strategy(name: str, parameters: Mapping[str, str]) -> tuple[Any, Any]:
    """(stage, settings) of a strategy: the stage is a kernel module or a ``Strategy`` class,
    settings an instance of its ``Settings``.

    Raises UnknownStrategy, UnusableStrategyFile, UnknownParameter, BadParameter.
    """
    stage = find_strategy(name)
    return stage, read_settings(name, getattr(stage, "Settings", NoSettings), parameters)


def strategy_file(name: str) -> Path | None:
    """The user's file a strategy name points to, None for a built-in one."""
    file, _, _ = name.rpartition(":") if not name.endswith(".py") else (name, "", "")
    return Path(file) if file.endswith(".py") else None


def read_sources(file: Path) -> StrategySources:
    """The files of a user's strategy. Raises UnknownStrategy, UnusableArtefact."""
    try:
        return sources_of(file)
    except OSError as error:
        raise UnknownStrategy(
            f"strategy file {error.filename or file} cannot be read: {error.strerror}; give the "
            "path of a Python file"
        ) from error


def find_strategy(name: str) -> Any:
    """The stage that ``name`` stands for; the raises of ``load_strategy``."""
    file = strategy_file(name)
    if file is not None:
        return _of_file(file, "" if name.endswith(".py") else name.rpartition(":")[2])
    if name not in STRATEGIES:
        near = difflib.get_close_matches(name, STRATEGIES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UnknownStrategy(
            f"there is no strategy {name!r}; {hint}known: {', '.join(STRATEGIES)}, or a file: "
            "my_file.py:MyStrategy"
        )
    module, attribute = STRATEGIES[name]
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def read_settings(name: str, settings: type[Any], parameters: Mapping[str, str]) -> Any:
    """Settings from text values; bounds and types are the settings struct's own. Raises
    UnknownParameter, BadParameter.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(settings)}
    values: dict[str, Any] = {}
    for key, text in parameters.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UnknownParameter(
                f"strategy {name} has no parameter {key!r}; {hint}it has: "
                f"{', '.join(fields) or 'none'}"
            )
        try:
            values[key] = msgspec.convert(text, fields[key].type, strict=False)
        except msgspec.ValidationError as error:
            raise BadParameter(
                f"parameter {key} of strategy {name}: {text!r} does not fit: {error}"
            ) from error
    try:
        return msgspec.convert(values, settings, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise BadParameter(f"parameters of strategy {name}: {error}") from error


def _of_file(path: Path, attribute: str) -> Any:
    """The class ``attribute`` of a user's file, or its kernel module or only strategy class when no
    class is named.
    """
    return strategy_of(import_strategy(read_sources(path)), path, attribute)


def strategy_of(module: ModuleType, path: Path, attribute: str) -> Any:
    """The class ``attribute`` of an imported file, or what ``_of_file`` says. Raises
    UnknownStrategy.
    """
    classes = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, Strategy)
        and value is not Strategy
        and value.__module__ == module.__name__
    }
    if attribute:
        if attribute in classes:
            return classes[attribute]
        near = difflib.get_close_matches(attribute, classes, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UnknownStrategy(
            f"{path} has no strategy class {attribute!r}; {hint}it has: "
            f"{', '.join(classes) or 'none'} (a strategy class derives from "
            "streams.signals.strategy.Strategy)"
        )
    missing = [key for key in KERNEL_MODULE if not hasattr(module, key)]
    if not missing:
        return module
    if len(classes) == 1:
        return next(iter(classes.values()))
    if len(classes) > 1:
        raise UnknownStrategy(
            f"{path} has several strategies; name one: "
            f"{', '.join(f'{path}:{key}' for key in classes)}"
        )
    raise UnknownStrategy(
        f"{path} holds no strategy: neither a class derived from Strategy nor a kernel module (it "
        f"lacks {', '.join(missing)})"
    )


__all__ = [
    "STRATEGIES", "BadParameter", "UnknownParameter", "UnknownStrategy", "UnusableStrategyFile",
    "find_strategy", "load_strategy", "read_settings",
    "read_sources", "strategy_file", "strategy_of",
]  # fmt: skip
