"""Drives a venue, ours or the reference, through a stream of records the way the runtime does, and
builds such streams.

``run(venue, events, react)`` fires timers due at or before each event, lets ``react`` answer every
delivered report with commands at the delivery clock, and returns all reports in the order
delivered.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from reference_venue import ReferenceVenue

from schemas.compiled.bar import DTYPE as BAR
from schemas.compiled.book_ticker import DTYPE as BOOK_TICKER
from schemas.compiled.depth_update import DTYPE as DEPTH_UPDATE
from schemas.compiled.depth_update import LEVEL
from schemas.compiled.execution_report import DTYPE as EXECUTION_REPORT
from schemas.compiled.trade import DTYPE as TRADE
from schemas.compiled.venue_command import DTYPE as VENUE_COMMAND
from schemas.records import (
    Bar,
    BookTicker,
    DepthUpdate,
    ExecutionReport,
    Instrument,
    Trade,
    VenueCommand,
)
from schemas.vocabulary import (
    DepthKind,
    Flag,
    InstrumentKind,
    OrderReason,
    OrderType,
    ReportKind,
    RequestKind,
    Side,
    TimeInForce,
)
from streams.numeric.book import new_books
from streams.numeric.outputs import outputs_type
from streams.venue import stage

NEVER = 2**63 - 1
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
BUY, SELL = int(Side.BUY), int(Side.SELL)
Event = tuple[int, Any]
React = Callable[[ExecutionReport], Iterable[VenueCommand]]


def order_id(number: int) -> str:
    """An id of 20 base-32 characters."""
    text = ""
    for _ in range(20):
        number, digit = divmod(number, 32)
        text = DIGITS[digit] + text
    return text


def id_halves(text: str) -> tuple[int, int]:
    return int(text[:10], 32), int(text[10:], 32)


def id_text(high: int, low: int) -> str:
    return order_id((high << 50) | low)


def instrument(number: int = 1, **changed: Any) -> Instrument:
    """A spot instrument with 2 decimals of price and 3 of quantity, tick 1, lot 1, and no minimum.
    """
    fields: dict[str, Any] = {
        "instrument": number, "venue": "test", "symbol": f"T{number}",
        "kind": int(InstrumentKind.SPOT), "base": "T", "quote": "USDT",
        "price_precision": 2, "quantity_precision": 3, "tick_size": 1, "lot_size": 1,
        "minimum_quantity": 1, "maximum_quantity": 10**12,
        "minimum_notional": 0, "multiplier": 1, "shortable": True,
        "funding_interval": 0, "expiry": None, "valid_from": 0, "event_time": 0, "flags": 0,
    }  # fmt: skip
    return Instrument(**(fields | changed))


def snapshot(
    time: int, last: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], number: int = 1
) -> Event:
    flags = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
    return time, DepthUpdate(
        number, time, 0, last, last, -1, int(DepthKind.SNAPSHOT), flags, bids, asks
    )


def delta(
    time: int,
    last: int,
    bids: list[tuple[int, int]],
    asks: list[tuple[int, int]],
    number: int = 1,
    first: int | None = None,
) -> Event:
    return time, DepthUpdate(
        number,
        time,
        0,
        last if first is None else first,
        last,
        -1,
        int(DepthKind.DELTA),
        0,
        bids,
        asks,
    )


def trade(time: int, price: int, quantity: int, aggressor_side: int, number: int = 1) -> Event:
    return time, Trade(number, time, 0, time, 1, price, quantity, int(aggressor_side), 0)


def ticker(
    time: int, update_id: int, bid: tuple[int, int], ask: tuple[int, int], number: int = 1
) -> Event:
    return time, BookTicker(number, time, 0, update_id, *bid, *ask, 0)


def limit(
    time: int,
    name: int,
    side: int,
    quantity: int,
    price: int,
    time_in_force: int = TimeInForce.GTC,
    post_only: bool = False,
    number: int = 1,
) -> Event:
    return time, VenueCommand(
        order_id(name),
        number,
        time,
        int(RequestKind.NEW),
        int(side),
        int(OrderType.LIMIT),
        int(time_in_force),
        post_only,
        quantity,
        price,
    )


def market(
    time: int, name: int, side: int, quantity: int, number: int = 1, protection: int = 0
) -> Event:
    return time, VenueCommand(
        order_id(name),
        number,
        time,
        int(RequestKind.NEW),
        int(side),
        int(OrderType.MARKET),
        int(TimeInForce.IOC),
        False,
        quantity,
        protection,
    )


def cancel(time: int, name: int, side: int = BUY, number: int = 1) -> Event:
    return time, VenueCommand(
        order_id(name), number, time, int(RequestKind.CANCEL), int(side), 0, 0, False, 0, 0
    )


class VenueFault(Exception):
    """The venue reached the capacity named; the runtime would stop here."""


def of_sides(books: Any, field: str) -> list[int]:
    """A field of the sides of every book, bids first."""
    return [int(each[side][field]) for each in books.books for side in ("bids", "asks")]


class KernelVenue:
    """The stage behind the reference's interface. ``window`` is the book's, which changes no
    result.
    """

    def __init__(
        self, instruments: list[Instrument], settings: stage.Settings, window: int = 1 << 10
    ) -> None:
        self.state = stage.new_state(instruments, settings)
        self.books = new_books(instruments, window, 1 << 10)
        self.out = outputs_type(stage.OUTPUTS)(
            (np.zeros(stage.RESERVE["venue.reports"], EXECUTION_REPORT), np.zeros(1, np.int64))
        )

    @property
    def clock(self) -> int:
        return int(self.state.clock[0])

    @clock.setter
    def clock(self, value: int) -> None:
        self.state.clock[0] = value

    def due(self) -> int:
        return int(self.state.timer[0])

    def on_trade(self, record: Trade) -> None:
        stage.on_trade(self.state, self.books, row_of(TRADE, record)[0], self.out)

    def on_book_ticker(self, record: BookTicker) -> None:
        stage.on_book_ticker(self.state, self.books, row_of(BOOK_TICKER, record)[0], self.out)

    def on_bar(self, record: Bar) -> None:
        stage.on_bar(self.state, self.books, row_of(BAR, record)[0], self.out)

    def on_depth_update(self, record: DepthUpdate) -> None:
        row, levels = depth_rows(record)
        stage.on_depth_update(self.state, self.books, row[0], levels, self.out)

    def on_venue_command(self, record: VenueCommand) -> None:
        stage.on_venue_command(self.state, self.books, command_row(record)[0], self.out)

    def step(self) -> list[ExecutionReport]:
        if self.state.fault[0] != 0:
            raise VenueFault(stage.FAULTS[int(self.state.fault[0])])
        self.out.venue_reports[1][0] = 0
        stage.on_timer(self.state, self.books, self.due(), self.out)
        rows, count = self.out.venue_reports
        return [report_of(row) for row in rows[: count[0]]]


def row_of(dtype: np.dtype[Any], record: Any) -> np.ndarray[Any, Any]:
    """One row with the fields of the record that the row has under the same name."""
    row = np.zeros(1, dtype)
    for name in dtype.names or ():
        if hasattr(record, name):
            row[name] = getattr(record, name)
    return row


def command_row(record: VenueCommand) -> np.ndarray[Any, Any]:
    row = row_of(VENUE_COMMAND, record)
    row["order_id_high"], row["order_id_low"] = id_halves(record.order_id)
    return row


def depth_rows(record: DepthUpdate) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    row = row_of(DEPTH_UPDATE, record)
    row["bid_count"], row["ask_count"] = len(record.bids), len(record.asks)
    return row, np.array([*record.bids, *record.asks], LEVEL)


def report_of(row: Any) -> ExecutionReport:
    fee = (int(row["fee_high"]) << 64) | int(row["fee_low"])
    named = {
        name: int(row[name])
        for name in ExecutionReport.__struct_fields__
        if name in row.dtype.names
    }
    return ExecutionReport(
        order_id=id_text(int(row["order_id_high"]), int(row["order_id_low"])), fee=fee, **named
    )


def no_reaction(report: ExecutionReport) -> list[VenueCommand]:
    return []


def run(
    venue: Any, events: Iterable[Event], react: React = no_reaction, drain: bool = True
) -> list[ExecutionReport]:
    """All reports in order of delivery. ``drain`` lets every timer left after the last event fire.
    """
    reports: list[ExecutionReport] = []
    for time, record in events:
        clock = max(venue.clock, time)
        fire(venue, clock, react, reports)
        venue.clock = clock
        if isinstance(record, Trade):
            venue.on_trade(record)
        elif isinstance(record, DepthUpdate):
            venue.on_depth_update(record)
        elif isinstance(record, BookTicker):
            venue.on_book_ticker(record)
        elif isinstance(record, Bar):
            venue.on_bar(record)
        else:
            venue.on_venue_command(record)
    if drain:
        fire(venue, NEVER - 1, react, reports)
    return reports


def fire(venue: Any, until: int, react: React, reports: list[ExecutionReport]) -> None:
    """Fire every timer due at or before ``until``, each at its own deadline."""
    while venue.due() <= until:
        venue.clock = max(venue.clock, venue.due())
        delivered = venue.step()
        for report in [delivered] if isinstance(delivered, ExecutionReport) else delivered or []:
            reports.append(report)
            for command in react(report):
                venue.on_venue_command(command)


def cancel_some(report: ExecutionReport) -> Iterator[VenueCommand]:
    """A reaction: cancel after every third fill that leaves something, and open a small order after
    some others.
    """
    if report.kind == ReportKind.FILL and report.leaves_quantity and report.venue_trade_id % 3 == 0:
        yield cancel(report.event_time, int(report.order_id, 32), report.side, report.instrument)[1]
    elif report.kind == ReportKind.FILL and report.venue_trade_id % 7 == 0:
        name = 1 << 60 | report.venue_trade_id
        yield limit(
            report.event_time,
            name,
            BUY if report.side == SELL else SELL,
            2,
            report.price,
            number=report.instrument,
        )[1]


def play(
    events: Iterable[Event], instruments: list[Instrument] | None = None, **settings: Any
) -> list[ExecutionReport]:
    """All reports of our venue on these events, checked against the reference venue on the way."""
    listed, chosen, events = instruments or [instrument()], stage.Settings(**settings), list(events)
    reports = run(KernelVenue(listed, chosen), events)
    assert reports == run(ReferenceVenue(listed, chosen), events)
    return reports


def short(reports: Iterable[ExecutionReport], name: int | None = None) -> list[tuple[Any, ...]]:
    """(kind, price, quantity, filled, leaves) of fills and (kind, reason, filled, leaves) of the
    others, of one order or all.
    """
    lines: list[tuple[Any, ...]] = []
    for report in reports:
        if name is None or report.order_id == order_id(name):
            kind = ReportKind(report.kind).name
            what = (
                (report.price, report.quantity)
                if kind == "FILL"
                else (OrderReason(report.reason).name,)
            )
            lines.append((kind, *what, report.cumulative_quantity, report.leaves_quantity))
    return lines


def fills(reports: Iterable[ExecutionReport], name: int) -> list[tuple[int, int]]:
    """(price, quantity) of the order's fills."""
    return [
        (report.price, report.quantity)
        for report in reports
        if report.kind == ReportKind.FILL and report.order_id == order_id(name)
    ]


class MarketMaker:
    """A random walk of books, prints and commands for some instruments; every draw comes from the
    seed.
    """

    def __init__(self, seed: int, instruments: list[Instrument], tickers: bool = False) -> None:
        self.tickers = tickers
        self.random = random.Random(seed)
        self.instruments = instruments
        self.time = 1000
        self.middle = {item.instrument: 1000 for item in instruments}
        self.last = {item.instrument: 0 for item in instruments}
        self.names = 0

    def stream(self, count: int) -> Iterator[Event]:
        for item in self.instruments:
            yield from self.whole_book(item)
        for _ in range(count):
            self.time += self.random.choice((0, 0, 1, 3, 10, 50))
            item = self.random.choice(self.instruments)
            draw = self.random.random()
            if draw < 0.35:
                yield self.update(item)
            elif draw < 0.60:
                yield self.print(item)
            elif self.tickers and draw < 0.66:
                yield self.ticker(item)
            elif draw < 0.85:
                yield self.order(item)
            elif draw < 0.97:
                yield self.cancel(item)
            elif draw < 0.974:
                self.last[item.instrument] += 5  # the next update leaves a gap
            else:
                yield from self.whole_book(item)

    def levels(self, item: Instrument, side: int, count: int) -> list[tuple[int, int]]:
        """Some levels around the middle, now and then on the wrong side of it or off the tick,
        sizes 0 to 12.
        """
        rows = []
        for _ in range(count):
            step = self.random.randint(0, 8) - (self.random.random() < 0.1)
            price = self.middle[item.instrument] + item.tick_size * (
                step + 1 if side == SELL else -step
            )
            price += item.tick_size // 2 if self.random.random() < 0.05 else 0
            rows.append((price, self.random.choice((0, 0, 1, 2, 5, 8, 12))))
        return rows

    def whole_book(self, item: Instrument) -> Iterator[Event]:
        number = item.instrument
        self.last[number] += 1
        chunks = self.random.choice((1, 2))
        for chunk in range(chunks):
            flags = (Flag.FIRST_OF_SNAPSHOT if chunk == 0 else 0) | (
                Flag.LAST_OF_SNAPSHOT if chunk == chunks - 1 else 0
            )
            bids, asks = self.levels(item, BUY, 6), self.levels(item, SELL, 6)
            last = self.last[number]
            yield (
                self.time,
                DepthUpdate(
                    number,
                    self.time,
                    0,
                    last,
                    last,
                    -1,
                    int(DepthKind.SNAPSHOT),
                    int(flags),
                    bids,
                    asks,
                ),
            )

    def update(self, item: Instrument) -> Event:
        number = item.instrument
        if self.random.random() < 0.1:
            self.middle[number] += item.tick_size * self.random.choice((-2, -1, 1, 2))
        first = self.last[number] + 1
        self.last[number] += self.random.randint(1, 3)
        bids, asks = (
            self.levels(item, BUY, self.random.randint(0, 5)),
            self.levels(item, SELL, self.random.randint(0, 5)),
        )
        return delta(self.time, self.last[number], bids, asks, number, first)

    def print(self, item: Instrument) -> Event:
        side = self.random.choice((BUY, SELL, BUY, SELL, BUY, SELL, 0))
        price = self.middle[item.instrument] + item.tick_size * self.random.randint(-4, 5)
        return trade(
            self.time - self.random.choice((0, 0, 5)),
            price,
            self.random.choice((1, 3, 7, 20)),
            side,
            item.instrument,
        )

    def ticker(self, item: Instrument) -> Event:
        """A best bid and ask around the middle, older or newer than the book, now and then with an
        empty side.
        """
        bid = self.middle[item.instrument] - item.tick_size * self.random.randint(-1, 3)
        ask = bid + item.tick_size * self.random.randint(1, 3)
        sizes = self.random.choice((1, 2, 4)), self.random.choice((1, 2, 4))
        empty = self.random.random()
        update_id = self.last[item.instrument] + self.random.choice((-1, 0, 1, 1, 2))
        return ticker(
            self.time,
            update_id,
            (bid * (empty > 0.05), sizes[0]),
            (ask * (empty < 0.95), sizes[1]),
            item.instrument,
        )

    def order(self, item: Instrument) -> Event:
        self.names += 1
        name = self.names if self.random.random() < 0.98 else self.random.randint(1, self.names)
        side = self.random.choice((BUY, SELL))
        quantity = self.random.choice((1, 2, 4, 9, 30, 1, 2, 4, 9, 0)) * item.lot_size
        if self.random.random() < 0.25:
            beyond = item.tick_size * (name % 5) * (1 if side == BUY else -1)
            protection = self.middle[item.instrument] + beyond if name % 2 else 0
            return market(self.time, name, side, quantity, item.instrument, protection)
        price = self.middle[item.instrument] + item.tick_size * self.random.randint(-5, 6)
        price += 1 if self.random.random() < 0.02 else 0
        time_in_force = self.random.choice(
            (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC)
        )
        return limit(
            self.time,
            name,
            side,
            quantity,
            price,
            time_in_force,
            self.random.random() < 0.3,
            item.instrument,
        )

    def cancel(self, item: Instrument) -> Event:
        return cancel(
            self.time,
            max(1, self.names - self.random.choice((0, 1, 2, 5, 20))),
            BUY,
            item.instrument,
        )
