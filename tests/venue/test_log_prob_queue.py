"""The log-probability queue: positions and fills equal to hftbacktest's own.

Oracles: what hftbacktest 2.4.4 itself says (``tests/benchmarks/peers/hftbacktest_queue.py`` made
``hftbacktest_positions.json`` by running it, and runs it again where it is installed), and a plain
twin of the whole venue.
"""

from __future__ import annotations

import functools
import json
import math
import random
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from reference_log_prob import LogProbVenue, behind_us, moved
from venue_harness import (
    BUY,
    SELL,
    KernelVenue,
    MarketMaker,
    cancel_some,
    delta,
    fills,
    instrument,
    limit,
    run,
    snapshot,
    trade,
)

from schemas.records import Trade
from schemas.vocabulary import Liquidity
from streams.venue import stage
from streams.venue.fill_models import log_prob, log_prob_2
from tests.benchmarks.peers import install

RECORDED = Path(__file__).with_name("hftbacktest_positions.json")
MODELS = ("log-prob", "log-prob-2")
PRICE = 100
ORDER = 1000
MEASURED_TO = 1e-12
"""hftbacktest's position is known to half of a lot of 1e-12; the rest is rounding."""


def units(text: str, decimals: int) -> int:
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(decimals, "0"))


@functools.cache
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


def venue_of(model: str, displayed: int, decimals: int, lot: int) -> KernelVenue:
    """A venue with an order that is first at its price, behind ``displayed``."""
    listed = instrument(quantity_precision=decimals, lot_size=lot, maximum_quantity=0)
    venue = KernelVenue([listed], stage.Settings(queue_model=model))
    unit = 10**decimals
    bids = [(PRICE, displayed), (PRICE - 1, 10 * unit)]
    book = snapshot(1, 10, [each for each in bids if each[1]], [(PRICE + 2, 10 * unit)])
    run(venue, [book, limit(2, 1, BUY, ORDER * unit, PRICE)])
    return venue


def play(venue: KernelVenue, number: int, kind: str, quantity: int) -> int:
    """What fills when this step, the ``number``-th, is made."""
    time = 10 + number
    if kind == "print":
        event = trade(time, PRICE, quantity, SELL)
    else:
        event = delta(time, 11 + number, [(PRICE, quantity)], [], first=11)
    return sum(amount for _, amount in fills(run(venue, [event]), 1))


def positions(model: str, case: dict[str, Any]) -> list[float]:
    venue = venue_of(model, units(case["displayed"], 12), 12, 1)
    found = [float(venue.state.orders[0]["front"])]
    for number, (kind, quantity) in enumerate(case["steps"]):
        play(venue, number, kind, units(quantity, 12))
        found.append(float(venue.state.orders[0]["front"]))
    return found


def filled(model: str, case: dict[str, Any]) -> list[int]:
    """What fills at each step, in thousandths."""
    venue = venue_of(model, units(case["displayed"], 3), 3, units(case["lot"], 3))
    steps = enumerate(case["steps"])
    return [play(venue, number, kind, units(quantity, 3)) for number, (kind, quantity) in steps]


def filled_there(model: str, case: dict[str, Any]) -> list[int]:
    """The same of hftbacktest."""
    totals = [0, *(round(each * 1000) for each in case["filled"][model])]
    return [after - before for before, after in pairwise(totals)]


def agrees(measured: dict[str, Any]) -> tuple[int, int, int]:
    """Checks all of it; returns how many positions and fills there were, and how many of those are
    larger there than the print.

    hftbacktest fills what the position says, to a whole lot and from below zero, however little
    printed; here a print is spent once, so it fills at most itself. The position is the same after.
    """
    compared = fills_seen = larger = 0
    for model in MODELS:
        for case in measured["positions"]:
            ours, theirs = positions(model, case), case["ahead"][model]
            apart = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
            assert max(apart) <= MEASURED_TO, (model, case, ours)
            compared += len(ours)
        for case in measured["fills"]:
            printed = [units(quantity, 3) for _, quantity in case["steps"]]
            there = filled_there(model, case)
            expected = [min(pair) for pair in zip(there, printed, strict=True)]
            assert filled(model, case) == expected, (model, case)
            fills_seen += sum(each > 0 for each in there)
            larger += sum(fill > most for fill, most in zip(there, printed, strict=True))
    return compared, fills_seen, larger


def test_positions_and_fills_are_those_that_hftbacktest_was_recorded_with() -> None:
    assert recorded()["hftbacktest"] == "2.4.4"
    compared, fills_seen, larger = agrees(recorded())
    assert compared > 800 and fills_seen > 100 and larger < fills_seen / 4


def test_the_recorded_sequences_meet_every_case_of_the_rule() -> None:
    """Below zero; no number; prints that an update repeats or leaves out; a level that is gone."""
    ahead = [each for case in recorded()["positions"] for each in case["ahead"]["log-prob"]]
    assert min(ahead) < -0.5
    assert any(value == 0.0 for value in ahead)
    repeats = gone = 0
    for case in recorded()["positions"]:
        size = case["displayed"]
        for kind, quantity in case["steps"]:
            repeats += kind == "size" and quantity == size
            gone += kind == "size" and float(quantity) == 0
            size = quantity if kind == "size" else size
    assert repeats > 20 and gone > 0


def test_positions_and_fills_are_those_of_hftbacktest_here_and_now() -> None:
    reason = install.hftbacktest_reason()
    if reason:
        pytest.skip(reason)
    script = Path(install.__file__).with_name("hftbacktest_queue.py")
    python = install.HFTBACKTEST / "bin" / "python"
    made = subprocess.run([python, script, "2", "60"], capture_output=True, text=True, check=True)
    compared, fills_seen, larger = agrees(json.loads(made.stdout))
    assert compared > 1200 and fills_seen > 100 and larger < fills_seen / 4


@pytest.mark.parametrize("module", [log_prob, log_prob_2], ids=MODELS)
def test_a_position_differs_from_that_of_the_machines_logarithm_by_a_few_ulps(module: Any) -> None:
    """hftbacktest uses the machine's: what is left between the two is at most 4 ulp of the size."""
    state = stage.new_state([instrument()], stage.Settings(queue_model="log-prob"))
    draws = random.Random(7)
    name = "log-prob" if module is log_prob else "log-prob-2"
    worst = 0.0
    for _ in range(20_000):
        size = draws.uniform(0.001, 10 ** draws.uniform(-2, 4))
        front = size * draws.uniform(-0.01, 1.0)
        cancelled = size * draws.random()
        new = size - cancelled
        part = module.probability(state, front, size - front)
        ours = log_prob.ahead_after(front, size - front, cancelled, new, part)
        theirs = moved(name, front, size, cancelled, new)
        there = behind_us(name, front, size - front)
        assert math.isnan(part) == math.isnan(there)
        assert math.isnan(part) or abs(part - there) <= 4 * math.ulp(1.0)
        worst = max(worst, abs(ours - theirs) / math.ulp(size))
    assert worst <= 4.0


LEGS = [(0, 0, 0), (2, 3, 4)]


def settings_of(legs: tuple[int, int, int]) -> stage.Settings:
    feed, entry, response = legs
    return stage.Settings(
        feed_latency=feed,
        entry_latency=entry,
        response_latency=response,
        closed_max=16,
        queue_model="log-prob",
    )


@pytest.mark.parametrize("legs", LEGS, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_both_venues_report_the_same(seed: int, legs: tuple[int, int, int]) -> None:
    """Several orders at a level, prints through it, gaps, snapshots, cancels, two instruments."""
    listed = [instrument(1, quantity_precision=0), instrument(2, lot_size=2, quantity_precision=1)]
    events = list(MarketMaker(seed, listed).stream(600))
    expected = run(LogProbVenue(listed, settings_of(legs)), events, cancel_some)
    assert run(KernelVenue(listed, settings_of(legs)), events, cancel_some) == expected


@pytest.mark.parametrize(
    ("model", "filled"), [("risk-averse", 0), ("log-prob", 25), ("log-prob-2", 6)]
)
def test_a_cancellation_moves_us_up_by_the_part_that_was_ahead(model: str, filled: int) -> None:
    """100 ahead of us and 100 behind, 50 are cancelled: a half ahead, or 1 - ln 101 / ln 201."""
    venue = venue_of(model, 100, 0, 1)
    for number, size in enumerate((200, 150)):
        play(venue, number, "size", size)
    assert play(venue, 2, "print", 100) == filled


@pytest.mark.parametrize("seed", range(4))
def test_no_print_fills_more_than_it_printed(seed: int) -> None:
    """hftbacktest lets each of two orders at a level have the same print; this venue does not."""
    venue = KernelVenue([instrument()], settings_of((0, 0, 0)))
    hits = 0
    for event in MarketMaker(seed, [instrument()]).stream(1500):
        makers = [each for each in run(venue, [event]) if each.liquidity == Liquidity.MAKER]
        if isinstance(event[1], Trade):
            hits += len(makers)
            assert sum(each.quantity for each in makers) <= event[1].quantity
    assert hits > 5


def test_a_second_order_of_ours_waits_for_the_first() -> None:
    """100 ahead of both; a print of 130 fills the first, a second of 25 finds nobody ahead."""
    venue = KernelVenue([instrument()], settings_of((0, 0, 0)))
    book = snapshot(1, 10, [(100, 100), (99, 50)], [(102, 60)])
    orders = [limit(2, 1, BUY, 20, 100), limit(2, 2, BUY, 30, 100)]
    reports = run(venue, [book, *orders, trade(3, 100, 130, SELL), trade(4, 100, 25, SELL)])
    assert fills(reports, 1) == [(100, 20)]
    assert fills(reports, 2) == [(100, 10), (100, 20)]
