"""The market around fills, markouts and excursions.

Oracle: loops over every quote in Python integers and fractions.
"""

from __future__ import annotations

import random
import re
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from reporting_demo_market import BTC, MINUTE, PERPETUAL, START

from schemas.records import Fill
from schemas.vocabulary import Flag, Liquidity
from streams.reporting.around_fills import HORIZONS, NONE_HIGH, NONE_LOW, AroundFills, FillsObserver
from streams.reporting.detail_charts import excursion_chart
from streams.reporting.document import Report, ReportInput, build_report
from streams.reporting.markouts import MOMENTS, QUOTES

TICK = 10_000_000
STALE = int(Flag.STALE)
END = START + 2 * MINUTE


class Quote(NamedTuple):
    """One quote of the oracle."""

    instrument: int
    time: int
    bid: int
    ask: int
    flags: int


def market(seed: int) -> tuple[list[Quote], list[Fill]]:
    """Quotes of two instruments, some stale or one-sided, and fills of two strategies; times
    collide often.
    """
    draw = random.Random(seed)
    quotes, fills = [], []
    time = START
    for _ in range(400):
        time += draw.choice((0, 0, 1, TICK, 20 * TICK, 100 * TICK))
        bid = draw.randint(1_000, 1_020)
        ask = bid + draw.randint(1, 4)
        flags = STALE if draw.random() < 0.1 else 0
        quotes.append(
            Quote(
                draw.choice((1, 2)),
                time,
                bid * (draw.random() > 0.05),
                ask * (draw.random() > 0.05),
                flags,
            )
        )
    for number in range(60):
        at = START + draw.randrange(END - START) // TICK * TICK
        at = draw.choice(quotes).time if draw.random() < 0.4 else at
        liquidity = draw.choice((Liquidity.MAKER, Liquidity.TAKER))
        fills.append(
            (
                at,
                draw.choice((1, 2)),
                draw.choice((1, 2)),
                draw.choice((1, 2)),
                draw.randint(1, 5),
                int(liquidity),
                number,
            )
        )
    fills.sort()
    return quotes, [
        Fill(
            "0" * 20,
            1,
            strategy,
            instrument,
            at,
            side,
            1_000 + number % 20,
            quantity,
            liquidity,
            number % 7 - 2,
            number,
        )
        for at, strategy, instrument, side, quantity, liquidity, number in fills
    ]


def observe(quotes: list[Quote], fills: list[Fill], block: int) -> AroundFills:
    """Fed in blocks, as a log is read."""
    observer = FillsObserver(fills, END)
    for first in range(0, len(quotes), block):
        for instrument in (1, 2):
            rows = [each for each in quotes[first : first + block] if each.instrument == instrument]
            columns = (np.array([each[place] for each in rows], np.int64) for place in (1, 2, 3, 4))
            observer.add(instrument, *columns)
    return observer.finish(QUOTES)


def touch(quotes: list[Quote], instrument: int, time: int) -> tuple[int, int]:
    """Bid and ask of the last quote not after `time`; 0 where the book was not usable, or the data
    end before.
    """
    last = [each for each in quotes if each.instrument == instrument and each.time <= time]
    return (last[-1].bid, last[-1].ask) if last and not last[-1].flags and time <= END else (0, 0)


@pytest.mark.parametrize("block", [1, 7, 1_000])
@pytest.mark.parametrize("seed", range(6))
def test_quotes_around_fills_equal_a_loop_over_every_quote(seed: int, block: int) -> None:
    quotes, fills = market(seed)
    found = observe(quotes, fills, block)
    for number, fill in enumerate(fills):
        times = [
            fill.event_time - 1,
            fill.event_time,
            *(fill.event_time + each for each in HORIZONS),
        ]
        expected = [touch(quotes, fill.instrument, time) for time in times]
        assert (
            list(zip(found.bid[number].tolist(), found.ask[number].tolist(), strict=True))
            == expected
        )
        until = next(
            (
                each.event_time
                for each in fills[number + 1 :]
                if (each.strategy, each.instrument) == (fill.strategy, fill.instrument)
            ),
            2**62,
        )
        after = [
            each
            for each in quotes
            if each.instrument == fill.instrument
            and fill.event_time <= each.time < until
            and not each.flags
        ]
        bids = [each.bid for each in after if each.bid] + [bid for bid, _ in expected[1:2] if bid]
        asks = [each.ask for each in after if each.ask] + [ask for _, ask in expected[1:2] if ask]
        extremes = (
            found.low_bid[number],
            found.high_bid[number],
            found.low_ask[number],
            found.high_ask[number],
        )
        known = (
            min(bids, default=NONE_LOW),
            max(bids, default=NONE_HIGH),
            min(asks, default=NONE_LOW),
            max(asks, default=NONE_HIGH),
        )
        assert extremes == known


def report_of(seed: int) -> tuple[Report, list[Quote], list[Fill]]:
    """A report over such a market; the second instrument has a finer unit and a multiplier."""
    quotes, fills = market(seed)
    second = msgspec.structs.replace(PERPETUAL, price_precision=3, multiplier=5)
    records = ReportInput(
        instruments=[BTC, second],
        fills=fills,
        around=observe(quotes, fills, 50),
        facts={"end_time": END},
    )
    return build_report(records), quotes, fills


@pytest.mark.parametrize("seed", range(3))
def test_markouts_equal_sums_of_fractions(seed: int) -> None:
    """Side x (mid - price) x quantity x multiplier, over the notional of the fills whose mid is
    known.
    """
    report, quotes, fills = report_of(seed)
    multiplier = {1: 1, 2: 5}
    unit = {1: Fraction(1, 10**10), 2: Fraction(1, 10**11)}
    offsets = (-1, *HORIZONS)
    assert [
        row["liquidity"] for row in report.model["markouts"]["rows"] if row["instrument"] is None
    ] == ["MAKER", "TAKER"]
    for row in report.model["markouts"]["rows"]:
        mine = [
            each
            for each in fills
            if row["instrument"] in (None, each.instrument)
            and Liquidity(each.liquidity).name == row["liquidity"]
        ]
        for moment, offset in zip(MOMENTS, offsets, strict=True):
            amount = notional = Fraction(0)
            count = 0
            for fill in mine:
                bid, ask = touch(quotes, fill.instrument, fill.event_time + offset)
                if bid and ask:
                    size = fill.quantity * multiplier[fill.instrument] * unit[fill.instrument]
                    amount += (
                        (Fraction(bid + ask, 2) - fill.price) * size * (1 if fill.side == 1 else -1)
                    )
                    notional += fill.price * size
                    count += 1
            cell = row[moment.name]
            assert (cell["fills"], Fraction(cell["amount"])) == (count, amount)
            assert cell["basis_points"] == pytest.approx(
                float(amount / notional * 10_000), rel=1e-14
            )


@pytest.mark.parametrize("seed", range(3))
def test_excursions_equal_a_walk_over_every_quote(seed: int) -> None:
    """Open profit at the touch after each fill and at every usable quote until the next, and what
    the round trip closed with.
    """
    report, quotes, fills = report_of(seed)
    found = {
        (trip.strategy, trip.instrument, trip.opened, trip.closed, trip.fills): each
        for trip, each in zip(report.result.trips, report.detail.excursions, strict=True)
    }
    walked = 0
    for strategy, instrument in {(each.strategy, each.instrument): None for each in fills}:
        mine = [
            each for each in fills if (each.strategy, each.instrument) == (strategy, instrument)
        ]
        multiplier = report.result.lines[instrument].multiplier
        held = paid = count = opened = 0
        levels: list[int] = []
        for place, fill in enumerate(mine):
            sign = 1 if fill.side == 1 else -1
            before, rest = held, fill.quantity
            if before and before * sign < 0:
                closing = min(abs(before), rest)
                paid += sign * closing * fill.price * multiplier
                held, rest, count = held + sign * closing, rest - closing, count + 1
                if not held:
                    levels.append(-paid)
                    each = found[strategy, instrument, opened, fill.event_time, count]
                    assert (each.adverse, each.favourable) == (min(0, *levels), max(0, *levels))
                    walked += 1
                    paid, count, levels = 0, 0, []
            if rest and not held:
                opened = fill.event_time
            if rest:
                paid += sign * rest * fill.price * multiplier
                held, count = held + sign * rest, count + 1
            until = mine[place + 1].event_time if place + 1 < len(mine) else 2**62
            in_force = [
                each
                for each in quotes
                if each.instrument == instrument
                and fill.event_time <= each.time < until
                and not each.flags
            ]
            prices = [each.bid if held > 0 else each.ask for each in in_force] + [
                touch(quotes, instrument, fill.event_time)[held < 0]
            ]
            levels += [held * price * multiplier - paid for price in prices if price and held]
    assert walked == len(report.result.trips) > 3


def test_labels_of_trips_that_had_no_profit_and_no_loss_differ() -> None:
    """Three labels said 0.00000000. Oracle: labels of an axis are told apart."""
    report, _, _ = report_of(0)
    flat = [each._replace(adverse=0, favourable=0) for each in report.detail.excursions]
    report.detail.excursions = flat
    for width in (1060, 340):
        labels = re.findall(r"<text[^>]*>([\d.,\u2212-]+)</text>", excursion_chart(report, width))
        assert len(labels) >= 4 and max(map(len, labels)) <= 6
        assert all(labels.count(label) <= 2 for label in labels), "0 stands on both axes"
