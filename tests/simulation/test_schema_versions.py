"""Inputs whose records are of several versions of their schema: a shard consumes them, its proof
and its pulled folder hold.

Oracle: the same market with one schema, consumed by the same code; fastavro wrote the records of
the other versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.pulling.offset_range import Piece
from connectors.pulling.reading import Reading
from jobs.live import deployment
from jobs.strangers import remember
from jobs.strategies import strategy_sources
from jobs.verification import verify_run
from schemas.catalogue import topic as topic_of
from schemas.registry import RegistryUnreachable, UnknownSchemaId
from schemas.shapes import schemas
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.log.kafka.transport import Chunk
from streams.log.kafka.versions import Versions
from streams.log.local import LocalLog
from streams.runtime.live.schema_ids import UnansweredSchemaId, UnresolvedSchemaId
from streams.runtime.live.stored import split
from tests.other_schemas import rewritten, with_note
from tests.simulation.pipeline import market
from tests.simulation.pipeline_stage import PipelineStage
from tests.simulation.pulled import SimulatedPull, close_pulled
from tests.simulation.test_times import run

INPUTS = {"ref.instruments": 901, "md.trades": 902, "md.depth": 903}
STRANGE, UNKNOWN, SAME = 904, 905, 906
RECORDS = {"md.depth": 50, "md.trades": 40}


class FakeRegistry:
    """What a registry answers; ``asked``: the ids, in order."""

    def __init__(self) -> None:
        self.is_away = False
        self.asked: list[int] = []
        self.schemas = {
            schema_id: with_note(topic_of(topic).record) for topic, schema_id in INPUTS.items()
        }
        self.schemas[STRANGE] = schemas()["Fill"]
        self.schemas[SAME] = {
            **schemas()["Trade"],
            "doc": "Another doc is another id and the same schema.",
        }

    def schema(self, schema_id: int) -> dict[str, Any]:
        self.asked.append(schema_id)
        if self.is_away:
            raise RegistryUnreachable("the registry does not answer; start it")
        if schema_id not in self.schemas:
            raise UnknownSchemaId(f"the registry knows no schema {schema_id}")
        return self.schemas[schema_id]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    """What every task of the test asks."""
    found = FakeRegistry()
    monkeypatch.setattr(deployment, "versions_on", lambda _cluster: Versions(found.schema))
    return found


def fed(topics: dict[str, Callable[[int], bool]]) -> PipelineStage:
    """A market on a cluster: which records of these topics are of the other version, by their
    place.
    """
    stage = PipelineStage()
    for topic, count in RECORDS.items():
        ids = stage.subject.deployment.schema_ids
        for place, (_, body) in enumerate(market()[topic][:count]):
            is_other = topics.get(topic, lambda _: False)(place)
            value = (
                header(INPUTS[topic])
                + rewritten(topic_of(topic).record, with_note(topic_of(topic).record), body)
                if is_other
                else b""
            )
            stage.write_raw(topic, value or header(ids[topic]) + body)
    return stage


def executed(stage: PipelineStage) -> PipelineStage:
    """Consumed to the end and closed."""
    remember(strategy_sources(stage.subject.deployment.configuration))
    task = stage.task(state_digest_records=32)
    task.prepare()
    run(task)
    task.drain()
    task.end()
    task.close()
    return stage


def outputs(stage: PipelineStage) -> dict[str, list[bytes]]:
    return {
        topic: [each.value for each in stage.broker.committed(topic) if each.value]
        for topic in stage.subject.topics
    }


@pytest.fixture(scope="module")
def plain() -> Iterator[dict[str, list[bytes]]]:
    """What is published where every record is of our schema."""
    found = outputs(executed(fed({})))
    assert found["md.quotes"] and found["orders.requests"]
    yield found


@pytest.mark.parametrize(
    "topics",
    [
        {"md.trades": lambda place: place < 20},
        {"md.trades": lambda place: place % 3 == 1, "md.depth": lambda place: place % 7 > 2},
        {"md.depth": lambda _: True},
    ],
    ids=["earlier ones first", "beside each other", "no other"],
)
def test_records_of_another_version_are_consumed_proved_and_pulled(
    topics: dict[str, Callable[[int], bool]],
    plain: dict[str, list[bytes]],
    registry: FakeRegistry,
    tmp_path: Path,
) -> None:
    stage = executed(fed(topics))
    assert outputs(stage) == plain
    assert sorted(registry.asked) == sorted(INPUTS[topic] for topic in topics), (
        "each id is asked for once"
    )
    assert stage.verified() == ""
    with LocalLog.create(tmp_path / "day") as folder:
        pull = SimulatedPull(stage.broker)
        pull._versions = Versions(registry.schema)
        close_pulled(folder, pull.pull(folder), pull.cluster)
    with LocalLog.open(tmp_path / "day") as folder:
        for topic, count in RECORDS.items():
            held = [
                body
                for block in folder.reader(topic).blocks()
                for body in split(block.body, block.count, topic_of(topic).record)
            ]
            assert held == [body for _, body in market()[topic][:count]]
    verdict = verify_run(tmp_path / "day")
    assert (verdict.findings, verdict.closed) == ([], True)


def test_an_instrument_of_another_version_is_known(
    plain: dict[str, list[bytes]], registry: FakeRegistry
) -> None:
    stage = fed({})
    reference = "ref.instruments", 0
    values = [each.value for each in stage.broker.committed("ref.instruments") if each.value]
    other = [
        header(INPUTS["ref.instruments"])
        + rewritten("Instrument", with_note("Instrument"), value[HEADER_BYTES:])
        for value in values
    ]
    stage.broker.partition(reference).records.clear()
    stage.broker.append(reference, other)
    executed(stage)
    assert outputs(stage) == plain


def test_an_outage_of_the_registry_is_not_taken_for_a_bad_record(
    plain: dict[str, list[bytes]], registry: FakeRegistry
) -> None:
    """The task ends by an error that a start again may heal; neither a standby nor a verifier calls
    it a difference.
    """
    stage = fed({"md.trades": lambda place: place == 15})
    task = stage.task()
    task.prepare()
    registry.is_away = True
    with pytest.raises(
        UnansweredSchemaId, match="md.trades/0/15 is of schema id 902.*does not answer; start it"
    ) as caught:
        run(task)
    assert caught.value.restart_helps
    registry.is_away = False
    executed(stage)
    assert outputs(stage)["pipeline.dlq"] == plain["pipeline.dlq"] == []
    assert outputs(stage) == plain
    registry.is_away = True
    with pytest.raises(UnansweredSchemaId, match="md.trades/0/15"):
        stage.verified()


@pytest.mark.parametrize(
    ("schema_id", "why"),
    [
        (STRANGE, "no version of md.trades's schema .*name changed"),
        (UNKNOWN, "the registry knows no schema 905"),
    ],
)
def test_an_id_that_is_none_of_the_topics_halts_as_ever_and_says_why(
    schema_id: int, why: str, registry: FakeRegistry
) -> None:
    stage = fed({})
    offset = stage.write_raw("md.trades", header(schema_id) + b"\x02\x02")
    task = stage.task()
    task.prepare()
    with pytest.raises(
        UnresolvedSchemaId,
        match=f"md.trades/0/{offset} is of schema id {schema_id}.*{why}.*sq skip",
    ):
        run(task)
    stage.skip(offset, "md.trades")
    executed(stage)
    assert stage.letters() == [("skipped", "md.trades", offset)]
    assert stage.verified() == ""


def test_a_malformed_record_of_another_version_becomes_a_dead_letter_with_its_bytes(
    registry: FakeRegistry,
) -> None:
    stage = fed({"md.trades": lambda place: place % 2 == 0})
    other = header(INPUTS["md.trades"])
    offsets = [
        stage.write_raw("md.trades", other + body)
        for body in (b"", b"\xff" * 9, market()["md.trades"][0][1])
    ]
    executed(stage)
    assert stage.letters() == [("malformed_record", "md.trades", offset) for offset in offsets]


# what is pulled by the piece


def input_batch(values: list[bytes], reading: Reading) -> Piece:
    return Piece("md.trades", [Chunk(list(range(10, 10 + len(values))), values, 0)], reading)


def test_a_piece_keeps_what_decodes_and_names_the_rest(registry: FakeRegistry) -> None:
    bodies = [body for _, body in market()["md.trades"][:6]]
    others = [header(902) + rewritten("Trade", with_note("Trade"), body) for body in bodies]
    ours = [header(2) + body for body in bodies]
    values = [
        ours[0], others[1], others[2][:-1], others[3], others[4] + b"\0", header(UNKNOWN) + b"\x02",
        header(SAME) + bodies[4], b"no framing", ours[5],
    ]  # fmt: skip
    found = input_batch(values, Reading("md.trades", [2], Versions(registry.schema)))
    starts = [0, *found.ends[:-1].tolist()]
    held = [
        found.body[first:last].tobytes()
        for first, last in zip(starts, found.ends.tolist(), strict=True)
    ]
    assert found.offsets.tolist() == [10, 11, 13, 16, 18]
    assert held == [bodies[place] for place in (0, 1, 3, 4, 5)]
    assert found.times.tolist() == [market()["md.trades"][place][0] for place in (0, 1, 3, 4, 5)]
    assert found.bad == [(10 + place, values[place]) for place in (2, 4, 5, 7)]
    strict = input_batch(values, Reading("md.trades", [2]))
    assert strict.offsets.tolist() == [10, 18], (
        "without a registry the journal's own ids alone are read"
    )
    lenient = input_batch(
        values[:1] + values[-1:], Reading("md.trades", versions=Versions(registry.schema))
    )
    assert lenient.offsets.tolist() == [10, 11], (
        "an id that the registry does not know is taken for ours where it decodes"
    )


def test_a_piece_needs_the_registry_only_for_what_is_not_ours(registry: FakeRegistry) -> None:
    registry.is_away = True
    body = market()["md.trades"][0][1]
    other = header(902) + rewritten("Trade", with_note("Trade"), body)
    assert (
        len(
            input_batch(
                [header(7) + body] * 3, Reading("md.trades", versions=Versions(registry.schema))
            )
        )
        == 3
    )
    with pytest.raises(RegistryUnreachable):
        input_batch(
            [header(7) + body, other], Reading("md.trades", versions=Versions(registry.schema))
        )
    with pytest.raises(RegistryUnreachable):
        input_batch([header(7) + body, other], Reading("md.trades", [7], Versions(registry.schema)))
    assert registry.asked == [7, 7, 902], "once each; after an outage nothing more"
