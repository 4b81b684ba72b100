"""Equity sampled each minute of event time, from the ledger's P&L records.

Minute k is open left and closed right, (60 k s, 60 (k + 1) s]: the record stamped 00:01:00 closes the first minute of the day, so 24 hours have
1440 samples. A minute whose records have no value (or that has no record) repeats the sample before it and is counted in `carried`.
"""

from __future__ import annotations

import msgspec

from schemas.records import PnL
from streams.reporting.metrics import MINUTE

WIDE = 2**63
NO_MINUTE = -(2**62)


def pack(amount: int) -> int | str:
    """An amount as state keeps it: decimal text once it leaves 64 bits, because msgpack has no larger integer."""
    return amount if -WIDE < amount < WIDE else str(amount)


class MinuteEquity(msgspec.Struct):
    """Amounts in units of 10^-amount_precision; read them with ``int(...)``."""

    start: int | str | None = None
    """capital before the first sample: equity - realized - unrealized + fees, the same at every record; null until one has a value"""
    first_minute: int = NO_MINUTE
    minute: int = NO_MINUTE
    """the open minute; its sample so far is `last`"""
    last: int | str = 0
    fresh: bool = False
    """True once the open minute has a value of its own"""
    samples: list[int | str] = []
    carried: int = 0
    amount_precision: int = 0


def minute_of(event_time: int) -> int:
    """The minute that `event_time` (ns) belongs to, closed right."""
    return (event_time - 1) // MINUTE


def observe(series: MinuteEquity, record: PnL) -> None:
    """Take one P&L record; records come in event-time order."""
    equity = record.equity
    unrealized = record.unrealized
    if equity is None or unrealized is None:
        return
    minute = minute_of(record.event_time)
    if series.start is None:
        series.start = pack(equity - record.realized - unrealized + record.fees)
        series.first_minute = series.minute = minute
        series.amount_precision = record.amount_precision
    elif minute > series.minute:
        close_before(series, minute)
    if record.amount_precision != series.amount_precision:
        _refine(series, record.amount_precision)
    series.last = pack(equity)
    series.fresh = True


def close_before(series: MinuteEquity, minute: int) -> None:
    """Close every minute before `minute` and open it."""
    while series.minute < minute:
        series.samples.append(series.last)
        series.carried += not series.fresh
        series.fresh = False
        series.minute += 1


def closed_samples(series: MinuteEquity, clock: int) -> list[int]:
    """Every sample through the minute of `clock`, the end of the input; the series itself stays as it is."""
    if series.start is None:
        return []
    samples = [int(sample) for sample in series.samples]
    samples.extend([int(series.last)] * max(1, minute_of(clock) - series.minute + 1))
    return samples


def carried_samples(series: MinuteEquity, clock: int) -> int:
    """How many of `closed_samples` repeat the one before them."""
    if series.start is None:
        return 0
    return series.carried + (not series.fresh) + max(0, minute_of(clock) - series.minute)


def _refine(series: MinuteEquity, amount_precision: int) -> None:
    """An instrument with a finer unit was added: rescale, exactly."""
    scale = 10 ** (amount_precision - series.amount_precision)
    series.start = pack(int(series.start or 0) * scale)
    series.samples = [pack(int(sample) * scale) for sample in series.samples]
    series.last = pack(int(series.last) * scale)
    series.amount_precision = amount_precision
