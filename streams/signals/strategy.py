"""The contract of a strategy in plain Python.

    class MyStrategy(Strategy):
        NAME = "my-strategy"
        WAKES = ("quotes", "timer")

        class Settings(msgspec.Struct, frozen=True, kw_only=True):
            threshold: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10

        class State(StrategyState):
            last_price: dict[int, int] = msgspec.field(default_factory=dict)

        def on_quote(self, quote, context): ...
        def on_timer(self, deadline, context): ...

The rules, each a typed error:

1. ``WAKES`` names what wakes the strategy (the keys or topics of ``WAKE_TOPICS``, "timer" or "timers"); there is one handler for
   each and no other. ``INPUTS`` may name topics instead.
2. All it remembers is in ``self.state``, a declared struct of plain data: it is what a snapshot holds. Nothing else may be written after the
   constructor, and the constructor may leave nothing that can change.
3. It knows time as ``context.clock`` only. ``state.timer`` is the next deadline; ``on_timer`` must move it on (``NO_TIMER``: none).
   Or it wakes on "timers": ``context.set_timer(name, at)``, ``context.cancel_timer(name)``, ``on_timer(name, context)``.
4. It acts by ``self.signal``, ``self.order`` and ``self.cancel``, by ``context.order_target`` and ``context.modify``, or by
   ``context.emit(record)``. Orders carry ``context.account``, the account of the shard it runs in; a strategy that names another
   one (``ACCOUNT``, or in a record of its own) is denied with FOREIGN_ACCOUNT.
5. It reads no file. What it needs is named in ``ARTEFACTS = {"weights": "weights.npy"}`` and comes as ``context.artefact("weights")``.
6. What it reads besides the record that wakes it is named in ``READS``: ``account``, ``book``, or the last ``trades``, ``quotes``,
   ``bars``, ``marks``, ``features``, ``toxicity`` (``view.py``, ``services.py``). With ``LOGS = True`` it writes lines by
   ``context.log("...")``.

``template.py`` is a file to copy; ``kit.py`` runs a strategy over a list of records; ``catalogue.py`` finds it by name or file.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, cast

import msgspec
import numpy as np

from schemas.errors import WrongUse
from schemas.records import Instrument, OrderRequest, Signal
from schemas.vocabulary import OrderType, RequestKind, Side, TimeInForce
from streams.signals.view import LOG, READABLE

NO_TIMER = 2**63 - 1

# what wakes a strategy -> (topic, handler)
WAKE_TOPICS: dict[str, tuple[str, str]] = {
    "trades": ("md.trades", "on_trade"),
    "quotes": ("md.quotes", "on_quote"),
    "bars": ("md.bars", "on_bar"),
    "marks": ("md.marks", "on_mark"),
    "features": ("md.features", "on_market_features"),
    "toxicity": ("md.toxicity", "on_toxicity"),
    "order_events": ("orders.events", "on_order_event"),
    "fills": ("fills", "on_fill"),
    "positions": ("positions", "on_position"),
    "pnl": ("pnl", "on_pnl"),
    "decisions": ("orders.decisions", "on_risk_decision"),
    "risk_events": ("risk.events", "on_risk_event"),
    "depth": ("md.depth", "on_depth_update"),
    "book_tickers": ("md.book_tickers", "on_book_ticker"),
    "instruments": ("ref.instruments", "on_instrument"),
}
WAKE_OF_TOPIC = {topic: wake for wake, (topic, _) in WAKE_TOPICS.items()}
TIMER, TIMERS = "timer", "timers"

NEW, CANCEL = int(RequestKind.NEW), int(RequestKind.CANCEL)
BUY, SELL = int(Side.BUY), int(Side.SELL)
MARKET, LIMIT = int(OrderType.MARKET), int(OrderType.LIMIT)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
CHECKED = 64
"""Entries of a list or dict of the state that are looked at after each slice; all are when a snapshot is written."""
UNCHANGING = (int, float, str, bytes, bool, type(None))


class BadStrategy(WrongUse):
    """A strategy class that does not keep the contract."""

    code = "bad_strategy"


class UndeclaredState(WrongUse):
    """A strategy wrote something that is not in its declared state."""

    code = "undeclared_state"


class Context(Protocol):
    """What the runtime hands to a handler."""

    clock: int
    account: int

    def emit(self, record: Any) -> None: ...

    def order_id(self) -> str: ...

    def artefact(self, name: str) -> Any: ...

    # what READS and LOGS declare, see services.py

    def log(self, text: str) -> None: ...

    def set_timer(self, name: str, at: int) -> None: ...

    def cancel_timer(self, name: str) -> None: ...

    def order_target(self, instrument: int, quantity: int, *, price: int = 0, post_only: bool = False) -> str: ...

    def order_target_value(self, instrument: int, value: int, *, price: int = 0, post_only: bool = False) -> str: ...

    def order_target_percent(self, instrument: int, share: float, *, price: int = 0, post_only: bool = False) -> str: ...

    def modify(self, order_id: str, *, quantity: int = 0, price: int = 0, post_only: bool = False) -> str: ...

    def instrument(self, instrument: int) -> Instrument: ...

    def working(self, instrument: int) -> int: ...

    @property
    def cash(self) -> int: ...

    @property
    def equity(self) -> int | None: ...

    @property
    def amount_precision(self) -> int: ...

    def position(self, instrument: int) -> Any: ...

    def open_orders(self, instrument: int | None = None) -> tuple[Any, ...]: ...

    def book(self, instrument: int, depth: int | None = 10) -> Any: ...

    def last_trade(self, instrument: int) -> Any: ...

    def last_quote(self, instrument: int) -> Any: ...

    def last_bar(self, instrument: int, interval: int | None = None) -> Any: ...

    def last_mark(self, instrument: int) -> Any: ...

    def features(self, instrument: int) -> Any: ...

    def toxicity(self, instrument: int) -> Any: ...


class StrategyState(msgspec.Struct):
    """Base of a strategy's declared state: plain data only (numbers, text, lists, dicts, structs of these)."""

    timer: int = NO_TIMER


class NoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a strategy without parameters."""


class _Contract(type):
    """Checks a strategy once its constructor has run."""

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        strategy = super().__call__(*arguments, **named)
        for name, value in vars(strategy).items():
            if name not in ("state", "settings", "instruments") and not _is_unchanging(value):
                raise UndeclaredState(
                    f"{cls.__name__}.{name} is a {type(value).__name__} made in the constructor: it can change and no snapshot would hold it; "
                    f"declare it in {cls.__name__}.State"
                )
        object.__setattr__(strategy, "_started", True)
        return strategy


class Strategy(metaclass=_Contract):
    """Base of a strategy in plain Python; the module's text is the contract."""

    NAME: ClassVar[str] = ""
    WAKES: ClassVar[tuple[str, ...]] = ()
    INPUTS: ClassVar[tuple[str, ...]] = ()  # derived from WAKES
    OUTPUTS: ClassVar[tuple[str, ...]] = ("signals", "orders.requests")
    STATE_VERSION: ClassVar[int] = 1
    ACCOUNT: ClassVar[int | None] = None  # None: whichever account is traded where it runs
    STRATEGY: ClassVar[int] = 1
    READS: ClassVar[tuple[str, ...]] = ()  # what the context shows besides the record: view.READABLE
    LOGS: ClassVar[bool] = False  # True: context.log("...") writes lines to the topic strategy.log
    ARTEFACTS: ClassVar[Mapping[str, str]] = {}  # name -> file of the strategy's folder, read by context.artefact(name)

    Settings: ClassVar[type[Any]] = NoSettings
    State: ClassVar[type[Any]] = StrategyState

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        declared = cls.__dict__.get("INPUTS", ())
        cls.WAKES = tuple(dict.fromkeys(WAKE_OF_TOPIC.get(wake, wake) for wake in (*declared, *cls.WAKES)))
        _check_wakes(cls)
        _check_reads(cls)
        if not issubclass(cls.State, StrategyState):
            raise BadStrategy(f"{cls.__name__}.State must derive from streams.signals.strategy.StrategyState")
        if not issubclass(cls.Settings, msgspec.Struct) or not cls.Settings.__struct_config__.frozen:
            raise BadStrategy(f"{cls.__name__}.Settings must be a msgspec.Struct with frozen=True")
        cls.NAME = cls.NAME or cls.__name__
        if cls.LOGS and LOG not in cls.OUTPUTS:
            cls.OUTPUTS = (*cls.OUTPUTS, LOG)
        cls.INPUTS = tuple(WAKE_TOPICS[wake][0] for wake in cls.WAKES if wake in WAKE_TOPICS)
        if TIMERS in cls.WAKES:
            _name_timers(cls)

    def __init__(self, instruments: Sequence[Instrument], settings: Any) -> None:
        self.instruments = tuple(instruments)
        self.settings = settings
        self.state: Any = self.State()

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "state" and "_started" in self.__dict__:
            cls = type(self).__name__
            raise UndeclaredState(f"{cls} wrote self.{name} after it started; declare {name} in {cls}.State and write self.state.{name}")
        object.__setattr__(self, name, value)

    def services_for(self, context: Any, stages: Any) -> Any:
        """What the context does for this strategy: the runtime asks once."""
        from streams.signals.services import StrategyServices  # which knows this class

        return StrategyServices(self, context, stages)

    def signal(
        self,
        context: Context,
        instrument: int,
        direction: int,
        *,
        strength: float = 1.0,
        size: int = 0,
        sequence: int = 0,
        fast: float = 0.0,
        slow: float = 0.0,
        flags: int = 0,
    ) -> None:
        """Publish a view: ``direction`` +1 long, -1 short, 0 flat; ``size`` in quantity units, 0 leaves it to sizing."""
        if direction not in (-1, 0, 1):
            raise BadStrategy(f"{type(self).__name__}: a signal's direction is -1, 0 or +1, not {direction!r}")
        if type(strength) is not float or type(fast) is not float or type(slow) is not float:
            strength, fast, slow = exact_float("strength", strength), exact_float("fast", fast), exact_float("slow", slow)
        if type(size) is not int or type(direction) is not int or type(instrument) is not int:
            size, direction, instrument = exact_int("size", size), exact_int("direction", direction), exact_int("instrument", instrument)
        context.emit(Signal(instrument, context.clock, sequence, self.STRATEGY, direction, strength, size, fast, slow, flags))

    def order(
        self,
        context: Context,
        instrument: int,
        side: int,
        quantity: int,
        *,
        price: int = 0,
        time_in_force: int = GTC,
        post_only: bool = False,
    ) -> str:
        """Ask for an order: a limit order when ``price`` is given, else a market order. Returns the order id."""
        if type(quantity) is not int or type(price) is not int or type(side) is not int or type(instrument) is not int:
            quantity, price = exact_int("quantity", quantity), exact_int("price", price)
            side, instrument = exact_symbol(side), exact_int("instrument", instrument)
        order_id = context.order_id()
        account = context.account if self.ACCOUNT is None else self.ACCOUNT
        order_type = LIMIT if price else MARKET
        life = (time_in_force if type(time_in_force) is int else exact_symbol(time_in_force)) if price else IOC
        context.emit(
            OrderRequest(order_id, account, self.STRATEGY, instrument, context.clock, NEW, side, order_type, life, post_only, quantity, price)
        )
        return order_id

    def check_state(self) -> None:
        """Refuse what no snapshot could hold, naming the field: the runtime asks after each slice of input. Raises UndeclaredState."""
        state = self.state
        for name in state.__struct_fields__:
            value = getattr(state, name)
            items = (*value.keys(), *value.values()) if isinstance(value, dict) and len(value) <= CHECKED else ()
            items = tuple(value) if isinstance(value, list | tuple) and len(value) <= CHECKED else items
            for each in (value, *items):
                if isinstance(each, np.generic | np.ndarray):
                    kind = "a list: .tolist()" if isinstance(each, np.ndarray) else "a Python number: .item()"
                    what = f"{type(self).__name__}.State.{name} holds a numpy.{type(each).__name__}, which no snapshot can"
                    raise UndeclaredState(f"{what}; keep {kind}")

    def cancel(self, context: Context, order_id: str, instrument: int, side: int) -> None:
        """Ask for the cancel of an order."""
        if type(side) is not int or type(instrument) is not int:
            side, instrument = exact_symbol(side), exact_int("instrument", instrument)
        account = context.account if self.ACCOUNT is None else self.ACCOUNT
        context.emit(OrderRequest(order_id, account, self.STRATEGY, instrument, context.clock, CANCEL, side, LIMIT, GTC, False, 0, 0))


def exact_int(name: str, value: Any) -> int:
    """A NumPy integer, an enum or a whole number of another type as a Python integer. Raises BadStrategy, naming the argument."""
    try:
        return int(operator.index(value))
    except TypeError:
        if isinstance(value, float | np.floating) and value == value // 1:
            return int(value)
        raise BadStrategy(f"{name} is {value!r}, a {type(value).__name__}; give a whole number, in units of the instrument") from None


def exact_symbol(value: Any) -> int:
    """An enum's number as a Python integer. Anything else is left as it is: the check of the record names the symbols there are."""
    try:
        return exact_int("", value)
    except BadStrategy:
        return cast(int, value)


def exact_float(name: str, value: Any) -> float:
    """A number of any type as a Python float, if that is the same number. Raises BadStrategy, naming the argument."""
    if isinstance(value, int | float | np.integer | np.floating) and (float(value) == value or value != value):
        return float(value)
    raise BadStrategy(f"{name} is {value!r}, a {type(value).__name__}; give a number that a float can be")


def undeclared(strategy: Strategy, error: Exception) -> UndeclaredState | None:
    """The typed error for an AttributeError on a strategy's state, None for any other error.

    The struct refuses an undeclared attribute by itself; whoever calls the handlers asks here what to tell the user.
    """
    message = str(error)
    state = type(strategy.state).__name__
    if not isinstance(error, AttributeError) or not message.startswith(f"'{state}' object has no attribute"):
        return None
    cls, name = type(strategy).__name__, message.rpartition(" ")[2].strip("'")
    return UndeclaredState(f"{cls} used self.state.{name}, which is not declared; add {name} to {cls}.State")


def _check_wakes(cls: type[Any]) -> None:
    """Every wake is known and has its handler, and no handler waits for what never wakes it."""
    for wake in cls.WAKES:
        if wake not in (TIMER, TIMERS) and wake not in WAKE_TOPICS:
            raise BadStrategy(f"{cls.__name__}.WAKES: {wake!r} wakes nothing; use {', '.join(WAKE_TOPICS)}, timer or timers")
    if {TIMER, TIMERS} <= set(cls.WAKES):
        raise BadStrategy(f"{cls.__name__} wakes on timer and on timers, and has one on_timer; leave out one of them")
    handlers = {wake: handler for wake, (_, handler) in WAKE_TOPICS.items()}
    handlers[TIMERS if TIMERS in cls.WAKES else TIMER] = "on_timer"
    for wake, handler in handlers.items():
        defined = callable(getattr(cls, handler, None))
        if wake in cls.WAKES and not defined:
            raise BadStrategy(f"{cls.__name__} wakes on {wake} but has no {handler}(self, record, context)")
        if defined and wake not in cls.WAKES:
            raise BadStrategy(f"{cls.__name__} has {handler} but {wake!r} is not in WAKES, so it would never be called")


def _name_timers(cls: type[Any]) -> None:
    """Named timers are part of the state, and ``on_timer`` is called with the name of each that is due."""
    if TIMERS not in cls.State.__struct_fields__:
        fields: list[Any] = [(TIMERS, dict[str, int], msgspec.field(default_factory=dict))]
        cls.State = msgspec.defstruct(cls.State.__name__, fields, bases=(cls.State,), module=cls.__module__)
    if "on_timer" in cls.__dict__:
        cls.on_named_timer, cls.on_timer = cls.__dict__["on_timer"], _fire_named_timers


def _fire_named_timers(strategy: Any, deadline: int, context: Context) -> None:
    """Those that are due, by time, of one time in the order in which they were set. ``set_timer`` takes later times only."""
    timers = strategy.state.timers
    while True:
        name = min((each for each in timers if timers[each] <= deadline), key=timers.__getitem__, default=None)
        if name is None:
            break
        del timers[name]
        strategy.on_named_timer(name, context)
    strategy.state.timer = min(timers.values(), default=NO_TIMER)


def _check_reads(cls: type[Any]) -> None:
    """What it reads is known."""
    if isinstance(cls.READS, str) or not set(cls.READS) <= set(READABLE):
        raise BadStrategy(f"{cls.__name__}.READS is {cls.READS!r}; give a tuple of: {', '.join(READABLE)}")


def _is_unchanging(value: Any) -> bool:
    """True for plain data that cannot change."""
    if isinstance(value, tuple):
        return all(_is_unchanging(item) for item in value)
    if isinstance(value, msgspec.Struct):
        return value.__struct_config__.frozen and all(_is_unchanging(getattr(value, name)) for name in value.__struct_fields__)
    return isinstance(value, UNCHANGING)
