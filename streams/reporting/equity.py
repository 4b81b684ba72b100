"""Equity sampled each minute of event time, from the ledger's P&L records.

Samples begin with trading (see `Window`): the first is the end of the minute in which it began, the
last is the end of the run. Minute k is open left and closed right, (60 k s, 60 (k + 1) s]: the
record stamped 00:01:00 closes the first minute of the day, so 24 hours have 1440 samples. A minute
without a record repeats the sample before it, for nothing happened; one whose records have no value
does too and is counted in `carried`. `handlers.on_pnl` takes them; what follows here reads them at
the end.
"""

from __future__ import annotations

import msgspec

from streams.numeric.shared import shared_step
from streams.reporting.metrics import MINUTE

NO_MINUTE = -(2**62)


class MinuteEquity(msgspec.Struct):
    """Amounts in units of 10^-amount_precision: what the stage's records say of an account."""

    start: int | None = None
    """capital before the first sample: equity - realized - unrealized + fees, the same at every
    record; null until one has a value
    """
    first_minute: int = NO_MINUTE
    minute: int = NO_MINUTE
    """the open minute; its sample so far is `last`"""
    last: int = 0
    priced: bool = False
    """True once the open minute has a record with a value"""
    unpriced: bool = False
    """True once it has one without"""
    samples: list[int] = []
    carried: int = 0
    amount_precision: int = 0


class Window(msgspec.Struct, frozen=True):
    """The time that is measured: from when trading may begin to the end, ns. `began` is null where
    no record says when the run opened.
    """

    began: int | None
    ended: int


@shared_step
def minute_of(event_time: int) -> int:
    """The minute that `event_time` (ns) belongs to, closed right."""
    return (event_time - 1) // MINUTE


def closed_samples(series: MinuteEquity, window: Window) -> list[int]:
    """Every sample through the minute in which the window ends; none where it ends before it
    begins. The series stays as it is.
    """
    if series.start is None or (window.began is not None and window.ended <= window.began):
        return []
    samples = [int(sample) for sample in series.samples]
    samples.extend([int(series.last)] * max(1, minute_of(window.ended) - series.minute + 1))
    return samples


def sample_times(series: MinuteEquity, window: Window, count: int) -> list[int]:
    """When each sample was taken (ns): at the end of its minute, the last at the end of the window.
    """
    times = [(series.first_minute + at + 1) * MINUTE for at in range(count)]
    if times:
        times[-1] = min(times[-1], window.ended)
    return times


def beginning(series: MinuteEquity, window: Window) -> int:
    """Where the measured time begins; in a run of before 0.2 that is the minute of its first
    record.
    """
    return series.first_minute * MINUTE if window.began is None else window.began


def carried_samples(series: MinuteEquity) -> int:
    """How many of `closed_samples` stand for a minute that had no price."""
    return series.carried + (series.unpriced and not series.priced)
