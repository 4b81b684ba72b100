"""The seams of the venue: which fill model, which venue and which prices a run uses, by name.

A fill model and a venue are modules of functions that kernels call (`FillModel`, `Venue`). To add
one, write the module and its line in a table below. ``[venue] queue_model`` and ``[venue] model``
choose by these names. The state of the chosen pair has a type of its own
(``state.state_class``), so the functions are bound when the loop is compiled and cost no branch.
"""

from __future__ import annotations

import importlib  # lint: allow dynamic: what the tables name is ours, and in the code digest
import inspect  # lint: allow dynamic: compares what a module has with its protocol
from types import ModuleType
from typing import Any, Protocol

from schemas.errors import WrongUse

FILL_MODEL = "risk-averse"
VENUE = "standard"
SOURCE = "book"
"""What a run that names none has."""

FILL_MODELS = {
    "risk-averse": "streams.venue.fill_models.risk_averse",
    "log-prob": "streams.venue.fill_models.log_prob",
    "log-prob-2": "streams.venue.fill_models.log_prob_2",
    "through": "streams.venue.fill_models.through",
}
"""Name in ``[venue] queue_model`` -> module."""

VENUES = {
    "standard": "streams.venue.venues.standard",
    "brokered": "streams.venue.venues.brokered",
    "indian": "streams.venue.venues.indian",
}
"""Name in ``[venue] model`` -> module."""

SOURCES = {
    "book": "streams.venue.sources.recorded_book",
    "quotes": "streams.venue.sources.assumed",
    "trades": "streams.venue.sources.assumed",
    "bars": "streams.venue.sources.assumed",
}
"""Name in ``--data`` -> module."""

Fields = list[tuple[str, str]]
"""Fields of a row, as NumPy has them: ``("ahead", "f8")``. Eight bytes each: i8, u8 or f8."""


class UnknownModel(WrongUse):
    """No fill model or venue of this name, or a parameter that it does not have."""

    code = "unknown_venue_model"


class BadParameter(WrongUse):
    """A parameter of a fill model or venue has a value that it cannot have."""

    code = "bad_venue_parameter"


class BadModel(WrongUse):
    """A module of the tables is not what its protocol asks for."""

    code = "bad_venue_model"


class Model(Protocol):
    """What a fill model and a venue both declare, as names of a module."""

    ORDER_FIELDS: Fields
    """What it keeps of each order, beside ``state.ORDER``. Not cleared between two orders."""
    MARKET_FIELDS: Fields
    """What it keeps of each instrument, beside ``state.MARKET``."""
    SETTINGS_FIELDS: Fields
    """What it keeps once, in ``state.counters[0]``."""
    PARAMETERS: dict[str, int]
    """Settings in ``[venue.parameters]`` with their defaults, integers from 0."""

    def prepare(self, settings: Any, market: Any, instrument: Any, parameters: Any) -> None:
        """Plain Python: fill the fields above, once for each instrument, before the first record.

        Args:
            settings: the row with ``SETTINGS_FIELDS``.
            market: the row with ``MARKET_FIELDS``.
            instrument: the `Instrument`.
            parameters: value by name.
        """


class FillModel(Model, Protocol):
    """How the queue position of a resting order moves, and when it fills at its price.

    All functions but ``prepare`` are kernels. ``level`` and ``order`` are rows of ``state.LEVEL``
    and ``state.ORDER``; the instrument's row is ``state.markets[level.slot]``. The matching itself
    (``resting.py``) stays: a print is spent once, best price first, and an order behind which the
    other side stands is filled in full.
    """

    FOLLOWS_REPEATS: bool
    """True: `size_changed` is also called where an update names the level with the same size."""

    def join(self, state: Any, level: Any, order: Any) -> None:
        """The order rests now at the level, behind ``level.displayed``."""

    def print_at(
        self, state: Any, level: Any, order: Any, quantity: int, left: int, others: int
    ) -> Any:
        """A print at the order's price. Returns how much of ``left`` is spent ahead of the order.

        The rest of ``left``, 0 to all of it, fills the order, as far as it goes.

        Args:
            quantity: what printed.
            left: what of it no earlier order of ours, and nobody before that, has taken.
            others: what was spent on others ahead of our earlier orders at this level.
        """

    def print_through(self, state: Any, level: Any, order: Any) -> None:
        """A print beyond the order's price: nobody is ahead of it any more."""

    def size_changed(self, state: Any, level: Any, order: Any, new: int, traded: int) -> None:
        """The level displayed ``level.displayed`` and displays ``new`` now.

        ``traded``: what printed at it since the order joined or its size changed last.
        """


class Venue(Model, Protocol):
    """Fees and their rounding, tick and lot rules, and latency. All but ``prepare`` are kernels."""

    CONSTANT_LATENCY: bool
    """False: legs differ from one message to the next. Messages stay in order on their way."""

    def begin(self, state: Any, market: Any, command: Any) -> None:
        """A new order was accepted: set what ``ORDER_FIELDS`` must begin with.

        ``market``, here and below: the instrument's row of ``state.MARKET``.
        """

    def is_on_lot(self, market: Any, quantity: int) -> Any:
        """True if an order may have this quantity, which is above 0."""

    def is_on_tick(self, market: Any, price: int) -> Any:
        """True if a limit order may have this price, which is above 0.

        Risk has refused what is off the instrument's own tick or lot before.
        """

    def charge(self, state: Any, order: Any, price: int, quantity: int, liquidity: int) -> Any:
        """(high, low) limbs of a fill's fee in 10^-(price_precision + quantity_precision).

        At most the higher of the run's two rates of the notional: that much is kept free for it.
        """

    def entry_latency(self, state: Any, command: Any) -> Any:
        """Nanoseconds from the clock of a decision to its arrival, feed leg included; 0 to 2^60."""

    def response_latency(self, state: Any, order: Any) -> Any:
        """Nanoseconds from an event at the venue to its delivery, less the feed leg; 0 to 2^60."""


class Source(Protocol):
    """What prices come from. All functions but ``prepare`` are kernels; ``slot`` is known."""

    ARRAYS: dict[str, Any]
    """Arrays of its own in the venue's state."""
    OF_ORDERS: tuple[str, ...]
    """Those of them whose rows are orders, with the fields of the fill model and the venue."""

    def prepare(self, instruments: Any, settings: Any, fields: Any) -> Any:
        """Plain Python: those arrays before the first record, by name.

        ``fields``: by name, with their dtypes.
        """

    def on_trade(self, state: Any, books: Any, slot: int, trade: Any) -> None:
        """A print with a quantity above 0."""

    def on_book_ticker(self, state: Any, books: Any, slot: int, ticker: Any) -> None:
        """The venue's own best bid and ask."""

    def on_bar(self, state: Any, books: Any, slot: int, bar: Any) -> None:
        """A bar, at its open."""

    def due(self, state: Any) -> Any:
        """When `on_due` is to be called, NO_TIMER for never."""

    def on_due(self, state: Any, books: Any) -> None:
        """A timer of the venue is due, perhaps this one: do what is due at the clock."""

    def holds(self, state: Any, books: Any, command: Any) -> Any:
        """True if the command waits here, or was dealt with, and is not to be carried out now."""


def source(name: str) -> ModuleType:
    """What prices come from, a `Source`. Raises UnknownModel, BadModel."""
    return _loaded(SOURCES, name, "venue.data (--data)", Source)


def fill_model(name: str) -> ModuleType:
    """The fill model of this name, a `FillModel`. Raises UnknownModel, BadModel."""
    return _loaded(FILL_MODELS, name, "venue.queue_model (--fill-model)", FillModel)


def venue(name: str) -> ModuleType:
    """The venue of this name, a `Venue`. Raises UnknownModel, BadModel."""
    return _loaded(VENUES, name, "venue.model (--venue-model)", Venue)


def parameters_of(model: str, queue_model: str, given: dict[str, int]) -> dict[str, int]:
    """Every parameter of the pair with its value. Raises UnknownModel for one it does not have."""
    known = {**venue(model).PARAMETERS, **fill_model(queue_model).PARAMETERS}
    for name, value in given.items():
        if name not in known:
            has = f"its parameters are {', '.join(sorted(known))}" if known else "it has none"
            raise UnknownModel(
                f"venue.parameters has {name!r}, which venue.model {model!r} with "
                f"venue.queue_model {queue_model!r} does not take; {has}"
            )
        if not 0 <= value < 1 << 63:
            raise UnknownModel(f"venue.parameters.{name} is {value}; give 0 to {(1 << 63) - 1}")
    return {**known, **given}


def _loaded(table: dict[str, str], name: str, setting: str, protocol: type) -> ModuleType:
    """The module of a name, checked against its protocol."""
    if name not in table:
        raise UnknownModel(f"{setting} is {name!r}; give one of: {', '.join(sorted(table))}")
    module = importlib.import_module(table[name])
    for kind in protocol.__mro__:
        for wanted in kind.__dict__.get("__annotations__", {}):
            if not hasattr(module, wanted):
                what = f"{module.__name__} has no {wanted}"
                raise BadModel(f"{what}; {protocol.__name__} says what it is")
        for wanted, function in kind.__dict__.items():
            if wanted.startswith("_") or not inspect.isfunction(function):
                continue
            found = getattr(module, wanted, None)
            expected = list(inspect.signature(function).parameters)[1:]
            given = getattr(found, "py_func", found)
            if not callable(given) or list(inspect.signature(given).parameters) != expected:
                raise BadModel(
                    f"{module.__name__} has no {wanted}({', '.join(expected)}); "
                    f"{protocol.__name__} says what it does"
                )
    return module
