"""A task of a live topology: one shard, its inputs, its outputs, exactly once.

Taking over (:meth:`LiveTask.prepare`):

1. fence producer 0, then producer 1: no former owner can write any more. Beside that, rebuild the state from what is committed already: last good
   snapshot, and the journal after it executed again with every digest checked, emitting nothing
2. only then read the journal's end, and execute what came before it meanwhile; or write the genesis record, where there is no journal
3. what hangs in the journal or in an output, because brokers lost its marker, is aborted and its batches carried out again (:mod:`.hanging`)

A standby calls :meth:`LiveTask.follow` before that: it rebuilds the state while another owns the shard, so that little of it is left at a take-over.

The batch loop (:meth:`LiveTask.step`), by numbers; tests stop the process at each:

1. take what has arrived: control and reference data first, then market data
2. put it in order and execute every stage
3. begin a transaction on producer ``sequence mod 2``
4. write the outputs and the dead letters that are published
5. write the journal record
6. commit: **the commit point**
7. write a snapshot, if one is due

Group offsets are stored apart from all that, for tools; nothing here reads them. Any error in a batch ends the task: what was not committed is
aborted by the next owner, and the state is rebuilt from the journal. Nothing is undone in memory, and no producer is ever rebuilt alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from schemas.errors import WrongUse
from streams.log.kafka.framing import header
from streams.log.kafka.keys import keys_of
from streams.log.kafka.transport import Log, Partition, Reader, Writer
from streams.runtime.execution import Batch
from streams.runtime.journal import BATCH, CLOSE, GENESIS, NO_DIGEST, JournalEntry, OutputEntry
from streams.runtime.live.arrival import Arrival
from streams.runtime.live.care import Care
from streams.runtime.live.clock import SteadyClock
from streams.runtime.live.execution import LiveExecution
from streams.runtime.live.flood import DeadLetterFlood
from streams.runtime.live.hanging import Hanging
from streams.runtime.live.pace import Pace
from streams.runtime.live.recovery import Recovery
from streams.runtime.live.schema_ids import UnresolvedSchemaId
from streams.runtime.live.snapshots import SnapshotWriter
from streams.runtime.live.spec import BatchFacts, Clock, Observer, TaskSpec
from streams.runtime.live.stored import ENDS, framed
from streams.runtime.live.topics import check_topics, genesis_facts
from streams.runtime.snapshot import Snapshot
from streams.runtime.task import JOURNAL


class JournalClosed(WrongUse):
    """The topology was ended for good."""

    code = "journal_closed"


def _ignore(_: str) -> None:
    return None


class LiveTask:
    """See the module's head.

    Args:
        log: the cluster, or the simulator.
        spec: names, inputs, outputs, bounds.
        make: builds the execution from the readers' start offsets: ``make(log, spec, start_offsets)``.
        wall_ns: ns UTC, for the wall clock source; read between batches only.
        monotonic: seconds, for waiting.
        on_step: called with each step's name, for fault tests.
        observer: told of commits, recoveries and waits.
    """

    def __init__(
        self,
        log: Log,
        spec: TaskSpec,
        make: Callable[[Log, TaskSpec, dict[str, int]], LiveExecution],
        wall_ns: Clock = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        on_step: Callable[[str], None] = _ignore,
        observer: Observer | None = None,
    ) -> None:
        self.log = log
        self.spec = spec
        self.make = make
        self.clock = SteadyClock(wall_ns, monotonic, spec.clock_jump_max)
        self.monotonic = monotonic
        self.on_step = on_step
        self.observer = observer or Observer()
        self.sequence = -1
        self.last_digest = NO_DIGEST
        self.last_offsets: dict[str, int] = dict.fromkeys(spec.outputs, -1)
        self.counts: dict[str, int] = dict.fromkeys(spec.outputs, 0)
        self.journal_offset = -1
        self.genesis: dict[str, Any] = {}
        self.is_closed = False
        self.care = Care()
        self._arrival = Arrival(spec.bounds, monotonic)
        self.pace = Pace(spec.bounds)
        self._last_tick = self._last_offsets_stored = self._last_identity = monotonic()
        self._stored: dict[Partition, int] = {}
        self._waiting = ""
        self._last_batch = -1e9
        self.headers = {topic: header(schema_id) for topic, schema_id in spec.schema_ids.items() if schema_id >= 0}
        self.tools: Reader = log.reader(spec.group)
        self.admin = log.admin()
        self.recovery = Recovery(self)

    def follow(self, wait_seconds: float) -> int:
        """Be a standby for a short while: execute what the owner has committed, write nothing, fence nobody; returns the batches.

        Raises:
            JournalClosed: the topology was ended.
            ShrivenError: as :meth:`Recovery.follow`; this task can never be promoted then.
        """
        batches = self.recovery.follow(wait_seconds)
        if self.is_closed:
            raise JournalClosed(f"topology {self.spec.topology} was ended: there is nothing to follow")
        return batches

    def prepare(self) -> None:
        """Become the owner: fence, recover what was not followed yet, or begin.

        Raises:
            OtherIdentity: the journal is another topology's, or of other code.
            Diverged: re-execution did not give the journal's digests.
            JournalClosed: the topology was ended.
            TransportFailed: the log cannot be used.
        """
        self.recovery.take_over()
        self.writers = self._make_writers()
        fenced = self.log.beside(self._fence)
        self.recovery.get_ahead()
        fenced()
        is_there, hanging = self._read(), Hanging(self)
        if hanging.clear():
            is_there = self._read()
        if is_there:
            hanging.carry_out()
            self.recovery.finish()
        else:
            self._begin()
        if self.execution.is_wall:
            self.clock.start(self.execution.present)
        self.snapshots = SnapshotWriter(self.log.plain_writer(), self.admin, self.spec)
        self.on_step("prepared")

    def _read(self) -> bool:
        """The journal, read and executed again to its present end; False if there is none."""
        is_there = self.recovery.read()
        self.on_step("journal read")
        if is_there:
            self.recovery.execute()
        return is_there

    def _make_writers(self) -> list[Writer]:
        return [self.log.writer(self.spec.transactional_id(number)) for number in (0, 1)]  # of even and of odd journal sequences

    def _fence(self) -> None:
        for number, writer in enumerate(self.writers):
            writer.init()
            self.on_step(f"fenced {number}")

    def _begin(self) -> None:
        """Write the genesis record: what will be read, from where, and what will be written."""
        facts = genesis_facts(self.admin, self.tools, self.spec)
        self.execution = self.make(self.log, self.spec, {item["topic"]: item["start_offset"] for item in facts["inputs"]})
        self.genesis = facts
        self._commit(JournalEntry(sequence=0, kind=GENESIS, facts=facts), [])

    def step(self, wait_seconds: float) -> int:
        """One batch, if anything has arrived within ``wait_seconds``; returns the records it consumed.

        Raises:
            ShrivenError: the task is over; make a new one.
        """
        if self.is_closed:
            raise JournalClosed(f"topology {self.spec.topology} was ended; 'sq run' starts another one under another name")
        try:
            self.execution.tell_time(self._now())
            self._arrival.take(self.execution, wait_seconds)
            self.on_step("arrived")
            bound = self.care.bound(self.execution, self.pace.records)
            batch = self._next(bound) if self._arrival.is_due(self.execution, self.monotonic() - self._last_batch, bound) else None
            if batch is not None:
                self.on_step("executed")
                self._write(batch)
            self._look_after()
            return sum(item.count for item in batch.inputs) if batch is not None else 0
        except (DeadLetterFlood, UnresolvedSchemaId):
            if self.execution.consumed:
                self.drain()  # nothing was executed: the state is that of the journal's end, and repaired code can go on from here
            raise
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Abort what is open, where that is possible; the next owner does it otherwise."""
        for writer in getattr(self, "writers", ()):
            writer.abort()

    def _next(self, bound: int) -> Batch | None:
        """The next batch in the live order; waits, for a bounded time, for a partition that is known to hold what comes next."""
        execution, spec = self.execution, self.spec
        if not execution.is_started and not self._can_start():
            return None
        clock = 0
        if execution.is_wall:
            idle = not any(feed.waiting for feed in execution.live)
            if idle and self.monotonic() - self._last_tick < spec.bounds.tick_seconds:
                return None
            clock = self._now()
            self._last_tick = self.monotonic()
        for _ in range(2):
            self._arrival.mark_awaited(execution)
            due = spec.state_digest_records - execution.consumed % spec.state_digest_records
            started = self.monotonic()
            self.on_step("taking")
            batch = execution.next_live(min(bound, spec.bounds.records, due), clock)
            if batch is not None:
                self._work_seconds = self.monotonic() - started
                self.pace.adapt(sum(item.count for item in batch.inputs), self._work_seconds)
                return batch
            if execution.awaited is None:
                return None
            self._arrival.wait_for(execution.awaited)
        return None

    def _now(self) -> int:
        """The time of day; what arrived says whether a wall clock that is far ahead is right."""
        before = bool(self.clock.complaint)
        now = self.clock.read(max(feed.timestamp_ms for feed in self.execution.live) * 1_000_000)
        if bool(self.clock.complaint) != before:
            self._tell(self.clock.complaint)
        return now

    def _can_start(self) -> bool:
        """True once there is market data, and every instrument known now has arrived."""
        execution = self.execution
        if not any(feed.holds_market_data for feed in execution.live if feed.is_market_data):
            return False
        for feed in execution.live:
            if not feed.is_market_data:
                feed.fill_to(feed.source.end(feed.partition))
        if not execution.is_ready():
            self._tell("market data waits for instruments: ref.instruments is empty; 'sq feed' writes it first")
            return False
        self._tell("")
        return True

    def _tell(self, what: str) -> None:
        if what != self._waiting:
            self._waiting = what
            self.observer.waiting(what)

    def _write(self, batch: Batch) -> None:
        """Steps 3 to 7."""
        entries: list[OutputEntry] = []
        for output in batch.outputs:
            number = self.spec.outputs.index(output.topic)
            entries.append(OutputEntry(number, output.count, output.digest, b"", -1, self.last_offsets[output.topic]))
        published = framed(batch.outputs, self.spec.published, self.headers)
        entry = JournalEntry(
            sequence=self.sequence + 1,
            kind=BATCH,
            input_sequence=batch.consumed,
            clock=batch.clock,
            elements=batch.elements,
            inputs=batch.inputs,
            outputs=entries,
        )
        snapshot = None
        counts = {**self.counts, **{output.topic: self.counts[output.topic] + output.count for output in batch.outputs}}
        if batch.consumed and batch.consumed % self.spec.state_digest_records == 0 and batch.inputs:
            snapshot = self._bound_snapshot(entry, counts)
        started = self._last_batch = self.monotonic()
        self._commit(entry, published)
        self.pace.commit_seconds = self.monotonic() - started
        self.counts = counts
        self.observer.committed(
            BatchFacts(
                entry.sequence,
                sum(item.count for item in batch.inputs),
                {self.spec.inputs[item.input]: item.count for item in batch.inputs},
                batch.outputs,
                {self.spec.inputs[item.input]: self.execution.live[item.input].timestamp_ms for item in batch.inputs},
                self._work_seconds,
                self.pace.commit_seconds,
                batch.clock,
            )
        )
        if snapshot is not None:
            self._snapshot(snapshot)

    def _bound_snapshot(self, entry: JournalEntry, counts: dict[str, int]) -> Snapshot:
        """The state behind this journal record, not written yet; the record is given the digests of all of it."""
        snapshot = Snapshot(
            sequence=self.execution.consumed,
            journal_sequence=entry.sequence,
            journal_digest=NO_DIGEST,
            journal_offset=-1,
            feeds=self.execution.positions(),
            counts=dict(counts),
            last_offsets=dict(self.last_offsets),
            instruments=self.execution.known,
            states=self.execution.stage_states(),
            skips=self.execution.skips(),
            code=self.spec.facts.get("code", ""),
        )
        snapshot.bind(entry)
        return snapshot

    def _commit(self, entry: JournalEntry, published: list[tuple[str, list[bytes]]]) -> None:
        """One transaction: outputs and journal record. The writer follows from the journal's sequence alone."""
        spec = self.spec
        entry.previous_digest = self.last_digest
        body = entry.encode()
        writer = self._writer_of(entry.sequence)
        writer.begin()
        self.on_step("begun")
        for topic, values in published:
            writer.produce(*spec.partition_of(topic), values, keys_of(topic, values))
            self.on_step("output written")
        writer.produce(*spec.partition_of(JOURNAL), [self.headers[JOURNAL] + body])
        self.on_step("journal written")
        offsets = writer.commit()
        self.on_step("committed")
        for topic, _ in published:
            self.last_offsets[topic] = offsets[spec.partition_of(topic)]
        self.journal_offset = offsets[spec.partition_of(JOURNAL)]
        self.sequence, self.last_digest = entry.sequence, entry.digest
        self.is_closed = entry.kind == CLOSE

    def _writer_of(self, sequence: int) -> Writer:
        return self.writers[sequence % 2]  # never that of the batch before: its markers may still be on their way

    def _snapshot(self, snapshot: Snapshot) -> None:
        """A cache of the journal, behind its record: queued, never waited for, and worth nothing until it is whole."""
        started = self.monotonic()
        snapshot = msgspec.structs.replace(snapshot, journal_digest=self.last_digest, journal_offset=self.journal_offset)
        size = self.snapshots.write(snapshot)
        self.on_step("snapshot written")
        self.observer.snapshot(size, self.monotonic() - started, self.sequence)

    def positions(self) -> dict[Partition, int]:
        """Next offset to consume, by input partition: past markers and aborted records where nothing is left before them."""
        feeds = self.execution.live
        return {feed.partition: feed.source.position(feed.partition) if not feed.waiting else feed.next_offset for feed in feeds}

    def _look_after(self) -> None:
        """What is due between batches: group offsets, the identity of topics."""
        now = self.monotonic()
        if now - self._last_offsets_stored >= self.spec.bounds.offsets_seconds:
            self._last_offsets_stored = now
            self.store_offsets()
        if now - self._last_identity >= self.spec.bounds.identity_seconds:
            self._last_identity = now
            check_topics(self.admin, self.spec, self.genesis)

    def store_offsets(self, wait: bool = False) -> None:
        """Tell tools how far this task is, if it has moved."""
        positions = self.positions()
        moved = dict(positions.items() - self._stored.items())
        if moved:
            self.tools.commit_position(moved, wait)
            self._stored = positions

    def drain(self) -> None:
        """Stop well: a snapshot at the journal's exact end, offsets stored."""
        if self.execution.is_started and not self.is_closed:
            entry = JournalEntry(
                sequence=self.sequence + 1, kind=BATCH, input_sequence=self.execution.consumed, clock=self.execution.present, elements=None
            )
            snapshot = self._bound_snapshot(entry, self.counts)
            self._commit(entry, [])
            self._snapshot(snapshot)
            self.snapshots.commit()
        self.store_offsets(wait=True)
        self.on_step("drained")

    def end(self) -> None:
        """Close the journal for good: nothing can be appended after it. It says where each output ends: what lies before is this topology's alone."""
        if not self.is_closed:
            facts = {ENDS: {topic: self.tools.end(self.spec.partition_of(topic)) for topic in self.spec.published}}
            self._commit(JournalEntry(sequence=self.sequence + 1, kind=CLOSE, input_sequence=self.execution.consumed, facts=facts), [])

    def close(self) -> None:
        """Give connections back."""
        if hasattr(self, "execution"):
            self.execution.close()
        for each in (*getattr(self, "writers", ()), self.tools, self.recovery):
            each.close()
