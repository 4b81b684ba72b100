"""Charges on trades in India. Oracles: a broker's published example to the paisa; examples worked
by hand, one for each product and for each side of a change of rates; a twin in fractions."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.reference.charges import EXCHANGES, PRODUCTS, SIDES, NoCharges, charges, table
from schemas.errors import BadData

BEFORE, AFTER = date(2026, 3, 31), date(2026, 4, 1)
NAMES = ("brokerage", "stt", "exchange", "sebi", "stamp", "gst")


def paise(*order: object) -> dict[str, int]:
    return {each.name: each.paise for each in charges(*order)}  # type: ignore[arg-type]


def test_a_brokers_published_example_to_the_paisa() -> None:
    """Groww: 50 shares bought at 1,000 and sold at 1,500, delivered; 20 rupees an order. Charges of
    184.23: brokerage 40.00, STT 125.00, exchange 3.71, SEBI 0.13, GST 7.89, stamp 7.50. A broker
    rounds the sum of both orders; each order on its own may differ by half a paisa a charge."""
    both = [
        paise("delivery", "nse", side, 50, price, date(2025, 6, 2), "20")
        for side, price in (("buy", "1000"), ("sell", "1500"))
    ]
    found = {name: sum(each[name] for each in both) for name in NAMES}
    published = {
        "brokerage": 4000,
        "stt": 12500,
        "exchange": 371,
        "sebi": 13,
        "gst": 789,
        "stamp": 750,
    }
    assert {name: found[name] for name in ("brokerage", "stt", "stamp")} == {
        name: published[name] for name in ("brokerage", "stt", "stamp")
    }
    assert all(abs(found[name] - published[name]) <= 1 for name in NAMES)
    assert abs(sum(found.values()) - 18423) <= 3


WORKED = [
    # value 440,000: 0.03 % is 132, so 20; 0.025 % is 110; 13.068; 0.44; 18 % of 33.508
    (("intraday", "nse", "sell", 400, "1100", AFTER), (2000, 11000, 1307, 44, 0, 603)),
    # value 400,000: stamp 0.003 % is 12; 11.88; 0.40; 18 % of 32.28
    (("intraday", "nse", "buy", 400, "1000", AFTER), (2000, 0, 1188, 40, 1200, 581)),
    # value 10,000: 0.03 % is 3; 0.375 at BSE; 0.01; 18 % of 3.385
    (("intraday", "bse", "buy", 10, "1000", AFTER), (300, 0, 38, 1, 30, 61)),
    # value 50,000: no brokerage; STT 50; 1.485; 0.05; stamp 7.50; 18 % of 1.535
    (("delivery", "nse", "buy", 50, "1000", BEFORE), (0, 5000, 148, 5, 750, 28)),
    # value 75 x 25,000 = 1,875,000: STT 0.02 % is 375, 0.05 % is 937.50; 32.4375; 1.875
    (("future", "nse", "sell", 75, "25000", BEFORE), (2000, 37500, 3244, 188, 0, 978)),
    (("future", "nse", "sell", 75, "25000", AFTER), (2000, 93750, 3244, 188, 0, 978)),
    # stamp 0.002 % is 37.50; BSE takes none on futures; 18 % of 21.875
    (("future", "bse", "buy", 75, "25000", AFTER), (2000, 0, 0, 188, 3750, 394)),
    # premium 75 x 102.35 = 7,676.25: STT 0.1 % is 7.67625, 0.15 % is 11.514375; then 2.688990
    (("option", "nse", "sell", 75, "102.35", BEFORE), (2000, 768, 269, 1, 0, 409)),
    (("option", "nse", "sell", 75, "102.35", AFTER), (2000, 1151, 269, 1, 0, 409)),
    (("option", "nse", "buy", 75, "102.35", AFTER), (2000, 0, 269, 1, 23, 409)),
]


@pytest.mark.parametrize(("order", "expected"), WORKED)
def test_examples_worked_by_hand(order: tuple[object, ...], expected: tuple[int, ...]) -> None:
    assert paise(*order) == dict(zip(NAMES, expected, strict=True))


@given(
    st.sampled_from(PRODUCTS), st.sampled_from(EXCHANGES), st.sampled_from(SIDES),
    st.integers(1, 10**9), st.integers(1, 10**9), st.sampled_from((BEFORE, AFTER)),
)  # fmt: skip
def test_every_charge_is_the_exact_share_rounded_once(
    product: str, exchange: str, side: str, quantity: int, ticks: int, day: date
) -> None:
    """The twin multiplies fractions; Python rounds them half to even."""
    value = Fraction(ticks, 20) * quantity
    found = paise(product, exchange, side, quantity, f"{ticks / 20:.2f}", day)

    def rate(charge: str) -> Fraction:
        fitting = [
            each for each in table()["rate"]
            if each["charge"] == charge and each.get("product") in (None, product)
            and each.get("exchange") in (None, exchange) and each["from"] <= day
        ]  # fmt: skip
        last = sorted(fitting, key=lambda each: each["from"])[-1]
        return Fraction(last["percent"]) / 100 if last["side"] in ("both", side) else Fraction(0)

    exact = {name: value * rate(name) for name in ("stt", "exchange", "sebi", "stamp")}
    capped = min(value * 3 / 10_000, Fraction(20))
    exact["brokerage"] = {"delivery": Fraction(0), "option": Fraction(20)}.get(product, capped)
    exact["gst"] = (exact["brokerage"] + exact["exchange"] + exact["sebi"]) * 18 / 100
    assert found == {name: round(amount * 100) for name, amount in exact.items()}


def test_every_rate_has_a_source_and_every_order_one_rate_of_each_kind() -> None:
    rates = table()["rate"]
    assert all(len(each["source"]) > 10 and each["from"] >= table()["begins"] for each in rates)
    keys = [
        tuple(each.get(name) for name in ("charge", "product", "exchange", "from"))
        for each in rates
    ]
    assert len(set(keys)) == len(keys)
    for product in PRODUCTS:
        for exchange in EXCHANGES:
            for side in SIDES:
                found = charges(product, exchange, side, 1, "1", table()["begins"])
                assert [each.name for each in found] == list(NAMES)
                assert all(each.source and each.rule for each in found)


@pytest.mark.parametrize(
    ("order", "error", "words"),
    [
        (("swap", "nse", "buy", 1, "1", AFTER), NoCharges, "product 'swap' is none of delivery"),
        (("option", "mcx", "buy", 1, "1", AFTER), NoCharges, "exchange 'mcx' is none of nse, bse"),
        (("option", "nse", "hold", 1, "1", AFTER), NoCharges, "side 'hold' is none of buy, sell"),
        (("option", "nse", "buy", 0, "1", AFTER), NoCharges, "has no value"),
        (("option", "nse", "buy", 10**13, "1", AFTER), NoCharges, "has no value"),
        (("option", "nse", "buy", 1, "-1", AFTER), NoCharges, "has no value"),
        (("option", "nse", "buy", 1, "1", date(2024, 9, 30)), NoCharges, "known from 2024-10-01"),
        (("option", "nse", "buy", 1, "1", AFTER, "-1"), NoCharges, "is negative"),
        (("option", "nse", "buy", 1, "one", AFTER), BadData, "not a decimal"),
        (("option", "nse", "buy", 1, "0.00001", AFTER), BadData, "beyond precision"),
        (("option", "nse", "buy", 1, "9" * 30, AFTER), BadData, "does not fit"),
    ],
)
def test_an_order_that_the_table_does_not_speak_of_is_refused(
    order: tuple[object, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        paise(*order)
