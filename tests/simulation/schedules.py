"""Many schedules: over a range of seeds, in several processes, added up."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.simulation.checker import Violation
from tests.simulation.subjects import SUBJECTS
from tests.simulation.world import Result, Subject, World

CHUNK = 100
MIXED = "mixed"
PARTS = ("event", "event", "wall", "event", "end")
"""Of the mixed subject: which one a seed gets."""
VIOLATIONS_KEPT = 20


class Total(NamedTuple):
    """Schedules added up. ``seconds``: CPU seconds of the processes that ran them."""

    schedules: int
    seconds: float
    faults: Counter[str]
    violations: list[tuple[int, Violation]]
    batches: int
    records: int
    incarnations: int


NOTHING = Total(0, 0.0, Counter(), [], 0, 0, 0)


def add(left: Total, right: Total) -> Total:
    """Both together."""
    return Total(
        left.schedules + right.schedules,
        left.seconds + right.seconds,
        left.faults + right.faults,
        (left.violations + right.violations)[:VIOLATIONS_KEPT],
        left.batches + right.batches,
        left.records + right.records,
        left.incarnations + right.incarnations,
    )


def run_one(subject: str, seed: int, mutation: str = "", tells_story: bool = False) -> Result:
    """One schedule; a function of its arguments."""
    return World(_subject(subject, mutation, seed), seed, tells_story=tells_story).run()


def _subject(name: str, mutation: str, seed: int) -> Subject:
    if name == MIXED:
        name = PARTS[seed % len(PARTS)]
    return SUBJECTS[name](mutation)


def run_chunk(job: tuple[str, str, int, int]) -> Total:
    """Schedules of seeds ``first`` to ``stop``: (subject, mutation, first, stop)."""
    subject, mutation, first, stop = job
    start = time.process_time()
    faults: Counter[str] = Counter()
    violations: list[tuple[int, Violation]] = []
    batches = records = incarnations = 0
    for seed in range(first, stop):
        result = run_one(subject, seed, mutation)
        faults.update(result.faults)
        violations += [(seed, violation) for violation in result.violations]
        batches += result.batches
        records += result.records
        incarnations += result.incarnations
    return Total(
        stop - first,
        time.process_time() - start,
        faults,
        violations[:VIOLATIONS_KEPT],
        batches,
        records,
        incarnations,
    )


def run_range(
    subject: str,
    first: int,
    count: int,
    processes: int = 1,
    mutation: str = "",
    on_progress: Callable[[Total], None] = lambda _: None,
) -> Total:
    """Schedules of ``count`` seeds from ``first`` on."""
    jobs = [
        (subject, mutation, start, min(start + CHUNK, first + count))
        for start in range(first, first + count, CHUNK)
    ]
    total = NOTHING
    for part in _parts(jobs, processes):
        total = add(total, part)
        on_progress(total)
    return total


def _parts(jobs: list[tuple[str, str, int, int]], processes: int) -> Iterator[Total]:
    if processes <= 1 or len(jobs) <= 1:
        yield from map(run_chunk, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(run_chunk, jobs)


def first_caught(
    subject: str, mutation: str, caught_as: tuple[str, ...], seeds: int, first: int = 0
) -> tuple[int, list[Violation]] | None:
    """The first seed that catches a mutation under one of its names, and what was found; None if
    none does.

    A mutation that only breaks with an untyped error proves nothing: it is a defect of the
    mutation.
    """
    for seed in range(first, first + seeds):
        violations = run_one(subject, seed, mutation).violations
        if any(violation.name == "defect" for violation in violations):
            return None
        if any(violation.name in caught_as for violation in violations):
            return seed, violations
    return None


def crash_matrix(
    subject: str, seed: int, stride: int = 1
) -> tuple[int, list[tuple[int, Violation]]]:
    """One schedule without faults, again and again, each time killed at another point: before and
    after every call and at every step.

    Returns the number of points and what was found, by point.
    """
    points = World(_subject(subject, "", seed), seed, crash_at_point=0).run().points
    found: list[tuple[int, Violation]] = []
    for point in range(1, points + 1, stride):
        result = World(_subject(subject, "", seed), seed, crash_at_point=point).run()
        if result.faults["crash"] != 1:
            found.append(
                (
                    point,
                    Violation(
                        "unseen",
                        "the crash was never reached: the schedule is not the one that was counted",
                    ),
                )
            )
        found += [(point, violation) for violation in result.violations]
    return points, found
