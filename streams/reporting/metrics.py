"""The performance metrics (REP-2): pure functions of minute equity and round trips, exact integers
in, sequential floats out.

Conventions, the same for every number:

- The time measured is the time traded: from when trading may begin (`--from`, and the warm-up after
  the first mark) to the end of the data, or to `--to`. Days, exposure and time under water are
  nanoseconds of it, whatever is sampled.
- Equity samples are the ledger's equity, after fees, at the end of each minute of it (a minute is
  open left, closed right: the record stamped 00:01:00 closes minute 0). The capital at the start
  stands before the first sample, so it counts in drawdown and returns.
- Returns are simple, sample over sample; the risk-free rate is 0; standard deviation has ddof 1; a
  year has 365 x 1440 samples.
- Statistics of returns need 30 samples and a day traded; with less they are null, for an hour
  annualised is a number about nothing.
- A round trip runs from flat to flat; its profit is after fees; one that ends at exactly 0 counts
  as a trade, as neither win nor loss.
- Losses, drawdown, value at risk and expected shortfall are negative numbers, as in empyrical,
  which is the oracle of the tests.
- Sums are ``math.fsum`` (correctly rounded, in any order); powers are ``decimal`` at 40 digits:
  equal bits on every machine.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from schemas.vocabulary import NullReason

MINUTE = 60_000_000_000
PERIODS_PER_DAY = 1440
PERIODS_PER_YEAR = 365 * PERIODS_PER_DAY
MINIMUM_SAMPLES = 30
DAY = PERIODS_PER_DAY * MINUTE
SECOND = 1_000_000_000

NONE = int(NullReason.NONE)
TOO_FEW_SAMPLES = int(NullReason.TOO_FEW_SAMPLES)
NO_MARK = int(NullReason.NO_MARK)

_DECIMAL = decimal.Context(prec=40, Emin=-999_999, Emax=999_999)


class Measure(NamedTuple):
    """One metric: `value` is null where `reason` (a NullReason) is not NONE; `samples` is the
    sample size behind it.
    """

    name: str
    value: float | None
    reason: int
    samples: int


class Metric(NamedTuple):
    """What a metric is: for tables, pictures and readers."""

    name: str
    title: str
    unit: str
    group: str
    sample: str
    definition: str


METRICS: tuple[Metric, ...] = (
    Metric(
        "trades",
        "Round trips",
        "count",
        "Activity",
        "round trips",
        "Closed round trips, flat to flat.",
    ),
    Metric(
        "days",
        "Days traded",
        "days",
        "Activity",
        "minutes",
        "From when trading may begin to the end / 24 hours.",
    ),
    Metric(
        "trades_per_day",
        "Round trips a day",
        "per day",
        "Activity",
        "round trips",
        "Round trips / days.",
    ),
    Metric(
        "volume",
        "Volume",
        "currency",
        "Activity",
        "fills",
        "Price x quantity of every fill, both sides.",
    ),
    Metric(
        "total_return",
        "Total return",
        "ratio",
        "Return",
        "minutes",
        "Last equity / starting capital - 1, after fees.",
    ),
    Metric(
        "average_return",
        "Average return a minute",
        "ratio",
        "Return",
        "minutes",
        "Arithmetic mean of minute returns.",
    ),
    Metric(
        "annual_return",
        "Annual return",
        "ratio",
        "Return",
        "minutes",
        "(1 + total return) ^ (365 / days) - 1.",
    ),
    Metric(
        "volatility",
        "Volatility, annual",
        "ratio",
        "Risk",
        "minutes",
        "Standard deviation (ddof 1) of minute returns x sqrt(525600).",
    ),
    Metric(
        "sharpe",
        "Sharpe ratio",
        "number",
        "Risk",
        "minutes",
        "Mean / standard deviation of minute returns x sqrt(525600), risk-free 0.",
    ),
    Metric(
        "sortino",
        "Sortino ratio",
        "number",
        "Risk",
        "minutes",
        "Mean / sqrt(mean(min(r, 0)^2)) x sqrt(525600).",
    ),
    Metric(
        "calmar", "Calmar ratio", "number", "Risk", "minutes", "Annual return / |maximum drawdown|."
    ),
    Metric(
        "profit_factor",
        "Profit factor",
        "number",
        "Round trips",
        "round trips",
        "Sum of wins / |sum of losses|, after fees.",
    ),
    Metric(
        "maximum_drawdown",
        "Maximum drawdown",
        "ratio",
        "Risk",
        "minutes",
        "Lowest equity / peak before it - 1; the start is a peak.",
    ),
    Metric(
        "maximum_drawdown_duration",
        "Longest time under water",
        "seconds",
        "Risk",
        "minutes",
        "From a sampled peak to its recovery or the end.",
    ),
    Metric(
        "var_95",
        "Value at risk 95 %, a minute",
        "ratio",
        "Risk",
        "minutes",
        "5 % quantile of minute returns, linear between order statistics.",
    ),
    Metric(
        "expected_shortfall",
        "Expected shortfall 95 %, a minute",
        "ratio",
        "Risk",
        "minutes",
        "Mean of the worst int(0.05 (n - 1)) + 1 returns.",
    ),
    Metric(
        "win_rate",
        "Win rate",
        "ratio",
        "Round trips",
        "round trips",
        "Round trips with a profit after fees / all round trips.",
    ),
    Metric(
        "average_win",
        "Average win",
        "currency",
        "Round trips",
        "winning round trips",
        "Mean profit of winning round trips.",
    ),
    Metric(
        "average_loss",
        "Average loss",
        "currency",
        "Round trips",
        "losing round trips",
        "Mean loss of losing round trips.",
    ),
    Metric(
        "largest_win",
        "Largest win",
        "currency",
        "Round trips",
        "winning round trips",
        "Most profitable round trip.",
    ),
    Metric(
        "largest_loss",
        "Largest loss",
        "currency",
        "Round trips",
        "losing round trips",
        "Most losing round trip.",
    ),
    Metric(
        "holding_period",
        "Holding period",
        "seconds",
        "Round trips",
        "round trips",
        "Mean time from first to last fill of a round trip.",
    ),
    Metric(
        "frequency",
        "Round trips a year",
        "per year",
        "Activity",
        "round trips",
        "Round trips a day x 365; needs a day.",
    ),
    Metric(
        "exposure",
        "Time in the market",
        "ratio",
        "Activity",
        "minutes",
        "Share of the time traded with an open position in any instrument.",
    ),
    Metric("turnover", "Turnover", "number", "Activity", "minutes", "Volume / average equity."),
)

BY_NAME = {metric.name: metric for metric in METRICS}
COUNTS = frozenset(("trades",))


class TripTotals(msgspec.Struct):
    """Sums over closed round trips; profits after fees in units of 10^-amount_precision, times in
    nanoseconds.
    """

    trades: int = 0
    wins: int = 0
    losses: int = 0
    profit: int = 0
    loss: int = 0
    largest_win: int = 0
    largest_loss: int = 0
    holding: int = 0


class Activity(msgspec.Struct):
    """What was traded, over how long: `volume` in units of 10^-amount_precision, `exposed` and
    `elapsed` in nanoseconds.
    """

    fills: int = 0
    volume: int = 0
    exposed: int = 0
    elapsed: int = 0
    """the time traded; 0: a minute for each sample"""


def measure_all(
    start: int | None,
    equity: Sequence[int],
    trips: TripTotals,
    activity: Activity,
    amount_precision: int,
    times: Sequence[int] = (),
) -> list[Measure]:
    """Every metric of METRICS in that order.

    start: capital before the first sample, null if no equity was ever known; equity: one sample a
    minute, taken `times` (ns) after the beginning, by default at whole minutes; amounts in
    10^-amount_precision.
    """
    unit = 10**amount_precision
    samples = len(equity)
    elapsed = activity.elapsed or samples * MINUTE
    days = elapsed / DAY
    enough = samples >= MINIMUM_SAMPLES and elapsed >= DAY
    measured = {
        "trades": _known(float(trips.trades), trips.trades),
        "days": _known(days, samples),
        "trades_per_day": _known(trips.trades / days, trips.trades)
        if elapsed
        else (None, NO_MARK, 0),
        "volume": _known(int(activity.volume) / unit, activity.fills),
        **_equity_measures(
            start, equity, enough, elapsed, times or [(at + 1) * MINUTE for at in range(samples)]
        ),
        **_trip_measures(trips, unit),
        "frequency": _known(trips.trades / days * 365, trips.trades)
        if enough
        else (None, TOO_FEW_SAMPLES, trips.trades),
        "exposure": _known(activity.exposed / activity.elapsed, samples)
        if activity.elapsed
        else (None, TOO_FEW_SAMPLES, samples),
        "turnover": _turnover(int(activity.volume), equity),
    }
    return [Measure(metric.name, *measured[metric.name]) for metric in METRICS]


_Entry = tuple[float | None, int, int]
_EQUITY_STATISTICS = (
    "average_return",
    "annual_return",
    "volatility",
    "sharpe",
    "sortino",
    "calmar",
    "var_95",
    "expected_shortfall",
)


def _known(value: float, samples: int) -> _Entry:
    return (value, NONE, samples)


def _equity_measures(
    start: int | None, equity: Sequence[int], enough: bool, elapsed: int, times: Sequence[int]
) -> dict[str, _Entry]:
    samples = len(equity)
    if start is None or not samples:
        names = (
            "total_return",
            "maximum_drawdown",
            "maximum_drawdown_duration",
            *_EQUITY_STATISTICS,
        )
        return dict.fromkeys(names, (None, NO_MARK, 0))
    series = minute_returns(start, equity)
    found: dict[str, float | None] = dict.fromkeys(_EQUITY_STATISTICS)
    found["total_return"] = (equity[-1] - start) / start if start > 0 else None
    found["maximum_drawdown"] = maximum_drawdown(start, equity) if start > 0 else None
    found["maximum_drawdown_duration"] = maximum_drawdown_duration(start, equity, times) / SECOND
    if enough and series is not None:
        found["average_return"] = mean(series)
        found["annual_return"] = annual_return(start, equity[-1], elapsed, 365 * DAY)
        found["volatility"] = volatility(series)
        found["sharpe"] = sharpe(series)
        found["sortino"] = sortino(series)
        found["calmar"] = calmar(found["annual_return"], found["maximum_drawdown"])
        found["var_95"] = value_at_risk(series)
        found["expected_shortfall"] = expected_shortfall(series)
    return {
        name: (value, NONE if value is not None else TOO_FEW_SAMPLES, samples)
        for name, value in found.items()
    }


def _trip_measures(trips: TripTotals, unit: int) -> dict[str, _Entry]:
    profit, loss = int(trips.profit), int(trips.loss)

    def over(value: int, count: int, divisor: int) -> _Entry:
        return _known(int(value) / divisor, count) if count else (None, TOO_FEW_SAMPLES, 0)

    return {
        "profit_factor": _known(profit / -loss, trips.trades)
        if trips.losses
        else (None, TOO_FEW_SAMPLES, trips.trades),
        "win_rate": over(trips.wins, trips.trades, trips.trades),
        "average_win": over(profit, trips.wins, trips.wins * unit),
        "average_loss": over(loss, trips.losses, trips.losses * unit),
        "largest_win": over(trips.largest_win, trips.wins, unit),
        "largest_loss": over(trips.largest_loss, trips.losses, unit),
        "holding_period": over(trips.holding, trips.trades, trips.trades * SECOND),
    }


def _turnover(volume: int, equity: Sequence[int]) -> _Entry:
    total = sum(equity)
    return (
        _known(volume * len(equity) / total, len(equity))
        if total > 0
        else (None, NO_MARK, len(equity))
    )


def minute_returns(start: int, equity: Sequence[int]) -> list[float] | None:
    """Simple returns, the first from `start`; null once capital was not positive, for then a return
    has no meaning.
    """
    series = []
    before = start
    for sample in equity:
        if before <= 0:
            return None
        series.append((sample - before) / before)
        before = sample
    return series


def mean(series: Sequence[float]) -> float:
    return math.fsum(series) / len(series)


def deviation(series: Sequence[float]) -> float:
    """Sample standard deviation, ddof 1; needs two samples."""
    centre = mean(series)
    return math.sqrt(
        math.fsum([(value - centre) * (value - centre) for value in series]) / (len(series) - 1)
    )


def volatility(series: Sequence[float], periods: int = PERIODS_PER_YEAR) -> float:
    return deviation(series) * math.sqrt(periods)


def sharpe(series: Sequence[float], periods: int = PERIODS_PER_YEAR) -> float | None:
    """Null where returns do not vary."""
    spread = deviation(series)
    return mean(series) / spread * math.sqrt(periods) if spread > 0 else None


def sortino(series: Sequence[float], periods: int = PERIODS_PER_YEAR) -> float | None:
    """Null where no return is negative. The denominator is over all n (Sortino and Price 1994)."""
    downside = math.sqrt(math.fsum([value * value for value in series if value < 0]) / len(series))
    return mean(series) / downside * math.sqrt(periods) if downside > 0 else None


def annual_return(
    start: int, end: int, samples: int, periods: int = PERIODS_PER_YEAR
) -> float | None:
    """(end / start) ^ (periods / samples) - 1; -1 if all was lost, null beyond the range of a
    double.
    """
    if end <= 0:
        return -1.0
    growth = _DECIMAL.ln(_DECIMAL.divide(decimal.Decimal(end), decimal.Decimal(start)))
    exponent = _DECIMAL.divide(
        _DECIMAL.multiply(growth, decimal.Decimal(periods)), decimal.Decimal(samples)
    )
    if exponent > 700:
        return None
    return float(_DECIMAL.subtract(_DECIMAL.exp(exponent), decimal.Decimal(1)))


def calmar(annual: float | None, drawdown: float | None) -> float | None:
    """Null without a drawdown."""
    if annual is None or drawdown is None or drawdown >= 0:
        return None
    return annual / -drawdown


def maximum_drawdown(start: int, equity: Sequence[int]) -> float:
    """At most 0."""
    return min(0.0, min(drawdowns(start, equity)))


def drawdowns(start: int, equity: Sequence[int]) -> list[float]:
    """Equity over its running peak - 1, a sample each; the start is the first peak."""
    series = []
    peak = start
    for sample in equity:
        peak = max(peak, sample)
        series.append((sample - peak) / peak)
    return series


def maximum_drawdown_duration(start: int, equity: Sequence[int], times: Sequence[int] = ()) -> int:
    """Time from a peak to the sample that is level with it again, or to the last sample; the
    longest such time.

    times: when each sample was taken, the start being 0; by default their numbers, from 1.
    """
    peak, peak_at, longest = start, 0, 0
    under = False
    for at, sample in zip(times or range(1, len(equity) + 1), equity, strict=True):
        if sample >= peak:
            if under:
                longest = max(longest, at - peak_at)
            peak, peak_at, under = sample, at, False
        else:
            under = True
            longest = max(longest, at - peak_at)
    return longest


def value_at_risk(series: Sequence[float], cutoff_percent: int = 5) -> float:
    """The quantile of returns, linear between order statistics (numpy's and empyrical's
    definition).
    """
    ordered = sorted(series)
    position = (len(ordered) - 1) * cutoff_percent
    below, part = divmod(position, 100)
    if not part:
        return ordered[below]
    return ordered[below] + (ordered[below + 1] - ordered[below]) * (part / 100)


def expected_shortfall(series: Sequence[float], cutoff_percent: int = 5) -> float:
    """Mean of the lowest int(cutoff x (n - 1)) + 1 returns (empyrical's conditional_value_at_risk).
    """
    ordered = sorted(series)
    return mean(ordered[: (len(ordered) - 1) * cutoff_percent // 100 + 1])
