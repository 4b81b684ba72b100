"""Trading symbols of derivatives, parsed and built: Kite's names of NSE, BSE and currency
contracts, and Binance's dated futures.

============================ ================================================================
``NIFTY26DECFUT``            a future of the month's expiry: underlying, year, month
``NIFTY26DEC24000CE``        an option of it: and strike, CE (call) or PE (put)
``NIFTY26D0824000CE``        an option of a weekly expiry: the month is 1 to 9, O, N or D; a day
``USDINR26D04FUT``           a future of a weekly expiry
``BTCUSDT_261225``           Binance: pair, year, month, day
============================ ================================================================

A monthly name holds no day: the expiry is the last one that is listed in the month. A name can be
read in more than one way, for an underlying may end in digits (NIFTYNXT50). Then underlyings that
are known decide, and else the shortest underlying counts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date
from typing import NamedTuple

from schemas.errors import BadData

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKLY_MONTHS = "123456789OND"
CENTURY = 2000
FUTURE = "FUT"
_STRIKE = re.compile(r"(0(?=\.)|[1-9][0-9]*)(\.[0-9]*[1-9])?", re.ASCII)
_MONTHLY = re.compile(rf"([0-9]{{2}})({'|'.join(MONTHS)})", re.ASCII)
_WEEKLY = re.compile(r"(?=([0-9]{2})([1-9OND])([0-9]{2}))", re.ASCII)
_BINANCE = re.compile(r"([A-Z0-9]+)_([0-9]{2})([0-9]{2})([0-9]{2})", re.ASCII)


class NotAContract(BadData):
    """A name that is no derivative's, or terms that no name can hold."""

    code = "not_a_contract"


class Contract(NamedTuple):
    """What a name says.

    Attributes:
        day: of the month, of a weekly expiry; None: the month's own expiry.
        strike: decimal text without zeros at its end; empty for a future.
        right: "FUT", "CE" or "PE".
    """

    underlying: str
    year: int
    month: int
    day: int | None
    strike: str
    right: str

    def symbol(self) -> str:
        """Kite's name. Raises NotAContract."""
        is_future = self.right == FUTURE
        if not self.underlying or self.right not in (FUTURE, "CE", "PE"):
            raise NotAContract(f"{self} has no underlying, or is neither FUT, CE nor PE")
        if is_future == bool(self.strike) or not (is_future or _STRIKE.fullmatch(self.strike)):
            raise NotAContract(
                f"strike {self.strike[:40]!r} of {self.underlying} {self.right}: an option has "
                "one, a decimal without zeros at its end, and a future has none"
            )
        if not 0 <= self.year - CENTURY < 100 or not _is_day(self.year, self.month, self.day or 1):
            raise NotAContract(
                f"{self.year}-{self.month}-{self.day or 1} is no day of 2000 to 2099"
            )
        if self.day is None:
            expiry = MONTHS[self.month - 1]
        else:
            expiry = f"{WEEKLY_MONTHS[self.month - 1]}{self.day:02d}"
        return f"{self.underlying}{self.year % 100:02d}{expiry}{self.strike}{self.right}"


def parse(symbol: str, underlyings: Collection[str] = ()) -> Contract:
    """The contract of a name of Kite.

    Args:
        underlyings: those that there are; a reading with another one does not count.

    Raises:
        NotAContract: no derivative, or of none of the underlyings.
    """
    every = readings(symbol)
    found = [each for each in every if not underlyings or each.underlying in underlyings]
    if not found:
        other = f" of {', '.join(each.underlying for each in every)}" if every else ""
        raise NotAContract(
            f"{symbol[:60]} is no name of a derivative{other} that is known; names look like "
            "NIFTY26DECFUT, NIFTY26DEC24000CE (monthly) or NIFTY26D0824000CE (weekly)"
        )
    return found[0]


def readings(symbol: str) -> list[Contract]:
    """Every way in which a name can be read, the shortest underlying first."""
    right = symbol[-3:] if symbol.endswith(FUTURE) else symbol[-2:]
    if right not in (FUTURE, "CE", "PE") or not symbol.isascii():
        return []
    body = symbol[: -len(right)]
    found = [*_monthly(body, right), *_weekly(body, right)]
    return sorted(found, key=lambda each: len(each.underlying))


def symbol_of(
    underlying: str, expiry: date, right: str, strike: str = "", *, is_monthly: bool
) -> str:
    """Kite's name of a contract. Raises NotAContract."""
    day = None if is_monthly else expiry.day
    return Contract(underlying, expiry.year, expiry.month, day, strike, right).symbol()


def parse_binance(symbol: str) -> tuple[str, date]:
    """Pair and delivery day of a dated future, ``BTCUSDT_261225``. Raises NotAContract."""
    found = _BINANCE.fullmatch(symbol)
    if found is not None:
        year, month, day = CENTURY + int(found[2]), int(found[3]), int(found[4])
        if _is_day(year, month, day):
            return found[1], date(year, month, day)
    raise NotAContract(f"{symbol[:60]} is no dated future of Binance, such as BTCUSDT_261225")


def binance_symbol(pair: str, delivery: date) -> str:
    """Binance's name of a dated future."""
    return f"{pair}_{delivery:%y%m%d}"


def _monthly(body: str, right: str) -> Iterator[Contract]:
    for found in _MONTHLY.finditer(body):
        month = MONTHS.index(found[2]) + 1
        yield from _contract(body, found.start(), found.end(), (found[1], month, None), right)


def _weekly(body: str, right: str) -> Iterator[Contract]:
    for found in _WEEKLY.finditer(body):
        month, day = WEEKLY_MONTHS.index(found[2]) + 1, int(found[3])
        if _is_day(CENTURY + int(found[1]), month, day):
            at = found.start()
            yield from _contract(body, at, at + 5, (found[1], month, day), right)


def _contract(
    body: str, start: int, end: int, expiry: tuple[str, int, int | None], right: str
) -> Iterator[Contract]:
    """The contract, if there is an underlying before the expiry and a strike, or none, after it."""
    year, month, day = expiry
    strike = body[end:]
    if start and (not strike if right == FUTURE else _STRIKE.fullmatch(strike)):
        yield Contract(body[:start], CENTURY + int(year), month, day, strike, right)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
