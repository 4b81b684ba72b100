"""The task and its execution, broken on purpose; ``mutations.py`` says what each is, and by what it must be caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import Fenced, OutcomeUnknown, TransportFailed
from streams.runtime.journal import JournalEntry
from streams.runtime.live.snapshots import SnapshotWriter
from streams.runtime.live.stored import read_journal
from streams.runtime.live.task import LiveTask
from streams.runtime.task import JOURNAL
from tests.simulation.stand_in import StandInExecution, StandInFeed

if TYPE_CHECKING:
    from tests.simulation.process import Process

Published = list[tuple[str, list[bytes]]]


# mutations of the task: each returns a broken subclass


def _from_group_offsets(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def prepare(self) -> None:
            super().prepare()
            stored = self.log.broker.group_offsets
            for feed in self.execution.live:
                feed.seek(stored.get((self.spec.group, feed.partition), 0), feed.maximum_consumed)

    return Broken


def _journal_outside(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def _commit(self, entry: JournalEntry, published: Published) -> None:
            entry.previous_digest = self.last_digest
            value = self.headers[JOURNAL] + entry.encode()
            writer = self._writer_of(entry.sequence)
            writer.begin()
            for topic, values in published:
                writer.produce(*self.spec.partition_of(topic), values)
            offsets = writer.commit()
            self.on_step("committed")
            plain = self.log.plain_writer()
            plain.produce(*self.spec.partition_of(JOURNAL), [value])
            self._done(entry, published, {**offsets, **plain.commit()})

        _done = _take_for_done

    return Broken


def _take_for_done(self: Any, entry: JournalEntry, published: Published, offsets: Any) -> None:
    for topic, _ in published:
        self.last_offsets[topic] = offsets[self.spec.partition_of(topic)]
    self.journal_offset = offsets[self.spec.partition_of(JOURNAL)]
    self.sequence, self.last_digest = entry.sequence, entry.digest


def _outputs_before_begin(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def _commit(self, entry: JournalEntry, published: Published) -> None:
            plain = self.log.plain_writer()
            for topic, values in published:
                plain.produce(*self.spec.partition_of(topic), values)
            offsets = plain.commit()
            super()._commit(entry, [])
            for topic, _ in published:
                self.last_offsets[topic] = offsets[self.spec.partition_of(topic)]

    return Broken


def _random_id(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def _make_writers(self) -> list[Any]:
            return [self.log.writer(f"{self.spec.transactional_id(number)}-{process.name}") for number in (0, 1)]

    return Broken


def _read_before_init(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def prepare(self) -> None:
            is_there = self.recovery.read()
            self.writers = self._make_writers()
            for writer in self.writers:
                writer.init()
            if is_there:
                self.recovery.execute()
                self.recovery.finish()
            else:
                self._begin()
            self.snapshots = SnapshotWriter(self.log.plain_writer(), self.admin, self.spec)

    return Broken


def _again(self: Any) -> None:
    """Rebuild both producers and go on in the same process."""
    for writer in self.writers:
        writer.abort()
    self.writers = self._make_writers()
    for writer in self.writers:
        writer.init()


def _unknown_failed(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def _commit(self, entry: JournalEntry, published: Published) -> None:
            try:
                super()._commit(entry, published)
            except OutcomeUnknown:
                _again(self)
                self._commit(entry, published)

    return Broken


def _unknown_done(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def _commit(self, entry: JournalEntry, published: Published) -> None:
            try:
                super()._commit(entry, published)
            except OutcomeUnknown:
                offsets = dict(self._writer_of(entry.sequence)._written)
                _again(self)
                _take_for_done(self, entry, published, offsets)

    return Broken


def _state_kept(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def _write(self, batch: Any) -> None:
            try:
                super()._write(batch)
            except Fenced:
                raise
            except TransportFailed:
                _again(self)
                for code, first, _, _ in reversed(batch.elements.tolist()):
                    if code >= 0:
                        feed = self.execution.live[code]
                        feed.seek(first, feed.maximum_consumed)

    return Broken


def _local_counter(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def _writer_of(self, sequence: int) -> Any:
            count = process.memory["batches"] = process.memory.get("batches", -1) + 1
            return self.writers[count % 2]

    return Broken


def _free_producer(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def _writer_of(self, sequence: int) -> Any:
            if not hasattr(self, "_shift"):
                self._shift = process.random.randrange(2) - sequence  # whichever is free
            return self.writers[(sequence + self._shift) % 2]

    return Broken


def _one_fenced(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def _make_writers(self) -> list[Any]:
            writers = super()._make_writers()
            state = self.log.broker.coordinated.get(self.spec.transactional_id(1))
            if state is not None and state.epoch >= 0:
                writers[1].epoch = state.epoch  # uses what is there
                writers[1].init = lambda: None
            return writers

    return Broken


def _not_drained(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def prepare(self) -> None:
            if self.recovery.is_begun:
                self.recovery.pending.clear()
                self.recovery.read = lambda: True
            super().prepare()

    return Broken


def _unbound(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def prepare(self) -> None:
            find = self.recovery._from

            def unbound(reader: Any, snapshot: Any, begin: int, end: int) -> Any:
                found = find(reader, snapshot, begin, end)
                if found is not None or not begin <= snapshot.journal_offset < end:
                    return found
                entries = list(read_journal(reader, self.recovery.partition, snapshot.journal_offset, end))
                return entries if entries and [digest for _, digest in entries[0][1].states] == snapshot.digests() else None

            self.recovery._from = unbound
            super().prepare()

    return Broken


def _hanging_left(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def prepare(self) -> None:
            self.admin.open_ranges = lambda partitions: {}
            super().prepare()

    return Broken


def _wall_believed(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def _now(self) -> int:
            return process.clock_ns()

    return Broken


def _dates_believed(process: Process, kind: type[LiveTask]) -> type[LiveTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def step(self, wait_seconds: float) -> int:
            self.execution.tell_time = lambda now: None
            return super().step(wait_seconds)

    return Broken


TASKS: dict[str, Callable[[Process, type[LiveTask]], type[LiveTask]]] = {
    "recovery-from-group-offsets": _from_group_offsets,
    "journal-outside-transaction": _journal_outside,
    "outputs-before-begin": _outputs_before_begin,
    "random-transactional-id": _random_id,
    "journal-read-before-init": _read_before_init,
    "unknown-treated-as-failed": _unknown_failed,
    "unknown-treated-as-done": _unknown_done,
    "state-kept-after-abort": _state_kept,
    "first-batch-on-free-producer": _free_producer,
    "process-local-counter": _local_counter,
    "one-producer-fenced-only": _one_fenced,
    "standby-not-drained": _not_drained,
    "hanging-left": _hanging_left,
    "snapshot-unbound": _unbound,
    "wall-clock-believed": _wall_believed,
    "dates-believed": _dates_believed,
}


# mutations of the execution


def _reads_clock(process: Process, execution: StandInExecution) -> StandInExecution:
    execution.now = lambda: max(execution.present, process.clock_ns())  # type: ignore[method-assign]
    return execution


def _by_event_time(process: Process, execution: StandInExecution) -> StandInExecution:
    def repeat(elements: Any) -> Any:
        runs = [run for run in elements.tolist() if run[0] >= 0]
        for feed in execution.live:
            wanted = sum(run[3] for run in runs if run[0] == feed.code)
            while feed.waiting < wanted:
                feed.fill(0.1)
        taken = [execution._take(execution.live[run[0]]) for run in runs for _ in range(run[3])]
        return execution._execute(sorted(taken, key=lambda each: each[2][HEADER_BYTES : HEADER_BYTES + 8]), None)

    execution.repeat_batch = repeat  # type: ignore[method-assign]
    return execution


def _no_letters(process: Process, execution: StandInExecution) -> StandInExecution:
    execute = execution._execute

    def without(order: Any, clock: Any) -> Any:
        batch = execute(order, clock)
        batch.outputs[:] = [output for output in batch.outputs if output.topic != "pipeline.dlq"]
        return batch

    execution._execute = without  # type: ignore[method-assign]
    return execution


def _plus_one(process: Process, execution: StandInExecution) -> StandInExecution:
    for feed in execution.live:

        class Counting(StandInFeed):
            """Its next offset is the first one plus what was consumed."""

            counted = feed.next_offset

            @property
            def next_offset(self) -> int:
                return self.counted

            @next_offset.setter
            def next_offset(self, offset: int) -> None:
                self.counted += 1

            def seek(self, offset: int, maximum: int) -> None:
                super().seek(offset, maximum)
                self.counted = offset

        feed.__dict__.pop("next_offset")
        feed.__class__ = Counting
    return execution


EXECUTIONS: dict[str, Callable[[Process, StandInExecution], StandInExecution]] = {
    "clock-read-in-apply": _reads_clock,
    "replay-by-event-time": _by_event_time,
    "dead-letter-skipped": _no_letters,
    "offset-plus-one": _plus_one,
}
