"""Buy and hold, the benchmark beside the equity curve.

The rule: the starting capital, without leverage, in equal parts over the run's instruments that
have a usable book in the time traded. Each part buys at the ask in force when trading may begin, or
at the first usable one after; any fraction can be bought, and no fee is paid. From then on it is
worth part x bid / ask paid, at the last usable bid; before, it is the money itself. Equity is
valued alike: longs at the bid. Parts and values are integers in the account's unit; each value is
rounded once, half-even.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.numeric.fixed import divide_half_even
from streams.numeric.mark import UNUSABLE
from streams.reporting.metrics import maximum_drawdown
from streams.reporting.wording import decimal_text, utc

if TYPE_CHECKING:
    from streams.reporting.curve import Curve
    from streams.reporting.document import QuoteSeries, Result

RULE = (
    "the starting capital in equal parts, each bought at the first usable ask of the time traded, "
    "unlevered, in any fraction and without "
    "fees, and valued at the bid"
)


class Holding(NamedTuple):
    """One part: its instrument, its money, and when and at what price it was bought."""

    instrument: int
    part: int
    bought_at: int
    price: int


class Benchmark(NamedTuple):
    """The parts, and their worth at each sample of equity, in the account's units."""

    holdings: list[Holding]
    samples: list[int]


def benchmark(quotes: dict[int, QuoteSeries], result: Result, times: list[int]) -> Benchmark | None:
    """Buy and hold sampled at `times`; null without a capital or a usable quote."""
    start = result.start
    if start is None or start <= 0 or not times:
        return None
    bought = {
        key: first
        for key, series in sorted(quotes.items())
        if (first := _first_ask(series, result)) is not None
    }
    count = len(bought)
    if not count:
        return None
    holdings = []
    totals = [0] * len(times)
    for number, (instrument, (time, price)) in enumerate(bought.items()):
        part = start * (number + 1) // count - start * number // count
        holdings.append(Holding(instrument, part, time, price))
        for at, bid in enumerate(_bids(quotes[instrument], times, time).tolist()):
            totals[at] += divide_half_even(part * bid, price) if bid else part
    return Benchmark(holdings, totals)


def _usable(series: QuoteSeries) -> NDArray[np.bool_]:
    """Where both sides stand and the book is not stale."""
    usable: NDArray[np.bool_] = (series.bid_price > 0) & (series.ask_price > 0)
    return usable if series.flags is None else usable & ((series.flags & UNUSABLE) == 0)


def _first_ask(series: QuoteSeries, result: Result) -> tuple[int, int] | None:
    """When and at what price the instrument can first be bought in the time traded."""
    usable = _usable(series)
    at = int(np.searchsorted(series.event_time, result.first_time, side="right")) - 1
    if at >= 0 and usable[at]:
        return result.first_time, int(series.ask_price[at])
    later = np.flatnonzero(usable[at + 1 :])
    if not len(later):
        return None
    at += 1 + int(later[0])
    time = int(series.event_time[at])
    return (time, int(series.ask_price[at])) if time <= result.last_time else None


def _bids(series: QuoteSeries, times: list[int], bought_at: int) -> NDArray[np.int64]:
    """The last usable bid at each time; 0 before the purchase."""
    usable = _usable(series)
    stamps, bids = series.event_time[usable], series.bid_price[usable]
    moments = np.array(times, np.int64)
    at = np.searchsorted(stamps, moments, side="right") - 1
    found: NDArray[np.int64] = np.where(
        (at >= 0) & (moments >= bought_at), bids[np.maximum(at, 0)], 0
    )
    return found


def summary(found: Benchmark | None, curve: Curve, result: Result) -> dict[str, Any] | None:
    """What report.json says of the benchmark."""
    if found is None or result.start is None:
        return None
    end, last = found.samples[-1], curve.samples[-1]
    return {
        "rule": RULE,
        "end": result.exact(end),
        "profit": result.exact(end - result.start),
        "total_return": (end - result.start) / result.start,
        "maximum_drawdown": maximum_drawdown(result.start, found.samples),
        "excess_profit": result.exact(last - end),
        "excess_return": (last - end) / result.start,
        "sampled": curve.unit,
        "instruments": [
            {
                "instrument": each.instrument,
                "symbol": result.lines[each.instrument].symbol,
                "part": result.exact(each.part),
                "bought_at": utc(each.bought_at),
                "price": decimal_text(each.price, result.lines[each.instrument].price_precision),
            }
            for each in found.holdings
        ],
    }
