"""Records a second while catching up: trades to one-minute bars, one output partition, ours beside
each peer.

The rate is taken outside of the engines, by one read_committed reader on the output for all of
them: trades consumed between the first output seen after a tenth of the bars and the last bar, over
the wall seconds between. So the first tenth is everybody's warm-up, and start-up, compilation and
group membership are in nobody's figure. Which trade closed a bar is known from the truth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from streams.log.kafka.cluster import Cluster
from tests.benchmarks.kafka import topics, truth
from tests.benchmarks.kafka.engines import Engine, running
from tests.benchmarks.kafka.ours import Place
from tests.benchmarks.kafka.watching import Seen, Watcher

WARM_UP = 0.1
STALLED_SECONDS = 90


class Measured(NamedTuple):
    """One run: records a second of wall time; records consumed over CPU seconds of the engine's
    process, its start included; wall seconds.
    """

    rate: float
    rate_by_cpu: float
    seconds: float


def rate_of(
    seen: Sequence[Seen], bars: Sequence[truth.Bar], expected: truth.Truth
) -> tuple[float, float]:
    """(records a second, seconds) between the first look after the warm-up and the look that saw
    the last bar.
    """
    first = next(look for look in seen if look.records >= WARM_UP * len(bars))
    last = seen[-1]
    if last.time_ns == first.time_ns:
        raise ValueError("all bars became visible at once; give the engine more records")
    position = [
        expected.closed_by[bars[look.records - 1][0], bars[look.records - 1][1]]
        for look in (first, last)
    ]
    seconds = (last.time_ns - first.time_ns) / 1e9
    return (position[1] - position[0]) / seconds, seconds


class PeerBars(NamedTuple):
    """A peer's bars in the order of their visibility, each look at them, its CPU seconds."""

    bars: list[truth.Bar]
    seen: list[Seen]
    cpu_seconds: float


def peer_bars(engine: Engine, cluster: Cluster, source: str, expected: truth.Truth) -> PeerBars:
    """Run a peer over the trades of ``source``.

    Raises:
        truth.Differs: its bars are not the truth's.
        PeerFailed: it did not start or did not last.
        TimeoutError: no bar came for ``STALLED_SECONDS``.
    """
    name = f"bench-{engine.name}-{time.time_ns():x}"
    output = f"{name}.bars"
    topics.renew(cluster, [output])
    try:
        with (
            Watcher(cluster, output) as watcher,
            running(engine, cluster, name, source, [output]) as spent,
        ):
            _await(watcher, engine.name, len(expected.bars))
        bars = [engine.bar(value) for value in watcher.values]
        truth.check(engine.name, bars, expected)
        return PeerBars(bars, watcher.seen, spent.cpu_seconds[0])
    finally:
        topics.remove(cluster, [found for found in topics.existing(cluster) if name in found])


def peer_run(
    engine: Engine, cluster: Cluster, source: str, count: int, expected: truth.Truth
) -> Measured:
    """Measure a peer over the ``count`` trades of ``source``. Raises as :func:`peer_bars`."""
    found = peer_bars(engine, cluster, source, expected)
    return _measured(found.bars, found.seen, expected, count / found.cpu_seconds)


def our_run(place: Place, count: int, expected: truth.Truth) -> Measured:
    """Run ours over the ``count`` trades of ``md.trades``: the market stages, bars published,
    everything else digested in the journal.

    Raises:
        truth.Differs: its bars are not the truth's. CommandFailed, TimeoutError: as they say.
    """
    name = place.topology(f"bars-{time.time_ns() // 1_000_000 % 10**8}")
    watched = Watcher(place.cluster, place.cluster.name("md.bars"), place.end("md.bars"))
    with (
        watched as watcher,
        place.running("market", name, "--clock", "event", "--publish", "md.bars") as job,
    ):
        _await(watcher, "ours", len(expected.bars), job.expect_alive)
    bars = [truth.our_bar(value) for value in watcher.values]
    truth.check("ours", bars, expected)
    return _measured(bars, watcher.seen, expected, count / job.spent.cpu_seconds[0])


def _await(
    watcher: Watcher, name: str, count: int, check: Callable[[], None] = lambda: None
) -> None:
    if not watcher.wait_for(count, STALLED_SECONDS, check):
        raise TimeoutError(
            f"{name}: {len(watcher.values)} of {count} bars, then none for {STALLED_SECONDS} s"
        )


def _measured(
    bars: list[truth.Bar],
    seen: Sequence[Seen],
    expected: truth.Truth,
    rate_by_cpu: float,
) -> Measured:
    rate, seconds = rate_of(seen, bars, expected)
    return Measured(rate, rate_by_cpu, seconds)
