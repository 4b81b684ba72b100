"""What the venue costs: nothing to do, orders that fill at once, and a quoting strategy with queue
positions and latency.

``PYTHONPATH=. python tests/benchmarks/venue.py`` prints the rows; ``run()`` returns them. Values
are medians over runs of compiled code without encoding: the venue's share of a bar, not a bar.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from schemas.compiled.depth_update import DTYPE as DEPTH_UPDATE
from schemas.compiled.depth_update import LEVEL
from schemas.compiled.execution_report import DTYPE as EXECUTION_REPORT
from schemas.compiled.trade import DTYPE as TRADE
from schemas.compiled.venue_command import DTYPE as VENUE_COMMAND
from schemas.records import Instrument
from schemas.vocabulary import (
    DepthKind,
    Flag,
    InstrumentKind,
    OrderType,
    RequestKind,
    Side,
    TimeInForce,
)
from streams.numeric import book
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.outputs import outputs_type
from streams.venue import stage

RUNS = 5
ROWS = 8
"""Levels of a depth update."""
MILLISECOND = 1_000_000
BUY, SELL = int(Side.BUY), int(Side.SELL)
NEW, CANCEL = int(RequestKind.NEW), int(RequestKind.CANCEL)
MARKET, LIMIT = int(OrderType.MARKET), int(OrderType.LIMIT)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)


def market_data(
    updates: int,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A snapshot and then updates of eight levels near a slowly moving touch, with a print after
    each.
    """
    generator = np.random.default_rng(7)
    middle = 100_000 + np.cumsum(generator.integers(-1, 2, updates))
    headers = np.zeros(updates, DEPTH_UPDATE)
    headers["instrument"] = 1
    headers["event_time"] = 1_000_000_000 + np.arange(updates) * MILLISECOND
    headers["first_update_id"] = headers["final_update_id"] = 1 + np.arange(updates)
    headers["kind"] = int(DepthKind.DELTA)
    headers["kind"][0] = int(DepthKind.SNAPSHOT)
    headers["flags"][0] = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
    headers["first_level"] = np.arange(updates) * ROWS
    headers["bid_count"] = headers["ask_count"] = ROWS // 2
    levels = np.zeros((updates, ROWS), LEVEL)
    steps = np.sort(generator.integers(1, 20, (updates, ROWS // 2)), axis=1)
    levels["price"][:, : ROWS // 2] = middle[:, None] - steps
    levels["price"][:, ROWS // 2 :] = middle[:, None] + steps
    levels["quantity"] = generator.integers(0, 3, (updates, ROWS)) * generator.integers(
        1, 500, (updates, ROWS)
    )
    # whatever a moving touch left behind on the wrong side is removed
    levels["price"][:, 0], levels["quantity"][:, 0] = middle + 1, 0
    levels["price"][:, ROWS // 2], levels["quantity"][:, ROWS // 2] = middle - 1, 0
    trades = np.zeros(updates, TRADE)
    trades["instrument"] = 1
    trades["event_time"] = headers["event_time"]
    trades["price"] = middle + generator.integers(-2, 3, updates)
    trades["quantity"] = generator.integers(1, 50, updates)
    trades["aggressor_side"] = generator.integers(1, 3, updates)
    return headers, levels.reshape(-1), trades


def instruments() -> list[Instrument]:
    kind = int(InstrumentKind.SPOT)
    return [
        Instrument(
            1, "bench", "B", kind, "B", "USDT", 2, 3, 1, 1, 1, 10**12, 0, 1, True, 0, None, 0, 0, 0
        )
    ]


@borrowing_kernel
def books_only(books: Any, headers: Any, levels: Any) -> Any:
    for i in range(len(headers)):
        book.apply(books, 0, headers[i], levels)


@borrowing_kernel
def market_only(state: Any, books: Any, headers: Any, levels: Any, trades: Any, out: Any) -> Any:
    for i in range(len(headers)):
        state.clock[0] = headers[i].event_time
        stage.on_depth_update(state, books, headers[i], levels, out)
        stage.on_trade(state, books, trades[i], out)


@borrowing_kernel
def send(
    state: Any,
    books: Any,
    command: Any,
    number: int,
    kind: int,
    side: int,
    order_type: int,
    price: int,
    quantity: int,
    out: Any,
) -> None:
    command[0].order_id_low = number
    command[0].instrument = 1
    command[0].kind = kind
    command[0].side = side
    command[0].order_type = order_type
    command[0].time_in_force = GTC
    command[0].price = price
    command[0].quantity = quantity
    stage.on_venue_command(state, books, command[0], out)


@borrowing_kernel
def fire(state: Any, books: Any, until: int, out: Any) -> Any:
    """Every timer due; returns the reports delivered."""
    reports = 0
    while state.timer[0] <= until:
        state.clock[0] = max(state.clock[0], state.timer[0])
        out.venue_reports[1][0] = 0
        stage.on_timer(state, books, state.timer[0], out)
        reports += out.venue_reports[1][0]
    return reports


@borrowing_kernel
def market_orders(
    state: Any, books: Any, headers: Any, levels: Any, command: Any, count: int, out: Any
) -> Any:
    """Market orders of one lot on a live book, an update every tenth order; two reports each."""
    reports = 0
    at = 0
    for number in range(count):
        if number % 10 == 0:
            at = number // 10 % len(headers)
            state.clock[0] = max(state.clock[0], headers[at].event_time)
            stage.on_depth_update(state, books, headers[at], levels, out)
        send(state, books, command, number, NEW, BUY if number & 1 else SELL, MARKET, 0, 1, out)
        reports += fire(state, books, state.clock[0], out)
    return reports


@borrowing_kernel
def quoting(
    state: Any, books: Any, headers: Any, levels: Any, trades: Any, command: Any, out: Any
) -> Any:
    """A bid and an ask one tick outside the touch, cancelled and sent again whenever the touch
    moves.
    """
    reports = 0
    number = 0
    bid = ask = 0
    for i in range(len(headers)):
        now = headers[i].event_time
        reports += fire(state, books, now, out)
        state.clock[0] = now
        stage.on_depth_update(state, books, headers[i], levels, out)
        stage.on_trade(state, books, trades[i], out)
        best_bid, best_ask = books.books[0].bids.price, books.books[0].asks.price
        if best_bid != bid and best_bid != 0 or best_ask != ask and best_ask != 0:
            bid, ask = best_bid, best_ask
            if number:
                send(state, books, command, number - 1, CANCEL, BUY, LIMIT, 0, 0, out)
                send(state, books, command, number - 2, CANCEL, SELL, LIMIT, 0, 0, out)
            send(state, books, command, number, NEW, BUY, LIMIT, bid - 1, 10, out)
            send(state, books, command, number + 1, NEW, SELL, LIMIT, ask + 1, 10, out)
            number += 2
    return reports


def seconds(
    prepare: Callable[[], tuple[Any, ...]], call: Callable[..., Any]
) -> tuple[list[float], Any]:
    """Raw runs after one warm-up, each on fresh state."""
    result = call(*prepare())
    runs = []
    for _ in range(RUNS):
        arguments = prepare()
        start = time.perf_counter()
        result = call(*arguments)
        runs.append(time.perf_counter() - start)
    return runs, result


def row(name: str, unit: str, runs: list[float], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "peer": "",
        "value": statistics.median(runs),
        "unit": unit,
        "peer_value": None,
        "ratio": None,
        "runs": runs,
        **more,
    }


def run(
    updates: int = 200_000, orders: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
) -> list[dict[str, Any]]:
    """Figures in ns per update, orders/s and ns per update."""
    headers, levels, trades = market_data(updates)
    plain = stage.Settings(maker_rate=10_000, taker_rate=40_000)
    late = msgspec.structs.replace(
        plain,
        feed_latency=2 * MILLISECOND,
        entry_latency=5 * MILLISECOND,
        response_latency=5 * MILLISECOND,
    )

    def fresh(settings: stage.Settings) -> tuple[Any, Any, Any]:
        out = outputs_type(stage.OUTPUTS)(
            (np.zeros(stage.RESERVE["venue.reports"], EXECUTION_REPORT), np.zeros(1, np.int64))
        )
        return stage.new_state(instruments(), settings), book.new_books(instruments()), out

    def idle() -> tuple[Any, ...]:
        state, books, out = fresh(plain)
        return state, books, headers, levels, trades, out

    bare, _ = seconds(lambda: (book.new_books(instruments()), headers, levels), books_only)
    whole, _ = seconds(idle, market_only)
    rows = [
        row(
            "venue.idle",
            "ns an update and a trade",
            [run / updates * 1e9 for run in whole],
            book_only=statistics.median(bare) / updates * 1e9,
        )
    ]

    for count in orders:

        def taking(count: int = count) -> tuple[Any, ...]:
            state, books, out = fresh(plain)
            return state, books, headers, levels, np.zeros(1, VENUE_COMMAND), count, out

        runs, reports = seconds(taking, market_orders)
        rows.append(
            row(
                "venue.market_orders",
                "orders/s",
                [count / run for run in runs],
                orders=count,
                reports=int(reports),
            )
        )

    def quotes() -> tuple[Any, ...]:
        state, books, out = fresh(late)
        return state, books, headers, levels, trades, np.zeros(1, VENUE_COMMAND), out

    runs, reports = seconds(quotes, quoting)
    rows.append(
        row(
            "venue.quoting",
            "ns an update and a trade",
            [run / updates * 1e9 for run in runs],
            reports=int(reports),
        )
    )
    return rows


if __name__ == "__main__":
    for result in run():
        print(json.dumps(result))
