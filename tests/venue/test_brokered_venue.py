"""The brokered venue: a cap on an order's fees, a coarser tick from a price on, a slow gateway.

Oracle: worked cases, and the reference venue with these three rules written plainly.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any

import pytest
from reference_venue import ReferenceVenue, half_even
from venue_harness import (
    BUY,
    SELL,
    KernelVenue,
    MarketMaker,
    cancel_some,
    instrument,
    limit,
    market,
    run,
    snapshot,
    trade,
)

from schemas.records import VenueCommand
from schemas.vocabulary import Liquidity, OrderReason, OrderType, ReportKind
from streams.venue import models, stage

CENT = 1_000
"""A hundredth of the quote currency where prices have 2 decimals and quantities 3."""
PARAMETERS = {"fee_cap_cents": 1, "coarse_from": 10, "coarse_ticks": 3, "message_gap_ns": 7}


class BrokeredVenue(ReferenceVenue):
    """``charged``: of each order, so far; ``free``: when the gateway can deliver again."""

    def __init__(self, instruments: list[Any], settings: Any) -> None:
        super().__init__(instruments, settings)
        self.charged: dict[str, int] = {}
        self.free = 0

    def new_order(self, command: VenueCommand) -> None:
        self.charged[command.order_id] = 0
        super().new_order(command)

    def fill(
        self, command: VenueCommand, price: int, quantity: int, filled: int, liquidity: int
    ) -> None:
        self.trade_id += 1
        is_maker = liquidity == Liquidity.MAKER
        rate = self.settings.maker_rate if is_maker else self.settings.taker_rate
        fee = half_even(Fraction(price * quantity * rate, 10**8))
        cap = self.settings.parameters["fee_cap_cents"] * CENT
        fee = min(fee, cap - self.charged[command.order_id])
        self.charged[command.order_id] += max(0, fee)
        leaves = command.quantity - filled
        facts = (self.trade_id, price, quantity, liquidity, fee)
        self.report(command, ReportKind.FILL, OrderReason.NONE, filled, leaves, facts)

    def refusal(self, command: VenueCommand) -> int:
        rules = self.instruments.get(command.instrument)
        if rules is not None and command.order_type == OrderType.LIMIT and command.price > 0:
            of_price = self.settings.parameters["coarse_from"] * 10**rules.price_precision
            ticks = self.settings.parameters["coarse_ticks"] if command.price >= of_price else 1
            if command.price % (rules.tick_size * ticks):
                return OrderReason.INVALID_ORDER
        return super().refusal(command)

    def on_venue_command(self, command: VenueCommand) -> None:
        arrival = self.clock + self.settings.feed_latency + self.settings.entry_latency
        arrival = max(arrival, self.free)
        self.free = arrival + self.settings.parameters["message_gap_ns"]
        self.send(arrival - self.clock, command)


def settings_of(legs: tuple[int, int, int] = (0, 0, 0), **changed: int) -> stage.Settings:
    feed, entry, response = legs
    return stage.Settings(
        feed_latency=feed,
        entry_latency=entry,
        response_latency=response,
        closed_max=16,
        maker_rate=-3_333_333,
        taker_rate=12_345_678,
        model="brokered",
        parameters=PARAMETERS | changed,
    )


@pytest.mark.parametrize("legs", [(0, 0, 0), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_both_venues_report_the_same(seed: int, legs: tuple[int, int, int]) -> None:
    listed = [instrument(1), instrument(2, tick_size=5, lot_size=2)]
    events = list(MarketMaker(seed, listed).stream(600))
    chosen = settings_of(legs)
    expected = run(BrokeredVenue(listed, chosen), events, cancel_some)
    assert run(KernelVenue(listed, chosen), events, cancel_some) == expected
    assert run(ReferenceVenue(listed, chosen), events, cancel_some) != expected
    assert len(expected) > 150


def test_an_orders_fees_end_at_the_cap_and_rebates_are_paid_beside() -> None:
    """A taker's 12.3 % of 2,040 is 252, and 60 of 102 more are 756: 1,000 is the cap."""
    book = snapshot(1, 10, [(100, 100)], [(102, 20), (103, 500)])
    events = [book, limit(2, 1, BUY, 120, 103)]
    reports = run(KernelVenue([instrument()], settings_of()), events)
    fees = [each.fee for each in reports if each.kind == ReportKind.FILL]
    assert fees == [252, 748]
    resting = [book, limit(2, 1, BUY, 5, 100), trade(3, 100, 103, SELL), trade(20, 100, 9, SELL)]
    reports = run(KernelVenue([instrument()], settings_of(fee_cap_cents=0)), resting)
    assert [each.fee for each in reports if each.kind == ReportKind.FILL] == [-10, -7]


@pytest.mark.parametrize("seed", range(3))
def test_no_order_is_charged_more_than_the_cap_nor_more_than_the_rate(seed: int) -> None:
    """Risk keeps the rate of the notional free for fees: no venue may charge more."""
    capped = 0
    charged: dict[str, int] = defaultdict(int)
    for report in run(
        KernelVenue([instrument()], settings_of()), MarketMaker(seed, [instrument()]).stream(800)
    ):
        if report.kind == ReportKind.FILL:
            most = half_even(Fraction(report.price * report.quantity * 12_345_678, 10**8))
            assert report.fee <= most
            charged[report.order_id] += max(0, report.fee)
            capped += charged[report.order_id] == CENT
    assert max(charged.values()) == CENT and capped > 5


@pytest.mark.parametrize(
    ("price", "accepted"), [(999, True), (1000, False), (1002, True), (1001, False), (500, True)]
)
def test_from_a_price_on_the_tick_is_coarser(price: int, accepted: bool) -> None:
    book = snapshot(1, 10, [(400, 100)], [(1200, 20)])
    venue = KernelVenue([instrument()], settings_of())
    first = run(venue, [book, limit(2, 1, BUY, 5, price)])[0]
    assert (first.kind == ReportKind.ACCEPTED) is accepted
    assert accepted or first.reason == OrderReason.INVALID_ORDER


def test_the_gateway_takes_one_message_at_a_time_in_the_order_sent() -> None:
    """Three orders of one instant arrive 7 ns apart; one sent when it is free takes its legs."""
    book = snapshot(1, 10, [(100, 100)], [(102, 60)])
    orders = [market(10, name, BUY, 1) for name in (1, 2, 3)] + [market(100, 4, BUY, 1)]
    reports = run(KernelVenue([instrument()], settings_of((2, 3, 4))), [book, *orders])
    arrivals = [each.venue_time for each in reports if each.kind == ReportKind.ACCEPTED]
    assert arrivals == [15, 22, 29, 105]
    assert [each.event_time - each.venue_time for each in reports] == [2] * len(reports)


def test_without_its_rules_it_is_the_standard_venue() -> None:
    listed = [instrument()]
    plain = {"fee_cap_cents": 10**12, "coarse_ticks": 1, "message_gap_ns": 0}
    events = list(MarketMaker(5, listed).stream(400))
    free = settings_of((2, 3, 4), **plain)
    expected = run(ReferenceVenue(listed, free), events, cancel_some)
    assert run(KernelVenue(listed, free), events, cancel_some) == expected


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"message_gap_ns": 60_000_000_001}, "message_gap_ns is 60000000001"),
        ({"fee_cap_cents": 1 << 62}, "fee_cap_cents is too large for T1"),
        ({"coarse_from": 1 << 62}, "coarse_from is too large for T1"),
    ],
)
def test_a_parameter_out_of_range_is_named(changed: dict[str, int], text: str) -> None:
    with pytest.raises(models.BadParameter, match=text):
        stage.new_state([instrument()], settings_of(**changed))
