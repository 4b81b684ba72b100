"""``sq archive`` against a real broker: only new ranges, every run; retention behind it harms
nothing, retention before it is named.

Oracle: what was written to the cluster; the broker's own retention settings and deletions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType  # type: ignore[attr-defined]
from pulled_topology import HandWritten, trade

from schemas.codec import codec
from streams.log.kafka.cluster import Cluster
from streams.log.local import LocalLog
from streams.log.manifest import RUN_MANIFEST, read_manifest
from streams.log.verify import verify_files
from tests.kafka.edge_topics import Ended

pytestmark = pytest.mark.broker


@pytest.fixture
def hand(cluster: Cluster) -> Iterator[HandWritten]:
    """Three batches."""
    hand = HandWritten(cluster)
    hand.begin()
    for _ in range(3):
        hand.feed(2, aborted=1)
        hand.batch(fills=1)
    yield hand
    hand.close()


def archive(hand: HandWritten, root: Path, *more: str) -> Ended:
    return hand.topics.sq("archive", hand.cluster.url, "--out", str(root), *more)


def shard_of(root: Path) -> Path:
    """The one shard's folder."""
    return root / "pipeline-000007" / "0"


def trades(folder: Path) -> list[int]:
    """Ids of the archived trades."""
    with LocalLog.open(folder) as log:
        return [
            each.trade_id
            for block in log.reader("md.trades").blocks()
            for each in codec("Trade").decode_records(block.body, block.count)
        ]


def delete_before(hand: HandWritten, offset: int) -> None:
    """What retention does."""
    place = TopicPartition(hand.cluster.name("md.trades"), 0, offset)
    hand.admin.delete_records([place])[place].result()


def test_every_run_appends_what_is_new_and_nothing_else(hand: HandWritten, tmp_path: Path) -> None:
    assert archive(hand, tmp_path, "--warn", "0").returncode == 0
    folder = shard_of(tmp_path)
    assert trades(folder) == list(range(6))
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = archive(hand, tmp_path, "--warn", "0")
    assert again.returncode == 0 and ": 0 new records" in again.stdout
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == files
    hand.feed(3)
    hand.batch(fills=2)
    grown = archive(hand, tmp_path, "--warn", "0", "--json")
    (row,) = json.loads(grown.stdout)
    assert row["added"] == 3 + 2 + 1
    assert trades(folder) == list(range(9))
    for path, content in files.items():
        if path.suffix == ".avro":
            assert path.read_bytes().startswith(content), "what was archived is never written again"
    facts = read_manifest(folder / "archive.json")
    assert facts["schema_ids"]["md.trades"] == [hand.topics.ids["md.trades"]]
    assert facts["topics"]["md.trades"]["count"] == 9
    assert verify_files(folder, facts) == []


def test_retention_behind_the_archive_harms_nothing(hand: HandWritten, tmp_path: Path) -> None:
    archive(hand, tmp_path, "--warn", "0")
    delete_before(hand, hand.inputs[-1][0])
    hand.put("md.trades", [hand.topics.framed("md.trades", trade(6))])
    hand.batch(fills=0)
    assert archive(hand, tmp_path, "--warn", "0").returncode == 0
    assert trades(shard_of(tmp_path)) == list(range(7))


def test_retention_before_the_archive_is_named(hand: HandWritten, tmp_path: Path) -> None:
    delete_before(hand, 3)
    ended = archive(hand, tmp_path, "--warn", "0")
    assert ended.returncode == 1
    assert (
        f"{hand.cluster.name('md.trades')}/0: offsets 0 to 2 are gone from the cluster"
        in ended.stderr
    )


def test_a_short_margin_is_a_warning_and_an_exit_code(hand: HandWritten, tmp_path: Path) -> None:
    resource = ConfigResource(
        ResourceType.TOPIC,
        hand.cluster.name("md.trades"),
        incremental_configs=[
            ConfigEntry("retention.ms", "36000000", incremental_operation=AlterConfigOpType.SET)
        ],
    )
    hand.admin.incremental_alter_configs([resource])[resource].result()
    near = archive(hand, tmp_path / "a", "--warn", "1d")
    assert near.returncode == 1
    assert "md.trades from offset 0 on had" in near.stderr
    assert "h left before retention" in near.stderr
    assert trades(shard_of(tmp_path / "a")) == list(range(6)), "it warns, and archives all the same"
    assert archive(hand, tmp_path / "b", "--warn", "1h").returncode == 0
    assert archive(hand, tmp_path / "a", "--warn", "1d").returncode == 0, (
        "nothing is left that retention could remove"
    )


def test_a_closed_topology_closes_its_archive(hand: HandWritten, tmp_path: Path) -> None:
    archive(hand, tmp_path, "--warn", "0")
    hand.end()
    assert "closed with its topology" in archive(hand, tmp_path, "--warn", "0").stdout
    manifest = read_manifest(shard_of(tmp_path) / RUN_MANIFEST)
    assert manifest["status"] == "closed"
    assert verify_files(shard_of(tmp_path), manifest) == []
    assert ": 0 new records, closed" in archive(hand, tmp_path, "--warn", "0").stdout


def test_a_topology_that_never_ran_is_refused_by_name(hand: HandWritten, tmp_path: Path) -> None:
    ended = archive(hand, tmp_path, "--topology", "nothing")
    assert ended.returncode == 2 and "no topology nothing ran there" in ended.stderr
