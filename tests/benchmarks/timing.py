"""Timing side by side: runs of ours and the peer's alternate, medians are reported with the raw
runs.
"""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
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


def alternating(
    ours: Callable[[], float], theirs: Callable[[], float], runs: int = RUNS
) -> tuple[list[float], list[float]]:
    """Figures of both, taken in turn."""
    pairs = [(ours(), theirs()) for _ in range(runs)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def chosen(suites: Sequence[tuple[str, Any]], only: Sequence[str]) -> list[tuple[str, Any]]:
    """The suites that measure the rows wanted: names that begin as one wanted, or that it begins
    with; all of them if none is wanted.

    Raises:
        SystemExit: no suite measures it; what there is goes to standard error.
    """
    found = []
    for wanted in only:
        mine = [
            names
            for names, _ in suites
            if any(name.startswith(wanted) or wanted.startswith(name) for name in names.split())
        ]
        if not mine:
            names = ", ".join(name for name, _ in suites)
            sys.stderr.write(
                f"bench: no figure's name begins with {wanted!r}; --only takes the beginning of "
                f"{names}\n"
            )
            raise SystemExit(2)
        found += mine
    return [(names, suite) for names, suite in suites if not only or names in found]


def row(
    name: str,
    unit: str,
    ours: list[float],
    peer: str = "",
    theirs: list[float] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A benchmark row: median figures, ratio of ours to the peer's, raw runs."""
    value = statistics.median(ours)
    found: dict[str, Any] = {
        "name": name,
        "peer": peer,
        "value": value,
        "unit": unit,
        "peer_value": None,
        "ratio": None,
        "runs": {"ours": ours},
    }
    if theirs:
        peer_value = statistics.median(theirs)
        found |= {"peer_value": peer_value, "ratio": value / peer_value if peer_value else None}
        found["runs"]["peer"] = theirs
    return found | more
