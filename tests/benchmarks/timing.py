"""Timing side by side: runs of ours and the peer's alternate, medians are reported with the raw runs."""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

RUNS = 5


def seconds(work: Callable[[], Any]) -> float:
    """Wall seconds of one call, with the garbage collector off."""
    gc.collect()
    gc.disable()
    started = time.perf_counter()
    work()
    elapsed = time.perf_counter() - started
    gc.enable()
    return elapsed


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """This process on one of its processors: for rows whose bar is a core's."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def cores() -> int:
    """Processors this process may use, of which a run of ours uses at most two."""
    return min(2, len(os.sched_getaffinity(0)))


def alternating(ours: Callable[[], float], theirs: Callable[[], float], runs: int = RUNS) -> tuple[list[float], list[float]]:
    """Figures of both, taken in turn."""
    pairs = [(ours(), theirs()) for _ in range(runs)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def row(name: str, unit: str, ours: list[float], peer: str = "", theirs: list[float] | None = None, **more: Any) -> dict[str, Any]:
    """A benchmark row: median figures, ratio of ours to the peer's, raw runs."""
    value = statistics.median(ours)
    found: dict[str, Any] = {"name": name, "peer": peer, "value": value, "unit": unit, "peer_value": None, "ratio": None, "runs": {"ours": ours}}
    if theirs:
        peer_value = statistics.median(theirs)
        found |= {"peer_value": peer_value, "ratio": value / peer_value if peer_value else None}
        found["runs"]["peer"] = theirs
    return found | more
