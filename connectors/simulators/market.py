"""``generate``: a seeded market as a closed log in the shape of a recorded one.

One instrument, ``simulated:SIMUSDT``: a perpetual without funding, so that it can be sold short and
nothing is left out of its P&L; price near 40,000 in ticks of 1.00, quantities to 0.001. Times begin
at 2024-01-01T00:00:00Z. The same seed, length and parameters give the same bytes on every machine:
all draws are counter-based, keyed by (seed, purpose, ordinal), and all arithmetic is on integers. A
longer market of the same seed begins with the shorter one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from connectors.blocks import TopicBlocks, close_log
from connectors.simulators import order_flow
from connectors.unfinished import create
from schemas.errors import WrongUse
from schemas.records import Instrument
from schemas.vocabulary import Flag, InstrumentKind

START = 1_704_067_200 * 10**9
"""2024-01-01T00:00:00Z."""
SLOTS_A_MINUTE = 60_000
PRICE_START = 40_000
TICK = 100
INFORMED_SHARE = 0.3
VOLATILITY = 1.0
MINUTES_MAX = 60 * 24 * 366
SEED_MAX = 2**63 - 1
VOLATILITY_MAX = 20.0

INSTRUMENT = Instrument(
    instrument=1,
    venue="simulated",
    symbol="SIMUSDT",
    kind=int(InstrumentKind.PERPETUAL),
    base="SIM",
    quote="USDT",
    price_precision=2,
    quantity_precision=3,
    tick_size=TICK,
    lot_size=1,
    minimum_quantity=1,
    maximum_quantity=1_000_000,
    minimum_notional=5 * 10**5,
    multiplier=1,
    shortable=True,
    funding_interval=0,
    expiry=None,
    valid_from=START,
    event_time=START,
    flags=int(Flag.SIMULATED),
)


class BadMarket(WrongUse):
    """A parameter of the generated market is out of range."""

    code = "bad_market"


class GenerateSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was generated: records by topic, range of event times in ns UTC."""

    minutes: int
    seed: int
    counts: dict[str, int]
    first_time: int
    last_time: int


def generate(
    minutes: int,
    seed: int,
    out: Path | str,
    informed_share: float = INFORMED_SHARE,
    volatility: float = VOLATILITY,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> GenerateSummary:
    """Generate into the new folder ``out``.

    Args:
        minutes: length, 1 to a year.
        seed: 0 to 2^63 - 1.
        informed_share: share of arriving takers who know the fair price, 0 to 1 (they stay away
            while it lies inside the spread).
        volatility: scale of the fair price's moves, 0 to 20; both are kept to three decimals.
        progress: told minutes done and minutes wanted.

    Raises:
        BadMarket: names the parameter and its range. LogExists, ForeignFolder: ``out`` is not new.
            LogFull.
    """
    _check("minutes", minutes, 1, MINUTES_MAX)
    _check("seed", seed, 0, SEED_MAX)
    _check("informed_share", informed_share, 0, 1)
    _check("volatility", volatility, 0, VOLATILITY_MAX)
    parameters = np.zeros(1, order_flow.PARAMETERS)
    parameters[0] = (
        seed,
        round(informed_share * 1000),
        round(volatility * 1000),
        START,
        INSTRUMENT.instrument,
        TICK,
        PRICE_START - order_flow.MIDDLE,
    )
    market, output = order_flow.new_market(), order_flow.new_output(SLOTS_A_MINUTE)
    with create(Path(out)) as log:
        names = ("ref.instruments", "md.trades", "md.depth", "md.book_tickers", "sim.truth")
        topics = {name: TopicBlocks(log, name) for name in names}
        topics["ref.instruments"].add(INSTRUMENT, START)
        for minute in range(minutes):
            order_flow.run(market, parameters[0], output, (minute + 1) * SLOTS_A_MINUTE + 1)
            _write(topics, output)
            progress(minute + 1, minutes)
        facts = {
            "provenance": "simulated",
            "connector": "simulators.market",
            "market": {
                "minutes": minutes,
                "seed": seed,
                "informed_share_thousandths": round(informed_share * 1000),
                "volatility_thousandths": round(volatility * 1000),
            },
        }
        close_log(log, topics.values(), facts)
    counts = {name: topics[name].count for name in sorted(topics)}
    last = max(topic.time_max for topic in topics.values())
    return GenerateSummary(
        minutes=minutes, seed=seed, counts=counts, first_time=START, last_time=last
    )


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadMarket(f"{name} is {value}; give a number from {low:g} to {high:g}")


def _write(topics: dict[str, TopicBlocks], output: Any) -> None:
    """One minute's rows, in blocks of their own."""
    trades, depth, _, tickers = (int(count) for count in output.counts)
    for name, rows, count in (
        ("md.trades", output.trades, trades),
        ("sim.truth", output.truths, trades),
        ("md.book_tickers", output.tickers, tickers),
    ):
        if count:
            topics[name].add_rows(rows[:count])
    if depth:
        topics["md.depth"].add_rows(output.depth[:depth], output.levels)
    output.counts[:] = 0
