"""Orders on best prices, trades or bars alone.

Oracle: a brute-force venue by the same stated rules (``reference_assumed.py``), and cases worked
out by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from reference_assumed import ReferenceAssumedVenue
from venue_harness import (
    BUY,
    SELL,
    Event,
    KernelVenue,
    MarketMaker,
    cancel,
    cancel_some,
    fills,
    instrument,
    limit,
    market,
    run,
    short,
    ticker,
    trade,
)

from schemas.records import Bar, DepthUpdate, ExecutionReport, Instrument
from schemas.vocabulary import BarKind
from streams.numeric.assumed_top import UNSIZED
from streams.venue import stage
from tests.turns import long_but_every

LATENCIES = [(0, 0, 0), (2, 3, 4), (5, 0, 5), (0, 100, 300)]
MINUTE = 60


def bar(opens: int, prices: tuple[int, int, int, int], volume: int, number: int = 1) -> Event:
    """``prices``: open, high, low, close. Its interval is 60 ns."""
    ohlc = dict(zip(("open", "high", "low", "close"), prices, strict=True))
    return opens, Bar(
        instrument=number, kind=int(BarKind.TIME), interval=MINUTE, open_time=opens,
        close_time=opens + MINUTE, version=1, **ohlc, volume=volume, quote_volume=0, trade_count=0,
        taker_buy_volume=0, taker_buy_quote_volume=0, flags=0, volume_wide=volume,
        taker_buy_volume_wide=0,
    )  # fmt: skip


class Market(MarketMaker):
    """Commands between best prices, prints or bars."""

    def events(self, data: str, count: int) -> Iterator[Event]:
        for time, record in self.stream(count):
            if isinstance(record, DepthUpdate):
                if data == "quotes" and len(record.bids) > 1:
                    listed = {each.instrument: each for each in self.instruments}
                    yield time, self.ticker(listed[record.instrument])[1]
            elif not (data == "bars" and type(record).__name__ == "Trade"):
                yield time, record

    def with_bars(self, count: int) -> Iterator[Event]:
        """Bars of one minute, some of them missing, among the commands."""
        opens = 1000
        for time, record in self.events("bars", count):
            while time >= opens:
                for item in self.instruments:
                    if self.random.random() < 0.8:
                        yield self.bar(item, opens)
                opens += MINUTE
            yield time, record

    def bar(self, item: Instrument, opens: int) -> Event:
        prices = [
            self.middle[item.instrument] + item.tick_size * self.random.randint(-6, 6)
            for _ in range(4)
        ]
        inner = prices[:2]
        volume = self.random.choice((0, 1, 3, 40, 101))
        self.middle[item.instrument] = inner[1]
        return bar(
            opens, (inner[0], max(prices), min(prices), inner[1]), volume, item.instrument
        )


def listed() -> list[Instrument]:
    return [instrument(1), instrument(2, tick_size=5, lot_size=2, minimum_notional=1500)]


def settings(data: str, legs: tuple[int, int, int] = (0, 0, 0), **more: Any) -> stage.Settings:
    feed, entry, response = legs
    return stage.Settings(
        data=data, queue_model="through", feed_latency=feed, entry_latency=entry,
        response_latency=response, maker_rate=-3_333_333, taker_rate=12_345_678, closed_max=16,
        **more,
    )  # fmt: skip


def play(events: list[Event], data: str, **more: Any) -> list[ExecutionReport]:
    """All reports, checked against the reference."""
    chosen = settings(data, **more)
    reports = run(KernelVenue([instrument()], chosen), events)
    assert reports == run(ReferenceAssumedVenue([instrument()], chosen), events)
    return reports


@pytest.mark.parametrize("legs", LATENCIES, ids=str)
@pytest.mark.parametrize("data", ["quotes", "trades", "bars"])
@pytest.mark.parametrize("seed", long_but_every(3, range(9)))
def test_both_venues_report_the_same(seed: int, data: str, legs: tuple[int, int, int]) -> None:
    maker = Market(seed, listed(), tickers=data == "quotes")
    events = list(maker.with_bars(1200) if data == "bars" else maker.events(data, 1200))
    chosen = settings(data, legs, spread=seed % 3, unsized=(2,) if seed % 4 == 3 else ())
    reports = run(KernelVenue(listed(), chosen), events, cancel_some)
    assert reports == run(ReferenceAssumedVenue(listed(), chosen), events, cancel_some)
    assert sum(1 for each in reports if each.price) > 100


def test_a_market_order_pays_one_tick_more_than_the_print_and_takes_at_most_its_quantity() -> None:
    events = [trade(1, 100, 5, SELL), market(2, 1, BUY, 8), market(3, 2, SELL, 3)]
    assert short(play(events, "trades"), 1)[1:] == [
        ("FILL", 101, 5, 5, 3),
        ("CANCELLED", "NO_LIQUIDITY", 5, 0),
    ]
    assert fills(play(events, "trades"), 2) == [(99, 3)]


def test_an_order_to_buy_pays_what_the_last_aggressive_buyer_paid_if_that_was_more() -> None:
    events = [trade(1, 104, 5, BUY), trade(2, 100, 5, SELL), market(3, 1, BUY, 1)]
    assert fills(play(events, "trades"), 1) == [(104, 1)]


@pytest.mark.parametrize(
    ("print_price", "expected"), [(100, []), (99, [(100, 3)]), (101, [])], ids=str
)
def test_a_print_at_the_limit_fills_nothing_one_beyond_it_its_own_quantity(
    print_price: int, expected: list[tuple[int, int]]
) -> None:
    events = [trade(1, 105, 9, SELL), limit(2, 1, BUY, 8, 100), trade(3, print_price, 3, SELL)]
    assert fills(play(events, "trades"), 1) == expected


def test_a_print_beyond_the_limit_by_the_other_aggressor_fills_nothing() -> None:
    events = [trade(1, 105, 9, SELL), limit(2, 1, BUY, 8, 100), trade(3, 99, 3, BUY)]
    assert fills(play(events, "trades"), 1) == []


def test_an_order_on_a_close_fills_at_the_open_of_the_next_bar_across_a_gap() -> None:
    """The market is shut from 1060 to 5000: the close of 110 is not to be had."""
    events = [
        bar(1000, (100, 112, 99, 110), 40),
        market(1060, 1, BUY, 3),
        limit(1060, 2, SELL, 3, 110),
        bar(5000, (120, 121, 119, 120), 40),
    ]
    reports = play(events, "bars")
    assert [(each.venue_time, each.price) for each in reports if each.price] == [
        (5000, 121),
        (5000, 119),
    ]


def test_what_waits_for_the_open_can_be_cancelled() -> None:
    events = [
        bar(1000, (100, 112, 99, 110), 40),
        market(1061, 1, BUY, 3),
        cancel(1062, 1),
        bar(5000, (120, 121, 119, 120), 40),
    ]
    assert short(play(events, "bars")) == [("CANCELLED", "USER_CANCEL", 0, 0)]


@pytest.mark.parametrize(
    ("prices", "times"),
    [((100, 108, 98, 104), {98: 1020, 108: 1040}), ((106, 108, 98, 104), {108: 1020, 98: 1040})],
    ids=["nearer low", "nearer high"],
)
def test_the_extreme_nearer_to_the_open_comes_first(
    prices: tuple[int, int, int, int], times: dict[int, int]
) -> None:
    """Resting orders one tick inside the extremes fill when the path is beyond them."""
    events = [
        bar(900, (103, 103, 103, 103), 40),
        limit(905, 1, BUY, 2, 99),
        limit(905, 2, SELL, 2, 107),
        bar(1000, prices, 40),
    ]
    found = {each.price: each.venue_time for each in play(events, "bars") if each.price}
    assert found == {99: times[98], 107: times[108]}


def test_bars_without_any_volume_fill_any_quantity_and_those_that_have_some_a_quarter() -> None:
    events = [bar(1000, (100, 112, 99, 110), 0), market(1001, 1, BUY, 10**9)]
    assert fills(play(events, "bars", unsized=(1,)), 1) == [(101, 10**9)]
    assert fills(play(events, "bars"), 1) == []
    events = [bar(1000, (100, 112, 99, 110), 41), market(1001, 1, BUY, 100)]
    assert fills(play(events, "bars"), 1) == [(101, 11)]
    assert UNSIZED > 10**12


def test_a_resting_order_fills_once_the_other_side_of_the_best_prices_stands_there() -> None:
    events = [
        ticker(1, 1, (99, 5), (103, 5)),
        limit(2, 1, BUY, 8, 101),
        ticker(3, 2, (99, 5), (102, 5)),
        ticker(4, 3, (99, 5), (101, 5)),
    ]
    reports = play(events, "quotes")
    assert [(each.venue_time, each.price, each.quantity) for each in reports if each.price] == [
        (4, 101, 8)
    ]
