"""Single stories of a standby over the simulated log (ENG-9). Oracle: the owner it follows, and the
simulated broker's own account.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from streams.log.kafka.transport import Fenced, OffsetOutOfRange
from streams.runtime.failures import Diverged, JournalClosed, OtherIdentity
from streams.runtime.journal.batch import Output
from streams.runtime.live.shard import ShardTask
from tests.simulation.single import Stage


def owner_of(stage: Stage, **options: Any) -> ShardTask:
    """A running owner that has consumed ten records."""
    stage.feed(10)
    task = stage.task(**options)
    task.prepare()
    _run(task)
    return task


def _run(task: ShardTask) -> None:
    while task.step(0.1):
        pass


def _follow(task: ShardTask) -> int:
    """Up to the journal's present end; returns the batches."""
    batches = found = task.follow(0.1)
    while found:
        found = task.follow(0.1)
        batches += found
    return batches


def _written(stage: Stage) -> tuple[object, ...]:
    """Everything that a writer would change at the brokers."""
    subject, broker = stage.subject, stage.broker
    everything = (*subject.inputs, *subject.outputs, subject.journal, *subject.others)
    epochs = {name: state.epoch for name, state in broker.coordinated.items()}
    return [broker.partition(key).end for key in everything], epochs


def test_a_standby_has_the_owners_state_after_every_batch_and_writes_nothing() -> None:
    stage = Stage()
    owner = owner_of(stage, records=3)
    standby = stage.task()
    assert _follow(standby) == owner.sequence
    for count in (1, 5, 9):
        stage.feed(count)
        _run(owner)
        before = _written(stage)
        _follow(standby)
        assert _written(stage) == before
        assert standby.execution.stage_states() == owner.execution.stage_states()
        assert standby.execution.positions() == owner.execution.positions()
        assert (standby.sequence, standby.last_digest, standby.log.journal_offset) == (
            owner.sequence,
            owner.last_digest,
            owner.log.journal_offset,
        )
    assert not hasattr(standby, "writers")
    stage.feed(2)
    assert owner.step(0.1) == 2, "the owner was not fenced"


def test_a_promoted_standby_executes_only_what_it_had_not_followed() -> None:
    stage = Stage()
    owner = owner_of(stage)
    repeated: list[str] = []
    standby = stage.task(repeated.append)
    _follow(standby)
    stage.feed(4)
    _run(owner)
    repeated.clear()
    standby.prepare()
    assert repeated.count("batch repeated") == 1
    assert (
        repeated.index("fenced 0")
        < repeated.index("fenced 1")
        < repeated.index("journal read")
        < repeated.index("batch repeated")
    )
    assert standby.log.last_offsets == owner.log.last_offsets
    assert standby.counts == owner.counts
    stage.feed(3)
    with pytest.raises(Fenced):
        _run(owner)
    assert standby.step(1.0) == 3
    assert stage.judged() == []


def _break(execution: Any) -> Any:
    """From here on it is not what its owner is: another library, a broken machine."""
    execute = execution._execute

    def broken(order: Any, clock: Any) -> Any:
        batch = execute(order, clock)
        for place, output in enumerate(batch.outputs):
            body = bytes([output.body[0] ^ 2]) + bytes(output.body[1:])
            batch.outputs[place] = Output(
                output.topic, body, output.count, hashlib.sha256(body).digest()
            )
        return batch

    execution._execute = broken
    return execution


def _broken(stage: Stage) -> ShardTask:
    """A new process on a host that does not execute what its owner does."""
    task = stage.task()
    make = task.inputs.make
    task.inputs.make = lambda *arguments: _break(make(*arguments))
    return task


def test_a_diverged_standby_that_is_restarted_finds_the_divergence_again_at_the_same_record() -> (
    None
):
    """What the process before it found is kept nowhere: the journal has it, and says it again to
    whoever executes it.
    """
    stage = Stage()
    owner_of(stage, records=5)
    found = []
    for _ in range(2):
        with pytest.raises(Diverged) as problem:
            _follow(_broken(stage))
        found.append(problem.value.text)
    assert found[0] == found[1]


def test_behind_a_snapshot_a_restarted_standby_is_its_owners_equal_until_it_differs_again() -> None:
    """A snapshot is the owner's state, proven by the journal: what went wrong before it is in
    nothing that is executed after it.
    """
    stage = Stage()
    owner = owner_of(stage, records=5)
    with pytest.raises(Diverged):
        _follow(_broken(stage))
    owner.drain()
    owner = stage.task(records=5)
    owner.prepare()
    again = _broken(stage)
    _follow(again)
    assert again.recovery.snapshot is not None
    assert again.execution.stage_states() == owner.execution.stage_states()
    stage.feed(6)
    _run(owner)
    with pytest.raises(Diverged):
        _follow(again)
    before = _written(stage)
    with pytest.raises(Diverged):
        again.prepare()
    assert _written(stage) == before, "it is not promoted"
    assert stage.judged() == []


def test_a_standby_that_diverged_names_the_record_and_is_never_promoted() -> None:
    stage = Stage()
    owner = owner_of(stage, records=5)
    standby = stage.task()
    _follow(standby)
    _break(standby.execution)
    stage.feed(6)
    _run(owner)
    with pytest.raises(
        Diverged,
        match=rf"batch {owner.sequence - 1} of pipeline.journal/0.*md.quotes .*md.quotes offset "
        r"\d+: \w+ .* on the log",
    ):
        _follow(standby)
    before = _written(stage)
    for again in (standby.prepare, lambda: standby.follow(0)):
        with pytest.raises(Diverged):
            again()
    assert _written(stage) == before, "it fenced its owner"
    stage.feed(2)
    assert owner.step(0.1) == 2
    assert stage.judged() == []


def test_a_standby_waits_for_a_journal_and_begins_it_where_nobody_else_did() -> None:
    stage = Stage()
    early, other = stage.task(), stage.task()
    for each in (early, other):
        assert each.follow(0.1) == 0
        assert each.recovery.position() == -1
    early.prepare()
    stage.feed(6)
    _run(early)
    assert _follow(other) == early.sequence
    assert other.execution.stage_states() == early.execution.stage_states()


def test_a_standby_goes_over_a_drain_and_a_restart_of_its_owner() -> None:
    stage = Stage()
    owner = owner_of(stage)
    standby = stage.task()
    _follow(standby)
    owner.drain()
    again = stage.task()
    again.prepare()
    stage.feed(5)
    _run(again)
    _follow(standby)
    assert standby.sequence == again.sequence
    standby.prepare()
    stage.feed(1)
    assert standby.step(1.0) == 1
    assert stage.judged() == []


def test_a_standby_of_other_code_waits_at_a_drain_and_ends_when_the_code_before_goes_on() -> None:
    stage = Stage()
    owner = owner_of(stage)
    with pytest.raises(OtherIdentity, match="only from a drain"):
        _coded(stage, "new").follow(0.1)
    owner.drain()
    new, another = _coded(stage, "new"), _coded(stage, "new")
    for each in (new, another):
        _follow(each)
    old = stage.task()
    _follow(old)
    new.prepare()
    stage.feed(4)
    _run(new)
    with pytest.raises(OtherIdentity, match="was written by code new"):
        _follow(old)
    assert _follow(another) == 1, "the code of the upgrade is its own"
    assert another.execution.stage_states() == new.execution.stage_states()


def test_a_standby_of_other_code_ends_when_its_owner_comes_back_as_it_was() -> None:
    stage = Stage()
    owner_of(stage).drain()
    new = _coded(stage, "new")
    _follow(new)
    back = stage.task()
    back.prepare()
    stage.feed(4)
    _run(back)
    with pytest.raises(OtherIdentity, match="was written by code stand-in, this is new"):
        _follow(new)


def _coded(stage: Stage, code: str) -> ShardTask:
    task = stage.task()
    task.log.spec.facts["code"] = code
    return task


def test_a_standby_of_a_closed_topology_ends() -> None:
    stage = Stage()
    owner = owner_of(stage)
    standby = stage.task()
    _follow(standby)
    owner.end()
    with pytest.raises(JournalClosed):
        standby.follow(0.1)


def test_a_standby_that_retention_overtakes_ends_and_the_next_begins_from_a_snapshot() -> None:
    stage = Stage()
    slow = stage.task()
    owner = owner_of(stage, records=2, state_digest_records=8)
    slow.follow(0)
    stage.feed(10)
    _run(owner)
    owner.log.snapshots.commit()
    stage.broker.delete_records(("md.trades", 0), 16)
    with pytest.raises(OffsetOutOfRange):
        _follow(slow)
    again = stage.task()
    _follow(again)
    assert again.execution.stage_states() == owner.execution.stage_states()
