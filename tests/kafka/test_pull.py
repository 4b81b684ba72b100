"""``sq pull`` from a real broker: offsets with holes kept, every body as it was, resumed where it
stopped, refused where records are gone.

Oracle: what a plain consumer reads of the cluster; fastavro and polars reading the files; the
manifest of the recording that was fed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import polars
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]
from pulled_topology import HandWritten, fill, trade

from connectors.pulling.topology import Pulled, TopologyPull, open_target
from connectors.simulators.market import generate
from schemas.codec import codec
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.transport import OffsetOutOfRange, TopicChanged
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST, RUN_MANIFEST, read_manifest
from streams.log.verify import verify_files
from tests.kafka.edge_topics import EdgeTopics

pytestmark = pytest.mark.broker


def records_of(log: LocalLog, topic: str, record: str) -> list[tuple[int, bytes]]:
    """(offset, body) of every record of a folder's topic."""
    found: list[tuple[int, bytes]] = []
    for block in log.reader(topic).blocks():
        body, ends = (
            block.body.tobytes(),
            codec(record).record_ends(block.body, block.count).tolist(),
        )
        starts = [0, *ends[:-1]]
        found += [
            (block.offset_of(number), body[start:end])
            for number, (start, end) in enumerate(zip(starts, ends, strict=True))
        ]
    return found


@pytest.fixture
def hand(cluster: Cluster) -> Iterator[HandWritten]:
    hand = HandWritten(cluster)
    yield hand
    hand.close()


def pull(hand: HandWritten, out: Path, **more: Any) -> Pulled:
    """Pull the topology, leave the folder open."""
    with open_target(out) as folder:
        return TopologyPull(hand.cluster, "pipeline", 0, **more).pull(folder)


def played(hand: HandWritten) -> None:
    """Batches of one and of several, aborted records between."""
    hand.begin()
    for number in range(6):
        hand.feed(1 + number % 3, aborted=number % 2 * 2)
        hand.batch(fills=number % 3)


def test_offsets_holes_and_bodies_are_those_of_the_cluster(
    hand: HandWritten, tmp_path: Path
) -> None:
    played(hand)
    hand.end()
    out = tmp_path / "day"
    ended = hand.topics.sq("pull", hand.cluster.url, "--topology", "pipeline", "--out", str(out))
    assert ended.returncode == 0, ended.stderr
    assert "6 batches, 12 records consumed" in ended.stdout
    assert "not closed" not in ended.stdout
    with LocalLog.open(out) as log:
        for topic, record, committed in (
            ("md.trades", "Trade", hand.inputs),
            ("fills", "Fill", hand.outputs),
        ):
            held = records_of(log, topic, record)
            assert held == [(offset, value[5:]) for offset, value in committed]
            offsets = [offset for offset, _ in held]
            assert offsets != list(range(offsets[0], offsets[0] + len(offsets))), (
                "markers leave holes, else this test shows nothing"
            )
        assert log.reader("pipeline.journal").count == 8
    found: list[Any] = []
    for path in sorted((out / "md.trades" / "0").glob("*.avro")):
        with path.open("rb") as file:
            found += list(fastavro.reader(file))
        assert polars.read_avro(path).height == len(found)
    assert [each["trade_id"] for each in found] == list(range(12))
    manifest = read_manifest(out / RUN_MANIFEST)
    assert verify_files(out, manifest) == []
    assert (manifest["status"], manifest["batches"], manifest["records"]) == ("closed", 6, 12)
    again = hand.topics.sq("pull", hand.cluster.url, "--topology", "pipeline", "--out", str(out))
    assert again.returncode == 0 and "is pulled already" in again.stdout


def test_an_interrupted_pull_goes_on_and_equals_one_that_was_not(
    hand: HandWritten, tmp_path: Path
) -> None:
    """Stopped after every piece that was written; the records are those of an uninterrupted pull.
    """
    played(hand)
    pull(hand, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(_done: int, _total: int) -> None:
        raise Stop

    stops = 0
    while True:
        try:
            pull(hand, tmp_path / "broken", on_progress=stop)
            break
        except Stop:
            stops += 1
    assert stops == 3, "after the journal's piece, the trades' and the fills'"
    with LocalLog.open(tmp_path / "whole") as whole, LocalLog.open(tmp_path / "broken") as broken:
        assert whole.topics() == broken.topics()
        for topic, record in (
            ("md.trades", "Trade"),
            ("fills", "Fill"),
            ("pipeline.journal", "JournalRecord"),
        ):
            assert records_of(whole, topic, record) == records_of(broken, topic, record)


def test_a_second_pull_adds_only_what_is_new(hand: HandWritten, tmp_path: Path) -> None:
    played(hand)
    first = pull(hand, tmp_path / "day")
    assert set(first.added.values()) != {0}
    assert set(pull(hand, tmp_path / "day").added.values()) == {0}
    hand.feed(4)
    hand.batch(fills=2)
    added = pull(hand, tmp_path / "day").added
    assert (added["md.trades"], added["fills"], added["pipeline.journal"]) == (4, 2, 1)


def test_records_that_were_fed_and_not_consumed_stay_out(hand: HandWritten, tmp_path: Path) -> None:
    played(hand)
    consumed = len(hand.inputs)
    hand.feed(5)
    pull(hand, tmp_path / "day")
    with LocalLog.open(tmp_path / "day") as log:
        assert log.reader("md.trades").count == consumed


def test_a_clock_cuts_the_journal_and_what_follows_from_it(
    hand: HandWritten, tmp_path: Path
) -> None:
    """Oracle: the batches written by hand; the clock of the third is the sixth trade's time."""
    played(hand)
    result = pull(hand, tmp_path / "day", to=6_000_000_000)
    assert result.needs.batches == 3
    with LocalLog.open(tmp_path / "day") as log:
        assert (log.reader("md.trades").count, log.reader("fills").count) == (6, 3)
        assert [body for _, body in records_of(log, "fills", "Fill")] == [
            codec("Fill").encode_records([fill(number)]) for number in range(3)
        ]


def test_an_undecodable_record_is_a_hole_and_its_dead_letter_explains_it(
    hand: HandWritten, tmp_path: Path
) -> None:
    hand.begin()
    hand.feed(2)
    good_framing = hand.topics.framed("md.trades", trade(1))[:5]
    raws = [
        b"not framed at all",
        good_framing + b"\xff" * 7,
        good_framing + hand.topics.framed("md.trades", trade(1))[5:] + b"\0",
        b"",
    ]
    letters = tuple((hand.feed_raw(raw), raw) for raw in raws)
    hand.feed(1)
    hand.batch(fills=1, letters=letters)
    result = pull(hand, tmp_path / "day")
    assert result.undecodable == {}
    with LocalLog.open(tmp_path / "day") as log:
        held = [offset for offset, _ in records_of(log, "md.trades", "Trade")]
        assert held == [offset for offset, _ in hand.inputs if offset not in dict(letters)]
        dead = [
            each
            for block in log.reader("pipeline.dlq").blocks()
            for each in codec("DeadLetter").decode_records(block.body, block.count)
        ]
        assert [(each.origin_offset, each.payload) for each in dead] == list(letters)


def test_an_undecodable_record_without_its_dead_letter_is_told(
    hand: HandWritten, tmp_path: Path
) -> None:
    hand.begin()
    hand.feed(2)
    offset = hand.feed_raw(b"not framed at all")
    hand.batch(fills=1)
    ended = hand.topics.sq(
        "pull", hand.cluster.url, "--topology", "pipeline", "--out", str(tmp_path / "day")
    )
    assert ended.returncode == 1
    assert (
        "md.trades: 1 records do not decode and are no dead letters of pipeline; left out: offset "
        f"{offset}" in ended.stderr
    )


def test_a_foreign_record_behind_the_last_own_one_is_pulled_too(
    hand: HandWritten, tmp_path: Path
) -> None:
    """So that verification of the folder finds it, as verification of the cluster does."""
    played(hand)
    own = len(hand.outputs)
    hand.put("fills", [hand.topics.framed("fills", fill(999))])
    pull(hand, tmp_path / "day")
    with LocalLog.open(tmp_path / "day") as log:
        assert log.reader("fills").count == own + 1


def test_records_that_retention_removed_are_named(hand: HandWritten, tmp_path: Path) -> None:
    played(hand)
    place = TopicPartition(hand.cluster.name("md.trades"), 0, 4)
    hand.admin.delete_records([place])[place].result()
    with pytest.raises(OffsetOutOfRange, match="offsets 0 to 3 are gone from the cluster"):
        pull(hand, tmp_path / "day")


def test_what_a_folder_holds_already_needs_not_be_on_the_cluster_any_more(
    hand: HandWritten, tmp_path: Path
) -> None:
    """An archive goes on after retention has removed what it holds."""
    played(hand)
    pull(hand, tmp_path / "day")
    held = len(hand.inputs)
    place = TopicPartition(hand.cluster.name("md.trades"), 0, hand.inputs[-1][0])
    hand.admin.delete_records([place])[place].result()
    hand.put("md.trades", [hand.topics.framed("md.trades", trade(1))])
    hand.batch(fills=1)
    assert pull(hand, tmp_path / "day").added["md.trades"] == 1
    with LocalLog.open(tmp_path / "day") as log:
        assert log.reader("md.trades").count == held + 1


def test_a_topic_made_anew_is_refused(hand: HandWritten, tmp_path: Path) -> None:
    played(hand)
    admin, name = hand.admin, hand.cluster.name("md.trades")
    admin.delete_topics([name])[name].result()
    while True:  # deletion ends after its answer
        try:
            admin.create_topics([NewTopic(name, 1, 1)])[name].result()
            break
        except Exception as problem:  # noqa: BLE001 - TOPIC_ALREADY_EXISTS until it is gone
            assert "exist" in str(problem) or "deletion" in str(problem)
    with pytest.raises(TopicChanged, match="was deleted and made anew"):
        pull(hand, tmp_path / "day")


def test_wrong_use_is_named(hand: HandWritten, tmp_path: Path) -> None:
    none = hand.topics.sq(
        "pull", hand.cluster.url, "--topology", "nothing", "--out", str(tmp_path / "a")
    )
    assert none.returncode == 2 and "no topology nothing ran there" in none.stderr
    begun = hand.topics.sq(
        "pull", hand.cluster.url, "--topology", "pipeline", "--out", str(tmp_path / "a")
    )
    assert begun.returncode == 2 and "has not begun" in begun.stderr
    hand.begin()
    shard = hand.topics.sq(
        "pull",
        hand.cluster.url,
        "--topology",
        "pipeline",
        "--shard",
        "3",
        "--out",
        str(tmp_path / "a"),
    )
    assert shard.returncode == 2 and "has shards 0 to 0, not 3" in shard.stderr
    begin = hand.topics.sq(
        "pull",
        hand.cluster.url,
        "--topology",
        "pipeline",
        "--from",
        "2026-01-01",
        "--out",
        str(tmp_path / "a"),
    )
    assert begin.returncode == 2 and "proven from its beginning" in begin.stderr


# a recording by time


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of a generated market."""
    path = tmp_path_factory.mktemp("pull") / "toy"
    generate(2, 9, path)
    return path


@pytest.fixture
def fed(cluster: Cluster, toy: Path) -> EdgeTopics:
    """Topics to which the toy was fed."""
    topics = EdgeTopics(
        cluster, ("control", "ref.instruments", "md.trades", "md.depth", "md.book_tickers")
    )
    ended = topics.sq("feed", str(toy), "--speed", "max")
    assert ended.returncode == 0, ended.stderr
    return topics


def test_what_was_fed_is_pulled_as_the_same_recording(
    fed: EdgeTopics, toy: Path, tmp_path: Path
) -> None:
    """Oracle: the topic digests that the generated recording's own manifest holds."""
    ended = fed.sq("pull", fed.cluster.url, "--out", str(tmp_path / "rec"))
    assert ended.returncode == 0, ended.stderr
    pulled, made = read_manifest(tmp_path / "rec" / LOG_MANIFEST), read_manifest(toy / LOG_MANIFEST)
    for topic in ("ref.instruments", "md.trades", "md.depth", "md.book_tickers"):
        assert pulled["topics"][topic] == made["topics"][topic]
    assert verify_files(tmp_path / "rec", pulled) == []
    taken = fed.sq("pull", fed.cluster.url, "--out", str(tmp_path / "rec"))
    assert taken.returncode == 2 and "holds a log already" in taken.stderr
    assert (
        fed.sq("pull", fed.cluster.url, "--out", str(tmp_path / "rec"), "--fresh").returncode == 0
    )
    assert "was not one" not in taken.stderr
    kept = fed.sq("pull", fed.cluster.url, "--out", str(toy), "--fresh")
    assert (
        kept.returncode == 2
        and "a recording of its own" in kept.stderr
        and (toy / LOG_MANIFEST).exists()
    )


def test_a_window_of_event_time_holds_exactly_its_records(
    fed: EdgeTopics, toy: Path, tmp_path: Path
) -> None:
    """Oracle: the recording, filtered in plain Python by the running maximum of event time."""
    begin, end = 1_704_067_230_000_000_000, 1_704_067_290_000_000_000
    ended = fed.sq(
        "pull",
        fed.cluster.url,
        "--out",
        str(tmp_path / "rec"),
        "--from",
        str(begin),
        "--to",
        str(end),
        "--json",
    )
    assert ended.returncode == 0, ended.stderr
    for topic, record in (("md.trades", "Trade"), ("md.depth", "DepthUpdate")):
        with LocalLog.open(toy) as whole, LocalLog.open(tmp_path / "rec") as part:
            running, expected = 0, []
            for block in whole.reader(topic).blocks():
                for each in codec(record).decode_records(block.body, block.count):
                    running = max(running, each.event_time)
                    if begin <= running <= end:
                        expected.append(each)
            found = [
                each
                for block in part.reader(topic).blocks()
                for each in codec(record).decode_records(block.body, block.count)
            ]
        assert found == expected and len(found) > 0
    nothing = fed.sq(
        "pull", fed.cluster.url, "--out", str(tmp_path / "none"), "--from", "2030-01-01"
    )
    assert (
        nothing.returncode == 1
        and "no market data" in nothing.stderr
        and not (tmp_path / "none").exists()
    )


def test_log_time_is_the_clusters_own(fed: EdgeTopics, tmp_path: Path) -> None:
    """Everything was fed within the last hour of wall time, though its events are of 2024."""
    ended = fed.sq(
        "pull",
        fed.cluster.url,
        "--out",
        str(tmp_path / "old"),
        "--by",
        "log-time",
        "--to",
        "2025-01-01",
    )
    assert ended.returncode == 1 and "no market data" in ended.stderr
    assert (
        fed.sq(
            "pull",
            fed.cluster.url,
            "--out",
            str(tmp_path / "new"),
            "--by",
            "log-time",
            "--from",
            "2025-01-01",
        ).returncode
        == 0
    )


def test_an_undecodable_record_of_a_recording_is_kept_as_a_dead_letter(
    fed: EdgeTopics, tmp_path: Path
) -> None:
    fed.write("md.trades", [b"garbage"])
    ended = fed.sq("pull", fed.cluster.url, "--out", str(tmp_path / "rec"))
    assert ended.returncode == 0 and "1 records do not decode" in ended.stderr
    with LocalLog.open(tmp_path / "rec") as log:
        (block,) = log.reader("import.dlq").blocks()
        (letter,) = codec("DeadLetter").decode_records(block.body, block.count)
    assert (letter.origin_topic, letter.payload) == ("md.trades", b"garbage")


def test_several_partitions_are_one_recording_each(cluster: Cluster, tmp_path: Path) -> None:
    topics = EdgeTopics(cluster, ("ref.instruments", "md.trades"), partitions=2)
    for partition in (0, 1):
        topics.write(
            "md.trades",
            [topics.framed("md.trades", trade(number)) for number in range(partition + 1)],
            partition,
        )
    ended = topics.sq("pull", cluster.url, "--out", str(tmp_path / "rec"))
    assert ended.returncode == 2 and "name it with --shard" in ended.stderr
    assert (
        topics.sq("pull", cluster.url, "--out", str(tmp_path / "rec"), "--shard", "1").returncode
        == 0
    )
    assert read_manifest(tmp_path / "rec" / LOG_MANIFEST)["topics"]["md.trades"]["count"] == 2


def test_a_recording_kept_for_backtests_is_pulled_once(
    fed: EdgeTopics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window that market data has passed never again; the present end again once there is more.
    """
    from jobs.pulling import CACHE, cached_recording

    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    end = 1_704_067_230_000_000_000
    first, was_there = cached_recording(fed.cluster, end)
    assert not was_there
    whole, was_there = cached_recording(fed.cluster)
    assert not was_there and whole != first
    assert cached_recording(fed.cluster, end) == (first, True)
    assert cached_recording(fed.cluster) == (whole, True)
    fed.write("md.trades", [fed.framed("md.trades", trade(10**9))])
    assert cached_recording(fed.cluster, end) == (first, True)
    grown, was_there = cached_recording(fed.cluster)
    assert not was_there
    counts = [
        read_manifest(folder / LOG_MANIFEST)["topics"]["md.trades"]["count"]
        for folder in (first, whole, grown)
    ]
    assert counts[0] < counts[1] == counts[2] - 1
    assert not list((tmp_path / "cache").glob(".*")), "nothing half-pulled is left"


def test_large_blocks_of_single_record_runs_are_read_back(tmp_path: Path) -> None:
    """A million records, each its own run of offsets, lie in a few blocks. Oracle: the offsets
    given.
    """
    count = 100_000
    offsets = np.arange(count, dtype=np.int64) * 2
    body = codec("Trade").encode_records([trade(1)]) * count
    with LocalLog.create(tmp_path / "log", sync="never") as log:
        log.writer("md.trades", has_holes=True).append(body, count, 1, offsets=offsets)
        (block,) = log.reader("md.trades").blocks()
        assert block.offsets is not None
        assert np.array_equal(block.offsets, offsets)


def test_the_summary_is_json(hand: HandWritten, tmp_path: Path) -> None:
    played(hand)
    ended = hand.topics.sq(
        "pull", hand.cluster.url, "--topology", "pipeline", "--out", str(tmp_path / "day"), "--json"
    )
    facts = json.loads(ended.stdout)
    assert (facts["batches"], facts["records"], facts["status"], facts["runs_on"]) == (
        6,
        12,
        "not closed",
        False,
    )
