"""Settings and state of the microstructure stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from schemas.errors import WrongUse
from schemas.records import Instrument
from streams.numeric.measures import amihud, hawkes, kyle, markouts, order_flow, roll, signing
from streams.numeric.periods import WINDOW_MAX
from streams.numeric.rolling import WINDOW, new_ranking, new_window
from streams.numeric.smoothing import EMA, new_ema
from streams.numeric.state_arrays import StateArrays, array_of

NEVER = 2**63 - 1  # a time that does not come
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
LEVELS = order_flow.LEVELS
RATIOS = (2, 5, 10)
"""Of the variance ratios that are published."""
WINDOW_MIN = max(RATIOS) + 1
EVERY = "default"
"""The name of settings that hold for each instrument that has none of its own."""


class HawkesParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a Hawkes process, a second: see ``streams/numeric/measures/hawkes.py``."""

    mu: float
    same: float
    other: float
    beta: float


class MicropriceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stoikov's adjustments in ticks: for 1, 2, ... ``spreads`` ticks, one for each bucket of the
    imbalance (``streams.numeric.measures.microprice.microprice_table`` makes them).
    """

    spreads: int
    adjustments: tuple[float, ...]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the stage computes.

    interval: nanoseconds between records, aligned to its multiples. By default a second, as of
    md.features, so that the records of both topics lie side by side.
    window: intervals that Kyle's lambda, Amihud's measure, variance ratios, volatilities and the
    sigma of bulk classification look back on.
    trades: trades that Roll's spread and the recent flow look back on.
    vpins: volume buckets whose VPIN the last one is ranked among.
    waiting: room for trades that wait for their horizons (the longest is 60 s), for each
    instrument; trades of one side, time and mid take one place.
    sign_method: how trades without an exchange flag are signed.
    flow_weights: of the five levels, in the integrated order flow.
    hawkes, microprice: by symbol, or "default"; without them their measures are null.
    """

    interval: int = SECOND
    window: int = 60
    trades: int = 100
    vpins: int = 250
    waiting: int = 4096
    sign_method: Literal["lee_ready", "tick_rule"] = "lee_ready"
    flow_weights: tuple[float, ...] = (1.0,) * LEVELS
    hawkes: dict[str, HawkesParameters] = {}
    microprice: dict[str, MicropriceTable] = {}

    def __post_init__(self) -> None:
        if not SECOND // 1000 <= self.interval <= DAY:
            raise ValueError(
                f"interval: from {SECOND // 1000} ns (1 ms) to {DAY} ns (a day), not "
                f"{self.interval}"
            )
        for name, least, most in (
            ("window", WINDOW_MIN, WINDOW_MAX),
            ("trades", roll.CHANGES_MIN, WINDOW_MAX),
            ("vpins", 1, WINDOW_MAX),
            ("waiting", 1, markouts.WAITING_MAX),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name}: from {least} to {most}, not {getattr(self, name)}")
        if len(self.flow_weights) != LEVELS or not any(self.flow_weights):
            raise ValueError(f"flow_weights: {LEVELS} numbers, not all of them 0")
        self._check_given()

    def _check_given(self) -> None:
        """Raises ValueError for parameters that no process and no table can have."""
        for name, given in self.hawkes.items():
            try:
                hawkes.check_hawkes(given.mu, given.same, given.other, given.beta)
            except WrongUse as problem:
                raise ValueError(f"hawkes of {name}: {problem.text}") from problem
        for name, table in self.microprice.items():
            count = len(table.adjustments)
            if table.spreads < 1 or count < table.spreads or count % table.spreads:
                raise ValueError(
                    f"microprice of {name}: {count} adjustments for {table.spreads} spreads; give "
                    "as many for each spread, one a bucket of the imbalance"
                )
            if not all(map(math.isfinite, table.adjustments)):
                raise ValueError(f"microprice of {name}: give finite numbers")


# Everything about one instrument but its windows. Only 8-byte fields, so that no padding can reach
# the snapshot; sums are two limbs.
FLOW = np.dtype(
    [
        (name, np.int64)
        for name in (
            "instrument", "tick",
            *signing.FIELDS,
            # twice the mid that stands, and that stood at the end of the last interval; 0: none
            "doubled_mid", "doubled_mid_at_start",
            # the interval; ``quoted_since``: up to when its quotes are summed
            "active", "flags", "method", "refused_before", "buy_trades", "sell_trades",
            "bought_high", "sold_high", "volume_high", "turnover_high", "quoted_since",
            "quoted_time", "sloped_time", "spread_sum_high", "depth_sum_high",
            # of the levels: known, events of the interval, quantity summed over them
            "levels_known", "level_events", "level_sum_high",
            # the last trade's price at the end of the last interval that had one
            "price_at_start",
            # 1 where the settings name a Hawkes process; spreads of the micro-price's table
            "is_hawkes", "spreads",
        )
    ]
    + [
        (name, np.uint64)
        for name in (
            "bought_low", "sold_low", "volume_low", "turnover_low", "spread_sum_low",
            "depth_sum_low", "level_sum_low",
        )
    ]
    + [
        (name, np.float64)
        for name in (
            "slope_sum", "log_slope_sum", "squared_changes", "turnover_scale", "last_vpin",
        )
    ]
)  # fmt: skip

HEADER = np.dtype([
    ("lee_ready", "i8"),  # 1 where unflagged trades are signed by Lee-Ready, 0 by the tick rule
    ("interval", "i8"),
    ("timer", "i8"),      # next multiple of the interval with records due, else NEVER
])  # fmt: skip
"""Settings that the kernels need, and the timer."""


class State(StateArrays):
    """All the stage remembers; a row for each instrument, where nothing else is said."""

    clock: Any = array_of(np.int64)
    """(1,), set by the runtime before each call."""
    timer: Any = array_of(np.int64)
    """(1,), the next deadline."""
    fault: Any = array_of(np.int64)
    """(4,), unused: what has no room is counted."""
    header: Any = array_of(HEADER)
    """(1,)"""
    flows: Any = array_of(FLOW)
    queues: Any = array_of(markouts.QUEUE)
    waiting: Any = array_of(markouts.WAITING, 2)
    """(instruments, room), trades that wait for their horizons."""
    horizons: Any = array_of(markouts.HORIZON, 2)
    points: Any = array_of(WINDOW)
    """Of the intervals at both of whose ends a mid stood."""
    signed_volumes: Any = array_of(np.float64, 2)
    mid_changes: Any = array_of(np.float64, 2)
    log_returns: Any = array_of(np.float64, 2)
    """(instruments, window), of ``points``."""
    squares: Any = array_of(EMA)
    """Mean of the squared log returns."""
    illiquidity: Any = array_of(amihud.AMIHUD)
    illiquidity_ratios: Any = array_of(np.float64, 2)
    bars: Any = array_of(WINDOW)
    """Of the intervals with trades."""
    bar_changes: Any = array_of(np.float64, 2)
    """(instruments, window), of ``bars``: changes of the last price."""
    prints: Any = array_of(WINDOW)
    print_changes: Any = array_of(np.float64, 2)
    """(instruments, trades), changes of the price from trade to trade."""
    signed: Any = array_of(WINDOW)
    signed_quantities: Any = array_of(np.float64, 2)
    """(instruments, trades), of trades whose aggressor is known."""
    vpins: Any = array_of(WINDOW)
    vpin_values: Any = array_of(np.float64, 2)
    vpin_ranking: Any = array_of(np.float64, 2)
    """(instruments, vpins), of the last buckets, in their order and sorted."""
    hawkes: Any = array_of(hawkes.HAWKES)
    levels: Any = array_of(order_flow.LEVEL, 2)
    level_flows: Any = array_of(order_flow.FLOW_SUM, 2)
    """(instruments, levels)"""
    adjustments: Any = array_of(np.float64, 2)
    """(instruments, the longest table), of the micro-price, in ticks."""
    table_lengths: Any = array_of(np.int64)
    weights: Any = array_of(np.float64)
    """(levels,), of the integrated order flow."""
    levels_now: Any = array_of(order_flow.LEVEL)
    flows_now: Any = array_of(np.float64)
    """(levels,), scratch."""


def given_for(instrument: Instrument, settings: dict[str, Any]) -> Any:
    """What the settings name for an instrument: its own, else the default, else None."""
    return settings.get(instrument.symbol, settings.get(EVERY))


def new_flows(instruments: Sequence[Instrument], settings: Settings) -> tuple[Any, Any]:
    """(flows, Hawkes processes) before the first record, a row each for an instrument."""
    flows = np.zeros(len(instruments), FLOW)
    processes = np.zeros(len(instruments), hawkes.HAWKES)
    for slot, instrument in enumerate(instruments):
        flow = flows[slot]
        flow["instrument"], flow["tick"] = instrument.instrument, instrument.tick_size
        precision = instrument.price_precision + instrument.quantity_precision
        flow["turnover_scale"] = instrument.multiplier / 10**precision
        if (given := given_for(instrument, settings.hawkes)) is not None:
            parameters = given.mu, given.same, given.other, given.beta
            processes[slot] = hawkes.new_hawkes(1, *parameters)[0]
            flow["is_hawkes"] = 1
        if (table := given_for(instrument, settings.microprice)) is not None:
            flow["spreads"] = table.spreads
    return flows, processes


def new_tables(instruments: Sequence[Instrument], settings: Settings) -> tuple[Any, Any]:
    """(adjustments of the micro-price, how many of them count), a row each for an instrument."""
    tables = [given_for(each, settings.microprice) for each in instruments]
    longest = max((len(each.adjustments) for each in tables if each is not None), default=1)
    adjustments = np.zeros((len(tables), longest))
    lengths = np.zeros(len(tables), np.int64)
    for slot, table in enumerate(tables):
        if table is not None:
            lengths[slot] = len(table.adjustments)
            adjustments[slot, : len(table.adjustments)] = table.adjustments
    return adjustments, lengths


def new_state(instruments: Sequence[Instrument], settings: Settings) -> State:
    """State before the first record."""
    count, window, trades = len(instruments), settings.window, settings.trades
    flows, processes = new_flows(instruments, settings)
    adjustments, table_lengths = new_tables(instruments, settings)
    header = np.zeros(1, HEADER)
    header["lee_ready"] = settings.sign_method == "lee_ready"
    header["interval"], header["timer"] = settings.interval, NEVER
    queues, waiting, horizons = markouts.new_markouts(count, settings.waiting)
    points, signed_volumes, mid_changes = kyle.new_kyle(count, window)
    illiquidity, illiquidity_ratios = amihud.new_amihud(count, window)
    bars, bar_changes = new_window(count, window)
    prints, print_changes = new_window(count, trades)
    signed, signed_quantities = new_window(count, trades)
    vpins, vpin_values = new_window(count, settings.vpins)
    return State(
        clock=np.zeros(1, np.int64),
        timer=np.full(1, NEVER, np.int64),
        fault=np.zeros(4, np.int64),
        header=header,
        flows=flows,
        queues=queues,
        waiting=waiting,
        horizons=horizons,
        points=points,
        signed_volumes=signed_volumes,
        mid_changes=mid_changes,
        log_returns=np.zeros((count, window)),
        squares=new_ema(count, window),
        illiquidity=illiquidity,
        illiquidity_ratios=illiquidity_ratios,
        bars=bars,
        bar_changes=bar_changes,
        prints=prints,
        print_changes=print_changes,
        signed=signed,
        signed_quantities=signed_quantities,
        vpins=vpins,
        vpin_values=vpin_values,
        vpin_ranking=new_ranking(count, settings.vpins),
        hawkes=processes,
        levels=np.zeros((count, LEVELS), order_flow.LEVEL),
        level_flows=np.zeros((count, LEVELS), order_flow.FLOW_SUM),
        adjustments=adjustments,
        table_lengths=table_lengths,
        weights=np.array(settings.flow_weights, np.float64),
        levels_now=np.zeros(LEVELS, order_flow.LEVEL),
        flows_now=np.zeros(LEVELS),
    )
