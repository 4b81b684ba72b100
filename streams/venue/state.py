"""What the venue is told (``Settings``), what it knows (``State``), and how much of it there may
be.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import msgspec
import numpy as np

from schemas.compiled.execution_report import DTYPE as REPORT
from schemas.records import Instrument
from streams.numeric.assumed_top import SPREAD_MAX
from streams.numeric.borrowing import inlined_kernel
from streams.numeric.deadlines import NO_TIMER
from streams.numeric.index import ENTRY, new_index
from streams.numeric.state_arrays import StateArrays, array_of
from streams.venue import models
from streams.venue.fees import RATE_SCALE

NONE = -1
"""No order, no level."""

FAULT_ORDERS, FAULT_REPORTS, FAULT_COMMANDS, FAULT_LEVELS = 1, 2, 3, 4
FAULTS = {
    FAULT_ORDERS: "venue.orders_max",
    FAULT_REPORTS: "venue.reports_max",
    FAULT_COMMANDS: "venue.commands_max",
    FAULT_LEVELS: "venue.levels_max",
}

TICKER_RULES = ("off", "cap")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Latency legs in ns, fee rates in 1e-8 of the notional (1 bp = 10_000; negative: a rebate),
    the models, and capacities."""

    feed_latency: int = 0
    entry_latency: int = 0
    response_latency: int = 0
    maker_rate: int = 0
    taker_rate: int = 0
    queue_model: str = models.FILL_MODEL
    """The fill model, by its name in ``models.FILL_MODELS``."""
    model: str = models.VENUE
    """The venue, by its name in ``models.VENUES``."""
    parameters: dict[str, int] = {}
    """What the two take beside, by their own names."""
    charges: str = ""
    """What the venue's rates are, in words: part of the run, read by nobody but the page."""
    data: str = "book"
    """What prices come from, by its name in ``models.SOURCES``."""
    spread: int = 1
    """Where prices are assumed from prints: ticks from a print to what an order gets."""
    unsized: tuple[int, ...] = ()
    """Instruments of which the data have no quantities at all."""
    ticker: str = "off"
    """``cap``: ``md.book_tickers`` is read too, and no order takes more or better than the venue's
    own best bid and ask where those are newer than the book."""
    orders_max: int = 4096
    """Orders resting at one time."""
    closed_max: int = 4096
    """Closed orders remembered, so that a cancel that lost the race is told ORDER_CLOSED and a
    repeated id DUPLICATE_ORDER.
    """
    levels_max: int = 8192
    """Price levels we rest at, or took from since their displayed size last changed."""
    commands_max: int = 4096
    """Commands on their way to the venue."""
    reports_max: int = 8192
    """Reports on their way back."""

    def __post_init__(self) -> None:
        for name in ("feed_latency", "entry_latency", "response_latency"):
            if not 0 <= getattr(self, name) <= 3_600_000_000_000:
                raise ValueError(
                    f"venue.{name} is {getattr(self, name)} ns; give 0 to 3600000000000 (one hour)"
                )
        if self.response_latency < self.feed_latency:
            raise ValueError(
                f"venue.response_latency is {self.response_latency} ns; it must be at least "
                f"feed_latency, {self.feed_latency} ns"
            )
        for name in ("maker_rate", "taker_rate"):
            if not -RATE_SCALE <= getattr(self, name) <= RATE_SCALE:
                raise ValueError(
                    f"venue.{name} is {getattr(self, name)}; give -{RATE_SCALE} to {RATE_SCALE} "
                    "(1e-8 of the notional, 1 bp = 10000)"
                )
        models.parameters_of(self.model, self.queue_model, self.parameters)
        models.source(self.data)
        if not 0 <= self.spread <= SPREAD_MAX:
            raise ValueError(f"venue.spread is {self.spread} ticks; give 0 to {SPREAD_MAX}")
        if self.ticker not in TICKER_RULES:
            raise ValueError(
                f"venue.ticker is {self.ticker!r}; give one of: {', '.join(TICKER_RULES)}"
            )
        for name in ("orders_max", "closed_max", "levels_max", "commands_max", "reports_max"):
            if not 1 <= getattr(self, name) <= 1 << 24:
                raise ValueError(f"venue.{name} is {getattr(self, name)}; give 1 to {1 << 24}")


ORDER = np.dtype([
    ("order_id_high", "i8"), ("order_id_low", "i8"), ("instrument", "i8"), ("kind", "i8"), ("side",
    "i8"),
    ("order_type", "i8"), ("time_in_force", "i8"), ("post_only", "i8"), ("quantity", "i8"),
    ("price", "i8"),
    # on its way: when it arrives, and its place among all that is under way
    ("due", "i8"), ("sequence", "i8"),
    ("filled", "i8"),
    # resting: displayed quantity of others still before us at our price
    ("queue_ahead", "i8"),
    # part of the level's `traded` that printed before we joined
    ("traded_before", "i8"),
    # our orders at the level in order of arrival; `next` also links free slots
    ("level", "i8"), ("next", "i8"), ("previous", "i8"),
])  # fmt: skip
"""A command: on its way to the venue, or resting there. Prices and quantities in units of the
instrument.
"""

LEVEL = np.dtype([
    ("price", "i8"), ("slot", "i8"), ("side", "i8"),
    ("displayed", "i8"),                                   # size in the recorded book
    # volume printed here since `displayed` last changed
    ("traded", "i8"),
    # what our taking orders took here since `displayed` last changed
    ("consumed", "i8"),
    ("first_order", "i8"), ("last_order", "i8"),
    # our neighbouring levels with resting orders, same slot and side
    ("better", "i8"), ("worse", "i8"),
    # all levels of the slot; `next` also links free levels
    ("next", "i8"), ("previous", "i8"),
])  # fmt: skip
"""A price level we watch: we rest there, or we took from it."""

MARKET = np.dtype([
    ("tick_size", "i8"), ("lot_size", "i8"), ("minimum_quantity", "i8"), ("maximum_quantity", "i8"),
    ("minimum_notional_high", "i8"), ("minimum_notional_low", "u8"),
    ("first_level", "i8"),                                 # head of the list of watched levels
    ("levels", "i8"),                                      # how many
    # how many of them with something consumed
    ("reduced_levels", "i8"),
    ("best_bid", "i8"), ("best_ask", "i8"),                # our best levels with resting orders
    # 1: the book was out of sync, compare every level when it is back
    ("resync", "i8"),
    # update id of the venue's own best bid and ask, 0 before one is known
    ("ticker_id", "i8"),
    ("ticker_bid", "i8"), ("ticker_bid_quantity", "i8"), ("ticker_ask", "i8"),
    ("ticker_ask_quantity", "i8"),
])  # fmt: skip
"""One instrument: its order rules and where our levels begin. Index: the slot of the book."""

IDENTITY = np.dtype([("order_id_high", "i8"), ("order_id_low", "i8")])

COUNTERS = np.dtype([
    (name, "i8")
    for name in (
        "sequence", "trade_id", "commands_first", "commands", "reports_first", "reports", "orders",
        "order_free", "order_unused",
        "levels", "level_free", "level_unused", "closed", "closed_next",
        "entry_delay", "response_delay", "maker_rate", "taker_rate", "ticker_caps",
    )
])  # fmt: skip
"""Running numbers, ring positions and free lists; the last five are the settings that the kernels
need.
"""


@inlined_kernel
def raise_fault(state: Any, code: int, instrument: int, value: int, limit: int) -> None:
    """Note the first capacity reached; the runtime stops the run and names the setting."""
    if state.fault[0] == 0:
        state.fault[0] = code
        state.fault[1] = instrument
        state.fault[2] = value
        state.fault[3] = limit


class State(StateArrays):
    """All the venue knows; this class with the default models, ``state_class`` with others.

    What its modules import from here stands above it: they are loaded while it is defined.
    """

    MODULES = {
        "fill_model": models.fill_model(models.FILL_MODEL),
        "venue": models.venue(models.VENUE),
        "source": models.source(models.SOURCE),
    }
    NAMES: ClassVar[tuple[str, str, str]] = (models.FILL_MODEL, models.VENUE, models.SOURCE)

    clock: Any = array_of(np.int64)
    """(1,), set by the runtime before each call."""
    timer: Any = array_of(np.int64)
    """(1,), the next deadline."""
    fault: Any = array_of(np.int64)
    """(4,): code (see FAULTS), instrument, value, limit."""
    working: Any = array_of(np.int64)
    """(1,): resting orders, commands and reports under way."""
    counters: Any = array_of(COUNTERS)
    """(1,)"""
    markets: Any = array_of(MARKET)
    """(instruments,)"""
    orders: Any = array_of(ORDER)
    """(orders_max,): resting orders."""
    order_index: Any = array_of(ENTRY)
    """Order id to its place in ``orders``."""
    closed: Any = array_of(IDENTITY)
    """(closed_max,): ids of closed orders, a ring."""
    levels: Any = array_of(LEVEL)
    """(levels_max,): price levels that are watched."""
    level_index: Any = array_of(ENTRY)
    """Price, slot and side to a place in ``levels``."""
    commands: Any = array_of(ORDER)
    """(commands_max,): commands on their way, a ring."""
    reports: Any = array_of(REPORT)
    """(reports_max,): reports on their way, a ring."""
    report_sequence: Any = array_of(np.int64)
    """(reports_max,): the place of each report among all that is under way."""

    def __reduce__(self) -> Any:
        return _rebuilt, (self.NAMES, self._asdict())


def _rebuilt(names: tuple[str, str, str], arrays: dict[str, Any]) -> State:
    """A copy that was made by pickle; a class made by `state_class` has no place to import from."""
    return state_class(*names)(**arrays)


def state_class(queue_model: str, model: str, data: str = models.SOURCE) -> type[State]:
    """The state of a venue with these two models, whose fields stand first in its rows, and these
    prices, whose arrays stand last.

    Raises:
        models.UnknownModel: there is no model of that name.
    """
    return _state_class(queue_model, model, data)


@functools.cache
def _state_class(queue_model: str, model: str, data: str) -> type[State]:
    """One class for each three names."""
    pair = models.fill_model(queue_model), models.venue(model)
    source = models.source(data)
    if (queue_model, model, data) == State.NAMES:
        return State

    def with_fields(dtype: np.dtype[Any], kind: str) -> np.dtype[Any]:
        # first: a row that begins with all fields of another passes for it where kernels are chosen
        fields = [field for each in pair for field in getattr(each, kind)]
        fields += [(name, dtype[name].str) for name in dtype.names or ()]
        names = [name for name, _ in fields]
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise models.BadModel(
                f"{queue_model} and {model} add to rows that have a field of that name: "
                f"{', '.join(twice)}; rename it in {kind}"
            )
        return np.dtype(fields)

    orders = array_of(with_fields(ORDER, "ORDER_FIELDS"))
    changed = {
        "orders": orders,
        "commands": orders,
        "markets": array_of(with_fields(MARKET, "MARKET_FIELDS")),
        "counters": array_of(with_fields(COUNTERS, "SETTINGS_FIELDS")),
        "MODULES": {"fill_model": pair[0], "venue": pair[1], "source": source},
        "NAMES": (queue_model, model, data),
        "EXPRESSION": f"state_class({queue_model!r}, {model!r}, {data!r})",
        **source.ARRAYS,
        **dict.fromkeys(source.OF_ORDERS, orders),
    }
    return cast("type[State]", type("State", (State,), {**State.FIELDS, **changed}))


def new_state(instruments: Sequence[Instrument], settings: Settings) -> State:
    """The state before the first record: an empty venue for these instruments, in the order of the
    book's slots.
    """
    kind = state_class(settings.queue_model, settings.model, settings.data)
    counters = np.zeros(1, kind.FIELDS["counters"].dtype)
    counters["order_free"] = counters["level_free"] = NONE
    counters["entry_delay"] = settings.feed_latency + settings.entry_latency
    counters["response_delay"] = settings.response_latency - settings.feed_latency
    counters["maker_rate"] = settings.maker_rate
    counters["taker_rate"] = settings.taker_rate
    counters["ticker_caps"] = settings.ticker == "cap"
    parameters = models.parameters_of(settings.model, settings.queue_model, settings.parameters)
    markets = np.zeros(len(instruments), kind.FIELDS["markets"].dtype)
    for market, instrument in zip(markets, instruments, strict=True):
        for name in ("tick_size", "lot_size", "minimum_quantity", "maximum_quantity"):
            market[name] = getattr(instrument, name)
        market["minimum_notional_high"] = instrument.minimum_notional >> 64
        market["minimum_notional_low"] = instrument.minimum_notional & (2**64 - 1)
        for name in ("first_level", "best_bid", "best_ask"):
            market[name] = NONE
        for each in (models.venue(settings.model), models.fill_model(settings.queue_model)):
            each.prepare(counters[0], market, instrument, parameters)
    return kind(
        clock=np.zeros(1, np.int64),
        timer=np.full(1, NO_TIMER, np.int64),
        fault=np.zeros(4, np.int64),
        working=np.zeros(1, np.int64),
        counters=counters,
        markets=markets,
        orders=np.zeros(settings.orders_max, kind.FIELDS["orders"].dtype),
        order_index=new_index(settings.orders_max + settings.closed_max + 1),
        closed=np.zeros(settings.closed_max, IDENTITY),
        levels=np.zeros(settings.levels_max, LEVEL),
        level_index=new_index(settings.levels_max),
        commands=np.zeros(settings.commands_max, kind.FIELDS["commands"].dtype),
        reports=np.zeros(settings.reports_max, REPORT),
        report_sequence=np.zeros(settings.reports_max, np.int64),
        **kind.MODULES["source"].prepare(list(instruments), settings, kind.FIELDS),
    )
