"""What a strategy reads besides the record that wakes it, kept by a stage that stands before it.

``READS`` of a strategy names what it reads; what it does not name costs nothing. The stage takes
every record before the strategy does, and keeps the last one of each instrument and, for
``account``, the strategy's open orders:

- ``account``: position, cash, equity and open orders (with them the last marks);
- ``book``: the order book, which the venue's loop holds;
- ``queue``, beside ``account``: how much stands ahead of its resting orders, an estimate;
- ``trades``, ``quotes``, ``bars``, ``marks``, ``features``, ``toxicity``: the last record of each
  instrument.

A strategy that reads ``account`` or ``book`` is the last of all stages, so that each of them has
taken a record before it. One that reads market data alone keeps its place before the order side.

The stage is compiled (``view_stage.py``), but for a strategy in plain Python that reads market data
alone: it runs over a window of records that are Python's already, and so is its view, which is
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import Instrument, Mark
from streams.signals.view_rules import is_latest

ACCOUNT, BOOK, QUEUE = "account", "book", "queue"
LOG = "strategy.log"
"""Topic of what strategies log."""
LAST: dict[str, str] = {
    "trades": "md.trades", "quotes": "md.quotes", "bars": "md.bars", "marks": "md.marks",
    "features": "md.features", "toxicity": "md.toxicity",
}  # fmt: skip
"""Topics whose last record is kept, by the name that ``READS`` and ``WAKES`` have for them."""
READABLE = (ACCOUNT, BOOK, *LAST, QUEUE)
QUEUE_TOPICS = ("md.trades", "md.depth", "fills")
"""What queue positions are estimated from, beside ``orders.events``."""
NAME = "strategy-view"


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
    """The last records by name and key."""

    def __init__(self, names: Sequence[str]) -> None:
        self.last: dict[str, dict[Any, Any]] = {name: {} for name in names}


class StrategyView:
    """Keeps the last records of the market; a subclass of it says which (``view_of``)."""

    NAME = NAME
    INPUTS: ClassVar[tuple[str, ...]] = ()
    OUTPUTS: ClassVar[tuple[str, ...]] = ()
    STATE_VERSION = 2
    KEPT: ClassVar[tuple[str, ...]] = ()
    STRATEGY: ClassVar[int] = 1

    def __init__(self, instruments: Sequence[Instrument], settings: Any) -> None:
        self.state = ViewState((*self.KEPT, "instruments"))
        self.logged = 0
        for instrument in instruments:
            self.on_instrument(instrument, None)

    @property
    def instruments(self) -> dict[int, Instrument]:
        """Specifications by id."""
        return self.state.last["instruments"]

    def last(self, name: str, instrument: int) -> Any:
        """The last record of this kind, None before the first."""
        return self.state.last[name].get(instrument)

    def last_bar(self, instrument: int, interval: int | None) -> Any:
        """The last bar of an interval, of the shortest for None; None before the first."""
        bars = self.state.last["bars"]
        if interval is None:
            interval = min((length for number, length in bars if number == instrument), default=0)
        return bars.get((instrument, interval))

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
        if key not in bars or is_latest(record.open_time, bars[key].open_time):
            bars[key] = record

    def on_market_features(self, record: Any, context: Any) -> None:
        """The last features."""
        self.state.last["features"][record.instrument] = record

    def on_toxicity(self, record: Any, context: Any) -> None:
        """The last toxicity."""
        self.state.last["toxicity"][record.instrument] = record

    def encoded_state(self) -> bytes:
        """As a snapshot has it."""
        records = {
            name: [found[key] for key in sorted(found)] for name, found in self.state.last.items()
        }
        return msgspec.msgpack.encode((bodies_of(records), [], self.logged, []))

    def take_state(self, content: bytes) -> None:
        """Take up a state."""
        records, _, self.logged, _ = records_of(content)
        self.state = ViewState(list(records))
        for name, found in records.items():
            for record in found:
                key = (record.instrument, record.interval) if name == "bars" else record.instrument
                self.state.last[name][key] = record


def bodies_of(records: Mapping[str, Sequence[Any]]) -> list[tuple[str, int, bytes]]:
    """Last records as a snapshot has them: in Avro, for their amounts may be wider than MessagePack
    takes.
    """
    return [
        (name, len(found), codec(_record_of(name)).encode_records(list(found)) if found else b"")
        for name, found in records.items()
    ]


Queued = tuple[int, int, int, int]
"""``is_resting``, ``queue_ahead``, ``displayed`` and ``traded`` of an open order."""


def records_of(
    content: bytes,
) -> tuple[dict[str, list[Any]], list[OpenOrder], int, list[Queued]]:
    """(last records by name, open orders, lines logged, their estimates) of a snapshot."""
    kind = tuple[list[tuple[str, int, bytes]], list[OpenOrder], int, list[Queued]]
    bodies, orders, logged, queued = msgspec.msgpack.decode(content, type=kind)
    records = {
        name: list(codec(_record_of(name)).decode_records(body, count)) if count else []
        for name, count, body in bodies
    }
    return records, orders, logged, queued


def _record_of(name: str) -> str:
    return topic_of(LAST.get(name, "ref.instruments")).record


def reads_of(stage: Any) -> tuple[str, ...]:
    """What a strategy of either kind says that it reads."""
    return tuple(getattr(stage, "READS", ()))


def is_last(stage: Any) -> bool:
    """True if every other stage must have taken a record before the strategy takes it."""
    return bool({ACCOUNT, BOOK}.intersection(reads_of(stage)))


def view_of(stage: Any, account: int) -> type[Any] | None:
    """The stage that keeps what a strategy reads, and counts what it logs; None if it does neither.

    Args:
        account: that the strategy trades.
    """
    reads = reads_of(stage)
    if not reads and not getattr(stage, "LOGS", False):
        return None
    kept = [name for name in LAST if name in reads or (name == "marks" and ACCOUNT in reads)]
    is_queued = QUEUE in reads
    inputs = [
        "ref.instruments",
        *(LAST[name] for name in kept),
        *(["orders.events"] if ACCOUNT in reads else []),
        *(QUEUE_TOPICS if is_queued else ()),
    ]
    strategy = getattr(stage, "STRATEGY", 1)
    members = {"INPUTS": tuple(dict.fromkeys(inputs)), "KEPT": tuple(kept), "STRATEGY": strategy}
    is_plain = isinstance(stage, type) and not hasattr(stage, "COMPILED_ELSEWHERE")
    if not is_last(stage) and is_plain:
        return type("View", (StrategyView,), members)
    from streams.signals.view_stage import ViewStage  # compiled code, which few strategies need

    return type("View", (ViewStage,), {**members, "ACCOUNT": account, "ESTIMATES": is_queued})
