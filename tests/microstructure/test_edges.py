"""What the stage does at the edges, over lists of records. Oracles: by hand, Python integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from recordings import plain_instrument

from schemas.records import Microstructure
from schemas.vocabulary import Flag, MeasureReason, Side, SignMethod
from streams.microstructure import stage
from streams.numeric.bounds import PRICE_MAX
from streams.signals import kit
from tests.toxicity.toxicity_records import SECOND, START, quote, snapshot, trade

LARGEST = 2**63 - 1
STALE, PARTIAL, OVERFLOW = int(Flag.STALE), int(Flag.PARTIAL), int(Flag.OVERFLOW)
HALF = SECOND // 2


def run(records: Sequence[Any], instruments: int = 1, **settings: Any) -> list[Microstructure]:
    table = [plain_instrument(number) for number in range(1, instruments + 1)]
    chosen = stage.Settings(**settings)
    return [item.record for item in kit.drive(stage, chosen, records, table)]


def test_more_instruments_than_a_call_may_publish_all_have_their_record() -> None:
    records = [trade(1, 100, 1, number=number) for number in range(1, 21)]
    found = run([*records, trade(2 * SECOND, 100, 1, number=1)], instruments=20)
    assert [each.instrument for each in found] == [*range(1, 21), 1]
    assert {each.event_time for each in found[:20]} == {START + SECOND}


def test_silence_publishes_nothing_and_the_end_is_partial() -> None:
    found = run([trade(1), trade(10 * SECOND + 5), trade(10 * SECOND + 7)])
    assert [each.event_time - START for each in found] == [SECOND, 10 * SECOND + 7]
    assert [each.flags & PARTIAL for each in found] == [0, PARTIAL]
    assert [each.buy_trades for each in found] == [1, 2]


def test_a_trade_is_measured_by_the_mid_at_its_horizon_and_in_the_record_that_follows() -> None:
    """Bought at 102 of a mid of 100; after 100 ms the mid is 101, after a second 103."""
    records = [
        quote(0, 99, 5, 101, 5),
        trade(HALF, 102, 1, Side.BUY),
        quote(HALF + 100_000_000, 100, 5, 102, 5),
        quote(HALF + 100_000_001, 102, 5, 104, 5),
        quote(2 * SECOND, 110, 5, 112, 5),
    ]
    first, second = run(records)[:2]
    spread = first.effective_spread_100ms, first.realised_spread_100ms, first.price_impact_100ms
    assert (first.spread_trades_100ms, *spread) == (1, 4, 2, 2)
    assert first.spread_trades_1s == 0 and second.event_time - START == 2 * SECOND
    spread = second.effective_spread_1s, second.realised_spread_1s, second.price_impact_1s
    assert (second.spread_trades_1s, *spread) == (1, 4, -2, 6)


@pytest.mark.parametrize("flag", [Flag.STALE, Flag.CROSSED, Flag.ONE_SIDED, Flag.GAP])
def test_a_quote_that_is_unfit_has_no_mid(flag: Flag) -> None:
    """A trade under it is in no spread, and its time in no mean."""
    records = [
        quote(0, 99, 5, 101, 5),
        quote(HALF, 99, 5, 101, 5, flags=flag),
        trade(HALF + 1, 101, 1, Side.BUY),
        quote(HALF + 2, 99, 5, 103, 5),
        quote(2 * SECOND, 99, 5, 101, 5),
    ]
    first = run(records)[0]
    assert first.spread_trades_100ms == 0 and first.buy_trades == 1
    assert first.quoted_time == SECOND - 2 and first.flags & flag
    assert first.quoted_spread == pytest.approx((2 * HALF + 4 * (HALF - 2)) / (SECOND - 2))


def test_trades_without_a_flag_are_signed_by_the_quote_and_the_method_says_so() -> None:
    records = [
        quote(0, 99, 5, 101, 5),
        trade(1, 101, 3, Side.UNKNOWN),
        trade(2, 99, 1, Side.UNKNOWN),
        trade(SECOND, 99, 1),
    ]
    first = run(records)[0]
    assert (first.buy_trades, first.sell_trades) == (1, 1)
    assert first.flow_imbalance == 0.5 and first.method == SignMethod.LEE_READY
    (unsigned,) = run([trade(1, 101, 3, Side.UNKNOWN)])
    assert unsigned.flow_reason == MeasureReason.NO_TRADES and unsigned.method == 0
    assert unsigned.bulk_reason == MeasureReason.WARMING_UP


def test_slopes_are_undefined_where_both_quantities_are_one_and_the_means_are_not() -> None:
    first = run([quote(0, 99, 1, 101, 1), trade(SECOND)])[0]
    assert (first.quoted_spread, first.quoted_depth) == (2.0, 2.0)
    assert first.quote_slope is None and first.log_quote_slope is None
    assert first.quoted_reason == MeasureReason.UNDEFINED


def test_no_sum_wraps_at_the_bounds_of_prices_and_quantities() -> None:
    bids = [(PRICE_MAX - 10 - at, LARGEST) for at in range(5)]
    asks = [(PRICE_MAX - 5 + at, LARGEST) for at in range(5)]
    best = (bids[0][0], LARGEST, asks[0][0], LARGEST)
    sold = [trade(HALF + at, 1, LARGEST, Side.SELL) for at in range(9)]
    records = [snapshot(0, bids, asks), quote(0, *best), *sold, trade(2 * SECOND, 1, 1)]
    first = run(records)[0]
    assert (first.bid_depth, first.ask_depth) == (5 * LARGEST, 5 * LARGEST)
    each = (bids[0][0] + asks[0][0]) - 2
    assert first.effective_spread_100ms == 9 * each == first.realised_spread_100ms
    assert first.spread_trades_100ms == 9 and first.flow_imbalance == -1.0
    assert first.quoted_depth == pytest.approx(2 * LARGEST) and first.quoted_spread == 5.0


def test_bulk_classes_of_a_volume_beyond_int64_are_undefined_and_flagged() -> None:
    small = [trade(at * SECOND, 100 + at % 3, 5) for at in range(13)]
    huge = [trade(13 * SECOND + at, 100, LARGEST) for at in range(2)]
    found = run([*small, *huge, trade(14 * SECOND)], window=11)
    assert [each.bulk_reason for each in found[11:13]] == [MeasureReason.WARMING_UP, 1]
    assert found[12].bulk_bought + found[12].bulk_sold == 5
    assert found[13].bulk_reason == MeasureReason.UNDEFINED and found[13].flags & OVERFLOW
    assert (found[13].bulk_bought, found[13].bulk_sold) == (0, 0)


def test_a_snapshot_and_a_stale_stretch_are_no_order_flow() -> None:
    records = [
        snapshot(0, [(100, 5)], [(101, 5)], 10),
        snapshot(1, [(100, 50)], [(101, 5)], 20),
        trade(SECOND),
    ]
    first = run(records)[0]
    assert first.order_flow_1 == 0 and first.integrated_order_flow is None
    assert first.order_flow_reason == MeasureReason.STALE_BOOK
    assert (first.bid_depth, first.book_reason) == (50, MeasureReason.NONE)


def test_an_instrument_that_is_not_listed_is_ignored() -> None:
    assert run([trade(1, number=7), quote(2, 99, 1, 101, 1, number=7)]) == []
