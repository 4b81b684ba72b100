"""Markouts: what the market did after our fills, and the spread captured at them.

The markout of a fill at a horizon is side x (mid at fill time + horizon - fill price) x quantity x
multiplier: what the fill had earned by then, before fees, marked to the mid. Buys have side +1,
sells -1. The *spread captured* is the same with the mid of the last quote before the fill: a maker
earns about half the spread, a taker pays it (effective half-spread, with its sign turned for
takers). A markout at a horizon is what remains of it, the realised spread (Huang and Stoll 1996,
equation 2).

Sums are exact integers in half units (a mid is half of bid + ask); rates are the sum over the
traded notional of the same fills, which weights by volume, in basis points. A fill is left out of a
column where the mid is not known: the book was stale or one-sided, or the data end before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.vocabulary import Liquidity, Side
from streams.reporting.around_fills import AT, BEFORE, COLUMNS, HORIZONS, AroundFills
from streams.reporting.wording import decimal_text

if TYPE_CHECKING:
    from streams.reporting.document import ReportInput, Result

BUY = int(Side.BUY)
QUOTES = "md.quotes"
SHORTEST_OF_MARKS = 1_000_000_000
"""Marks are conflated to a second: what is nearer to the fill cannot be seen in them."""


AT_ONCE = 4_096
"""Fills whose mids are Python integers at the same time."""


class Column(NamedTuple):
    """One moment that a fill is marked at: its name in files, how people read it, and its column in
    `AroundFills`.
    """

    name: str
    title: str
    place: int


MOMENTS = (
    Column("at_fill", "at the fill", BEFORE),
    *(
        Column(f"after_{title.replace(' ', '')}", title, place)
        for place, title in enumerate(("100 ms", "1 s", "10 s", "60 s"), COLUMNS - len(HORIZONS))
    ),
)
"""The spread captured, and a markout for each of HORIZONS."""


class Totals:
    """Sums over fills of one kind, by moment: fills, half units of profit, and notional, in the
    account's units.
    """

    def __init__(self) -> None:
        self.fills = [0] * len(MOMENTS)
        self.halves = [0] * len(MOMENTS)
        self.notional = [0] * len(MOMENTS)

    def add(self, at: int, halves: int, notional: int) -> None:
        """One fill at one moment."""
        self.fills[at] += 1
        self.halves[at] += halves
        self.notional[at] += notional


def moments_seen(around: AroundFills) -> tuple[Column, ...]:
    """The moments that the source of the quotes can tell."""
    if around.source == QUOTES:
        return MOMENTS
    return tuple(
        each
        for each in MOMENTS
        if each.place == BEFORE or HORIZONS[each.place - AT - 1] >= SHORTEST_OF_MARKS
    )


def twice_mids(around: AroundFills) -> Iterator[list[int]]:
    """Bid + ask by column, fill by fill; 0 where either side is unknown."""
    known = (around.bid > 0) & (around.ask > 0)
    twice = (around.bid + around.ask) * known
    for first in range(0, len(twice), AT_ONCE):
        yield from twice[first : first + AT_ONCE].tolist()


def markouts(records: ReportInput, result: Result, around: AroundFills) -> dict[str, Any]:
    """By instrument and liquidity, the instruments together first where there are several; amounts
    as exact decimals.
    """
    mids = twice_mids(around)
    seen = moments_seen(around)
    sums: dict[tuple[int, int], Totals] = {}
    several = len({fill.instrument: 0 for fill in records.fills}) > 1
    for fill, row in zip(records.fills, mids, strict=True):
        unit = (
            fill.quantity * result.lines[fill.instrument].multiplier * result.scale(fill.instrument)
        )
        notional = fill.price * unit
        totals = [sums.setdefault((fill.instrument, fill.liquidity), Totals())]
        if several:
            totals.append(sums.setdefault((0, fill.liquidity), Totals()))
        for at, moment in enumerate(seen):
            twice = row[moment.place]
            if twice:
                halves = (twice - 2 * fill.price) * unit
                for each in totals:
                    each.add(at, halves if fill.side == BUY else -halves, notional)
    order = sorted(sums, key=lambda key: (key[0] != 0, key))
    return {
        "source": around.source,
        "horizons_seconds": [each / 1e9 for each in HORIZONS],
        "rows": [
            _row(result, instrument, liquidity, sums[instrument, liquidity], seen)
            for instrument, liquidity in order
        ],
    }


def _row(
    result: Result, instrument: int, liquidity: int, totals: Totals, seen: Sequence[Column]
) -> dict[str, Any]:
    cells = {
        moment.name: {
            "fills": totals.fills[at],
            "amount": decimal_text(totals.halves[at] * 5, result.amount_precision + 1),
            "basis_points": totals.halves[at] * 5_000 / totals.notional[at]
            if totals.notional[at]
            else None,
        }
        for at, moment in enumerate(seen)
    }
    symbol = result.lines[instrument].symbol if instrument else None
    return {
        "instrument": instrument or None,
        "symbol": symbol,
        "liquidity": Liquidity(liquidity).name,
        **cells,
    }


def mid_texts(row: Sequence[int], precision: int) -> list[str]:
    """The mids of a fill by moment, for a table: exact decimals, empty where unknown."""
    return [
        decimal_text(row[each.place] * 5, precision + 1) if row[each.place] else ""
        for each in MOMENTS
    ]
