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

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from schemas.records import Fill
from schemas.vocabulary import Liquidity, Side
from streams.reporting.around_fills import AT, BEFORE, COLUMNS, HORIZONS, AroundFills, Integers
from streams.reporting.wording import decimal_text

if TYPE_CHECKING:
    from streams.reporting.document import ReportInput, Result

BUY = int(Side.BUY)
QUOTES = "md.quotes"
SHORTEST_OF_MARKS = 1_000_000_000
"""Marks are conflated to a second: what is nearer to the fill cannot be seen in them."""


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


class Total(NamedTuple):
    """Sums over fills at one moment: how many, profit in half units, and notional."""

    fills: int
    halves: int
    notional: int


def moments_seen(around: AroundFills) -> tuple[Column, ...]:
    """The moments that the source of the quotes can tell."""
    if around.source == QUOTES:
        return MOMENTS
    return tuple(
        each
        for each in MOMENTS
        if each.place == BEFORE or HORIZONS[each.place - AT - 1] >= SHORTEST_OF_MARKS
    )


def twice_mids(around: AroundFills) -> Integers:
    """Bid + ask, int64[fills, COLUMNS]; 0 where either side is unknown."""
    known = (around.bid > 0) & (around.ask > 0)
    twice: Integers = (around.bid + around.ask) * known
    return twice


def markouts(records: ReportInput, result: Result, around: AroundFills) -> dict[str, Any]:
    """By instrument and liquidity, the instruments together first where there are several; amounts
    as exact decimals.
    """
    seen = moments_seen(around)
    sums = totals(records.fills, twice_mids(around), seen, result)
    instruments = {instrument: True for instrument, _ in sums}
    order: list[tuple[int | None, int, list[Total]]]
    order = [(*key, found) for key, found in sorted(sums.items())]
    if len(instruments) > 1:
        kinds = sorted({liquidity for _, liquidity in sums})
        order = [(None, kind, together(sums, kind)) for kind in kinds] + order
    return {
        "source": around.source,
        "horizons_seconds": [each / 1e9 for each in HORIZONS],
        "rows": [_row(result, number, kind, found, seen) for number, kind, found in order],
    }


def totals(
    fills: Sequence[Fill], twice: Integers, seen: Sequence[Column], result: Result
) -> dict[tuple[int, int], list[Total]]:
    """A total for each moment, by instrument and liquidity, in the account's units."""
    instruments = np.array([fill.instrument for fill in fills], np.int64)
    kinds = np.array([fill.liquidity for fill in fills], np.int64)
    prices = np.array([fill.price for fill in fills], np.int64)
    sizes = np.array([fill.quantity for fill in fills], np.int64)
    signs = np.array([1 if fill.side == BUY else -1 for fill in fills], np.int64)
    found = {}
    for instrument, kind in dict.fromkeys(zip(instruments.tolist(), kinds.tolist(), strict=True)):
        mine = np.flatnonzero((instruments == instrument) & (kinds == kind))
        unit = result.lines[instrument].multiplier * result.scale(instrument)
        found[instrument, kind] = [
            _total(twice[mine, each.place], prices[mine], sizes[mine], signs[mine], unit)
            for each in seen
        ]
    return found


def _total(twice: Integers, price: Integers, size: Integers, sign: Integers, unit: int) -> Total:
    """Over the fills whose mid is known; products are Python's integers, for they leave 64 bits."""
    known = twice > 0
    moves, sizes = ((twice - 2 * price) * sign)[known].tolist(), size[known].tolist()
    halves = sum(map(operator.mul, moves, sizes))
    notional = sum(map(operator.mul, price[known].tolist(), sizes))
    return Total(len(sizes), halves * unit, notional * unit)


def together(sums: dict[tuple[int, int], list[Total]], kind: int) -> list[Total]:
    """The instruments of one liquidity together."""
    mine = [found for (_, liquidity), found in sums.items() if liquidity == kind]
    return [
        Total(
            sum(each.fills for each in moment),
            sum(each.halves for each in moment),
            sum(each.notional for each in moment),
        )
        for moment in zip(*mine, strict=True)
    ]


def _row(
    result: Result,
    instrument: int | None,
    liquidity: int,
    found: Sequence[Total],
    seen: Sequence[Column],
) -> dict[str, Any]:
    cells = {
        moment.name: {
            "fills": each.fills,
            "amount": decimal_text(each.halves * 5, result.amount_precision + 1),
            "basis_points": each.halves * 5_000 / each.notional if each.notional else None,
        }
        for moment, each in zip(seen, found, strict=True)
    }
    symbol = None if instrument is None else result.lines[instrument].symbol
    return {
        "instrument": instrument,
        "symbol": symbol,
        "liquidity": Liquidity(liquidity).name,
        **cells,
    }


def mid_texts(twice: Integers, precision: int) -> list[list[str]]:
    """The mids of fills by moment, for a table: exact decimals, empty where unknown.

    A price is written once: fills have fewer prices than they are many.
    """
    columns = twice[:, [each.place for each in MOMENTS]]
    prices, places = np.unique(columns, return_inverse=True)
    texts = [decimal_text(each * 5, precision + 1) if each else "" for each in prices.tolist()]
    each = iter(places.ravel().tolist())
    return [[texts[next(each)] for _ in MOMENTS] for _ in range(len(columns))]
