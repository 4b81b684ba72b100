"""The time that a backtest trades, against the time that its recording covers."""

from __future__ import annotations

import itertools

from jobs.configuration import Configuration
from jobs.granularity import BARS, bar_times, held
from jobs.quantities import instant_text
from streams.log.local import LocalLog
from streams.log.reader import event_times

MARKET = ("md.trades", "md.depth", "md.book_tickers")


def recorded(log: LocalLog) -> tuple[int, int] | None:
    """Event times of the first and the last record of the market (ns UTC), of bars where there is
    nothing else; None where there is none.
    """
    if held(log) == [BARS]:
        return bar_times(log)
    first: list[int] = []
    last: list[int] = []
    for reader in (log.reader(topic) for topic in MARKET if topic in log.topics()):
        for block in itertools.islice(reader.blocks(), 1):
            first.append(int(event_times(reader.topic, block.body, block.count).min()))
            last.append(reader.time_max)
    latest = max(last, default=0)
    return (min(first), latest) if latest else None


def empty_window(configuration: Configuration, log: LocalLog) -> str:
    """What to say of a window in which nothing can be traded, for its date or warm-up may be
    mistyped; empty for any other.
    """
    if (
        configuration.from_time is None
        and configuration.to_time is None
        and not configuration.warmup
    ):
        return ""
    times = recorded(log)
    if times is None:
        return ""
    first, last = times
    start = max(first, configuration.from_time or 0) + configuration.warmup
    stop = last if configuration.to_time is None else min(last, configuration.to_time - 1)
    if start <= stop:
        return ""
    given = [
        text
        for text in (
            configuration.from_time is not None
            and f"--from {instant_text(configuration.from_time)}",
            configuration.to_time is not None and f"--to {instant_text(configuration.to_time)}",
            configuration.warmup and f"--warmup {configuration.warmup / 10**9:g}s",
        )
        if text
    ]
    covers = f"{log.path} goes from {instant_text(first)} to {instant_text(last)}"
    return f"{' '.join(given)} leaves nothing to trade: {covers}; choose times within"
