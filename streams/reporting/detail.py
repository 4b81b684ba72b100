"""The chapters of the report beyond the metrics, gathered: the curve, buy and hold, the market
around fills, what follows from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from streams.reporting import (
    benchmark,
    calendar_returns,
    curve,
    excursions,
    instrument_profit,
    inventory,
    markouts,
    rolling,
)
from streams.reporting.around_fills import AroundFills, FillsObserver
from streams.reporting.benchmark import Benchmark
from streams.reporting.curve import Curve
from streams.reporting.excursions import Excursion
from streams.reporting.rolling import Rolling

if TYPE_CHECKING:
    from streams.reporting.document import ReportInput, Result

MARKS = "md.marks"


class Detail(msgspec.Struct):
    """What pictures and tables need of it.

    `held`: buy and hold at the samples of the curve, null without a quote.
    """

    curve: Curve
    held: Benchmark | None
    around: AroundFills
    excursions: list[Excursion]
    rolling: Rolling | None


def detail(records: ReportInput, result: Result) -> Detail:
    """Computed from the records of the report's account, with its marks over all of the data."""
    drawn = curve.equity_curve(records, result)
    around = records.around or around_marks(records, result)
    return Detail(
        drawn,
        benchmark.benchmark(records.quotes, result, drawn.times),
        around,
        excursions.excursions(records.fills, around, result.lines),
        rolling.rolling(result),
    )


def around_marks(records: ReportInput, result: Result) -> AroundFills:
    """From marks, where a run folder has no quotes."""
    observer = FillsObserver(records.fills, result.data_to)
    for instrument, series in records.quotes.items():
        observer.add(
            instrument, series.event_time, series.bid_price, series.ask_price, series.flags
        )
    return observer.finish(MARKS)


def chapters(
    found: Detail, records: ReportInput, result: Result, parts: dict[int, instrument_profit.Part]
) -> dict[str, Any]:
    """What report.json says of them."""
    minutes = (
        found.held
        if found.curve.unit == "minute"
        else benchmark.benchmark(records.quotes, result, result.times)
    )
    return {
        "curve": curve.summary(found.curve, result),
        "benchmark": benchmark.summary(found.held, found.curve, result),
        "profit_by_instrument": instrument_profit.table(records, result, parts),
        "calendar": calendar_returns.calendar_returns(
            result, minutes.samples if minutes is not None else None
        ),
        "rolling": rolling.summary(found.rolling),
        "excursions": excursions.summary(found.excursions, result),
        "markouts": markouts.markouts(records, result, found.around) if records.fills else None,
        "inventory": inventory.inventory(records, result),
    }
