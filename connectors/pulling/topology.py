"""A topology from a cluster into a folder: its journal, what the journal says was consumed, and
what it published.

1. The journal comes first, up to its present end or to a clock. It says of every input how far it
   was read, and of every output how many records belong to it.
2. Every input follows from its start offset to the last offset consumed; every published output
   from its first own offset.
3. If the topology has not gone on meanwhile, outputs are read to their end, or to where they ended
   when it was closed, so that a foreign record behind the last own one is found too.
4. The folder is closed by ``run.json``; an archive stays open for what comes later.

A topic lies in the schema that the journal pins, records of it byte for byte, also where that is an
earlier version's. Records of an input that have another version's schema, which the registry knows,
are written with the pinned one.

Topics keep their Kafka offsets; environment prefix and topology name are taken off the names, and
the shard's partition lies in ``0/``. An interrupted pull goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from connectors.pulling.offset_range import OffsetRange
from connectors.pulling.reading import Reading
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData, CorruptLog, WrongUse
from schemas.registry import check_ids
from streams.log.digest import topic_digest
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import reach
from streams.log.kafka.ranges import held_ranges
from streams.log.kafka.transport import Partition, Reader, TopicChanged
from streams.log.kafka.versions import versions_on
from streams.log.local import LocalLog
from streams.log.manifest import RUN_MANIFEST
from streams.runtime.journal.journal import (
    BATCH,
    CLOSE,
    GENESIS,
    JOURNAL,
    JournalEntry,
    decode_entry,
)
from streams.runtime.live.spec import NoTopology, runtime_name
from streams.runtime.live.stored import ENDS
from streams.runtime.live.topics import know_topics_in

DEAD_LETTERS = "pipeline.dlq"
KEPT_FACTS = (
    "identity",
    "journal_id",
    "environment",
    "topology",
    "shard",
    "clock",
    "code",
    "versions",
    "configuration",
)
"""Facts of the genesis record that ``run.json`` repeats."""
Progress = Callable[[int, int], None]
Held = dict[Partition, tuple[int, int]]
Bad = dict[str, list[tuple[int, bytes]]]


class OtherTopology(WrongUse):
    """The folder holds another topology's journal."""

    code = "other_topology"


class Needs(msgspec.Struct):
    """What a journal says of the other topics.

    Attributes:
        facts: of its genesis record.
        input_ends: per input, offset after the last record consumed; 0: none.
        output_counts: per output, records written.
        clock: after the last record.
        batches, records: so far.
        is_closed: it ends with Close.
        ends: by published output, where it ended then; nothing in the Close of a version before.
    """

    facts: dict[str, Any] = {}
    input_ends: list[int] = []
    output_counts: list[int] = []
    clock: int = 0
    batches: int = 0
    records: int = 0
    is_closed: bool = False
    ends: dict[str, int] = {}

    def add(self, entry: JournalEntry) -> None:
        """Take the next journal record into account. Raises CorruptLog where the first is no
        genesis.
        """
        if entry.sequence == 0:
            if entry.kind != GENESIS:
                raise CorruptLog(
                    "the journal does not begin with a genesis record; retention has removed its "
                    "beginning, or its topic is no journal"
                )
            self.facts = entry.facts
            self.input_ends = [0] * len(entry.facts["inputs"])
            self.output_counts = [0] * len(entry.facts["outputs"])
            return
        self.is_closed = entry.kind == CLOSE
        if self.is_closed:
            self.ends = {str(topic): int(end) for topic, end in entry.facts.get(ENDS, {}).items()}
        if entry.kind != BATCH:
            return
        self.batches += 1
        self.records, self.clock = entry.input_sequence, entry.clock
        if entry.elements is not None:
            for number in range(len(self.input_ends)):
                runs = entry.elements[entry.elements["input"] == number]
                if len(runs):
                    self.input_ends[number] = max(
                        self.input_ends[number], int(runs["last_offset"].max()) + 1
                    )
        for item in entry.outputs:
            self.output_counts[item.output] += item.count


class Pulled(msgspec.Struct):
    """What a pull brought.

    Attributes:
        counts: records in the folder, by topic.
        added: of those, how many are new.
        needs: what the journal says.
        undecodable: by topic, (offset, raw value) of records that do not decode and are no dead
            letters of this topology.
        runs_on: the topology committed more while it was pulled.
    """

    counts: dict[str, int]
    added: dict[str, int]
    needs: Needs
    undecodable: Bad
    runs_on: bool


class TopologyPull:
    """One shard of a topology on its way into a folder.

    Args:
        cluster: where it ran.
        topology: its name.
        shard: which.
        to: ns UTC; the journal is cut behind the last batch whose clock is not later. None: to its
            end.
        on_progress: called with offsets done and in all.
    """

    def __init__(
        self,
        cluster: Cluster,
        topology: str,
        shard: int = 0,
        to: int | None = None,
        on_progress: Progress = lambda _a, _b: None,
    ) -> None:
        self.cluster = cluster
        self.topology = topology
        self.shard = shard
        self.to = to
        self.on_progress = on_progress
        self._admin = reach(cluster)
        self._log = KafkaLog(cluster)
        self._versions = versions_on(cluster)
        self.journal: Partition = cluster.name(runtime_name(topology, JOURNAL)), shard
        self._check_journal()
        self._done = 0
        self._total = 0

    def _check_journal(self) -> None:
        found = self._log.admin().describe([self.journal[0]])
        if self.journal[0] not in found:
            raise NoTopology(
                f"{self.cluster.url} has no topic {self.journal[0]}: no topology {self.topology} "
                "ran there; see 'sq status'"
            )
        if not 0 <= self.shard < found[self.journal[0]].partitions:
            raise NoTopology(
                f"{self.topology} has shards 0 to {found[self.journal[0]].partitions - 1}, not "
                f"{self.shard}"
            )

    def pull(self, folder: LocalLog) -> Pulled:
        """Bring the folder up to the journal's present end.

        Raises:
            NoTopology, OtherTopology, TopicChanged, OffsetOutOfRange, TransportFailed, CorruptLog,
            LogFull, LogWriteFailed.
        """
        reader = self._log.reader(self.cluster.name("pull"))
        try:
            before = {topic: folder.reader(topic).count for topic in folder.topics()}
            (begin, end), *_ = self._held([self.journal]).values()
            needs = self._pull_journal(folder, reader, begin, end)
            know_topics_in(needs.facts)
            self._check_topics(needs.facts)
            items = [
                *needs.facts["inputs"],
                *(item for item in needs.facts["outputs"] if item["published"]),
            ]
            held = self._held([self._partition(item) for item in items])
            bad = self._pull_inputs(folder, reader, needs, held)
            runs_on = self._pull_outputs(folder, reader, needs, end, held, bad)
            counts = {topic: folder.reader(topic).count for topic in folder.topics()}
        finally:
            reader.close()
        added = {topic: count - before.get(topic, 0) for topic, count in counts.items()}
        return Pulled(counts, added, needs, _unexplained(folder, bad), runs_on)

    def _held(self, partitions: list[Partition]) -> dict[Partition, tuple[int, int]]:
        return held_ranges(self._admin, partitions)

    def _pull_journal(self, folder: LocalLog, reader: Reader, begin: int, end: int) -> Needs:
        """The journal up to the clock asked for; what it says of the other topics."""
        needs = Needs()
        if JOURNAL in folder.topics():
            for block in folder.reader(JOURNAL).blocks():
                needs.add(decode_entry(block.body.tobytes()))
            start = folder.writer(JOURNAL).next_offset
        else:
            start = begin
        if needs.facts:
            self._check_same(needs.facts)
        if start >= end and not needs.facts:
            raise NoTopology(
                f"{self.journal[0]}/{self.journal[1]} is empty: shard {self.shard} of "
                f"{self.topology} has not begun; see 'sq status'"
            )
        self._total = end - start
        offset_range = OffsetRange(
            reader,
            self.journal,
            folder.writer(JOURNAL, start, has_holes=True),
            start,
            held_from=begin,
        )
        offset_range.pull(
            end,
            on_entry=lambda body: self._wanted(needs, body),
            on_progress=lambda at: self.on_progress(at - start, 4 * self._total),
        )
        if offset_range.bad:
            raise CorruptLog(
                f"{self.journal[0]}/{self.journal[1]} offset {offset_range.bad[0][0]}: no journal "
                "record, or one that fails its digest"
            )
        if not needs.facts:
            raise CorruptLog(
                f"{self.journal[0]}/{self.journal[1]}: no genesis record before the time asked for"
            )
        return needs

    def _wanted(self, needs: Needs, body: bytes) -> bool:
        """True for a journal record that is to be kept; it is taken into account."""
        entry = decode_entry(body)
        if entry.sequence == 0 and entry.kind == GENESIS:
            needs.add(entry)
            self._check_same(needs.facts)
            return True
        if self.to is not None and entry.clock > self.to:
            return False
        needs.add(entry)
        return True

    def _check_same(self, facts: dict[str, Any]) -> None:
        """The folder's journal is this topology's. Raises OtherTopology."""
        if (facts["topology"], facts["shard"]) != (self.topology, self.shard):
            held = f"shard {facts['shard']} of {facts['topology']}"
            raise OtherTopology(
                f"the folder holds {held}, not shard {self.shard} of {self.topology}; pull into a "
                "new folder, or --fresh"
            )

    def _check_topics(self, facts: dict[str, Any]) -> None:
        """Every topic is the one the journal speaks of. Raises TopicChanged."""
        speaks_of = {
            self._name(item["topic"]): item["topic_id"]
            for item in (*facts["inputs"], *facts["outputs"])
            if item.get("published", True)
        }
        found = self._log.admin().describe(list(speaks_of))
        for name, topic_id in speaks_of.items():
            if name not in found:
                raise TopicChanged(
                    f"topic {name} is gone from the cluster; what an archive of it holds can still "
                    "be verified"
                )
            if topic_id and found[name].topic_id != topic_id:
                raise TopicChanged(
                    f"topic {name} was deleted and made anew since this topology began; its "
                    "records are gone"
                )

    def _name(self, topic: str) -> str:
        return self.cluster.name(runtime_name(self.topology, topic))

    def _partition(self, item: dict[str, Any]) -> Partition:
        return self._name(item["topic"]), int(item["partition"])

    def _pull_inputs(self, folder: LocalLog, reader: Reader, needs: Needs, held: Held) -> Bad:
        """Every input as far as the journal consumed it; records left out because they do not
        decode.
        """
        bad: Bad = {}
        ends = {
            item["topic"]: end
            for item, end in zip(needs.facts["inputs"], needs.input_ends, strict=True)
        }
        self._total = sum(
            max(0, end - int(item["start_offset"]))
            for item, end in zip(needs.facts["inputs"], needs.input_ends, strict=True)
        )
        self._total += sum(needs.output_counts)
        for item in needs.facts["inputs"]:
            topic, start = item["topic"], int(item["start_offset"])
            if ends[topic] <= start:
                continue
            reading, schema = self._reading(item, [int(each) for each in item["schema_ids"]])
            writer = folder.writer(topic, start, has_holes=True, schema=schema)
            partition = self._partition(item)
            offset_range = OffsetRange(
                reader, partition, writer, start, reading, held[partition][0]
            )
            offset_range.pull(ends[topic], on_progress=partial(self._progress, start))
            self._done += ends[topic] - start
            bad[topic] = offset_range.bad
        return bad

    def _pull_outputs(
        self, folder: LocalLog, reader: Reader, needs: Needs, journal_end: int, held: Held, bad: Bad
    ) -> bool:
        """Every published output: the records the journal counts, and where it has not gone on,
        whatever lies behind them too.
        """
        offset_ranges: list[tuple[OffsetRange, int]] = []
        for item, count in zip(needs.facts["outputs"], needs.output_counts, strict=True):
            if not item["published"]:
                continue
            start = int(item["start_offset"])
            there = folder.reader(item["topic"]).count if item["topic"] in folder.topics() else 0
            partition = self._partition(item)
            first, end = held[partition]
            if start >= end and not there:
                continue
            reading, schema = self._reading(
                item,
                [int(item["schema_id"])] if int(item["schema_id"]) >= 0 else [],
                is_input=False,
            )
            writer = folder.writer(item["topic"], start, has_holes=True, schema=schema)
            offset_range = OffsetRange(reader, partition, writer, start, reading, first)
            offset_range.pull(
                end, limit=max(0, count - there), on_progress=partial(self._progress, start)
            )
            self._done += count
            offset_ranges.append((offset_range, end))
        runs_on = self.to is not None or self._held([self.journal])[self.journal][1] != journal_end
        for offset_range, end in offset_ranges:
            if not runs_on:  # behind a Close the topics are another topology's to write
                offset_range.pull(
                    min(end, needs.ends.get(offset_range.writer.topic, 0))
                    if needs.is_closed
                    else end
                )
            if offset_range.bad:
                bad[offset_range.writer.topic] = offset_range.bad
        return runs_on

    def _reading(
        self, item: dict[str, Any], ids: list[int], is_input: bool = True
    ) -> tuple[Reading, str]:
        """How a topic's records are read; the schema it is kept with, empty: ours. What the journal
        pins is what its version read and wrote.

        Raises:
            SchemaIdReassigned: the pinned id does not mean what the journal says.
                RegistryUnreachable, RegistryRefused.
        """
        topic, pinned = item["topic"], item.get("fingerprint")
        ours = codec(topic_of(topic).record).fingerprint
        if ids and pinned and pinned != ours.hex() and self._versions is not None:
            try:
                older = self._versions.of(topic, ids[0])
            except BadData:  # nobody knows it: its records are left out, and told
                return Reading(topic, ids), ""
            check_ids(
                {ids[0]: bytes.fromhex(pinned)},
                {ids[0]: ours if older is None else older.fingerprint},
            )
            if older is not None:
                return Reading(topic, ids[:1], kept=older), older.text
        return Reading(topic, ids, self._versions if is_input else None), ""

    def _progress(self, start: int, at: int) -> None:
        self.on_progress(min(self._done + at - start, self._total), self._total)


def _unexplained(folder: LocalLog, bad: Bad) -> Bad:
    """Records that were left out and are not among the topology's dead letters with the very same
    bytes.
    """
    letters: set[tuple[str, int, bytes]] = set()
    if any(bad.values()) and DEAD_LETTERS in folder.topics():
        decode = codec("DeadLetter").decode_records
        for block in folder.reader(DEAD_LETTERS).blocks():
            letters |= {
                (each.origin_topic, each.origin_offset, each.payload)
                for each in decode(block.body, block.count)
            }
    left = {
        topic: [each for each in found if (topic, *each) not in letters]
        for topic, found in bad.items()
    }
    return {topic: found for topic, found in left.items() if found}


def topic_facts(folder: LocalLog) -> dict[str, dict[str, Any]]:
    """Count, digest and range of offsets of every topic of a pulled folder."""
    found: dict[str, dict[str, Any]] = {}
    for topic in folder.topics():
        reader = folder.reader(topic)
        digest = topic_digest(reader, codec(topic_of(topic).record)).hex()
        found[topic] = {
            "count": reader.count,
            "digest": digest,
            "first_offset": reader.start_offset,
            "end_offset": reader.end_offset,
        }
    return found


def journal_facts(
    facts: dict[str, Any], is_closed: bool, batches: int, records: int, clock: int
) -> dict[str, Any]:
    """What ``run.json`` of a pulled folder says of its journal; ``facts`` are those of the genesis
    record.
    """
    return {
        **{key: facts[key] for key in KEPT_FACTS},
        "status": "closed" if is_closed else "not closed",
        "batches": batches,
        "records": records,
        "clock_end": clock,
    }


def close_pulled(folder: LocalLog, pulled: Pulled, cluster: Cluster) -> dict[str, Any]:
    """Close the folder by ``run.json``; returns it."""
    needs = pulled.needs
    content = {
        **journal_facts(needs.facts, needs.is_closed, needs.batches, needs.records, needs.clock),
        "command": "pull",
        "topics": topic_facts(folder),
        "undecodable": {
            topic: [offset for offset, _ in found]
            for topic, found in sorted(pulled.undecodable.items())
        },
    }
    return folder.seal(RUN_MANIFEST, content)


def open_target(out: Path) -> LocalLog:
    """The folder to pull into: new, empty, or one that an interrupted pull or an archive left.
    Raises LogClosed and what opening raises.
    """
    return LocalLog.open(out, writable=True) if out.exists() else LocalLog.create(out)
