"""Topics of a real cluster whose records are of several versions of their schema: pulled, printed,
consumed.

Oracle: fastavro, which wrote the records of the other versions and reads them again with the
schemas that the registry holds.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest
from pulled_topology import HandWritten, plainest, trade

from jobs.live.proof import verify_cluster
from jobs.verification import verify_run
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.registry import Registry, fingerprint
from schemas.shapes import schemas
from streams.log.digest import TopicDigest
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES, header, schema_id_of
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST, RUN_MANIFEST, read_manifest
from streams.log.verify import verify_files
from streams.runtime.live.stored import split
from tests.kafka.edge_topics import EdgeTopics
from tests.kafka.live_market import LiveMarket, run_to_end, uninterrupted
from tests.other_schemas import rewritten, with_note

pytestmark = pytest.mark.broker
PREVIOUS = Path(__file__).resolve().parents[1] / "previous" / "0.1.0.tar.xz"


def schema_of_previous(topic: str) -> dict[str, Any]:
    """What version 0.1.0 wrote the topic with: from the header of a file of its own."""
    with tarfile.open(PREVIOUS) as archive:
        name = next(
            each
            for each in archive.getnames()
            if each.startswith(f"ema/{topic}/0/") and each.endswith(".avro")
        )
        file = archive.extractfile(name)
        assert file is not None
        schema: dict[str, Any] = json.loads(
            fastavro.reader(io.BytesIO(file.read())).metadata["avro.schema"]
        )
    assert fingerprint(schema) != codec(topic_of(topic).record).fingerprint
    return schema


def read_again(cluster: Cluster, topic: str, value: bytes) -> Any:
    """A value as fastavro reads it: with the schema of its id, resolved against ours."""
    with Registry(cluster) as registry:
        writer = registry.schema_by_id(schema_id_of(value))
    ours = fastavro.parse_schema(schemas()[topic_of(topic).record])
    return fastavro.schemaless_reader(
        io.BytesIO(value[HEADER_BYTES:]), fastavro.parse_schema(writer), ours
    )


def numbers(topic: str, record: dict[str, Any]) -> dict[str, Any]:
    """The integers of a record and its decimals, which are printed as they are stored."""
    fields = {field["name"]: field["type"] for field in schemas()[topic_of(topic).record]["fields"]}
    return {
        name: record[name]
        for name, kind in fields.items()
        if kind in ("int", "long") or "decimal" in json.dumps(kind)
    }


@pytest.fixture(params=["md.bars", "md.features", "md.toxicity"])
def previous(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[HandWritten]:
    """A topology of version 0.1.0 on a cluster, closed; behind it, records of this version."""
    topic = str(request.param)
    hand = HandWritten(cluster, topic, {topic: schema_of_previous(topic)})
    hand.begin()
    for number in range(3):
        hand.feed(2, aborted=number)
        hand.batch(fills=2)
    hand.end()
    yield hand
    hand.close()


def test_what_version_0_1_0_published_is_pulled_as_it_lies_and_read(
    previous: HandWritten, tmp_path: Path
) -> None:
    hand, topic = previous, previous.output
    for name in ("day", "again"):
        ended = hand.topics.sq(
            "pull", hand.cluster.url, "--topology", "pipeline", "--out", str(tmp_path / name)
        )
        assert (ended.returncode, ended.stderr.strip()) == (0, ""), ended.stderr
    stored = b"".join(value[HEADER_BYTES:] for _, value in hand.outputs)
    digest = TopicDigest(fingerprint(hand.topics.versions[topic]))
    digest.update(stored, len(hand.outputs))
    manifest = read_manifest(tmp_path / "day" / RUN_MANIFEST)
    assert manifest["topics"][topic]["digest"] == digest.digest().hex(), (
        "over the bytes that lie on the topic"
    )
    assert manifest["undecodable"] == {} or not any(manifest["undecodable"].values())
    assert verify_files(tmp_path / "day", manifest) == []
    found: list[Any] = []
    for path in sorted((tmp_path / "day" / topic / "0").glob("*.avro")):
        with path.open("rb") as file:
            reader = fastavro.reader(file)
            assert fingerprint(json.loads(reader.metadata["avro.schema"])) == fingerprint(
                hand.topics.versions[topic]
            )
            found += list(reader)
    assert len(found) == len(hand.outputs) == 6
    record = topic_of(topic).record
    expected = [read_again(hand.cluster, topic, value) for _, value in hand.outputs]
    with LocalLog.open(tmp_path / "day") as log:
        held = [
            each
            for block in log.reader(topic).blocks()
            for each in codec(record).decode_records(block.body, block.count)
        ]
        offsets = [
            block.offset_of(number)
            for block in log.reader(topic).blocks()
            for number in range(block.count)
        ]
    assert offsets == [offset for offset, _ in hand.outputs]
    assert [numbers(topic, msgspec.structs.asdict(each)) for each in held] == [
        numbers(topic, each) for each in expected
    ]


def test_earlier_and_present_records_of_a_topic_are_printed(previous: HandWritten) -> None:
    hand, topic = previous, previous.output
    with Registry(hand.cluster) as registry:
        ours = registry.register(topic)
    assert ours != hand.topics.ids[topic]
    record = topic_of(topic).record
    hand.put(
        topic,
        [
            header(ours) + codec(record).encode_records([plainest(record, 100 + number)])
            for number in range(3)
        ],
    )
    ended = hand.topics.sq("cat", hand.cluster.url, topic)
    assert ended.returncode == 0, ended.stderr
    printed = [numbers(topic, json.loads(line)) for line in ended.stdout.splitlines()]
    assert printed == [
        numbers(topic, read_again(hand.cluster, topic, value)) for _, value in hand.outputs
    ]
    assert len(printed) == 9


def test_a_pull_of_an_earlier_topology_goes_on_where_it_stopped(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The folder of an archive stays open, in the schema that it began with."""
    hand = HandWritten(cluster, "md.bars", {"md.bars": schema_of_previous("md.bars")})
    hand.begin()
    for count in (2, 3):
        hand.feed(count)
        hand.batch(fills=count)
        ended = hand.topics.sq(
            "archive", hand.cluster.url, "--topology", "pipeline", "--out", str(tmp_path)
        )
        assert ended.returncode == 0, ended.stderr
    hand.close()
    (folder,) = tmp_path.glob("pipeline-*/0")
    with LocalLog.open(folder) as log:
        assert log.reader("md.bars").count == 5
        stored = [
            bytes(block.stored.body)
            for block in log.reader("md.bars").blocks()
            if block.stored is not None
        ]
    assert b"".join(stored) == b"".join(value[HEADER_BYTES:] for _, value in hand.outputs)


def test_a_recording_of_both_is_one_recording_of_this_version(
    cluster: Cluster, tmp_path: Path
) -> None:
    other = with_note("Trade")
    topics = EdgeTopics(cluster, ("control", "ref.instruments", "md.trades"))
    with Registry(cluster) as registry:
        earlier = registry.register("md.trades", other)
    ours = [codec("Trade").encode_records([trade(number)]) for number in range(9)]
    present = header(topics.ids["md.trades"])
    values = [
        header(earlier) + rewritten("Trade", other, body) if number % 4 else present + body
        for number, body in enumerate(ours)
    ]
    topics.write("md.trades", [*values[:5], header(earlier) + b"\x02", *values[5:]])
    ended = topics.sq("pull", cluster.url, "--out", str(tmp_path / "rec"))
    assert ended.returncode == 0 and "1 records do not decode" in ended.stderr, ended.stderr
    expected = [read_again(cluster, "md.trades", value) for value in values]
    with LocalLog.open(tmp_path / "rec") as log:
        bodies = [
            each
            for block in log.reader("md.trades").blocks()
            for each in split(block.body, block.count, "Trade")
        ]
        (letters,) = log.reader("import.dlq").blocks()
        assert (
            codec("DeadLetter").decode_records(letters.body, letters.count)[0].payload
            == header(earlier) + b"\x02"
        )
    assert bodies == ours
    assert [each["trade_id"] for each in expected] == list(range(9))
    digest = TopicDigest(codec("Trade").fingerprint)
    digest.update(b"".join(ours), len(ours))
    assert (
        read_manifest(tmp_path / "rec" / LOG_MANIFEST)["topics"]["md.trades"]["digest"]
        == digest.digest().hex()
    )
    printed = topics.sq("cat", cluster.url, "md.trades", "--limit", "5")
    assert [json.loads(line)["trade_id"] for line in printed.stdout.splitlines()] == list(
        range(5)
    ), printed.stderr
    broken = topics.sq("cat", cluster.url, "md.trades")
    assert broken.returncode == 1
    assert f"{cluster.name('md.trades')}/0 offset 5 is no Trade" in broken.stderr


def test_a_live_task_consumes_an_input_of_both(
    cluster: Cluster, small_recording: Path, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    """Oracle: what the same market gives where every record is of this version's schema."""
    market = LiveMarket(cluster, small_recording)
    other = with_note("Trade")
    with Registry(cluster) as registry:
        earlier = registry.register("md.trades", other)
    with LocalLog.open(small_recording) as source:
        trades = [
            body
            for block in source.reader("md.trades").blocks()
            for body in split(block.body, block.count, "Trade")
        ]
    half = len(trades) // 2
    written = [header(earlier) + rewritten("Trade", other, body) for body in trades[:half]]
    fed = market.write(
        "md.trades", [*written, *(header(market.ids["md.trades"]) + body for body in trades[half:])]
    )
    fed += market.feed_others("md.trades")
    assert uninterrupted(market, fed) == undisturbed
    # a process that takes over executes the journal again, earlier records and all
    again = market.task()
    again.prepare()
    run_to_end(again, fed)
    again.drain()
    again.close()
    (verdict,) = verify_cluster(cluster, "pipeline")
    assert (verdict.findings, verdict.records) == ([], fed)
    topics = EdgeTopics.__new__(EdgeTopics)
    topics.cluster = cluster
    ended = topics.sq("pull", cluster.url, "--topology", "pipeline", "--out", str(tmp_path / "day"))
    assert ended.returncode == 0, ended.stderr
    assert verify_run(tmp_path / "day").findings == []
