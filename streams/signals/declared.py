"""What strategies and users' own stages share: declared state, settings, timers, and their checks.

Only what is in ``self.state`` may change after the constructor, for it is what a snapshot holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np

from schemas.errors import WrongUse
from schemas.records import Instrument
from streams.numeric.bad_strategy import BadStrategy as BadStrategy
from streams.numeric.deadlines import NO_TIMER as NO_TIMER
from streams.numeric.deadlines import earliest, first_due

TIMER, TIMERS = "timer", "timers"
CHECKED = 64
"""Entries of a list or dict of the state that are looked at after each slice; all are when a
snapshot is written.
"""
UNCHANGING = (int, float, str, bytes, bool, type(None))


class UndeclaredState(WrongUse):
    """A strategy wrote something that is not in its declared state."""

    code = "undeclared_state"


class StrategyState(msgspec.Struct):
    """Base of a strategy's declared state: plain data only (numbers, text, lists, dicts, structs
    of these).
    """

    timer: int = NO_TIMER


class NoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a strategy without parameters."""


class _Contract(type):
    """Checks an object once its constructor has run."""

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        made = super().__call__(*arguments, **named)
        for name, value in vars(made).items():
            if name not in ("state", "settings", "instruments") and not _is_unchanging(value):
                raise UndeclaredState(
                    f"{cls.__name__}.{name} is a {type(value).__name__} made in the constructor: "
                    "it can change and no snapshot would hold it; "
                    f"declare it in {cls.__name__}.State"
                )
        object.__setattr__(made, "_started", True)
        return made


class Declared(metaclass=_Contract):
    """Base of both."""

    NAME: ClassVar[str] = ""
    WAKES: ClassVar[tuple[str, ...]] = ()
    INPUTS: ClassVar[tuple[str, ...]] = ()  # derived from WAKES
    OUTPUTS: ClassVar[tuple[str, ...]] = ()
    STATE_VERSION: ClassVar[int] = 1
    ARTEFACTS: ClassVar[
        Mapping[str, str]
    ] = {}  # name -> file of the class's folder, read by context.artefact(name)

    Settings: ClassVar[type[Any]] = NoSettings
    State: ClassVar[type[Any]] = StrategyState

    def __init__(self, instruments: Sequence[Instrument], settings: Any) -> None:
        self.instruments = tuple(instruments)
        self.settings = settings
        self.state: Any = self.State()

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "state" and "_started" in self.__dict__:
            cls = type(self).__name__
            raise UndeclaredState(
                f"{cls} wrote self.{name} after it started; declare {name} in {cls}.State and "
                f"write self.state.{name}"
            )
        object.__setattr__(self, name, value)

    def check_state(self) -> None:
        """Refuse what no snapshot could hold, naming the field: the runtime asks after each slice
        of input. Raises UndeclaredState.
        """
        state = self.state
        for name in state.__struct_fields__:
            value = getattr(state, name)
            items = (
                (*value.keys(), *value.values())
                if isinstance(value, dict) and len(value) <= CHECKED
                else ()
            )
            items = (
                tuple(value) if isinstance(value, list | tuple) and len(value) <= CHECKED else items
            )
            for each in (value, *items):
                if isinstance(each, np.generic | np.ndarray):
                    kind = (
                        "a list: .tolist()"
                        if isinstance(each, np.ndarray)
                        else "a Python number: .item()"
                    )
                    what = (
                        f"{type(self).__name__}.State.{name} holds a numpy.{type(each).__name__}, "
                        "which no snapshot can"
                    )
                    raise UndeclaredState(f"{what}; keep {kind}")


def check_declarations(cls: type[Declared]) -> None:
    """State and settings are of the kinds that a snapshot and a parameter need.

    Raises BadStrategy.
    """
    if not issubclass(cls.State, StrategyState):
        raise BadStrategy(
            f"{cls.__name__}.State must derive from streams.signals.strategy.StrategyState"
        )
    if not issubclass(cls.Settings, msgspec.Struct) or not cls.Settings.__struct_config__.frozen:
        raise BadStrategy(f"{cls.__name__}.Settings must be a msgspec.Struct with frozen=True")


def check_wakes(cls: type[Declared], handlers: Mapping[str, str]) -> None:
    """Every wake is known and has its handler, and no handler waits for what never wakes it.

    Args:
        handlers: by what may wake the class, timers left out.
    """
    for wake in cls.WAKES:
        if wake not in (TIMER, TIMERS) and wake not in handlers:
            raise BadStrategy(
                f"{cls.__name__}.WAKES: {wake!r} wakes nothing; use {', '.join(handlers)}, timer "
                "or timers"
            )
    if {TIMER, TIMERS} <= set(cls.WAKES):
        raise BadStrategy(
            f"{cls.__name__} wakes on timer and on timers, and has one on_timer; leave out one of "
            "them"
        )
    for wake, handler in {**handlers, TIMERS if TIMERS in cls.WAKES else TIMER: "on_timer"}.items():
        defined = callable(getattr(cls, handler, None))
        if wake in cls.WAKES and not defined:
            raise BadStrategy(
                f"{cls.__name__} wakes on {wake} but has no {handler}(self, record, context)"
            )
        if defined and wake not in cls.WAKES:
            raise BadStrategy(
                f"{cls.__name__} has {handler} but {wake!r} is not in WAKES, so it would never be "
                "called"
            )


def name_timers(cls: Any) -> None:
    """Named timers are part of the state, and ``on_timer`` is called with the name of each that is
    due.
    """
    if TIMERS not in cls.State.__struct_fields__:
        fields: list[Any] = [(TIMERS, dict[str, int], msgspec.field(default_factory=dict))]
        cls.State = msgspec.defstruct(
            cls.State.__name__, fields, bases=(cls.State,), module=cls.__module__
        )
    if "on_timer" in cls.__dict__:
        cls.on_named_timer, cls.on_timer = cls.__dict__["on_timer"], _fire_named_timers


def _fire_named_timers(owner: Any, deadline: int, context: Any) -> None:
    """Those that are due, as ``timers.first_due`` orders them; ``set_timer`` takes later times
    only.
    """
    timers = owner.state.timers
    while (place := first_due(list(timers.values()), len(timers), deadline)) >= 0:
        name = list(timers)[place]
        del timers[name]
        owner.on_named_timer(name, context)
    owner.state.timer = next_of(timers)


def next_of(timers: Mapping[str, int]) -> int:
    """When the next of these timers is due, NO_TIMER without one."""
    return int(earliest(list(timers.values()), len(timers)))


def _is_unchanging(value: Any) -> bool:
    """True for plain data that cannot change."""
    if isinstance(value, tuple):
        return all(_is_unchanging(item) for item in value)
    if isinstance(value, msgspec.Struct):
        return value.__struct_config__.frozen and all(
            _is_unchanging(getattr(value, name)) for name in value.__struct_fields__
        )
    return isinstance(value, UNCHANGING)
