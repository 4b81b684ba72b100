"""``python -m tests.simulation``: one seed with its story, many schedules, all mutations, or the
crash matrix.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.mutations import MUTATIONS
from tests.simulation.schedules import MIXED, Total, crash_matrix, first_caught, run_one, run_range
from tests.simulation.subjects import SUBJECTS


def say(text: str) -> None:
    """A line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def replay_command(subject: str, seed: int, mutation: str = "") -> str:
    """The one command that repeats a schedule."""
    return f"python -m tests.simulation --subject {subject} --seed {seed}" + (
        f" --mutation {mutation}" if mutation else ""
    )


def one(subject: str, seed: int, mutation: str) -> int:
    """Run one schedule and tell its story."""
    result = run_one(subject, seed, mutation, tells_story=True)
    say("\n".join(result.story))
    faults = ", ".join(f"{name} {count}" for name, count in sorted(result.faults.items())) or "none"
    say(
        f"seed {seed}: {result.batches} journal records, {result.records} inputs, "
        f"{result.incarnations} processes; faults: {faults}"
    )
    for violation in result.violations:
        say(f"VIOLATION {violation.name}: {violation.text}")
    if not result.violations:
        say("no violation")
    return 1 if result.violations else 0


def many(subject: str, first: int, count: int, processes: int, mutation: str) -> int:
    """Run many schedules; a line now and then."""
    began = time.monotonic()
    told = 0.0

    def tell(total: Total) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > 10:
            told = now
            say(
                f"{total.schedules} of {count} schedules, {len(total.violations)} violations, "
                f"{now - began:.0f} s"
            )

    total = run_range(subject, first, count, processes, mutation, tell)
    wall = time.monotonic() - began
    say(
        f"{total.schedules} schedules of '{subject}', seeds {first} to {first + count - 1}, "
        f"{processes} processes"
    )
    say(
        f"{total.schedules / wall:.0f} schedules/s wall, "
        f"{total.schedules / max(total.seconds, 1e-9):.0f} per CPU second"
    )
    say(
        f"{total.batches} journal records, {total.records} input records, {total.incarnations} "
        "processes started"
    )
    for name, number in sorted(total.faults.items()):
        say(f"  {name:<24} {number:>9}")
    for seed, violation in total.violations:
        say(
            f"VIOLATION {violation.name}: {violation.text}\n  again: "
            f"{replay_command(subject, seed, mutation)}"
        )
    say(f"violations: {len(total.violations)}")
    return 1 if total.violations else 0


def mutations(subject: str) -> int:
    """Every mutation until it is caught."""
    missed = 0
    for row in MUTATIONS.values():
        under = subject if row.subject == "event" else row.subject
        caught = first_caught(under, row.name, row.caught_as, row.seeds)
        if caught is None:
            missed += 1
            say(f"NOT CAUGHT {row.name}: {row.what} ({row.seeds} seeds)")
            continue
        seed, violations = caught
        names = ", ".join(dict.fromkeys(violation.name for violation in violations))
        say(f"caught {row.name:<30} as {names:<50} {replay_command(under, seed, row.name)}")
    return 1 if missed else 0


def main() -> int:
    """Exit code: 0 nothing found (or every mutation caught), 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--subject", choices=[MIXED, *SUBJECTS], default=MIXED, help="what is run")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int, help="run one schedule and tell its story")
    what.add_argument("--schedules", type=int, help="run so many")
    what.add_argument(
        "--mutations",
        action="store_true",
        help="break the runner in every known way; each must be caught",
    )
    what.add_argument("--matrix", action="store_true", help="kill one schedule at every point")
    parser.add_argument(
        "--mutation", choices=sorted(MUTATIONS), default="", help="break the runner in this way"
    )
    parser.add_argument(
        "--seed0", type=int, default=0, help="first seed of --schedules, or the seed of --matrix"
    )
    parser.add_argument("--processes", type=int, default=1, help="of --schedules")
    given = parser.parse_args()
    if given.seed is not None:
        return one(given.subject, given.seed, given.mutation)
    if given.schedules is not None:
        return many(given.subject, given.seed0, given.schedules, given.processes, given.mutation)
    if given.mutations:
        return mutations(given.subject)
    points, found = crash_matrix(given.subject, given.seed0)
    say(f"killed at each of {points} points: {len(found)} violations")
    for point, violation in found[:20]:
        say(f"VIOLATION at point {point}: {violation.name}: {violation.text}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
