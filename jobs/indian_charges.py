"""``--charges``: a backtest that pays what orders cost in India, by the table of
``connectors/reference/charges.py``.

The rates of the day are looked up once, when a run begins, and stand in its genesis record.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from jobs.configuration import CHARGES, OWN_FEES, BadConfiguration, Configuration
from jobs.window import recorded
from streams.log.local import LocalLog

VENUE = "indian"
MARGIN = 10_000
"""Added to the rates that risk keeps free, 1e-8: rounding to paise, of orders of 300 rupees."""


def with_charges(configuration: Configuration, log: LocalLog) -> Configuration:
    """The configuration with the rates of the charges that it names.

    Raises:
        BadConfiguration, NoCharges: what cannot be charged, and what to do.
    """
    venue = configuration.stages.get("venue", {})
    wanted = venue.get("charges", "")
    if not wanted or venue.get("model") == VENUE and "parameters" in venue:
        return configuration
    from connectors.reference.charges import NoCharges, rates

    product, exchange, given = _parts(wanted)
    day = given or _day_of(log, exchange)
    try:
        parameters = rates(product, exchange, day)
    except NoCharges as problem:
        advice = "" if given else "; --charges-on names another day whose rates count"
        raise NoCharges(f"{problem.text}{advice}") from problem
    if venue.get("model", VENUE) != VENUE:
        raise BadConfiguration(OWN_FEES)
    worst = worst_rate(parameters)
    text = f"{product}@{exchange} on {day.isoformat()}"
    changed = {**venue, "model": VENUE, "parameters": parameters, "charges": text}
    return msgspec.structs.replace(
        configuration,
        stages={**configuration.stages, "venue": changed},
        maker_rate=worst,
        taker_rate=worst,
    )


def not_on_a_cluster(configuration: Configuration) -> None:
    """Raise BadConfiguration: a deployment has no first day, and takes fees."""
    if "charges" in configuration.stages.get("venue", {}):
        raise BadConfiguration("charges are of backtests; give a deployment fees")


def _parts(charges: str) -> tuple[str, str, date | None]:
    """Product, exchange and day of a setting. Raises BadConfiguration."""
    found = CHARGES.fullmatch(charges)
    try:
        if found is not None:
            day = date.fromisoformat(found[3]) if found[3] else None
            return found[1], found[2] or "nse", day
    except ValueError:
        pass
    what = f"charges are {charges!r}"
    raise BadConfiguration(f"{what}; write intraday@nse, and --charges-on a day like 2025-06-02")


def worst_rate(rates: Mapping[str, int]) -> int:
    """At least what is charged of an order of 300 rupees or more, 1e-8."""
    taxed = rates["brokerage"] + rates["exchange"] + rates["sebi"]
    taxed += -(-taxed * rates["gst_percent"] // 100)
    sides = (rates[f"stt_{side}"] + rates[f"stamp_{side}"] for side in ("buy", "sell"))
    return taxed + max(sides) + MARGIN


def _day_of(log: LocalLog, exchange: str) -> date:
    """The day by the exchange's clock on which the data begin."""
    from connectors.reference.calendars import zone_of

    times = recorded(log)
    if times is None:
        raise BadConfiguration(f"{log.path} holds no market data")
    return datetime.fromtimestamp(times[0] // 10**9, zone_of(exchange)).date()
