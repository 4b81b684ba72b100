"""Intervals and sample sizes beside the numbers (REP-16): what a metric is worth, not only what it
is.

A metric is either *observed* (a fact of this run: what was earned, the worst drawdown seen) or an
*estimate* of something that holds beyond it; an estimate has a 95 % interval where an honest closed
form exists. All of them assume independent samples, which minute returns are only roughly.
"""

from __future__ import annotations

import decimal
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.vocabulary import NullReason
from streams.reporting.metrics import (
    METRICS,
    MINIMUM_SAMPLES,
    PERIODS_PER_YEAR,
    Measure,
    deviation,
    mean,
    minute_returns,
)
from streams.reporting.wording import duration

if TYPE_CHECKING:
    from streams.reporting.document import Result

Z95 = 1.959963984540054
OBSERVED = "observed in this run"
_EXP = decimal.Context(prec=40)


class Interval(NamedTuple):
    """A 95 % interval and where it comes from."""

    low: float
    high: float
    method: str


ESTIMATES = frozenset(
    (
        "average_return",
        "annual_return",
        "volatility",
        "sharpe",
        "sortino",
        "calmar",
        "var_95",
        "expected_shortfall",
        "win_rate",
    )
)

UNDEFINED = {
    "annual_return": "beyond any number a year could mean",
    "sharpe": "returns did not vary",
    "sortino": "no minute lost",
    "calmar": "there was no drawdown",
    "profit_factor": "no round trip lost",
    "average_win": "no round trip won",
    "largest_win": "no round trip won",
    "average_loss": "no round trip lost",
    "largest_loss": "no round trip lost",
    "exposure": "no time was sampled",
}
TRIPS = (
    *("profit_factor", "win_rate", "average_win", "average_loss", "largest_win", "largest_loss"),
    "holding_period",
)


def metric_table(result: Result) -> list[dict[str, Any]]:
    """One row for each metric: value, unit, sample size, reason and interval, as report.json has
    it.
    """
    from streams.reporting.document import measure_value, reason_name

    intervals = interval_table(result)
    rows = []
    for metric in METRICS:
        measure = result.measures[metric.name]
        interval = intervals.get(metric.name) if measure.value is not None else None
        rows.append({
            "name": metric.name, "title": metric.title, "group": metric.group,
            "value": measure_value(measure),
            "unit": result.currency if metric.unit == "currency" else metric.unit,
            "samples": measure.samples, "sample_unit": metric.sample,
            "reason": reason_name(measure), "explanation": explain(measure, result),
            "kind": "estimate" if metric.name in ESTIMATES else "observed",
            "interval": [interval.low, interval.high] if interval else None,
            "interval_method": interval.method if interval else None,
            "definition": metric.definition,
        })  # fmt: skip
    return rows


def explain(measure: Measure, result: Result) -> str | None:
    """Why a value is null, in words; null where it is not."""
    if measure.value is not None:
        return None
    if measure.reason == NullReason.NO_MARK:
        return "equity was never known: there was no price to value it with"
    if measure.name in TRIPS and not result.measures["trades"].value:
        return "no round trip was closed"
    if (result.measures["days"].value or 0.0) < 1.0 and (
        measure.name in ESTIMATES or measure.name == "frequency"
    ):
        return f"needs a day traded; this run has {duration(result.last_time - result.first_time)}"
    if result.start is None or result.start <= 0 or any(sample <= 0 for sample in result.samples):
        return "capital was not positive throughout: a return has no meaning"
    return UNDEFINED.get(measure.name, "undefined for this run")


def interval_table(result: Result) -> dict[str, Interval]:
    """The intervals that have an honest closed form, by metric."""
    found: dict[str, Interval] = {}
    trades = result.totals.trades
    if trades:
        found["win_rate"] = wilson(result.totals.wins, trades)
    if (result.measures["days"].value or 0.0) < 1.0 or result.start is None:
        return found
    series = minute_returns(result.start, result.samples)
    if series is None:
        return found
    n = len(series)
    centre, spread = mean(series), deviation(series)
    error = Z95 * spread / math.sqrt(n)
    found["average_return"] = Interval(centre - error, centre + error, "normal")
    low, high = annualised(centre - error), annualised(centre + error)
    if low is not None and high is not None:
        found["annual_return"] = Interval(low, high, "from the average return's")
    share = Z95 / math.sqrt(2 * (n - 1))
    found["volatility"] = Interval(
        spread * (1 - share) * math.sqrt(PERIODS_PER_YEAR),
        spread * (1 + share) * math.sqrt(PERIODS_PER_YEAR),
        "normal",
    )
    if spread > 0:
        found["sharpe"] = sharpe_interval(centre / spread, n)
    ordered = sorted(series)
    rank, width = 0.05 * n, Z95 * math.sqrt(n * 0.05 * 0.95)
    found["var_95"] = Interval(
        ordered[max(0, int(rank - width))],
        ordered[min(n - 1, int(rank + width) + 1)],
        "order statistics",
    )
    tail = ordered[: (n - 1) * 5 // 100 + 1]
    if len(tail) >= MINIMUM_SAMPLES:
        wide = Z95 * deviation(tail) / math.sqrt(len(tail))
        found["expected_shortfall"] = Interval(
            mean(tail) - wide, mean(tail) + wide, "normal, within the tail"
        )
    return found


def wilson(wins: int, trades: int) -> Interval:
    """Wilson (1927) score interval of a share."""
    share, square = wins / trades, Z95 * Z95
    centre = (share + square / (2 * trades)) / (1 + square / trades)
    half = (
        Z95
        / (1 + square / trades)
        * math.sqrt(share * (1 - share) / trades + square / (4 * trades * trades))
    )
    # at both ends the bound is exactly 0 or 1; the difference of two roundings is not
    low, high = centre - half if wins else 0.0, centre + half if wins < trades else 1.0
    return Interval(max(0.0, low), min(1.0, high), "Wilson")


def sharpe_interval(per_period: float, n: int) -> Interval:
    """Lo (2002), equation 9 for independent returns: the variance of the ratio is (1 + SR^2 / 2) /
    n a period.
    """
    half = Z95 * math.sqrt((1 + per_period * per_period / 2) / n)
    year = math.sqrt(PERIODS_PER_YEAR)
    return Interval(
        (per_period - half) * year, (per_period + half) * year, "Lo 2002, independent returns"
    )


def annualised(per_period: float) -> float | None:
    """(1 + r)^525600 - 1; null beyond a double."""
    if per_period <= -1:
        return -1.0
    growth = _EXP.multiply(
        _EXP.ln(_EXP.add(decimal.Decimal(1), decimal.Decimal(per_period))),
        decimal.Decimal(PERIODS_PER_YEAR),
    )
    return float(_EXP.subtract(_EXP.exp(growth), decimal.Decimal(1))) if growth < 700 else None


def headline_findings(headlines: list[dict[str, Any]]) -> list[str]:
    """The lint of REP-16: every headline number says its sample size and sample mark, and has an
    interval or is an observed fact.
    """
    findings = []
    for headline in headlines:
        name = headline.get("name", "?")
        for needed in ("samples", "sample_unit", "mark"):
            if headline.get(needed) in (None, ""):
                findings.append(f"{name}: no {needed}")
        if headline.get("kind") not in ("observed", "estimate"):
            findings.append(f"{name}: neither observed nor an estimate")
        if (
            headline.get("kind") == "estimate"
            and headline.get("value") is not None
            and not headline.get("interval")
        ):
            findings.append(f"{name}: an estimate without an interval")
        if headline.get("value") is None and not headline.get("explanation"):
            findings.append(f"{name}: null without a reason")
    return findings
