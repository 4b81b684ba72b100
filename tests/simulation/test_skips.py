"""Records of every input that operators leave out (D1), over the simulated log: what halts a
topology can be left out, before it starts or after.

Oracle: the place of the record that the test planted; the dead letters; the verifier of ``sq
verify``.
"""

from __future__ import annotations

import msgspec
import pytest

from schemas.errors import ShrivenError
from streams.log.kafka.framing import header
from streams.runtime.live.schema_ids import UnresolvedSchemaId
from tests.scenario import INSTRUMENT
from tests.simulation.pipeline_stage import PipelineStage
from tests.simulation.test_times import run

STRAY = header(7_777) + b"\x02\x04"


@pytest.mark.parametrize("topic", ["md.trades", "md.depth", "ref.instruments", "control"])
@pytest.mark.parametrize("is_started", [False, True], ids=["before it starts", "while it runs"])
def test_a_record_of_an_unknown_schema_halts_at_its_turn_and_can_be_left_out(
    topic: str, is_started: bool
) -> None:
    stage = PipelineStage()
    if is_started:
        first = stage.task()
        first.prepare()
        stage.feed("md.depth", 30)
        run(first)
    offset = stage.write_raw(topic, STRAY)
    stage.feed("md.depth", 50)
    stage.feed("md.trades", 40)
    task = stage.task()
    task.prepare()
    with pytest.raises(
        UnresolvedSchemaId,
        match=rf"{topic}/0/{offset} is of schema id 7777.*sq skip {topic}/0/{offset}",
    ):
        run(task)
    again = stage.task()
    again.prepare()
    with pytest.raises(UnresolvedSchemaId):
        run(again)
    stage.skip(offset, topic)
    healed = stage.task()
    healed.prepare()
    run(healed)
    assert stage.letters() == [("skipped", topic, offset)]
    assert healed.execution.consumed == sum(
        len(stage.broker.committed(name)) for name, _ in stage.subject.inputs
    )
    last = stage.task()
    last.prepare()
    assert last.execution.stage_states() == healed.execution.stage_states()
    assert stage.verified() == ""


def test_an_instrument_of_another_feed_under_the_same_id_can_be_left_out() -> None:
    """A second feed's table uses the id again, with other precisions: the first stage that sees it
    halts the topology.
    """
    stage = PipelineStage()
    stage.feed("md.depth", 30)
    task = stage.task()
    task.prepare()
    run(task)
    other = msgspec.structs.replace(
        INSTRUMENT,
        price_precision=INSTRUMENT.price_precision + 2,
        event_time=stage.clock.clock_ns(),
    )
    offset = stage.write("ref.instruments", other)
    stage.feed("md.depth", 60)
    with pytest.raises(ShrivenError) as caught:
        run(task)
    assert f"ref.instruments/0/{offset}" in str(
        caught.value
    ) or f"ref.instruments offset {offset}" in str(caught.value)
    stage.skip(offset, "ref.instruments")
    healed = stage.task()
    healed.prepare()
    run(healed)
    assert stage.letters() == [("skipped", "ref.instruments", offset)]
    assert stage.verified() == ""
