"""The measures as objects of a strategy. Oracles: the steps over rows, msgspec, the lint."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from streams.numeric.measures import amihud, hasbrouck, hawkes, kyle, roll, variance_ratio
from streams.numeric.periods import BadPeriod
from streams.numeric.rolling import new_window, window_push
from streams.runtime.tools import allowed
from streams.runtime.tools.code import source_files
from streams.runtime.tools.strategy_lint import lint_strategy
from streams.signals.measures import Amihud, Changes, Hasbrouck, Hawkes, Kyle

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(ROOT.glob("streams/numeric/measures/[a-z]*.py"))


def row(rows: Any) -> Any:
    return rows.view(np.recarray)[0]


def inputs(seed: int) -> list[tuple[float, float, int]]:
    """(change, volume, sign), some volumes 0."""
    dice = np.random.Generator(np.random.PCG64(seed))
    return list(
        zip(
            dice.normal(0, 2, 90).tolist(),
            dice.integers(0, 5, 90).astype(float).tolist(),
            dice.choice([-1, 1], 90).tolist(),
            strict=True,
        )
    )


def equal(one: float, other: float) -> bool:
    return one == other or math.isnan(one) and math.isnan(other)


@pytest.mark.parametrize("seed", range(3))
def test_objects_find_what_rows_find_and_live_on_through_a_snapshot(seed: int) -> None:
    objects: list[Any] = [
        Kyle(12),
        Amihud(7),
        Changes(12),
        Hasbrouck(40, 2),
        Hawkes(0.5, 0.6, 0.2, 1.5),
    ]
    windows, volumes, changes = kyle.new_kyle(1, 12)
    thin, ratios = amihud.new_amihud(1, 7)
    moves, held = new_window(1, 12)
    trades, r = new_window(1, 40)
    x = np.zeros(40)
    process = hawkes.new_hawkes(1, 0.5, 0.6, 0.2, 1.5)
    scratch = np.zeros((5, 5)), np.zeros((5, 1)), np.zeros((5, 1)), np.zeros((2, 10))
    price = 100.0
    for at, (change, volume, sign) in enumerate(inputs(seed)):
        kyle.kyle_push(row(windows), volumes[0], changes[0], sign * volume, change)
        amihud.amihud_push(row(thin), ratios[0], change / 100, volume)
        before, price = price, price + change
        if at:
            window_push(row(moves), held[0], price - before)
        trade = row(trades)
        x[trade.count if trade.count < 40 else trade.oldest] = sign
        window_push(trade, r[0], change)
        told = hawkes.hawkes_event(row(process), at * 10**9, sign)
        line, illiquid, path, impact, flow = objects
        found = [
            (
                line.update(sign * volume, change),
                kyle.kyle_lambda(row(windows), volumes[0], changes[0])[0],
            ),
            (illiquid.update(change / 100, volume), amihud.amihud_value(row(thin), ratios[0])),
            (float(path.push(price)), float(at >= 12)),
            (path.roll_spread, roll.roll_spread(row(moves), held[0], 1)),
            (path.variance_ratio(3), variance_ratio.variance_ratio(row(moves), held[0], 3)),
            (float(impact.push(sign, change)), float(at >= 39)),
            (impact.impact(10), hasbrouck.hasbrouck_impact(row(trades), r[0], x, 2, 10, *scratch)),
            (flow.update(at * 10**9, sign), told),
        ]
        assert all(equal(*pair) for pair in found), at
        objects = [
            msgspec.msgpack.decode(msgspec.msgpack.encode(each), type=type(each))
            for each in objects
        ]
    assert all(each.ready for each in objects[:4])
    assert not math.isnan(objects[3].impact(10))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Kyle(2),
        lambda: Changes(2),
        lambda: Hasbrouck(16, 5),
        lambda: Hasbrouck(99, 11),
        lambda: Amihud(0),
    ],
)
def test_a_period_that_is_too_short_is_refused(wrong: Any) -> None:
    with pytest.raises(BadPeriod):
        wrong()


def test_every_measure_may_be_imported_and_is_in_the_code_digest() -> None:
    assert len(MODULES) > 10
    covered = set(source_files())
    for path in MODULES:
        assert f"streams.numeric.measures.{path.stem}" in allowed.OF_OURS
        assert path in covered


def test_a_stranger_may_use_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from streams.numeric.measures.spreads import effective_spread\n"
        "from streams.signals.measures import Kyle\n"
        "FIRST = Kyle(5)\n"
        "COST = effective_spread(1, 3, 4)\n"
    )
    assert lint_strategy({"mine": file}, is_strange=True) == []
