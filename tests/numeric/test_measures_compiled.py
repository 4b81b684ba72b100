"""The measures in kernels: bit for bit what plain Python finds; markouts and flows of levels.

Oracles: plain Python, brute force, the published vector of order flow.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from measure_runs import first_row

from schemas.kernel import kernel
from streams.numeric.measures import amihud, bulk, hawkes, kyle, markouts, order_flow, roll
from streams.numeric.measures.hasbrouck import hasbrouck_impact
from streams.numeric.measures.microprice import microprice
from streams.numeric.measures.variance_ratio import variance_ratio
from streams.numeric.measures.vpin_null import vpin_null_of_bars, vpin_null_of_signs

COLUMNS = 14


def every_measure(
    rows: Any, window: Any, volumes: Any, changes: Any, illiquidity: Any, ratios: Any,
    process: Any, matrix: Any, of_r: Any, of_x: Any, answers: Any, table: Any, found: Any,
) -> None:  # fmt: skip
    """Each measure over rows of (time, sign, volume, change, bid quantity, ask quantity)."""
    for at in range(len(rows)):
        time, sign, volume, change = rows[at][0], rows[at][1], rows[at][2], rows[at][3]
        kyle.kyle_push(window, volumes, changes, sign * volume, 0.5 * change)
        found[at][0], found[at][1], found[at][2] = kyle.kyle_lambda(window, volumes, changes)
        amihud.amihud_push(illiquidity, ratios, 0.001 * change, volume)
        found[at][3] = amihud.amihud_value(illiquidity, ratios)
        found[at][4] = roll.roll_spread(window, changes, 1)
        found[at][5] = variance_ratio(window, changes, 3)
        found[at][6] = hawkes.hawkes_event(process, time, sign)
        found[at][7], found[at][8] = hawkes.hawkes_intensities(process)
        found[at][9] = hasbrouck_impact(
            window, changes, volumes, 2, 10, matrix, of_r, of_x, answers
        )
        found[at][10] = microprice(100, rows[at][4], 101, rows[at][5], table, 1, 1)
        found[at][11] = bulk.bulk_bought(volume, bulk.bought_share(0.5 * change, 1.5))
        found[at][12] = vpin_null_of_signs(volume)
        found[at][13] = vpin_null_of_bars(volume)


compiled = kernel(every_measure)


def run(function: Any, rows: Any, of_kernel: bool) -> Any:
    one = (lambda each: each[0]) if of_kernel else first_row
    windows, volumes, changes = kyle.new_kyle(1, 12)
    illiquidity, ratios = amihud.new_amihud(1, 5)
    process = hawkes.new_hawkes(1, 0.5, 0.6, 0.2, 1.5)
    found = np.zeros((len(rows), COLUMNS))
    scratch = np.zeros((21, 21)), np.zeros((21, 1)), np.zeros((21, 1)), np.zeros((2, 10))
    given = rows if of_kernel else rows.tolist()
    function(
        given, one(windows), volumes[0], changes[0], one(illiquidity), ratios[0], one(process),
        *scratch, np.array([-0.2, 0.2]), found,
    )  # fmt: skip
    return found


def test_kernels_and_plain_python_agree_on_every_bit() -> None:
    dice = np.random.Generator(np.random.PCG64(37))
    rows = np.column_stack([
        np.cumsum(dice.integers(0, 10**9, 60)), dice.choice([-1, 1], 60), dice.integers(1, 90, 60),
        dice.integers(-9, 9, 60), dice.integers(0, 9, 60), dice.integers(1, 9, 60),
    ])  # fmt: skip
    ours, plain = run(compiled, rows, True), run(every_measure, rows, False)
    assert [struct.pack("d", each) for each in ours.ravel()] == [
        struct.pack("d", each) for each in plain.ravel()
    ]
    assert not np.isnan(ours[40:]).all(axis=0).any()


@kernel
def drive_markouts(quotes: Any, trades: Any, queue: Any, waiting: Any, horizons: Any) -> None:
    """Trades (time, sign, price) and quotes (time, doubled mid or 0), quotes first."""
    mid, at = 0, 0
    for time, sign, price in trades:
        while at < len(quotes) and quotes[at, 0] <= time:
            markouts.markouts_due(queue, waiting, horizons, quotes[at, 0], mid > 0, mid)
            mid = quotes[at, 1]
            at += 1
        markouts.markouts_due(queue, waiting, horizons, time, mid > 0, mid)
        if mid > 0:
            markouts.markouts_wait(queue, waiting, horizons, time, sign, price, mid)
    while at < len(quotes):
        markouts.markouts_due(queue, waiting, horizons, quotes[at, 0], mid > 0, mid)
        mid = quotes[at, 1]
        at += 1


def whole(record: Any, name: str) -> int:
    return (int(record[f"{name}_high"]) << 64) + int(record[f"{name}_low"])


def market(seed: int, count: int) -> tuple[Any, Any]:
    """Quotes over some minutes, a tenth of them of a mid that is not known, and trades."""
    dice = np.random.Generator(np.random.PCG64(seed))
    times = np.sort(dice.integers(0, 150 * 10**9, count) // 10**8 * 10**8)
    mids = np.where(
        dice.uniform(size=count) < 0.1, 0, 2000 + np.cumsum(dice.integers(-3, 4, count))
    )
    trades = np.column_stack([
        np.sort(dice.integers(0, 150 * 10**9, count)), dice.choice([-1, 1], count),
        dice.integers(990, 1010, count),
    ])  # fmt: skip
    return np.column_stack([times, mids]), trades


@pytest.mark.parametrize("seed", range(3))
def test_markouts_equal_a_search_for_each_trade(seed: int) -> None:
    """Oracle: the last quote at or before t + tau, found for each trade; the last event ends it."""
    quotes, trades = market(seed, 300)
    queues, waiting, horizons = markouts.new_markouts(1, 512)
    drive_markouts(quotes, trades, queues[0], waiting[0], horizons[0])
    last = max(quotes[-1, 0], trades[-1, 0])

    def mid_at(time: int) -> int:
        at = np.searchsorted(quotes[:, 0], time, "right") - 1
        return int(quotes[at, 1]) if at >= 0 else 0

    for horizon in horizons[0]:
        due = [
            (int(sign), int(price), mid_at(time), mid_at(time + horizon["span"]))
            for time, sign, price in trades.tolist()
            if time + horizon["span"] < last
        ]
        due = [each for each in due if each[2] and each[3]]
        assert horizon["trades"] == len(due) > 30
        assert whole(horizon, "effective") == sum(s * (2 * p - m) for s, p, m, _ in due)
        assert whole(horizon, "realised") == sum(s * (2 * p - later) for s, p, _, later in due)
        assert whole(horizon, "impact") == sum(s * (later - m) for s, _, m, later in due)
        assert whole(horizon, "effective") == whole(horizon, "realised") + whole(horizon, "impact")
    assert queues[0]["refused"] == 0


def test_trades_that_find_no_room_are_refused_and_counted() -> None:
    queues, waiting, horizons = markouts.new_markouts(1, 4)
    trades = np.array([[time, 1, 1001] for time in range(1, 11)])
    drive_markouts(
        np.array([[0, 2000], [200 * 10**9, 2000]]), trades, queues[0], waiting[0], horizons[0]
    )
    assert queues[0].tolist() == (4, 6)
    assert horizons[0]["trades"].tolist() == [4] * 5
    with pytest.raises(markouts.BadQueue, match="give 1 to"):
        markouts.new_markouts(1, 0)


def informed_economy(share: float, count: int) -> tuple[Any, Any]:
    """Glosten and Milgrom in one shot: value 1000 +- 10, quotes at +- 10 share break even.

    The value is known 50 ms later.
    """
    dice = np.random.Generator(np.random.PCG64(6))
    quotes, trades = [], []
    for at in range(count):
        start = at * 10**9
        up = dice.choice([-1, 1])
        sign = up if dice.uniform() < share else dice.choice([-1, 1])
        quotes += [(start, 2000), (start + 50 * 10**6, 2000 + 20 * up)]
        trades.append((start + 10**6, sign, round(1000 + 10 * share * sign)))
    return np.array(quotes), np.array(trades)


def test_glosten_and_milgrom_leave_the_maker_nothing() -> None:
    """reference/quant.md 2.6: share .3: effective .3, realised 0, impact .3."""
    queues, waiting, horizons = markouts.new_markouts(1, 512)
    drive_markouts(*informed_economy(0.3, 20_000), queues[0], waiting[0], horizons[0])
    first = horizons[0][0]
    effective, realised, impact = (
        whole(first, name) / first["trades"] / 20 for name in ("effective", "realised", "impact")
    )
    assert effective == pytest.approx(0.3, abs=1e-12)
    assert realised == pytest.approx(0.0, abs=0.02)
    assert impact == pytest.approx(0.3, abs=0.02)


# reference/quant_vectors.json, ofi_toy: (bid, quantity, ask, quantity) and e_n of each change
TOY = [
    (100, 10, 101, 8), (100, 15, 101, 8), (100, 15, 101, 5), (100, 15, 102, 20), (101, 4, 102, 20),
    (101, 4, 102, 12), (100, 15, 102, 12), (99, 30, 100, 7), (99, 30, 100, 7),
]  # fmt: skip
EVENTS = [5, 3, 5, 4, 8, -4, -22, 0]


@kernel
def drive_levels(tops: Any, sums: Any) -> None:
    """Flows of levels over a sequence of ladders; the first is where they begin."""
    for at in range(1, len(tops)):
        order_flow.order_flow_of_levels(tops[at - 1].copy(), tops[at], sums)


def ladders(tops: Any) -> Any:
    return np.array([[tuple(level) for level in each] for each in tops], order_flow.LEVEL)


def test_flows_of_levels_equal_the_published_vector_at_every_level() -> None:
    """The second level holds the vector backwards in time: its events are the negated ones."""
    sums = np.zeros(2, order_flow.FLOW_SUM)
    both = list(zip(TOY, reversed(TOY), strict=True))
    for at, (now, after) in enumerate(pairwise(both)):
        step = np.zeros(2, order_flow.FLOW_SUM)
        drive_levels(ladders([now, after]), step)
        assert [int(np.int64(each["low"])) for each in step] == [EVENTS[at], -EVENTS[7 - at]]
    drive_levels(ladders(both), sums)
    assert [int(np.int64(each["low"])) for each in sums] == [sum(EVENTS), -sum(EVENTS)]


def test_the_integrated_flow_is_the_weighted_mean_over_the_depth() -> None:
    assert order_flow.integrated_order_flow([10, -4], [0.75, 0.25], 20.0) == (7.5 - 1.0) / 20
    assert order_flow.integrated_order_flow([10, -4], [1.5, 0.5], 20.0) == (7.5 - 1.0) / 20
    assert np.isnan(order_flow.integrated_order_flow([10, -4], [0.75, 0.25], 0.0))
