"""Equity sampled each minute of event time, from the ledger's P&L records.

Samples begin with trading (see `Window`): the first is the end of the minute in which it began, the last is the end of the run. Minute k is
open left and closed right, (60 k s, 60 (k + 1) s]: the record stamped 00:01:00 closes the first minute of the day, so 24 hours have 1440
samples. A minute without a record repeats the sample before it, for nothing happened; one whose records have no value does too and is
counted in `carried`.
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
    priced: bool = False
    """True once the open minute has a record with a value"""
    unpriced: bool = False
    """True once it has one without"""
    samples: list[int | str] = []
    carried: int = 0
    amount_precision: int = 0


class Window(msgspec.Struct, frozen=True):
    """The time that is measured: from when trading may begin to the end, ns. `began` is null where no record says when the run opened."""

    began: int | None
    ended: int


def minute_of(event_time: int) -> int:
    """The minute that `event_time` (ns) belongs to, closed right."""
    return (event_time - 1) // MINUTE


def observe(series: MinuteEquity, record: PnL, began: int | None) -> None:
    """Take one P&L record; records come in event-time order. Up to `began` they say the capital, and are no samples."""
    minute = minute_of(record.event_time)
    equity = record.equity
    unrealized = record.unrealized
    is_valued = equity is not None and unrealized is not None
    if series.start is None:
        if equity is None or unrealized is None:
            return
        series.start = pack(equity - record.realized - unrealized + record.fees)
        series.amount_precision = record.amount_precision
        series.first_minute = series.minute = minute if began is None else minute_of(max(record.event_time, began + 1))
    if minute > series.minute:
        close_before(series, minute)
    is_measured = began is None or record.event_time > began
    if not is_valued:
        series.unpriced = is_measured
        return
    if record.amount_precision != series.amount_precision:
        _refine(series, record.amount_precision)
    series.last = pack(equity or 0)
    series.priced = is_measured


def close_before(series: MinuteEquity, minute: int) -> None:
    """Close every minute before `minute` and open it."""
    while series.minute < minute:
        series.samples.append(series.last)
        series.carried += series.unpriced and not series.priced
        series.priced = series.unpriced = False
        series.minute += 1


def closed_samples(series: MinuteEquity, window: Window) -> list[int]:
    """Every sample through the minute in which the window ends; none where it ends before it begins. The series stays as it is."""
    if series.start is None or (window.began is not None and window.ended <= window.began):
        return []
    samples = [int(sample) for sample in series.samples]
    samples.extend([int(series.last)] * max(1, minute_of(window.ended) - series.minute + 1))
    return samples


def sample_times(series: MinuteEquity, window: Window, count: int) -> list[int]:
    """When each sample was taken (ns): at the end of its minute, the last at the end of the window."""
    times = [(series.first_minute + at + 1) * MINUTE for at in range(count)]
    if times:
        times[-1] = min(times[-1], window.ended)
    return times


def beginning(series: MinuteEquity, window: Window) -> int:
    """Where the measured time begins; in a run of before 0.2 that is the minute of its first record."""
    return series.first_minute * MINUTE if window.began is None else window.began


def carried_samples(series: MinuteEquity) -> int:
    """How many of `closed_samples` stand for a minute that had no price."""
    return series.carried + (series.unpriced and not series.priced)


def _refine(series: MinuteEquity, amount_precision: int) -> None:
    """An instrument with a finer unit was added: rescale, exactly."""
    scale = 10 ** (amount_precision - series.amount_precision)
    series.start = pack(int(series.start or 0) * scale)
    series.samples = [pack(int(sample) * scale) for sample in series.samples]
    series.last = pack(int(series.last) * scale)
    series.amount_precision = amount_precision
