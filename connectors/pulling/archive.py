"""What a journal still needs, kept in folders before retention removes it from the cluster (design:
exact replay must not be lost to a setting).

One folder a shard, ``<archive>/<topology>-<journal id>/<shard>``: a pulled topology that stays
open. Every run appends the ranges that are new, and writes ``archive.json``: ranges, counts, schema
ids, digests. When the topology is closed, the folder is closed too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]

from connectors.pulling.topology import Pulled, TopologyPull, close_pulled, open_target, topic_facts
from streams.log.kafka.admin import KafkaAdmin
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import reach
from streams.log.kafka.ranges import held_ranges
from streams.log.kafka.transport import Partition
from streams.log.local import LocalLog
from streams.log.manifest import RUN_MANIFEST, read_manifest, write_manifest
from streams.log.verify import file_entries
from streams.runtime.journal.journal import JOURNAL
from streams.runtime.live.spec import NoTopology, runtime_name
from streams.runtime.live.stored import read_journal

MANIFEST = "archive.json"
FOR_EVER = -1


class Margin(msgspec.Struct):
    """How near one topic was to losing what the archive did not hold yet.

    Attributes:
        topic: its name without prefix.
        archived_end: offset behind what the archive held.
        log_start, stable_end: what the cluster holds.
        seconds: until retention may remove the first record that was not archived; None: there is
            none, or it is kept for ever.
        lost: offsets that were removed before they were archived.
    """

    topic: str
    archived_end: int
    log_start: int
    stable_end: int
    seconds: float | None
    lost: int


class Archived(msgspec.Struct):
    """One shard's archive after a run."""

    folder: Path
    pulled: Pulled | None
    margins: list[Margin]

    @property
    def added(self) -> int:
        """Records that are new."""
        return sum(self.pulled.added.values()) if self.pulled is not None else 0


def archive_topology(
    cluster: Cluster,
    topology: str,
    root: Path,
    on_progress: Callable[[int, int], None] = lambda _a, _b: None,
    now: Callable[[], float] = time.time,
) -> list[Archived]:
    """Bring the archive of every shard of a topology up to its journal's end.

    Raises:
        NoTopology, TopicChanged, TransportFailed, LogFull, LogWriteFailed.
        OffsetOutOfRange: retention was faster; it names the offsets that are lost.
    """
    reach(cluster)
    log = KafkaLog(cluster)
    name = cluster.name(runtime_name(topology, JOURNAL))
    found = log.admin().describe([name])
    if name not in found:
        raise NoTopology(
            f"{cluster.url} has no topic {name}: no topology {topology} ran there; see 'sq status'"
        )
    archived = []
    for shard in range(found[name].partitions):
        facts = _genesis(log, (name, shard))
        if facts is not None:
            folder = root / f"{topology}-{int(facts['journal_id']):06x}" / str(shard)
            archived.append(
                _archive_shard(cluster, log, topology, shard, facts, folder, on_progress, now)
            )
    if not archived:
        raise NoTopology(
            f"topology {topology} has not begun on {cluster.url}: its journal is empty; see 'sq "
            "status'"
        )
    return archived


def _genesis(log: KafkaLog, journal: Partition) -> dict[str, Any] | None:
    """Facts of a journal's first record that is still there, as far as it is a genesis; None for an
    empty journal.
    """
    reader = log.reader("archive")
    try:
        begin, end = reader.start(journal), reader.end(journal)
        first = next(read_journal(reader, journal, begin, end), None)
        return None if first is None else first[1].facts
    finally:
        reader.close()


def _archive_shard(
    cluster: Cluster,
    log: KafkaLog,
    topology: str,
    shard: int,
    facts: dict[str, Any],
    folder: Path,
    on_progress: Callable[[int, int], None],
    now: Callable[[], float],
) -> Archived:
    if (folder / RUN_MANIFEST).is_file():  # closed with its topology: nothing can come any more
        return Archived(folder, None, [])
    folder.parent.mkdir(parents=True, exist_ok=True)
    pull = TopologyPull(cluster, topology, shard, on_progress=on_progress)
    with open_target(folder) as held:
        margins = _margins(cluster, log, topology, facts, held, now())
        pulled = pull.pull(held)
        if pulled.needs.is_closed:
            close_pulled(held, pulled, cluster)
            return Archived(folder, pulled, margins)
    if any(pulled.added.values()) or not (folder / MANIFEST).is_file():
        with LocalLog.open(folder) as held:
            ids = {item["topic"]: item["schema_ids"] for item in facts["inputs"]} | {
                item["topic"]: [item["schema_id"]] for item in facts["outputs"]
            }
            content = {
                "topology": topology,
                "shard": shard,
                "journal_id": facts["journal_id"],
                "topics": topic_facts(held),
                "schema_ids": ids,
            }
            write_manifest(folder / MANIFEST, {**content, "files": file_entries(folder)})
    return Archived(folder, pulled, margins)


def archived_facts(folder: Path) -> dict[str, Any]:
    """What ``archive.json`` of a shard says. Raises LogMissing, DamagedManifest."""
    return read_manifest(folder / MANIFEST)


def _margins(
    cluster: Cluster,
    log: KafkaLog,
    topology: str,
    facts: dict[str, Any],
    held: LocalLog,
    now: float,
) -> list[Margin]:
    """Per topic, how much time was left before this run."""
    items = [*facts["inputs"], *(item for item in facts["outputs"] if item["published"])]
    places = {
        item["topic"]: (cluster.name(runtime_name(topology, item["topic"])), int(item["partition"]))
        for item in items
    }
    admin = log.admin()
    ranges = held_ranges(admin.client, list(places.values()))
    retention = _retention_seconds(admin, [name for name, _ in places.values()])
    margins = []
    for item in items:
        topic, place = item["topic"], places[item["topic"]]
        end = (
            held.reader(topic).end_offset
            if topic in held.topics()
            else max(0, int(item["start_offset"]))
        )
        start, stable = ranges[place]
        seconds = None
        first = _timestamp(log, place, max(end, start), stable)
        if first is not None and retention[place[0]] != FOR_EVER:
            seconds = first + retention[place[0]] - now
        margins.append(Margin(topic, end, start, stable, seconds, max(0, start - end)))
    return margins


def _retention_seconds(admin: KafkaAdmin, names: list[str]) -> dict[str, float]:
    """Retention by time of each topic, seconds; -1: for ever."""
    wanted = [ConfigResource(ResourceType.TOPIC, name) for name in dict.fromkeys(names)]
    found = {}
    for resource, answer in admin.client.describe_configs(wanted, request_timeout=10).items():
        milliseconds = int(answer.result()["retention.ms"].value)
        found[resource.name] = FOR_EVER if milliseconds < 0 else milliseconds / 1000
    return found


def _timestamp(log: KafkaLog, place: Partition, offset: int, stable: int) -> float | None:
    """Kafka timestamp of the first committed record at or after an offset, seconds; None if there
    is none.
    """
    if offset >= stable:
        return None
    reader = log.reader("archive")
    try:
        reader.assign({place: offset})
        while reader.position(place) < stable:
            found = reader.poll(1, 0.2)
            if found:
                return found[0].timestamp_ms / 1000
        return None
    finally:
        reader.close()
