"""Records that operators leave out (``sq skip``) while a standby follows (ENG-9): every stage of the pipeline over the simulated log.

Oracle: the owner, whose state after every batch the standby must have, and the verifier of ``sq verify`` over what a promoted standby writes.
"""

from __future__ import annotations

import pytest

from schemas.codec import codec
from schemas.records import DeadLetter
from schemas.vocabulary import ControlKind
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.runtime.live.task import LiveTask
from streams.runtime.skip import skip_command, skip_request
from tests.simulation.broker import SimulatedBroker
from tests.simulation.clock import VirtualClock
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Network
from tests.simulation.pipeline import PipelineSubject, maker, market

SKIPPED = 70
"""Place in md.depth of the record that is left out."""


class Stage:
    """A cluster with the pipeline's topics, fed piece by piece."""

    def __init__(self) -> None:
        self.subject = PipelineSubject()
        self.clock = VirtualClock()
        self.broker = SimulatedBroker(self.clock)
        for topic, _ in (*self.subject.inputs, *self.subject.outputs, self.subject.journal, *self.subject.others):
            self.broker.create_topic(topic)
        self._fed = dict.fromkeys(market(), 0)
        self.feed("ref.instruments", len(market()["ref.instruments"]))

    def task(self, state_digest_records: int = 1_000) -> LiveTask:
        spec = self.subject.spec(16, state_digest_records)
        log = SimulatedLog(self.broker, Network(self.clock))
        return LiveTask(log, spec, maker(self.subject.deployment), self.clock.clock_ns, self.clock.monotonic)

    def _write(self, topic: str, bodies: list[bytes]) -> None:
        self.broker.append((topic, 0), [header(self.subject.deployment.schema_ids[topic]) + body for body in bodies])

    def feed(self, topic: str, to: int) -> None:
        """Up to this place of the topic."""
        self._write(topic, [body for _, body in market()[topic][self._fed[topic] : to]])
        self._fed[topic] = max(self._fed[topic], to)

    def skip(self, place: int) -> None:
        """What ``sq skip`` writes."""
        command = skip_command(skip_request(f"md.depth/0/{place}", "pipeline"), "known bad", "operator", self.clock.clock_ns())
        assert command.kind == int(ControlKind.SKIP)
        self._write("control", [codec("ControlCommand").encode_records([command])])

    def letters(self) -> list[tuple[str, str, int]]:
        found = [codec("DeadLetter").decode_records(each.value[HEADER_BYTES:], 1)[0] for each in self.broker.committed("pipeline.dlq") if each.value]
        assert all(isinstance(each, DeadLetter) for each in found)
        return [(each.reason, each.origin_topic, each.origin_offset) for each in found]


def _run(task: LiveTask) -> None:
    while task.step(0.1):
        pass


def _follow(task: LiveTask, owner: LiveTask) -> None:
    """Up to its owner, whose state it must have."""
    while task.sequence < owner.sequence:
        task.follow(0.1)
    assert task.execution.stage_states() == owner.execution.stage_states()
    assert task.execution.positions() == owner.execution.positions()
    assert task.execution.skips() == owner.execution.skips()


@pytest.mark.parametrize("fed_before", [40, SKIPPED, SKIPPED + 30])
def test_a_standby_leaves_out_what_its_owner_leaves_out(fed_before: int) -> None:
    """The skip lies in the journal before its record was read, as it is next, and where records behind it lie in the buffers already."""
    stage = Stage()
    owner, standby = stage.task(), stage.task()
    owner.prepare()
    stage.feed("md.depth", 40)
    _run(owner)
    _follow(standby, owner)
    stage.feed("md.depth", fed_before)
    for feed in standby.execution.live:
        feed.fill(0)  # a standby's buffers may be ahead of the journal
    stage.skip(SKIPPED)
    _run(owner)
    _follow(standby, owner)
    assert standby.execution.skips() == [("md.depth", SKIPPED, "left out by operator: known bad")]
    for place in (SKIPPED + 1, SKIPPED + 40, len(market()["md.depth"])):
        stage.feed("md.depth", place)
        stage.feed("md.trades", place)
        _run(owner)
        _follow(standby, owner)
    assert stage.letters() == [("skipped", "md.depth", SKIPPED)]


def test_a_standby_that_is_promoted_before_the_record_comes_leaves_it_out() -> None:
    stage = Stage()
    owner, standby = stage.task(), stage.task()
    owner.prepare()
    stage.feed("md.depth", 40)
    stage.skip(SKIPPED)
    _run(owner)
    _follow(standby, owner)
    stage.feed("md.depth", SKIPPED + 20)
    standby.prepare()
    _run(standby)
    assert stage.letters() == [("skipped", "md.depth", SKIPPED)]
    assert stage.subject._verified(stage.broker) == ""


def test_a_skip_that_waits_in_control_is_obeyed_before_the_first_record_of_a_promoted_standby() -> None:
    """The owner died of the record; the operator wrote the skip while nobody owned the shard."""
    stage = Stage()
    owner, standby = stage.task(), stage.task()
    owner.prepare()
    stage.feed("md.depth", SKIPPED)
    _run(owner)
    _follow(standby, owner)
    stage.feed("md.depth", SKIPPED + 20)
    stage.skip(SKIPPED)
    standby.prepare()
    _run(standby)
    assert stage.letters() == [("skipped", "md.depth", SKIPPED)]
    assert stage.subject._verified(stage.broker) == ""


def test_a_standby_that_begins_at_a_snapshot_behind_the_skip_knows_it() -> None:
    stage = Stage()
    owner = stage.task(state_digest_records=16)
    owner.prepare()
    stage.feed("md.depth", 30)
    stage.skip(SKIPPED)
    _run(owner)
    stage.feed("md.depth", SKIPPED - 5)
    _run(owner)
    owner.snapshots.commit()
    late = stage.task(state_digest_records=16)
    assert late.follow(0.1) >= 0
    assert late.recovery.snapshot is not None, "it does not begin at the journal's first record"
    _follow(late, owner)
    stage.feed("md.depth", SKIPPED + 30)
    _run(owner)
    _follow(late, owner)
    assert stage.letters() == [("skipped", "md.depth", SKIPPED)]
