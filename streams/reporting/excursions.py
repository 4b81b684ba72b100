"""Excursions: how far each round trip went against us and for us while it was open (MAE and MFE,
Sweeney 1996).

Between two fills the profit of a round trip is what it would have if the position were closed at
the touch, longs at the bid and shorts at the ask, before fees: money received minus money paid +
signed position x price x multiplier. The maximum adverse excursion is the lowest such profit
between the first fill and the last, and the maximum favourable excursion the highest, the profit it
closed with included; MAE is at most 0 and MFE at least 0. Exact integers, in the unit of the
instrument's amounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.records import Fill, Instrument
from streams.numeric.stage_records import INSTRUMENT_IDS
from streams.reporting.around_fills import NONE_HIGH, NONE_LOW, AroundFills
from streams.reporting.round_trips import OpenTrip, RoundTrip, book

if TYPE_CHECKING:
    from streams.reporting.document import Result



class Excursion(NamedTuple):
    """Lowest and highest profit of a round trip, before fees."""

    adverse: int
    favourable: int


def excursions(
    fills: Sequence[Fill], around: AroundFills, lines: Mapping[int, Instrument]
) -> list[Excursion]:
    """One for each closed round trip, in the order in which they closed."""
    found: list[Excursion] = []
    open_trips: dict[int, OpenTrip] = {}
    extremes: dict[int, tuple[int, int]] = {}
    bids = zip(around.low_bid.tolist(), around.high_bid.tolist(), strict=True)
    asks = zip(around.low_ask.tolist(), around.high_ask.tolist(), strict=True)
    for fill, (low_bid, high_bid), (low_ask, high_ask) in zip(fills, bids, asks, strict=True):
        key = fill.strategy * INSTRUMENT_IDS + fill.instrument
        multiplier = lines[fill.instrument].multiplier
        trip, closed = book(open_trips.pop(key, None), fill, multiplier)
        worst, best = extremes.pop(key, (0, 0))
        if closed is not None:
            found.append(_closed(closed, worst, best))
            worst, best = 0, 0
        if trip is None:
            continue
        open_trips[key] = trip
        low, high = (low_bid, high_bid) if trip.position > 0 else (low_ask, high_ask)
        if low != NONE_LOW and high != NONE_HIGH:
            ends = profit_at(trip, low, multiplier), profit_at(trip, high, multiplier)
            worst, best = min(worst, *ends), max(best, *ends)
        extremes[key] = worst, best
    return found


def profit_at(trip: OpenTrip, price: int, multiplier: int) -> int:
    """The profit before fees of an open round trip, were it closed at this price."""
    paid = trip.exit_notional - trip.entry_notional
    return (paid if trip.position > 0 else -paid) + trip.position * price * multiplier


def _closed(trip: RoundTrip, worst: int, best: int) -> Excursion:
    return Excursion(min(worst, trip.gross, 0), max(best, trip.gross, 0))


def summary(found: Sequence[Excursion], result: Result) -> dict[str, Any] | None:
    """Means over the round trips, and how much of the best profit was kept; exact sums, divided
    once. Null without a round trip.
    """
    trips = result.trips
    if not trips:
        return None
    scales = [result.scale(trip.instrument) for trip in trips]
    adverse = sum(each.adverse * scale for each, scale in zip(found, scales, strict=True))
    favourable = sum(each.favourable * scale for each, scale in zip(found, scales, strict=True))
    gross = sum(trip.gross * scale for trip, scale in zip(trips, scales, strict=True))
    unit = 10**result.amount_precision * len(trips)
    return {
        "round_trips": len(trips),
        "average_mae": adverse / unit,
        "average_mfe": favourable / unit,
        "largest_mae": result.exact(
            min(each.adverse * scale for each, scale in zip(found, scales, strict=True))
        ),
        "largest_mfe": result.exact(
            max(each.favourable * scale for each, scale in zip(found, scales, strict=True))
        ),
        "kept_of_mfe": gross / favourable if favourable else None,
    }
