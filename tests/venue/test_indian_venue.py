"""Charges on orders in India, fill by fill.

Oracle: `connectors/reference/charges.py`, which works in exact decimals on a whole order and has
brokers' published examples as its own tests (`tests/connectors/test_indian_charges.py`).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

import pytest
from venue_harness import (
    BUY,
    SELL,
    KernelVenue,
    MarketMaker,
    cancel_some,
    instrument,
    market,
    run,
    snapshot,
)

from connectors.reference.charges import charges, rates
from jobs.indian_charges import worst_rate
from schemas.records import ExecutionReport, Instrument
from streams.venue import models, stage
from tests.turns import long_but_every

DAY = date(2025, 6, 2)
PRODUCTS = [
    (product, exchange)
    for product in ("delivery", "intraday", "future")
    for exchange in ("nse", "bse")
]


def settings(product: str, exchange: str) -> stage.Settings:
    found = rates(product, exchange, DAY)
    worst = worst_rate(found)
    return stage.Settings(model="indian", parameters=found, maker_rate=worst, taker_rate=worst)


def share(number: int = 1, **changed: Any) -> Instrument:
    """Rupees with two decimals, whole shares."""
    return instrument(number, quote="INR", price_precision=2, quantity_precision=0, **changed)


def paise_of(value: int, side: int, product: str, exchange: str) -> int:
    """All charges on an order of this value in paise."""
    text = f"{value // 100}.{value % 100:02d}"
    name = "buy" if side == BUY else "sell"
    return sum(each.paise for each in charges(product, exchange, name, 1, text, DAY))


def by_order(reports: list[ExecutionReport]) -> dict[str, list[ExecutionReport]]:
    found = defaultdict(list)
    for each in reports:
        if each.price:
            found[each.order_id].append(each)
    return found


@pytest.mark.parametrize(("product", "exchange"), PRODUCTS)
@pytest.mark.parametrize("seed", long_but_every(3, range(3)))
def test_an_order_is_charged_for_its_value_whatever_parts_it_fills_in(
    seed: int, product: str, exchange: str
) -> None:
    """Prices around 10 and 90 rupees, up to 30 shares times the lot: below and above the cap."""
    listed = [share(1, lot_size=1), share(2, tick_size=5, lot_size=4_000)]
    venue = KernelVenue(listed, settings(product, exchange))
    reports = run(venue, MarketMaker(seed, listed).stream(1500), cancel_some)
    parts = by_order(reports)
    assert sum(1 for fills in parts.values() if len(fills) > 1) > 20
    for fills in parts.values():
        value = sum(each.price * each.quantity for each in fills)
        assert sum(each.fee for each in fills) == paise_of(value, fills[0].side, product, exchange)
        assert all(each.fee >= 0 for each in fills)


def test_charges_count_in_paise_whatever_the_precision_of_the_instrument() -> None:
    """Three decimals of quantity: a paisa is a thousand units of the notional."""
    fine = instrument(quote="INR", price_precision=2, quantity_precision=3)
    book = snapshot(1, 1, [(99_900, 900_000)], [(100_000, 900_000)])
    chosen = settings("intraday", "nse")
    reports = run(KernelVenue([fine], chosen), [book, market(2, 1, BUY, 400_000)])
    (fill,) = (each for each in reports if each.price)
    assert fill.fee == paise_of(100_000 * 400, BUY, "intraday", "nse") * 1_000


def test_an_order_of_300_rupees_or_more_is_charged_at_most_what_risk_keeps_free() -> None:
    for product, exchange in PRODUCTS:
        worst = worst_rate(rates(product, exchange, DAY))
        for value in [30_000, 30_001, 123_456, 6_666_700, 10**9, 10**13]:
            for side in (BUY, SELL):
                assert paise_of(value, side, product, exchange) <= value * worst / 10**8


@pytest.mark.parametrize(
    ("listed", "parameters", "words"),
    [
        (instrument(), {"exchange": 1}, "quoted in USDT"),
        (share(), {}, "choose them by --charges"),
        (share(), {"exchange": 10_000_001}, "venue.parameters.exchange is 10000001; give 0 to"),
        (share(), {"exchange": 1, "gst_percent": 101}, "give 0 to 100"),
    ],
    ids=str,
)
def test_what_cannot_be_charged_is_refused(
    listed: Instrument, parameters: dict[str, int], words: str
) -> None:
    with pytest.raises(models.BadParameter, match=words):
        KernelVenue([listed], stage.Settings(model="indian", parameters=parameters))
