"""Generated dumps of instruments of Kite, in the shape of the real one. Everything is a function of
the counts: no draws.

Names of contracts are made here from the published rule, apart from the product: a monthly option
is ``NIFTY26DEC24000CE``, a weekly one ``NIFTY26D0824000CE`` (month 1 to 9, O, N, D), a future
``NIFTY26DECFUT``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,"
    "lot_size,instrument_type,segment,exchange"
)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKLY_MONTHS = "123456789OND"
UNDERLYINGS = (
    ("NIFTY", 20000, 50, 75), ("BANKNIFTY", 45000, 100, 35), ("M&M", 2500, 20, 200),
    ("BAJAJ-AUTO", 8000, 50, 75), ("360ONE", 900, 10, 500), ("IDEA", 3, 1, 71475),
)  # fmt: skip


class Row(NamedTuple):
    """A line of the dump, and what its symbol was made from."""

    symbol: str
    underlying: str
    expiry: date
    is_weekly: bool
    strike: str
    right: str
    lot: int

    def line(self, token: int) -> str:
        """The line."""
        strike = f"{float(self.strike or 0)}"
        segment = "NFO-FUT" if self.right == "FUT" else "NFO-OPT"
        return (
            f"{token},{token >> 8},{self.symbol},{self.underlying},0.0,{self.expiry},{strike},0.05,"
            f"{self.lot},{self.right},{segment},NFO"
        )


def contracts(count: int, first: date = date(2026, 12, 1)) -> Iterator[Row]:
    """``count`` contracts of the underlyings: Tuesdays are weekly expiries, the month's last is its
    monthly one. Strikes go on as far as they are needed."""
    days = [first + timedelta(days=day) for day in range(400)]
    tuesdays = [day for day in days if day.weekday() == 1]
    made = 0
    ring = 0
    while True:
        for name, start, step, lot in UNDERLYINGS:
            for day in tuesdays:
                is_monthly = (day + timedelta(days=7)).month != day.month
                if ring == 0 and is_monthly:
                    symbol = f"{name}{day:%y}{MONTHS[day.month - 1]}FUT"
                    yield Row(symbol, name, day, False, "", "FUT", lot)
                    made += 1
                else:
                    month = WEEKLY_MONTHS[day.month - 1]
                    code = f"{MONTHS[day.month - 1]}" if is_monthly else f"{month}{day:%d}"
                    value = start + step * (ring // 2)
                    strike = f"{value}.5" if name == "IDEA" and ring % 4 == 1 else str(value)
                    right = "CE" if ring % 2 == 0 else "PE"
                    symbol = f"{name}{day:%y}{code}{strike}{right}"
                    yield Row(symbol, name, day, not is_monthly, strike, right, lot)
                    made += 1
                if made == count:
                    return
        ring += 1


def write_dump(path: Path, count: int) -> Path:
    """A dump of so many contracts."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER + "\n")
        for number, row in enumerate(contracts(count)):
            file.write(row.line((number + 1 << 8) + 2) + "\n")
    return path
