"""Stories of a take-over whose reading goes on beside its fence. Oracle: the owner before, and the
simulated broker's own account.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from streams.log.kafka.transport import Fenced, TransportFailed
from streams.runtime.failures import OtherIdentity
from streams.runtime.live.shard import ShardTask
from tests.simulation.clock import MILLISECOND
from tests.simulation.network import CrashNow
from tests.simulation.single import Stage


def owner_of(stage: Stage) -> ShardTask:
    """A running owner that has consumed ten records."""
    stage.feed(10)
    task = stage.task()
    task.prepare()
    assert task.step(1.0) == 10
    return task


def fencing(task: ShardTask, is_late: bool) -> ShardTask:
    """The task, its fence at once or only when it is waited for."""

    def beside(work: Callable[[], None]) -> Callable[[], None]:
        if is_late:
            return work
        work()
        return lambda: None

    task.log.cluster.beside = beside  # type: ignore[method-assign]
    return task


@pytest.mark.parametrize("is_late", [False, True])
def test_what_the_owner_before_commits_until_the_fence_is_executed_behind_it(is_late: bool) -> None:
    stage = Stage()
    before = owner_of(stage)
    steps: list[str] = []

    def on_step(name: str) -> None:
        if name == "batch repeated" and not steps.count(name):
            stage.feed(5)
            if is_late:
                assert before.step(1.0) == 5
            else:
                with pytest.raises(Fenced):
                    before.step(1.0)
        steps.append(name)

    task = fencing(stage.task(on_step), is_late)
    task.prepare()
    assert steps.count("batch repeated") == (2 if is_late else 1)
    assert (task.sequence, task.last_digest) == (before.sequence, before.last_digest)
    assert (task.log.last_offsets, task.counts) == (before.log.last_offsets, before.counts)
    stage.feed(4)
    if is_late:
        with pytest.raises(Fenced):
            before.step(1.0)
    assert task.step(1.0) == (4 if is_late else 9)
    assert stage.judged() == []


def test_what_is_committed_after_the_end_was_asked_for_is_read_the_next_time() -> None:
    """Found by the simulator (a power cut, two members that take over at once): it was read,
    dropped, and passed over for good.
    """
    stage = Stage()
    owner = owner_of(stage)
    recovery = stage.task().recovery
    assert recovery.read()
    stage.feed(5)
    owner.step(1.0)
    reader = recovery.journal.reader  # type: ignore[attr-defined]
    end = reader.end

    def asked_early(partition: Any) -> int:
        found: int = end(partition)
        stage.feed(5)
        assert owner.step(1.0) == 5
        return found

    reader.end = asked_early
    assert recovery.read()
    reader.end = end
    assert recovery.read()
    recovery.execute()
    assert (recovery.task.sequence, recovery.task.last_digest) == (
        owner.sequence,
        owner.last_digest,
    )


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("call", ["read", "execute"])
def test_what_fails_before_the_fence_is_done_again_behind_it(is_late: bool, call: str) -> None:
    stage = Stage()
    before = owner_of(stage)
    task = fencing(stage.task(), is_late)
    done = getattr(task.recovery, call)

    def failing_once() -> None:
        setattr(task.recovery, call, done)
        done()
        raise TransportFailed("the broker went away")

    setattr(task.recovery, call, failing_once)
    task.prepare()
    assert (task.sequence, task.last_digest) == (before.sequence, before.last_digest)
    assert (task.log.last_offsets, task.counts) == (before.log.last_offsets, before.counts)
    assert task.execution.stage_states() == before.execution.stage_states()
    stage.feed(4)
    assert task.step(1.0) == 4
    assert stage.judged() == []


@pytest.mark.parametrize("is_late", [False, True])
def test_a_drain_that_becomes_visible_with_the_fence_lets_other_code_go_on(is_late: bool) -> None:
    """The answer to a commit comes before its markers: read at that moment, the journal does not
    end with the drain yet.
    """
    stage = Stage()
    before = owner_of(stage)
    stage.broker.marker_delay = lambda: 400 * MILLISECOND
    before.drain()
    stage.broker.marker_delay = lambda: 0
    task = fencing(stage.task(), is_late)
    task.log.spec.facts["code"] = "new"
    task.prepare()
    assert task.sequence == before.sequence + 1, "the record of the upgrade"
    stage.feed(4)
    assert task.step(1.0) == 4


def test_other_code_without_a_drain_is_refused_behind_the_fence_as_well() -> None:
    stage = Stage()
    owner_of(stage)
    task = stage.task()
    task.log.spec.facts["code"] = "new"
    with pytest.raises(OtherIdentity, match="only from a drain"):
        task.prepare()


def power_cut(stage: Stage, task: ShardTask, step: str) -> None:
    """The owner's next batch gets as far as this step, then host and brokers lose power, and the
    brokers the markers they owe.
    """
    stage.broker.marker_delay = lambda: 400 * MILLISECOND

    def fall(name: str) -> None:
        if name == step:
            assert stage.broker.end_uncleanly() == 1
            raise CrashNow

    task.on_step = task.log.on_step = task.inputs.on_step = fall
    stage.feed(5)
    with pytest.raises(CrashNow):
        task.step(1.0)
    stage.broker.marker_delay = lambda: 0


@pytest.mark.parametrize("step", ["output written", "journal written", "committed"])
def test_a_transaction_whose_marker_the_brokers_lost_is_ended_by_a_take_over(step: str) -> None:
    """A broker that restarts uncleanly calls a transaction complete whose markers it never wrote:
    its records hang (decision 36).

    The next commit of the same producer would make them visible, an aborted batch's as well.
    Oracles: the owner's own digest of a commit that it was told of, and one uninterrupted
    execution.
    """
    stage = Stage()
    before = owner_of(stage)
    power_cut(stage, before, step)
    task = stage.task()
    task.prepare()
    assert stage.broker.partition(stage.subject.journal).undecided == {}
    if step == "output written":
        assert (task.sequence, task.last_digest) == (before.sequence, before.last_digest), (
            "no journal record, so nothing of the batch counts"
        )
    else:
        assert task.sequence == 2
    assert task.step(1.0) == (5 if step == "output written" else 0)
    stage.feed(4)
    assert task.step(1.0) == 4
    assert stage.judged() == []


@pytest.mark.parametrize("step", ["hanging aborted", "begun", "journal written"])
def test_a_take_over_that_dies_amid_that_is_gone_on_with(step: str) -> None:
    """What was aborted and not carried out again yet is known by the void behind it. Oracle: the
    commit that the first owner was told of.
    """
    stage = Stage()
    before = owner_of(stage)
    power_cut(stage, before, "committed")
    steps: list[str] = []

    def die(name: str) -> None:
        steps.append(name)
        if name == step:
            raise CrashNow

    with pytest.raises(CrashNow):
        stage.task(die).prepare()
    assert "hanging aborted" in steps
    task = stage.task()
    task.prepare()
    assert task.sequence == 2, "the batch that was committed is not lost"
    stage.feed(4)
    assert task.step(1.0) == 4
    assert stage.judged() == []
