"""Records that operators leave out (``sq skip``) while a standby follows (ENG-9): every stage of
the pipeline over the simulated log.

Oracle: the owner, whose state after every batch the standby must have, and the verifier of ``sq
verify`` over what a promoted standby writes.
"""

from __future__ import annotations

import pytest

from streams.runtime.live.shard import ShardTask
from tests.simulation.pipeline import market
from tests.simulation.pipeline_stage import PipelineStage

SKIPPED = 70
"""Place in md.depth of the record that is left out."""


def _run(task: ShardTask) -> None:
    while task.step(0.1):
        pass


def _follow(task: ShardTask, owner: ShardTask) -> None:
    """Up to its owner, whose state it must have."""
    while task.sequence < owner.sequence:
        task.follow(0.1)
    assert task.execution.stage_states() == owner.execution.stage_states()
    assert task.execution.positions() == owner.execution.positions()
    assert task.execution.skips() == owner.execution.skips()


@pytest.mark.parametrize("fed_before", [40, SKIPPED, SKIPPED + 30])
def test_a_standby_leaves_out_what_its_owner_leaves_out(fed_before: int) -> None:
    """The skip lies in the journal before its record was read, as it is next, and where records
    behind it lie in the buffers already.
    """
    stage = PipelineStage()
    owner, standby = stage.task(), stage.task()
    owner.prepare()
    stage.feed("md.depth", 40)
    _run(owner)
    _follow(standby, owner)
    stage.feed("md.depth", fed_before)
    for feed in standby.execution.feeds:
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
    stage = PipelineStage()
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


def test_a_skip_that_waits_in_control_is_obeyed_before_the_first_record_of_a_promoted_standby() -> (
    None
):
    """The owner died of the record; the operator wrote the skip while nobody owned the shard."""
    stage = PipelineStage()
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
    stage = PipelineStage()
    owner = stage.task(state_digest_records=16)
    owner.prepare()
    stage.feed("md.depth", 30)
    stage.skip(SKIPPED)
    _run(owner)
    stage.feed("md.depth", SKIPPED - 5)
    _run(owner)
    owner.log.snapshots.commit()
    late = stage.task(state_digest_records=16)
    late.follow(0.1)
    assert late.recovery.snapshot is not None, "it does not begin at the journal's first record"
    _follow(late, owner)
    stage.feed("md.depth", SKIPPED + 30)
    _run(owner)
    _follow(late, owner)
    assert stage.letters() == [("skipped", "md.depth", SKIPPED)]
