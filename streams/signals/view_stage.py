"""The view of a strategy that reads its account or the book, or that is compiled: a thin shell
around the compiled handlers (``view_handlers.py``).

It stands before the strategy and takes every record before it does. What the records are, and how
they are read, stands in ``streams/numeric/strategy_view.py``: the context of a strategy in plain
Python reads them here, a compiled strategy by their address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import Instrument
from schemas.vocabulary import Flag, Side
from streams.numeric import strategy_view as v
from streams.numeric.book_reads import BOOK_SIZE
from streams.numeric.conversion import bytes_of, reader, row_of, writer
from streams.numeric.identity import text_of_halves, to_halves
from streams.numeric.index import put
from streams.numeric.pooled_state import PooledState
from streams.numeric.queue_estimates import find_estimate, follow_size_at
from streams.numeric.replacements import working_quantity
from streams.numeric.stage_calls import StageCalls
from streams.numeric.stage_records import key_of_instrument
from streams.numeric.stage_shell import StageShell
from streams.numeric.stage_state import entries_of
from streams.numeric.table import Table
from streams.signals import view_handlers as handlers
from streams.signals.view import LAST, NAME, QUEUE_TOPICS, OpenOrder, bodies_of, records_of

KINDS = {
    "trades": handlers.ON_TRADE, "quotes": handlers.ON_QUOTE, "bars": handlers.ON_BAR,
    "marks": handlers.ON_MARK, "features": handlers.ON_FEATURES, "toxicity": handlers.ON_TOXICITY,
}  # fmt: skip
GROWS = {handlers.ORDERS_FULL: "orders", handlers.BARS_FULL: "bars"}
"""Fault -> the table that is to grow."""
QUEUE_KINDS = (handlers.ON_TRADE, handlers.ON_DEPTH, handlers.ON_FILL)
"""Of ``QUEUE_TOPICS``."""
_TERMS = ("instrument", "side", "quantity", "remaining", "price", "status")
_QUEUED = ["is_resting", "queue_ahead", "displayed", "traded"]


def _key_of_bar(row: Any) -> tuple[int, int]:
    return int(row["instrument"]) + int(v.BAR_KEYS), int(row["interval"])


class ViewState(PooledState):
    """Owns the records of one view."""

    NAME = NAME
    HEADER = v.VIEW
    STATE_FIELDS = ()
    ROWS: ClassVar[Any] = {"instruments": v.INSTRUMENT, "bars": v.BAR}
    LENGTHS: ClassVar[Any] = {"instruments": 16, "bars": 16, "orders": 64}
    KEYS: ClassVar[Any] = {"instruments": key_of_instrument, "bars": _key_of_bar}
    POOLS: ClassVar[Any] = {"orders": v.ORDER}
    CHAINS: ClassVar[Any] = {"live": "orders", "asked": "orders"}

    def __init__(self) -> None:
        super().__init__()
        self.row["bars_used"] = 1
        self._give_rows()

    def grow(self, name: str, length: int = 0) -> None:
        """Twice the rows, or so many; the last records have a row for each instrument."""
        super().grow(name, length)
        if name == "instruments":
            self._give_rows()

    def clear(self) -> None:
        """No instrument, no record and no order; the header stays where it is."""
        self.row["instruments_used"], self.row["bars_used"] = 0, 1
        for name in ("instruments", *v.LAST):
            table = self.tables[name]
            self.put(name, Table(table.rows.dtype, len(table)))
        self._build_index()
        self._empty("orders", Table(v.ORDER, len(self.tables["orders"])))

    def _give_rows(self) -> None:
        length = len(self.tables["instruments"])
        for name, dtype in v.LAST.items():
            if name != "bars":
                known = self.tables.get(name)
                self.put(name, known.grown(length) if known is not None else Table(dtype, length))


class ViewStage(StageShell[ViewState]):
    """Keeps open orders and last records; a subclass of it says which (``view.view_of``)."""

    NAME = NAME
    ENTRY = handlers.handle
    INPUTS: ClassVar[tuple[str, ...]] = ()
    OUTPUTS: ClassVar[tuple[str, ...]] = ()
    STATE_VERSION = 2
    KEPT: ClassVar[tuple[str, ...]] = ()
    ESTIMATES: ClassVar[bool] = False
    ACCOUNT: ClassVar[int] = 1
    STRATEGY: ClassVar[int] = 1

    def __init__(self, instruments: Sequence[Instrument], settings: Any) -> None:
        super().__init__(ViewState())
        self.state.row["account"], self.state.row["strategy"] = self.ACCOUNT, self.STRATEGY
        self.state.row["estimates"] = self.ESTIMATES
        self._size = np.zeros(1, BOOK_SIZE)
        self._books: Any = None
        self.logged = 0
        self.instruments: dict[int, Instrument] = {}
        self._places: dict[int, int] = {}
        self._write_event = writer("OrderEvent")
        self._event = np.zeros(1, codec("OrderEvent").dtype)
        self._event_bytes, self._event_address = bytes_of(self._event), self._event.ctypes.data
        self._found = Table(v.ORDER, 16)
        for instrument in instruments:
            self.on_instrument(instrument, None)

    @property
    def address(self) -> int:
        """Of the header: it stays where it is."""
        return self._header_address

    # -- handlers

    def calls(self) -> StageCalls:
        """How the scheduler calls the handlers."""
        kinds = {LAST[name]: KINDS[name] for name in self.KEPT}
        kinds["orders.events"] = handlers.ON_EVENT
        kinds |= zip(QUEUE_TOPICS, QUEUE_KINDS, strict=True) if self.ESTIMATES else ()
        return StageCalls(handlers.handle, self._header_address, self._out_address, kinds, ())

    def read_from(self, stages: Any) -> None:
        """Ask the books for sizes, if queue positions are estimated."""
        if self.ESTIMATES:
            self._books, row = stages.books, self.state.row
            row["books"], row["books_entry"] = self._books.header, self._books.entry
            row["asked_at"] = self._size.ctypes.data

    def settle(self, code: int, kind: int, context: Any) -> None:
        """Let the table that is full grow, or raise what is wrong with the books."""
        self.state.take_fault()
        self._raise_books_fault()
        self.state.grow(GROWS[np.int64(code)])

    def on_instrument(self, record: Instrument, context: Any) -> None:
        """A new or changed specification."""
        state, number = self.state, record.instrument
        place = self._places.setdefault(number, len(self._places))
        if place == len(state.tables["instruments"]):
            state.grow("instruments")
        row = state.tables["instruments"].rows[place]
        if place == state.used("instruments"):
            row["instrument"], state.row["instruments_used"] = number, place + 1
            put(entries_of(state.tables["index"]), *key_of_instrument(row), place)
        self.instruments[number] = record
        for name in (
            "price_precision",
            "quantity_precision",
            "tick_size",
            "lot_size",
            "multiplier",
        ):
            row[name] = getattr(record, name)

    def on_order_event(self, record: Any, context: Any) -> None:
        """What becomes of an order."""
        self._write_event(record, self._event_bytes)
        self._handle(handlers.ON_EVENT, self._event_address, 0, context)

    def on_fill(self, record: Any, context: Any) -> None:
        """A fill of one of the orders."""
        self._hand_over(handlers.ON_FILL, record)

    def on_depth_update(self, record: Any, context: Any) -> None:
        """A book has taken an update."""
        self._hand_over(handlers.ON_DEPTH, record)

    def _hand_over(self, kind: int, record: Any) -> None:
        row, _ = row_of(record)
        self._handle(kind, row.ctypes.data, 0)

    def _keep(self, name: str, record: Any) -> None:
        self._hand_over(KINDS[name], record)

    def on_trade(self, record: Any, context: Any) -> None:
        """The last trade."""
        self._keep("trades", record)

    def on_quote(self, record: Any, context: Any) -> None:
        """The last quote."""
        self._keep("quotes", record)

    def on_bar(self, record: Any, context: Any) -> None:
        """The last bar."""
        self._keep("bars", record)

    def on_mark(self, record: Any, context: Any) -> None:
        """The last mark."""
        self._keep("marks", record)

    def on_market_features(self, record: Any, context: Any) -> None:
        """The last features."""
        self._keep("features", record)

    def on_toxicity(self, record: Any, context: Any) -> None:
        """The last toxicity."""
        self._keep("toxicity", record)

    # -- requests

    def note(self, request: Any) -> None:
        """The strategy asks for an order or a cancel; nobody has read the request yet."""
        self.reserve_requests(1)
        v.note_request(
            self._header_address, request.kind, *to_halves(request.order_id), request.instrument,
            request.side, request.quantity, request.price,
        )  # fmt: skip

    def reserve_requests(self, count: int) -> None:
        """See to it that so many requests can be noted."""
        self.state.reserve("orders", count)

    # -- reading, for a context of plain Python

    def open_orders(self, instrument: int | None) -> tuple[OpenOrder, ...]:
        """Those of one instrument or of all, oldest first; behind them the ones whose request is on
        its way.
        """
        wanted = int(v.ANY_INSTRUMENT) if instrument is None else instrument
        if len(self._found) < len(self.state.tables["orders"]):
            self._found = Table(v.ORDER, len(self.state.tables["orders"]))
        count = v.list_open_orders(self._header_address, wanted, self._found.address)
        return tuple(map(_open_order, self._found.rows[:count].tolist()))

    def working(self, instrument: int, replacing: Any) -> int:
        """Signed quantity that open orders may still fill; of one that is being modified, what its
        replacement asks for.
        """
        return int(working_quantity(self._header_address, replacing.address, instrument))

    def queue_estimate(self, order_id: str) -> int | None:
        """How much stands ahead of an open order, as far as is known."""
        found = int(find_estimate(self._header_address, *to_halves(order_id)))
        self._raise_books_fault()
        return found if found >= 0 else None

    def _raise_books_fault(self) -> None:
        code = int(self.state.row["books_code"])
        if code:
            self._books.raise_fault(code, self.NAME, 0)

    def follow_books(self, read_book: Callable[[int, None], tuple[Any, Any, int]]) -> None:
        """Follow the books, for who has no compiled reader of them."""
        for place in self.state.places("live"):
            order = self.state.tables["orders"].rows[place]
            bids, asks, flags = read_book(int(order["instrument"]), None)
            if order["is_resting"] and not flags & Flag.STALE:
                levels = dict(bids if order["side"] == Side.BUY else asks)
                size = levels.get(int(order["price"]), 0)
                follow_size_at(self._header_address, place, size)

    def last(self, name: str, instrument: int) -> Any:
        """The last record of this kind, None before the first; the instrument is listed."""
        place = self._places[instrument]
        is_kept = self.state.tables["instruments"].rows[place]["kept"] & v.BIT[name]
        return self._record(name, place) if is_kept else None

    def last_bar(self, instrument: int, interval: int | None) -> Any:
        """The last bar of an interval, of the shortest for None; None before the first."""
        listed = self.state.tables["instruments"].rows[self._places[instrument]]
        place = int(listed["shortest_bar"])
        if interval is not None:
            rows = self.state.tables["bars"].rows[: self.state.used("bars")]
            same = (rows["instrument"] == instrument) & (rows["interval"] == interval)
            places = np.flatnonzero(same)
            place = int(places[0]) if len(places) else 0
        return self._record("bars", place) if place else None

    def _record(self, name: str, place: int) -> Any:
        rows, kind = self.state.tables[name].rows, topic_of(LAST[name]).record
        if name in ("features", "toxicity"):  # doubles that may be null
            return next(iter(codec(kind).rows_to_records(rows, place, 1)))
        return reader(kind)(bytes_of(rows), place * rows.dtype.itemsize)

    # -- snapshots

    def encoded_state(self) -> bytes:
        """As a snapshot has it (``view.py``)."""
        records = {name: self._all(name) for name in self.KEPT}
        records["instruments"] = [self.instruments[key] for key in sorted(self.instruments)]
        live = self.state.chained("live")
        orders = [_open_order(row) for row in live.tolist()]
        queued = live[_QUEUED].tolist() if self.ESTIMATES else []
        return msgspec.msgpack.encode((bodies_of(records), orders, self.logged, queued))

    def _all(self, name: str) -> list[Any]:
        """The last records of a kind, by instrument."""
        if name == "bars":
            rows = self.state.tables["bars"].rows[: self.state.used("bars")]
            places = np.lexsort((rows["interval"], rows["instrument"])).tolist()
            return [self._record(name, place) for place in places if place]
        found = [self.last(name, number) for number in sorted(self.instruments)]
        return [record for record in found if record is not None]

    def take_state(self, encoded: bytes) -> None:
        """Become what :meth:`encoded_state` gave."""
        records, orders, self.logged, queued = records_of(encoded)
        self.state.clear()
        self._places.clear()
        self.instruments.clear()
        for record in records["instruments"]:
            self.on_instrument(record, None)
        for name in self.KEPT:
            for record in records[name]:
                self._keep(name, record)
        rows = np.zeros(len(orders), v.ORDER)
        rows["queue_ahead"] = v.UNKNOWN
        for row, order in zip(rows, orders, strict=True):
            row["order_id_high"], row["order_id_low"] = to_halves(order.order_id)
            row["is_live"] = 1
            for term in _TERMS:
                row[term] = getattr(order, term)
        for name, values in zip(_QUEUED, zip(*queued, strict=True), strict=False):
            rows[name] = values
        self.state.take_rows("orders", {"live": rows, "asked": rows[:0]})


def _open_order(row: tuple[int, ...]) -> OpenOrder:
    return OpenOrder(text_of_halves(row[0], row[1]), *row[2:8])
