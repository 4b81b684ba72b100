"""One shard of a topology as a task's log: topics of a cluster, written in transactions of two
producers.

Implements ``streams/runtime/recovery/task_log.py``. A batch's outputs and its journal record are
one transaction of producer ``sequence mod 2``, never that of the batch before: its markers may
still be on their way. Owning the shard is fencing producer 0, then producer 1. Group offsets are
stored apart from all that, for tools; nothing here reads them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from streams.log.kafka.framing import header
from streams.log.kafka.keys import keys_of
from streams.log.kafka.transport import Log, Partition, Reader, Writer
from streams.runtime.journal.batch import Batch, Output
from streams.runtime.journal.journal import JOURNAL, JournalEntry, OutputEntry
from streams.runtime.journal.snapshot import Snapshot
from streams.runtime.live.hanging import Hanging
from streams.runtime.live.published import difference_on_log, last_offsets
from streams.runtime.live.shard_journal import ShardJournal
from streams.runtime.live.snapshots import SnapshotWriter
from streams.runtime.live.spec import TaskSpec
from streams.runtime.live.stored import ENDS, framed
from streams.runtime.live.topics import check_topics, genesis_facts
from streams.runtime.recovery.task import Task, ignore


class ShardLog:
    """See the module's head.

    Args:
        cluster: or the simulator.
        spec: names, inputs, outputs, bounds.
        on_step: called with each step's name, for fault tests.
        monotonic: seconds.

    Attributes:
        partition: of the journal.
        journal_offset: of the journal record that the state is behind.
        last_offsets: by output, offset of the last record before the next journal record's own (-1:
            none).
    """

    def __init__(
        self,
        cluster: Log,
        spec: TaskSpec,
        on_step: Callable[[str], None] = ignore,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cluster = cluster
        self.spec = spec
        self.on_step = on_step
        self.monotonic = monotonic
        self.facts = spec.facts
        self.inputs: Sequence[str] = spec.inputs
        self.outputs: Sequence[str] = spec.outputs
        self.partition: Partition = spec.partition_of(JOURNAL)
        name = "/".join(map(str, self.partition))
        self.title = f"topology {spec.topology}"
        self.of = f" of {name}"
        self.advice = (
            f"the task halts. 'sq verify kafka://... --topology {spec.topology}' says more"
        )
        self.journal_offset = -1
        self.last_offsets: dict[str, int] = dict.fromkeys(spec.outputs, -1)
        self.headers = {
            topic: header(schema_id)
            for topic, schema_id in spec.schema_ids.items()
            if schema_id >= 0
        }
        self.tools: Reader = cluster.reader(spec.group)
        self.admin = cluster.admin()
        self.writers: list[Writer] = []
        self._open: tuple[int, Writer] | None = None
        self._written: list[str] = []
        self._latest: dict[str, tuple[int, int]] = {}
        self._stored: dict[Partition, int] = {}
        self._last_offsets_stored = self._last_check = monotonic()

    # owning

    def own(self, meanwhile: Callable[[], None]) -> None:
        """Fence both producers, one after the other, beside other work."""
        self.writers = self.make_writers()
        fenced = self.cluster.beside(self._fence)
        meanwhile()
        fenced()
        self.snapshots = SnapshotWriter(self.cluster.plain_writer(), self.admin, self.spec)

    def make_writers(self) -> list[Writer]:
        """Of even and of odd journal sequences."""
        return [self.cluster.writer(self.spec.transactional_id(number)) for number in (0, 1)]

    def _fence(self) -> None:
        for number, writer in enumerate(self.writers):
            writer.init()
            self.on_step(f"fenced {number}")

    def journal(self, rejected: Callable[[], None]) -> ShardJournal:
        """Its reader."""
        self._latest = {}
        return ShardJournal(self.cluster, self.spec, self.admin, rejected)

    def loose_ends(self, task: Task) -> Hanging:
        """Transactions whose markers a broker lost."""
        return Hanging(task, self)

    def begin(self) -> dict[str, Any]:
        """What will be read, from where, and what will be written."""
        return genesis_facts(self.admin, self.tools, self.spec)

    # recovering

    def stand_at(self, place: int, snapshot: Snapshot | None = None) -> None:
        """Where the next record's transaction follows."""
        self.journal_offset = place
        if snapshot is not None:
            self.last_offsets.update(snapshot.last_offsets)

    def note(self, entry: JournalEntry) -> None:
        """Where its records lie is found at the end, for the last record of each output."""
        for output in entry.outputs:
            topic = self.spec.outputs[output.output]
            if topic in self.spec.published:
                self._latest[topic] = output.previous_offset, output.count

    def last_written(self, topic: str) -> tuple[int, int]:
        """Of the last batch that wrote to a published output: the offset of the record before it
        (-1: none), and its records (0: no batch).
        """
        return self._latest.get(topic, (-1, 0))

    def settle(self, genesis: dict[str, Any]) -> None:
        """Find where the last batch's records lie in each output."""
        starts = {item["topic"]: int(item.get("start_offset", 0)) for item in genesis["outputs"]}
        self.last_offsets.update(last_offsets(self.cluster, self.spec, self._latest, starts))

    def difference(self, entry: JournalEntry, batch: Batch) -> str:
        """Of the published outputs."""
        return difference_on_log(self.cluster, self.spec, entry, batch)

    # batches

    def append(self, sequence: int, outputs: Sequence[Output], clock: int) -> list[OutputEntry]:
        """Step 3: begin the transaction and write the published outputs. The others are digested in
        the journal only.
        """
        writer = self.transaction_of(sequence)
        for topic, values in framed(outputs, self.spec.published, self.headers):
            writer.produce(*self.spec.partition_of(topic), values, keys_of(topic, values))
            self._written.append(topic)
            self.on_step("output written")
        return self.entries_of(outputs)

    def entries_of(self, outputs: Sequence[Output]) -> list[OutputEntry]:
        """What the journal says of outputs that are written next."""
        number = self.spec.outputs.index
        return [
            OutputEntry(
                number(each.topic), each.count, each.digest, b"", -1, self.last_offsets[each.topic]
            )
            for each in outputs
        ]

    def transaction_of(self, sequence: int) -> Writer:
        """The producer of this journal record, its transaction begun."""
        if self._open is None or self._open[0] != sequence:
            self._written = []
            writer = self.writer_of(sequence)
            writer.begin()
            self._open = sequence, writer
            self.on_step("begun")
        return self._open[1]

    def commit(self, entry: JournalEntry) -> None:
        """Steps 5 and 6: the journal record, in the transaction of its outputs."""
        writer = self.transaction_of(entry.sequence)
        writer.produce(*self.partition, [self.headers[JOURNAL] + entry.encode()])
        self.on_step("journal written")
        offsets = writer.commit()
        self.on_step("committed")
        self.committed(offsets)

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """The transaction is committed; its last records lie at these offsets."""
        self._open = None
        for topic in self._written:
            self.last_offsets[topic] = offsets[self.spec.partition_of(topic)]
        self.journal_offset = offsets[self.partition]

    def writer_of(self, sequence: int) -> Writer:
        """The producer of a journal record; it follows from the sequence alone."""
        return self.writers[sequence % 2]

    # snapshots

    def complete(self, snapshot: Snapshot, entry: JournalEntry, execution: Any) -> Snapshot:
        """With where outputs end, what the stages were built over and what was left out. The
        journal record binds all of it.
        """
        snapshot = msgspec.structs.replace(
            snapshot,
            last_offsets=dict(self.last_offsets),
            instruments=execution.known,
            skips=execution.skips(),
            code=self.facts.get("code", ""),
        )
        snapshot.bind(entry)
        return snapshot

    def write_snapshot(self, snapshot: Snapshot) -> int:
        """Queued, never waited for."""
        return self.snapshots.write(
            msgspec.structs.replace(snapshot, journal_offset=self.journal_offset)
        )

    # for tools

    def check(self, genesis: dict[str, Any]) -> None:
        """Refuse topics that were made anew. Raises TopicChanged."""
        now = self.monotonic()
        if now - self._last_check >= self.spec.bounds.identity_seconds:
            self._last_check = now
            check_topics(self.admin, self.spec, genesis)

    def look_after(self, execution: Any) -> None:
        """Store group offsets."""
        now = self.monotonic()
        if now - self._last_offsets_stored >= self.spec.bounds.offsets_seconds:
            self._last_offsets_stored = now
            self.store_offsets(execution)

    def store_offsets(self, execution: Any, wait: bool = False) -> None:
        """Tell tools how far this task is, if it has moved."""
        moved = dict(positions_of(execution).items() - self._stored.items())
        if moved:
            self.tools.commit_position(moved, wait)
            self._stored = positions_of(execution)

    def flush(self, execution: Any) -> None:
        """Snapshot and group offsets are there for whoever comes next."""
        self.snapshots.commit()
        self.store_offsets(execution, wait=True)

    def closing_facts(self) -> dict[str, Any]:
        """Where each output ends: what lies before is this topology's alone."""
        return {
            ENDS: {
                topic: self.tools.end(self.spec.partition_of(topic))
                for topic in self.spec.published
            }
        }

    def abandon(self) -> None:
        """Abort what is open."""
        for writer in self.writers:
            writer.abort()

    def close(self) -> None:
        """Close producers and the tools' reader."""
        for writer in self.writers:
            writer.close()
        self.tools.close()


def positions_of(execution: Any) -> dict[Partition, int]:
    """Next offset to consume, by input partition: past markers and aborted records where nothing is
    left before them.
    """
    return {
        feed.partition: feed.source.position() if not feed.waiting else feed.next_offset
        for feed in execution.feeds
    }
