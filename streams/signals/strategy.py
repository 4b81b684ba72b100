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

1. ``WAKES`` names what wakes the strategy (the keys or topics of ``WAKE_TOPICS``, a user's own
   topic, "timer" or "timers"); there is one handler for each and no other. ``INPUTS`` may name
   topics instead.
2. All it remembers is in ``self.state``, a declared struct of plain data: it is what a snapshot
   holds. Nothing else may be written after the constructor, and the constructor may leave nothing
   that can change.
3. It knows time as ``context.clock`` only. ``state.timer`` is the next deadline; ``on_timer`` must
   move it on (``NO_TIMER``: none). Or it wakes on "timers": ``context.set_timer(name, at)``,
   ``context.cancel_timer(name)``, ``on_timer(name, context)``.
4. It acts by ``self.signal``, ``self.order`` and ``self.cancel``, by ``context.order_target`` and
   ``context.modify``, or by ``context.emit(record)``. Orders carry ``context.account``, the account
   of the shard it runs in; a strategy that names another one (``ACCOUNT``, or in a record of its
   own) is denied with FOREIGN_ACCOUNT.
5. It reads no file. What it needs is named in ``ARTEFACTS = {"weights": "weights.npy"}`` and comes
   as ``context.artefact("weights")``.
6. What it reads besides the record that wakes it is named in ``READS``: ``account``, with it
   ``queue``, ``book``, or the last ``trades``, ``quotes``, ``bars``, ``marks``, ``features``,
   ``toxicity`` (``view.py``, ``services.py``). With ``LOGS = True`` it writes lines by
   ``context.log("...")``.

``template.py`` is a file to copy; ``kit.py`` runs a strategy over a list of records;
``catalogue.py`` finds it by name or file.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from schemas.records import Instrument, OrderRequest, Signal
from schemas.shapes import snake
from schemas.user_topics import is_user_topic, record_name
from schemas.vocabulary import OrderType, RequestKind, Side, TimeInForce
from streams.signals.declared import (
    NO_TIMER,
    TIMER,
    TIMERS,
    BadStrategy,
    Declared,
    NoSettings,
    StrategyState,
    UndeclaredState,
    check_declarations,
    check_wakes,
    name_timers,
)
from streams.signals.exact import exact_float, exact_int, exact_symbol
from streams.signals.view import ACCOUNT, LOG, QUEUE, READABLE

__all__ = [
    "BUY", "CANCEL", "GTC", "IOC", "LIMIT", "MARKET", "NEW", "NO_TIMER", "SELL", "TIMER",
    "TIMERS", "WAKE_OF_TOPIC", "WAKE_TOPICS", "BadStrategy", "Context", "Instrument",
    "NoSettings", "OrderRequest", "Signal", "Strategy", "StrategyState", "UndeclaredState",
    "exact_float", "exact_int", "exact_symbol", "handler_of", "topic_of_wake", "undeclared",
]  # fmt: skip

# what wakes a strategy -> (topic, handler)
WAKE_TOPICS: dict[str, tuple[str, str]] = {
    "trades": ("md.trades", "on_trade"),
    "quotes": ("md.quotes", "on_quote"),
    "bars": ("md.bars", "on_bar"),
    "marks": ("md.marks", "on_mark"),
    "features": ("md.features", "on_market_features"),
    "toxicity": ("md.toxicity", "on_toxicity"),
    "microstructure": ("md.microstructure", "on_microstructure"),
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
HANDLERS = {wake: handler for wake, (_, handler) in WAKE_TOPICS.items()}
WAKE_OF_TOPIC = {topic: wake for wake, (topic, _) in WAKE_TOPICS.items()}

NEW, CANCEL = int(RequestKind.NEW), int(RequestKind.CANCEL)
BUY, SELL = int(Side.BUY), int(Side.SELL)
MARKET, LIMIT = int(OrderType.MARKET), int(OrderType.LIMIT)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)


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

    def order_target(
        self, instrument: int, quantity: int, *, price: int = 0, post_only: bool = False
    ) -> str: ...

    def order_target_value(
        self, instrument: int, value: int, *, price: int = 0, post_only: bool = False
    ) -> str: ...

    def order_target_percent(
        self, instrument: int, share: float, *, price: int = 0, post_only: bool = False
    ) -> str: ...

    def modify(
        self, order_id: str, *, quantity: int = 0, price: int = 0, post_only: bool = False
    ) -> str: ...

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

    def queue_estimate(self, order_id: str) -> int | None: ...

    def book(self, instrument: int, depth: int | None = 10) -> Any: ...

    def last_trade(self, instrument: int) -> Any: ...

    def last_quote(self, instrument: int) -> Any: ...

    def last_bar(self, instrument: int, interval: int | None = None) -> Any: ...

    def last_mark(self, instrument: int) -> Any: ...

    def features(self, instrument: int) -> Any: ...

    def toxicity(self, instrument: int) -> Any: ...


class Strategy(Declared):
    """Base of a strategy in plain Python; the module's text is the contract."""

    OUTPUTS: ClassVar[tuple[str, ...]] = ("signals", "orders.requests")
    ACCOUNT: ClassVar[int | None] = None  # None: whichever account is traded where it runs
    STRATEGY: ClassVar[int] = 1
    # what the context shows besides the record: view.READABLE
    READS: ClassVar[tuple[str, ...]] = ()
    LOGS: ClassVar[bool] = False  # True: context.log("...") writes lines to the topic strategy.log
    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        declared = cls.__dict__.get("INPUTS", ())
        cls.WAKES = tuple(
            dict.fromkeys(WAKE_OF_TOPIC.get(wake, wake) for wake in (*declared, *cls.WAKES))
        )
        users = [wake for wake in cls.WAKES if is_user_topic(wake)]
        check_wakes(cls, {**HANDLERS, **{topic: handler_of(topic) for topic in users}})
        _check_reads(cls)
        check_declarations(cls)
        cls.NAME = cls.NAME or cls.__name__
        if cls.LOGS and LOG not in cls.OUTPUTS:
            cls.OUTPUTS = (*cls.OUTPUTS, LOG)
        cls.INPUTS = tuple(topic for topic in map(topic_of_wake, cls.WAKES) if topic)
        if TIMERS in cls.WAKES:
            name_timers(cls)

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
        """Publish a view: ``direction`` +1 long, -1 short, 0 flat; ``size`` in quantity units, 0
        leaves it to sizing.
        """
        if direction not in (-1, 0, 1):
            raise BadStrategy(
                f"{type(self).__name__}: a signal's direction is -1, 0 or +1, not {direction!r}"
            )
        if type(strength) is not float or type(fast) is not float or type(slow) is not float:
            strength, fast, slow = (
                exact_float("strength", strength),
                exact_float("fast", fast),
                exact_float("slow", slow),
            )
        if type(size) is not int or type(direction) is not int or type(instrument) is not int:
            size, direction, instrument = (
                exact_int("size", size),
                exact_int("direction", direction),
                exact_int("instrument", instrument),
            )
        context.emit(
            Signal(
                instrument,
                context.clock,
                sequence,
                self.STRATEGY,
                direction,
                strength,
                size,
                fast,
                slow,
                flags,
            )
        )

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
        """Ask for an order: a limit order when ``price`` is given, else a market order. Returns the
        order id.
        """
        if (
            type(quantity) is not int
            or type(price) is not int
            or type(side) is not int
            or type(instrument) is not int
        ):
            quantity, price = exact_int("quantity", quantity), exact_int("price", price)
            side, instrument = exact_symbol(side), exact_int("instrument", instrument)
        order_id = context.order_id()
        account = context.account if self.ACCOUNT is None else self.ACCOUNT
        order_type = LIMIT if price else MARKET
        life = (
            (time_in_force if type(time_in_force) is int else exact_symbol(time_in_force))
            if price
            else IOC
        )
        context.emit(
            OrderRequest(
                order_id,
                account,
                self.STRATEGY,
                instrument,
                context.clock,
                NEW,
                side,
                order_type,
                life,
                post_only,
                quantity,
                price,
            )
        )
        return order_id

    def cancel(self, context: Context, order_id: str, instrument: int, side: int) -> None:
        """Ask for the cancel of an order."""
        if type(side) is not int or type(instrument) is not int:
            side, instrument = exact_symbol(side), exact_int("instrument", instrument)
        account = context.account if self.ACCOUNT is None else self.ACCOUNT
        context.emit(
            OrderRequest(
                order_id,
                account,
                self.STRATEGY,
                instrument,
                context.clock,
                CANCEL,
                side,
                LIMIT,
                GTC,
                False,
                0,
                0,
            )
        )


def undeclared(strategy: Strategy, error: Exception) -> UndeclaredState | None:
    """The typed error for an AttributeError on a strategy's state, None for any other error.

    The struct refuses an undeclared attribute by itself; whoever calls the handlers asks here what
    to tell the user.
    """
    message = str(error)
    state = type(strategy.state).__name__
    if not isinstance(error, AttributeError) or not message.startswith(
        f"'{state}' object has no attribute"
    ):
        return None
    cls, name = type(strategy).__name__, message.rpartition(" ")[2].strip("'")
    return UndeclaredState(
        f"{cls} used self.state.{name}, which is not declared; add {name} to {cls}.State"
    )


def topic_of_wake(wake: str) -> str:
    """The topic that a wake stands for; a user's own stands for itself, a timer for none."""
    return wake if is_user_topic(wake) else WAKE_TOPICS[wake][0] if wake in WAKE_TOPICS else ""


def handler_of(topic: str) -> str:
    """The handler for a user's own topic: ``user.spread`` -> ``on_user_spread``.

    Raises BadUserTopic.
    """
    return f"on_{snake(record_name(topic))}"


def _check_reads(cls: type[Any]) -> None:
    """What it reads is known."""
    if isinstance(cls.READS, str) or not set(cls.READS) <= set(READABLE):
        raise BadStrategy(
            f"{cls.__name__}.READS is {cls.READS!r}; give a tuple of: {', '.join(READABLE)}"
        )
    if QUEUE in cls.READS and ACCOUNT not in cls.READS:
        advice = f'write READS = ("{ACCOUNT}", "{QUEUE}")'
        raise BadStrategy(f"{cls.__name__} reads queue positions without its orders; {advice}")
