"""Inventory: what was held over the time traded, for a market maker above all.

The position of an instrument is the sum of its signed fills, over all strategies. Averages weight
each position by how long it was held in the time traded (ns), in exact integers, divided once: the
average says how one-sided the inventory was, the average of its size how much was held. Shares of
time are of the time traded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from schemas.records import Fill
from schemas.vocabulary import Side
from streams.reporting.wording import decimal_text

if TYPE_CHECKING:
    from streams.reporting.document import ReportInput, Result

BUY = int(Side.BUY)


def inventory(records: ReportInput, result: Result) -> list[dict[str, Any]]:
    """One row for each instrument with fills; quantities as decimals in base units."""
    by_instrument: dict[int, list[Fill]] = {}
    for fill in records.fills:
        by_instrument.setdefault(fill.instrument, []).append(fill)
    return [_row(instrument, fills, result) for instrument, fills in sorted(by_instrument.items())]


def steps(fills: Sequence[Fill]) -> list[tuple[int, int]]:
    """(time, position from then on) after each fill."""
    held, found = 0, []
    for fill in fills:
        held += fill.quantity if fill.side == BUY else -fill.quantity
        found.append((fill.event_time, held))
    return found


def _row(instrument: int, fills: Sequence[Fill], result: Result) -> dict[str, Any]:
    line = result.lines[instrument]
    signed = size = long = short = 0
    levels = [0]
    moments = [*steps(fills), (result.last_time, 0)]
    for (since, held), (until, _) in zip(moments, moments[1:], strict=False):
        length = max(0, min(until, result.last_time) - max(since, result.first_time))
        signed += held * length
        size += abs(held) * length
        long += length if held > 0 else 0
        short += length if held < 0 else 0
        levels.append(held)
    span = result.last_time - result.first_time
    unit = 10**line.quantity_precision

    def share(amount: int, divisor: int = 1) -> float | None:
        return amount / (span * divisor) if span > 0 else None

    return {
        "instrument": instrument,
        "symbol": line.symbol,
        "base": line.base,
        "largest_long": decimal_text(max(levels), line.quantity_precision),
        "largest_short": decimal_text(min(levels), line.quantity_precision),
        "at_end": decimal_text(levels[-1], line.quantity_precision),
        "average": share(signed, unit),
        "average_size": share(size, unit),
        "time_long": share(long),
        "time_short": share(short),
        "time_flat": share(span - long - short),
    }
