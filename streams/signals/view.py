"""What a strategy reads besides the record that wakes it, kept by a stage that stands before it.

``READS`` of a strategy names what it reads; what it does not name costs nothing. The stage takes
every record before the strategy does, and keeps the last one of each instrument and, for
``account``, the strategy's open orders:

- ``account``: position, cash, equity and open orders (with them the last marks);
- ``book``: the order book, which the venue's loop holds;
- ``trades``, ``quotes``, ``bars``, ``marks``, ``features``, ``toxicity``: the last record of each
  instrument.

A strategy that reads ``account`` or ``book`` is the last of all stages, so that each of them has
taken a record before it. One that reads market data alone keeps its place before the order side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import Instrument, Mark, OrderEvent, OrderRequest
from schemas.vocabulary import OrderStatus, RequestKind

ACCOUNT, BOOK = "account", "book"
LOG = "strategy.log"
"""Topic of what strategies log."""
LAST: dict[str, str] = {
    "trades": "md.trades", "quotes": "md.quotes", "bars": "md.bars", "marks": "md.marks",
    "features": "md.features", "toxicity": "md.toxicity",
}  # fmt: skip
"""Topics whose last record is kept, by the name that ``READS`` and ``WAKES`` have for them."""
READABLE = (ACCOUNT, BOOK, *LAST)
NAME = "strategy-view"
NEW_ORDER = int(RequestKind.NEW)
ASKED, PENDING_CANCEL = int(OrderStatus.NEW), int(OrderStatus.PENDING_CANCEL)
_CLOSED = (
    OrderStatus.FILLED,
    OrderStatus.CANCELLED,
    OrderStatus.REJECTED,
    OrderStatus.EXPIRED,
    OrderStatus.DENIED,
)
ENDED = tuple(status in _CLOSED for status in range(len(OrderStatus)))
"""``ENDED[status]``: the order works no more."""


class OpenOrder(msgspec.Struct, frozen=True, array_like=True):
    """One of the strategy's orders that may still fill."""

    order_id: str
    instrument: int
    side: int
    quantity: int
    """as it was ordered"""
    remaining: int
    """what is not filled yet"""
    price: int
    """limit; 0 for a market order"""
    status: int
    """an OrderStatus; NEW where the request is on its way"""


class ViewState:
    """The last records by name and key, and the open orders by id."""

    def __init__(self, names: Sequence[str]) -> None:
        self.last: dict[str, dict[Any, Any]] = {name: {} for name in names}
        self.orders: dict[str, OpenOrder] = {}
        self.logged = 0
        """lines"""


class StrategyView:
    """Keeps it. Subclasses made by :func:`view_of` say what for."""

    NAME = NAME
    INPUTS: ClassVar[tuple[str, ...]] = ()
    OUTPUTS: ClassVar[tuple[str, ...]] = ()
    STATE_VERSION = 1
    KEPT: ClassVar[tuple[str, ...]] = ()
    STRATEGY: ClassVar[int] = 1

    def __init__(self, instruments: Sequence[Instrument], settings: Any) -> None:
        self.state = ViewState((*self.KEPT, "instruments"))
        self.asked: dict[str, OrderRequest] = {}
        """Requests that are not decided yet: empty between two input records."""
        self.asked_to_cancel: dict[str, OrderRequest] = {}
        for instrument in instruments:
            self.on_instrument(instrument, None)

    def note(self, request: OrderRequest) -> None:
        """The strategy asks for an order or a cancel; nobody has read the request yet."""
        (self.asked if request.kind == NEW_ORDER else self.asked_to_cancel)[request.order_id] = (
            request
        )

    def on_order_event(self, record: OrderEvent, context: Any) -> None:
        """Every request leads to an event of its order; a refused one changes nothing."""
        order_id = record.order_id
        if self.asked.pop(order_id, None) is None:
            self.asked_to_cancel.pop(order_id, None)
        if record.refused or record.strategy != self.STRATEGY or record.account != context.account:
            return
        if ENDED[record.status]:
            self.state.orders.pop(order_id, None)
            return
        remaining = record.quantity - record.filled_quantity
        self.state.orders[order_id] = OpenOrder(
            order_id,
            record.instrument,
            record.side,
            record.quantity,
            remaining,
            record.price,
            record.status,
        )

    def open_orders(self, instrument: int | None) -> tuple[OpenOrder, ...]:
        """Those of one instrument or of all, oldest first; behind them the ones whose request is on
        its way.
        """
        found = list(self.state.orders.values())
        for request in self.asked.values():
            if request.order_id not in self.state.orders:
                quantity = request.quantity
                found.append(
                    OpenOrder(
                        request.order_id,
                        request.instrument,
                        request.side,
                        quantity,
                        quantity,
                        request.price,
                        ASKED,
                    )
                )
        return tuple(
            msgspec.structs.replace(order, status=PENDING_CANCEL)
            if order.order_id in self.asked_to_cancel
            else order
            for order in found
            if instrument is None or order.instrument == instrument
        )

    def on_instrument(self, record: Instrument, context: Any) -> None:
        """A new or changed specification."""
        self.state.last["instruments"][record.instrument] = record

    def on_mark(self, record: Mark, context: Any) -> None:
        """The last mark."""
        self.state.last["marks"][record.instrument] = record

    def on_trade(self, record: Any, context: Any) -> None:
        """The last trade."""
        self.state.last["trades"][record.instrument] = record

    def on_quote(self, record: Any, context: Any) -> None:
        """The last quote."""
        self.state.last["quotes"][record.instrument] = record

    def on_bar(self, record: Any, context: Any) -> None:
        """The last bar of an interval; an amended one in its place."""
        bars = self.state.last["bars"]
        key = (record.instrument, record.interval)
        if key not in bars or record.open_time >= bars[key].open_time:
            bars[key] = record

    def on_market_features(self, record: Any, context: Any) -> None:
        """The last features."""
        self.state.last["features"][record.instrument] = record

    def on_toxicity(self, record: Any, context: Any) -> None:
        """The last toxicity."""
        self.state.last["toxicity"][record.instrument] = record

    def encoded_state(self) -> bytes:
        """As a snapshot has it: records in Avro, for their amounts may be wider than MessagePack
        takes.
        """
        bodies = []
        for name, found in self.state.last.items():
            records = [found[key] for key in sorted(found)]
            bodies.append(
                (
                    name,
                    len(records),
                    codec(_record_of(name)).encode_records(records) if records else b"",
                )
            )
        return msgspec.msgpack.encode((bodies, list(self.state.orders.values()), self.state.logged))

    def take_state(self, content: bytes) -> None:
        """Take up a state."""
        bodies, orders, logged = msgspec.msgpack.decode(
            content, type=tuple[list[tuple[str, int, bytes]], list[OpenOrder], int]
        )
        self.state = ViewState([name for name, _, _ in bodies])
        for name, count, body in bodies:
            for record in codec(_record_of(name)).decode_records(body, count) if count else ():
                key = (record.instrument, record.interval) if name == "bars" else record.instrument
                self.state.last[name][key] = record
        self.state.orders = {order.order_id: order for order in orders}
        self.state.logged = logged


def _record_of(name: str) -> str:
    return topic_of(LAST.get(name, "ref.instruments")).record


def reads_of(stage: Any) -> tuple[str, ...]:
    """What a strategy of either kind says that it reads."""
    return tuple(getattr(stage, "READS", ()))


def is_last(stage: Any) -> bool:
    """True if every other stage must have taken a record before the strategy takes it."""
    return bool({ACCOUNT, BOOK}.intersection(reads_of(stage)))


def view_of(stage: Any) -> type[StrategyView] | None:
    """The stage that keeps what a strategy reads, and counts what it logs; None if it does neither.
    """
    reads = reads_of(stage)
    if not reads and not getattr(stage, "LOGS", False):
        return None
    kept = [name for name in LAST if name in reads or (name == "marks" and ACCOUNT in reads)]
    inputs = [
        "ref.instruments",
        *(LAST[name] for name in kept),
        *(["orders.events"] if ACCOUNT in reads else []),
    ]
    members = {"INPUTS": tuple(inputs), "KEPT": tuple(kept), "STRATEGY": stage.STRATEGY}
    return type("View", (StrategyView,), members)
