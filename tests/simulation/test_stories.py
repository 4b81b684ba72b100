"""Single stories of the runner over the simulated log: what the simulator once found, and what must
stop a task loudly (F21, F2, F8).

Oracles: the simulated broker's own account; for what a user must see, the error types of
``streams/log/kafka/transport.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streams.log.kafka.transport import Fenced, OffsetOutOfRange, OutcomeUnknown, TopicChanged
from streams.runtime.failures import JournalClosed
from streams.runtime.journal.in_flight import Run
from streams.runtime.journal.journal import CLOSE, decode_entry
from tests.simulation.clock import MILLISECOND, SECOND
from tests.simulation.network import Fate
from tests.simulation.single import Stage


def test_a_recovered_task_does_not_take_another_topologys_records_for_its_own() -> None:
    """Found by the simulator: with records of a closed topology on its outputs, recovery counted
    those and named wrong previous offsets.
    """
    stage = Stage()
    for topic in stage.kinds():
        stage.broker.append((topic, 0), [b"another topology's"] * 5)
    stage.feed(12)
    first = stage.task()
    first.prepare()
    assert first.step(1.0) == 12
    second = stage.task()
    second.prepare()
    assert (
        second.log.last_offsets["md.quotes"]
        == first.log.last_offsets["md.quotes"]
        == stage.offsets("md.quotes")[-1]
        > 5
    )
    stage.feed(12)
    second.step(1.0)
    assert stage.judged() == []


def test_a_zombie_that_recovers_beside_the_owner_is_fenced_not_alarmed() -> None:
    """Found by the simulator: the journal's marker of the owner's batch was written before its
    outputs', and the zombie cried corruption.
    """
    stage = Stage()
    stage.feed(6)
    first = stage.task()
    first.prepare()
    first.step(1.0)
    owner = stage.task()

    def take_over(name: str) -> None:
        if name != "fenced 1":
            return
        owner.prepare()
        stage.feed(6)
        delays = iter([400 * MILLISECOND] * 2)
        stage.broker.marker_delay = lambda: next(delays, 0)
        owner.step(1.0)
        stage.broker.marker_delay = lambda: 0

    zombie = stage.task(take_over)
    with pytest.raises(Fenced):  # what is open there might hang: to end it is an owner's
        zombie.prepare()
    assert zombie.sequence == owner.sequence
    stage.feed(1)
    assert owner.step(1.0) == 1
    stage.clock.advance_to(stage.clock.now + SECOND)
    stage.broker.settle()
    assert stage.judged() == []


def test_a_task_with_nothing_to_begin_with_waits_and_does_not_spin() -> None:
    """Found by the simulator: with market data and no instruments a step returned at once, having
    asked the broker for ends; a whole core's worth.
    """
    stage = Stage()
    task = stage.task()
    task.prepare()
    task.execution.is_started = False
    task.execution.is_ready = lambda: False  # type: ignore[method-assign]
    stage.feed(6)
    began, calls = stage.clock.now, task.log.cluster.network.moment  # type: ignore[attr-defined]
    for _ in range(3):
        assert task.step(1.0) == 0
    assert stage.clock.now - began >= 3 * SECOND
    assert task.log.cluster.network.moment - calls < 300  # type: ignore[attr-defined]


def test_an_unknown_commit_ends_the_task_and_the_next_owner_finds_out() -> None:
    for fate, committed in ((Fate.ANSWER_LOST, True), (Fate.REQUEST_LOST, False)):
        stage = Stage()
        stage.feed(6)
        first = stage.task()
        first.prepare()
        first.log.cluster.network.fate = lambda fate=fate: fate  # type: ignore[attr-defined]
        with pytest.raises(OutcomeUnknown):
            first.step(1.0)
        second = stage.task()
        second.prepare()
        assert (second.sequence == 1) is committed
        assert second.step(1.0) == (0 if committed else 6)
        assert stage.judged() == []


def test_retention_that_overtakes_a_task_stops_it_loudly() -> None:
    stage = Stage()
    stage.feed(6)
    task = stage.task()
    task.prepare()
    task.step(1.0)
    stage.feed(6)
    stage.broker.delete_records(("md.trades", 0), 9)
    with pytest.raises(OffsetOutOfRange):
        _run(task.step)
    assert len(stage.offsets("pipeline.journal")) == 2, (
        "nothing was skipped over: genesis and one batch"
    )
    with pytest.raises(OffsetOutOfRange):
        stage.task().prepare()  # without a snapshot, what was consumed is needed too
    assert stage.judged() == []


def test_a_task_recovers_from_its_snapshot_when_retention_took_what_came_before() -> None:
    stage = Stage()
    stage.feed(10)
    task = stage.task(state_digest_records=8)
    task.prepare()
    while task.step(0.1):
        pass
    task.log.snapshots.commit()
    stage.broker.delete_records(("md.trades", 0), 8)
    again = stage.task(state_digest_records=8)
    again.prepare()
    stage.feed(3)
    assert again.step(1.0) == 3
    assert stage.judged() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda stage: stage.broker.recreate_topic("md.trades"),
        lambda stage: stage.broker.add_partitions("md.trades", 2),
    ],
    ids=["anew", "wider"],
)
def test_a_topic_that_is_not_the_one_it_was_stops_the_task_within_its_watch(
    change: Callable[[Stage], None],
) -> None:
    stage = Stage()
    stage.feed(6)
    task = stage.task()
    task.prepare()
    task.step(1.0)
    change(stage)
    stage.feed(20)  # a topic made anew is read on silently by the client
    began = stage.clock.now
    with pytest.raises(TopicChanged):
        _run(task.step)
    assert stage.clock.now - began < 2 * task.log.spec.bounds.identity_seconds * SECOND
    with pytest.raises(TopicChanged):
        stage.task().prepare()


def _run(step: Callable[[float], int]) -> None:
    for _ in range(1000):
        step(0.1)


def test_a_closed_journal_takes_nothing_more() -> None:
    stage = Stage()
    stage.feed(6)
    task = stage.task()
    task.prepare()
    task.step(1.0)
    task.end()
    with pytest.raises(JournalClosed):
        task.step(0.1)
    late = stage.task()
    late.prepare()
    with pytest.raises(JournalClosed):
        late.step(0.1)
    last = stage.broker.committed("pipeline.journal")[-1].value
    assert last is not None
    assert decode_entry(last[5:]).kind == CLOSE


def test_a_drained_task_leaves_a_snapshot_at_the_journals_exact_end() -> None:
    stage = Stage()
    stage.feed(7)
    task = stage.task()
    task.prepare()
    task.step(1.0)
    task.drain()
    repeated: list[str] = []
    again = stage.task(repeated.append)
    again.prepare()
    assert "batch repeated" not in repeated
    assert again.execution.stage_states() == task.execution.stage_states()
    assert {key: offset for (_, key), offset in stage.broker.group_offsets.items()} == {
        **dict.fromkeys(stage.subject.inputs, 0),
        ("md.trades", 0): 7,
    }
    assert stage.judged() == []


def test_records_that_killed_a_process_are_executed_in_small_pieces_and_the_rest_is_not() -> None:
    """F18: whoever dies once more among them has named fewer of them. What is written does not
    depend on it.
    """
    stage = Stage()
    task = stage.task(records=1_000)
    task.prepare()
    stage.feed(10)
    assert task.step(0.1) == 10
    stage.feed(300)
    task.inputs.bisection.suspect([Run("md.trades", 0, 20, 147, 128)])
    batches = []
    while count := task.step(0.1):
        batches.append(count)
    assert set(batches[:-1]) == {2}, "128 records in pieces of a sixty-fourth"
    assert sum(batches[:-1]) in (138, 139), "up to the last suspect"
    assert sum(batches) == 300
    assert stage.judged() == []
