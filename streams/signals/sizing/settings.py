"""The settings of sizing, and what they mean in an instrument's units."""

from __future__ import annotations

import msgspec

from schemas.records import Instrument
from streams.numeric import fixed
from streams.numeric.wide import DECIMAL_LIMIT
from streams.signals.sizing.faults import BadSize

CASH_DECIMALS = 8


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How views become orders."""

    account: int = 1
    size: str | int = ""
    """target position of a full unit, decimal text in base units; "" is 1 % of the starting cash,
    at least what is safely tradable"""
    cash: str | int = ""
    """starting cash of the account, for that; "" takes the smallest size safely above the
    instrument's minimums"""
    short: bool = True
    """False: negative targets are flat on every instrument"""
    threshold: float = 0.6
    """weakest strength that is traded"""
    strength_max: float = 2.0
    """strength at which the size stops growing"""
    cooldown: int = 0
    """nanoseconds of clock between two orders of one strategy in one instrument; the last view of
    the meantime is traded when it ends"""
    trade_from: int = 0
    """nanoseconds UTC from which views are traded"""
    warmup: int = 0
    """nanoseconds after the first mark during which views are noted only"""

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= self.strength_max <= 1000.0:
            raise ValueError(
                f"threshold is {self.threshold} and strength_max {self.strength_max}; "
                "give 0 <= threshold <= strength_max <= 1000"
            )
        if self.cooldown < 0 or self.warmup < 0 or self.trade_from < 0:
            raise ValueError("cooldown, warmup and trade_from are nanoseconds; give 0 or more")
        if not -(1 << 31) <= self.account < 1 << 31:
            raise ValueError(f"account is {self.account}; give a number of 32 bits")


def stake_of(settings: Settings, instrument: Instrument) -> int:
    """1 % of the starting cash in the instrument's notional unit, what the default size buys for;
    0 where the cash is not known. At most a decimal.
    """
    if settings.cash == "":
        return 0
    precision = instrument.price_precision + instrument.quantity_precision
    cash = fixed.parse(str(settings.cash), CASH_DECIMALS) * 10**precision
    return int(min(cash // (100 * 10**CASH_DECIMALS), DECIMAL_LIMIT - 1))


def configured_size(settings: Settings, instrument: Instrument) -> int:
    """The setting `size` in quantity units, 0 where it is not given. Raises BadSize."""
    text = str(settings.size)
    if not settings.size:
        return 0
    size: int = fixed.parse(text, instrument.quantity_precision)
    if size <= 0 or size % instrument.lot_size:
        lot = fixed.format(instrument.lot_size, instrument.quantity_precision)
        what = f"size {text} is not a positive multiple of {instrument.symbol}'s lot"
        raise BadSize(f"{what}; give a multiple of {lot}")
    return size
