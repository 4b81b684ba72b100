"""Restarts of a shard, and how a record that kills its process is found (F18). Oracle: a clock that
the test moves; a process the kernel killed.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile

import pytest

from jobs.live import child
from jobs.live.blackbox import PAGE_BYTES, BlackBox
from jobs.live.restarts import BACKOFF_SECONDS, CRASHES_MAX, STEADY_SECONDS, End, Restarts, named
from schemas.errors import CapacityExceeded, ShrivenError
from streams.log.kafka.transport import TransportFailed
from streams.runtime.failures import BadEmission, Diverged
from streams.runtime.journal.in_flight import Run

RECORD = Run("md.depth", 1, 70, 70, 1)
RUNS = [Run("md.trades", 1, 100, 140, 30), Run("md.depth", 1, 60, 80, 20)]
KILLED = End("killed by SIGSEGV")


def test_a_process_that_ends_again_and_again_is_given_up_and_waits_longer_each_time() -> None:
    restarts = Restarts()
    pauses = [restarts.ended(0, KILLED, 1.0 * number) for number in range(CRASHES_MAX)]
    assert pauses == [*BACKOFF_SECONDS[: CRASHES_MAX - 1], None]
    assert restarts.given_up == {0: KILLED}
    restarts.forget(0)
    assert restarts.ended(0, KILLED, 100.0) == BACKOFF_SECONDS[0]


def test_ends_far_apart_are_no_crash_loop_unless_they_are_at_the_same_record() -> None:
    """A recovery that takes long must not make an endless loop of a record that kills."""
    restarts = Restarts()
    later = STEADY_SECONDS + 1
    assert [restarts.ended(0, KILLED, later * number) for number in range(3 * CRASHES_MAX)] == [
        BACKOFF_SECONDS[0]
    ] * 3 * CRASHES_MAX
    died_at = [[RUNS[1]], *[[RECORD]] * (CRASHES_MAX - 1)]
    assert [
        restarts.ended(1, KILLED, later * number, runs) for number, runs in enumerate(died_at)
    ] == [*BACKOFF_SECONDS[: CRASHES_MAX - 1], None]
    elsewhere = [[Run("md.depth", 1, place, place, 1)] for place in range(2 * CRASHES_MAX)]
    assert None not in [
        restarts.ended(2, KILLED, later * number, runs) for number, runs in enumerate(elsewhere)
    ]


@pytest.mark.parametrize(
    ("problem", "is_given_up", "bars_owning"),
    [
        (BadEmission("a stage emitted nonsense"), True, False),
        (CapacityExceeded("orders", 64), True, False),
        (Diverged("batch 7"), True, True),
        (TransportFailed("the broker is away"), False, False),
        (KeyError("a defect"), False, False),
    ],
)
def test_whether_a_restart_helps_stands_on_the_type_of_what_ended_the_process(
    problem: Exception,
    is_given_up: bool,
    bars_owning: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """B3: the process says its failure, and the parent decides by what it said. Oracle: what the
    classes promise.
    """

    def run(*_: object) -> int:
        raise problem

    monkeypatch.setattr(child, "run", run)
    code = child.main(None, [], None)  # type: ignore[arg-type]
    end = End.of(json.loads(capsys.readouterr().out), code)
    assert (Restarts().ended(0, end, 0.0) is None, end.bars_owning) == (is_given_up, bars_owning)
    assert end.cause == (problem.code if isinstance(problem, ShrivenError) else "defect")


def test_shards_are_counted_apart() -> None:
    restarts = Restarts()
    for number in range(CRASHES_MAX - 1):
        assert restarts.ended(0, KILLED, number, [RECORD]) is not None
    assert restarts.ended(1, KILLED, CRASHES_MAX, [RECORD]) == BACKOFF_SECONDS[0]


def test_records_are_named_as_sq_skip_takes_them() -> None:
    assert named([RECORD]) == "md.depth/1/70"
    assert named(RUNS) == "md.trades/1/100 to 140, md.depth/1/60 to 80"


@pytest.mark.parametrize("runs", [[], RUNS, [RECORD]])
def test_what_a_process_was_executing_is_known_after_it_was_killed(runs: list[Run]) -> None:
    with tempfile.TemporaryFile() as page:
        page.truncate(PAGE_BYTES)
        box = BlackBox(page.fileno())
        process = os.fork()
        if not process:
            box.note([RECORD, *RUNS])
            box.note(runs)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(process, 0)
        assert box.read() == runs


def test_a_black_box_holds_no_more_than_its_page() -> None:
    with tempfile.TemporaryFile() as page:
        page.truncate(PAGE_BYTES)
        box = BlackBox(page.fileno())
        box.note([RECORD] * 1_000)
        assert box.read() == []
