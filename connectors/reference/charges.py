"""What an executed order in shares or derivatives costs in India, by the dated ``charges.toml``.

Every charge is exact until it is rounded, half to even, to paise, once:

    brokerage   percent of the value, at most an amount; or an amount for each order
    stt         securities transaction tax, percent of the value
    exchange    the exchange's transaction charge, percent of the value
    sebi        turnover fee of the regulator, percent of the value
    stamp       stamp duty, percent of the value
    gst         percent of brokerage + exchange + sebi, before they are rounded

A contract note rounds the tax of a day to whole rupees; that is of the day, and not done here.
"""

from __future__ import annotations

import tomllib
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from schemas.errors import WrongUse
from streams.numeric import fixed

TABLE = Path(__file__).with_name("charges.toml")
PRODUCTS = ("delivery", "intraday", "future", "option")
EXCHANGES = ("nse", "bse")
SIDES = ("buy", "sell")
RATED = ("stt", "exchange", "sebi", "stamp")
TAXED = ("brokerage", "exchange", "sebi")
PAISE, PERCENT = 2, 100
PRICE_PLACES, RATE_PLACES = 4, 8
PLACES = PRICE_PLACES + RATE_PLACES + 4
"""Decimals of exact amounts: price times quantity times rate, and room for the tax on it."""
QUANTITY_MAX = 10**12


class NoCharges(WrongUse):
    """An order that the table of charges does not speak of."""

    code = "no_charges"


class Charge(NamedTuple):
    """One charge, in paise, and the rule it comes from."""

    name: str
    paise: int
    rule: str
    source: str


def charges(
    product: str,
    exchange: str,
    side: str,
    quantity: int,
    price: str,
    day: date,
    brokerage: str | None = None,
) -> list[Charge]:
    """The charges on an executed order.

    Args:
        quantity: shares, or units of the underlying (lots times lot size).
        price: rupees, decimal text; of an option its premium.
        brokerage: rupees for the order, of another broker.

    Raises:
        NoCharges: names what is not in the table. BadNumber, OffPrecision, OutOfRange: the price.
    """
    for name, given, known in (
        ("product", product, PRODUCTS), ("exchange", exchange, EXCHANGES), ("side", side, SIDES)
    ):  # fmt: skip
        if given not in known:
            raise NoCharges(f"{name} {given!r} is none of {', '.join(known)}")
    begins = table()["begins"]
    if day < begins:
        raise NoCharges(f"charges are known from {begins} on, and not at {day}")
    units = fixed.parse(price, PRICE_PLACES)
    if units <= 0 or not 1 <= quantity <= QUANTITY_MAX:
        raise NoCharges(f"an order of {quantity} at {price} has no value; give numbers above 0")
    value = units * quantity * 10 ** (PLACES - PRICE_PLACES)
    exact = {"brokerage": _brokerage(product, value, brokerage)}
    for name in RATED:
        exact[name] = _rated(name, product, exchange, side, value, day)
    gst = table()["gst"]
    taxed = sum(exact[name][0] for name in TAXED)
    rule = f"{gst['percent']} % of brokerage, exchange and SEBI"
    exact["gst"] = (_share(taxed, gst["percent"]), rule, gst["source"])
    unit = 10 ** (PLACES - PAISE)
    return [
        Charge(name, fixed.divide_half_even(amount, unit), rule, source)
        for name, (amount, rule, source) in exact.items()
    ]


def rates(product: str, exchange: str, day: date) -> dict[str, int]:
    """The rates in force, in 1e-8 of an order's value, by the names of ``venues/indian.py``; the
    most brokerage in paise, GST in percent.

    Raises:
        NoCharges: not in the table, or an amount for each order whatever its value.
    """
    for side in SIDES:  # what it refuses, is refused here
        charges(product, exchange, side, 1, "100", day)
    plan = table()["brokerage"][product]
    if "flat" in plan:
        what = f"orders in an {product} cost {plan['flat']} rupees of brokerage whatever they are"
        raise NoCharges(f"{what}; a backtest takes charges that are shares of the value")
    found = {
        "brokerage": _hundredth(plan["percent"]),
        "brokerage_most": fixed.parse(plan["most"], PAISE),
        "gst_percent": int(table()["gst"]["percent"]),
    }
    for name in ("exchange", "sebi"):
        found[name] = _hundredth(_in_force(name, product, exchange, day)["percent"])
    for name in ("stt", "stamp"):
        rate = _in_force(name, product, exchange, day)
        for side in SIDES:
            applies = rate["side"] in ("both", side)
            found[f"{name}_{side}"] = _hundredth(rate["percent"]) if applies else 0
    return found


def _hundredth(percent: str) -> int:
    """Percent as 1e-8 of the whole."""
    return int(fixed.parse(percent, RATE_PLACES - 2))


def _brokerage(product: str, value: int, given: str | None) -> tuple[int, str, str]:
    """Exact amount, rule and source."""
    if given is not None:
        amount = fixed.parse(given, PAISE) * 10 ** (PLACES - PAISE)
        if amount < 0:
            raise NoCharges(f"a brokerage of {given} is negative")
        return amount, f"{given} an order", "as it was said"
    plan = table()["brokerage"][product]
    source = "Zerodha's list of charges"
    if "flat" in plan:
        return _rupees(plan["flat"]), f"{plan['flat']} an order", source
    amount = min(_share(value, plan["percent"]), _rupees(plan["most"]))
    rule = f"{plan['percent']} %, at most {plan['most']}" if plan["most"] != "0" else "none"
    return amount, rule, source


def _rated(
    name: str, product: str, exchange: str, side: str, value: int, day: date
) -> tuple[int, str, str]:
    """Exact amount, rule and source of the rate in force on the day."""
    rate = _in_force(name, product, exchange, day)
    if rate["side"] not in ("both", side):
        return 0, f"none on a {side}", rate["source"]
    return _share(value, rate["percent"]), f"{rate['percent']} %", rate["source"]


def _in_force(name: str, product: str, exchange: str, day: date) -> dict[str, Any]:
    """The entry of the table that holds on the day."""
    found = [
        each
        for each in table()["rate"]
        if each["charge"] == name
        and each.get("product", product) == product
        and each.get("exchange", exchange) == exchange
        and each["from"] <= day
    ]
    return dict(max(found, key=lambda each: each["from"]))


def _share(amount: int, percent: str) -> int:
    """A percentage of an exact amount; it is exact as well."""
    product = amount * fixed.parse(percent, RATE_PLACES)
    whole, rest = divmod(product, PERCENT * 10**RATE_PLACES)
    assert not rest, "PLACES has room for every rate of the table"
    return int(whole)


def _rupees(text: str) -> int:
    return fixed.parse(text, PLACES)


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """The table as it lies."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))
