"""The task and its execution, broken on purpose; ``mutations.py`` says what each is, and by what it
must be caught.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import Fenced, OutcomeUnknown, TransportFailed
from streams.runtime.journal.journal import JOURNAL, JournalEntry
from streams.runtime.live.shard import ShardTask
from streams.runtime.live.stored import framed, read_journal
from tests.simulation.stand_in import StandInExecution, StandInFeed

if TYPE_CHECKING:
    from tests.simulation.process import Process

# mutations of the task: each returns a broken subclass


def _broken(kind: type[ShardTask], change: Callable[[Any], None]) -> type[ShardTask]:
    """The task whose log is changed so."""

    class Broken(kind):  # type: ignore[valid-type, misc]
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            change(self.log)

    return Broken


def _from_group_offsets(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def prepare(self) -> None:
            super().prepare()
            stored = self.log.cluster.broker.group_offsets
            for feed in self.execution.feeds:
                feed.seek(
                    stored.get((self.log.spec.group, feed.partition), 0), feed.maximum_consumed
                )

    return Broken


def _journal_outside(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    def change(log: Any) -> None:
        def commit(entry: JournalEntry) -> None:
            value = log.headers[JOURNAL] + entry.encode()
            offsets = log.transaction_of(entry.sequence).commit()
            log.on_step("committed")
            plain = log.cluster.plain_writer()
            plain.produce(*log.partition, [value])
            log.committed({**offsets, **plain.commit()})

        log.commit = commit

    return _broken(kind, change)


def _outputs_before_begin(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    def change(log: Any) -> None:
        append = log.append

        def early(sequence: int, outputs: Sequence[Any], clock: int) -> Any:
            entries = log.entries_of(outputs)
            plain = log.cluster.plain_writer()
            written = framed(outputs, log.spec.published, log.headers)
            for topic, values in written:
                plain.produce(*log.spec.partition_of(topic), values)
            offsets = plain.commit()
            append(sequence, [], clock)
            for topic, _ in written:
                log.last_offsets[topic] = offsets[log.spec.partition_of(topic)]
            return entries

        log.append = early

    return _broken(kind, change)


def _random_id(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    def change(log: Any) -> None:
        log.make_writers = lambda: [
            log.cluster.writer(f"{log.spec.transactional_id(number)}-{process.name}")
            for number in (0, 1)
        ]

    return _broken(kind, change)


def _read_before_init(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def prepare(self) -> None:
            is_there = self.recovery.read()
            self.log.own(lambda: None)
            if is_there:
                self.recovery.execute()
                self.recovery.finish()
            else:
                self._begin()

    return Broken


def _again(log: Any) -> None:
    """Rebuild both producers and go on in the same process."""
    for writer in log.writers:
        writer.abort()
    log.writers = log.make_writers()
    for writer in log.writers:
        writer.init()


def _unknown_failed(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    def change(log: Any) -> None:
        append, commit = log.append, log.commit
        last: list[Any] = []

        def remembered(*batch: Any) -> Any:
            last[:] = batch
            return append(*batch)

        def again(entry: JournalEntry) -> None:
            try:
                commit(entry)
            except OutcomeUnknown:
                _again(log)
                if last and last[0] == entry.sequence:
                    append(*last)
                log.commit(entry)

        log.append, log.commit = remembered, again

    return _broken(kind, change)


def _unknown_done(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    def change(log: Any) -> None:
        commit = log.commit

        def done(entry: JournalEntry) -> None:
            try:
                commit(entry)
            except OutcomeUnknown:
                offsets = dict(log.writer_of(entry.sequence)._written)
                _again(log)
                log.committed(offsets)

        log.commit = done

    return _broken(kind, change)


def _state_kept(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def write(self, batch: Any, state: Any) -> None:
            try:
                super().write(batch, state)
            except Fenced:
                raise
            except TransportFailed:
                _again(self.log)
                for code, first, _, _ in reversed(batch.elements.tolist()):
                    if code >= 0:
                        feed = self.execution.feeds[code]
                        feed.seek(first, feed.maximum_consumed)

    return Broken


def _local_counter(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    def change(log: Any) -> None:
        def writer_of(sequence: int) -> Any:
            count = process.memory["batches"] = process.memory.get("batches", -1) + 1
            return log.writers[count % 2]

        log.writer_of = writer_of

    return _broken(kind, change)


def _free_producer(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    def change(log: Any) -> None:
        shift: list[int] = []

        def writer_of(sequence: int) -> Any:
            if not shift:
                shift.append(process.random.randrange(2) - sequence)  # whichever is free
            return log.writers[(sequence + shift[0]) % 2]

        log.writer_of = writer_of

    return _broken(kind, change)


def _one_fenced(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    def change(log: Any) -> None:
        make = log.make_writers

        def make_writers() -> list[Any]:
            writers: list[Any] = make()
            state = log.cluster.broker.coordinated.get(log.spec.transactional_id(1))
            if state is not None and state.epoch >= 0:
                writers[1].epoch = state.epoch  # uses what is there
                writers[1].init = lambda: None
            return writers

        log.make_writers = make_writers

    return _broken(kind, change)


def _not_drained(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def prepare(self) -> None:
            if self.recovery.is_begun:
                self.recovery.pending.clear()
                self.recovery.read = lambda: True
            super().prepare()

    return Broken


def _unbound(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    def change(log: Any) -> None:
        make = log.journal

        def journal(rejected: Callable[[], None]) -> Any:
            made = make(rejected)
            find = made.entries_from

            def unbound(reader: Any, snapshot: Any, begin: int, end: int) -> Any:
                found = find(reader, snapshot, begin, end)
                if found is not None or not begin <= snapshot.journal_offset < end:
                    return found
                entries = list(read_journal(reader, made.partition, snapshot.journal_offset, end))
                return (
                    entries
                    if entries
                    and [digest for _, digest in entries[0][1].states] == snapshot.digests()
                    else None
                )

            made.entries_from = unbound
            return made

        log.journal = journal

    return _broken(kind, change)


def _hanging_left(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    def change(log: Any) -> None:
        log.admin.open_ranges = lambda partitions: {}

    return _broken(kind, change)


def _wall_believed(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def prepare(self) -> None:
            self.inputs.now = process.clock_ns
            super().prepare()

    return Broken


def _dates_believed(process: Process, kind: type[ShardTask]) -> type[ShardTask]:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def step(self, wait_seconds: float) -> int:
            self.inputs.order.set_time = lambda now: None
            return super().step(wait_seconds)

    return Broken


TASKS: dict[str, Callable[[Process, type[ShardTask]], type[ShardTask]]] = {
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
        for feed in execution.feeds:
            wanted = sum(run[3] for run in runs if run[0] == feed.code)
            while feed.waiting < wanted:
                feed.fill(0.1)
        taken = [execution._take(execution.feeds[run[0]]) for run in runs for _ in range(run[3])]
        return execution._execute(
            sorted(taken, key=lambda each: each[2][HEADER_BYTES : HEADER_BYTES + 8]), None
        )

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
    for feed in execution.feeds:

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
