"""What a run may say of risk."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.numeric import fixed
from streams.risk.account import RATE_UNIT
from streams.risk.codes import LIMITS
from streams.risk.records import NO_TIMER


class _Shard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: int = 1
    """the account this shard trades"""
    short: bool = True
    """False: no instrument may be sold short, borrowable or not"""


_Limits: Any = msgspec.defstruct(
    "_Limits",
    [(limit.name, str | int, limit.default) for limit in LIMITS],
    bases=(_Shard,),
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
)


class Settings(  # type: ignore[call-arg]
    _Limits,  # type: ignore[misc]  # made from the table
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
):
    """Those of the checks' limits (``codes.LIMITS``) are decimal text in the limit's unit: ""
    takes the instrument's own or none, "off" checks nothing.
    """

    cash: str | int = ""
    """starting cash in the settlement currency, for the check of spot buys; "" checks nothing"""
    recent_orders: int = 4096
    """approved order ids kept against repetition; the oldest is forgotten first"""
    leverage: int = 1
    """positions of at most so many times the money behind them; 1 / leverage is the initial margin
    """
    initial_margin: dict[str, str] = {}
    """initial margin of single instruments, a fraction of the value, where it is more, by symbol
    or, which goes before it, venue and symbol;
    it goes before the instrument table's: ``{ BTCUSDT = "0.2", "binance_usdm:BTCUSDT" = "0.1"
    }``"""
    maintenance_margin: dict[str, str] = {}
    """maintenance margin, by the same keys; without one it is half of the initial margin, at most
    0.05
    """
    maker_rate: int = 0
    """the venue's rates, in 1e-8 of the notional"""
    taker_rate: int = 0
    trade_from: int = 0
    """nanoseconds UTC from which orders are let through"""
    trade_to: int = NO_TIMER
    """nanoseconds UTC from which they are not any more"""
    warmup: int = 0
    """nanoseconds after the first mark during which they are not"""

    def __post_init__(self) -> None:
        if not 1 <= self.recent_orders <= 1_000_000:
            raise ValueError(f"recent_orders is {self.recent_orders}; give between 1 and 1000000")
        if not 1 <= self.leverage <= RATE_UNIT:
            raise ValueError(f"leverage is {self.leverage}; give 1 or more")
        if self.warmup < 0 or self.trade_from < 0 or self.trade_to < 0:
            raise ValueError("warmup, trade_from and trade_to are nanoseconds; give 0 or more")
        for name in ("initial_margin", "maintenance_margin"):
            for symbol, text in getattr(self, name).items():
                if fixed.rate(text) is None:
                    raise ValueError(f"{name} of {symbol} is {text!r}; {fixed.RATE_ADVICE}")
