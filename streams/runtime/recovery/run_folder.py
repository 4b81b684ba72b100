"""A run folder as a task's log: blocks that are appended and synced, a journal whose record is the
commit point.

Implements ``task_log.py``. A folder has one writer by its lock, so owning it is having opened it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import CorruptLog
from streams.log.digest import TopicDigest, digest_so_far
from streams.log.local import LocalLog
from streams.runtime.failures import OtherIdentity
from streams.runtime.journal.batch import Batch, Output
from streams.runtime.journal.entry_validation import MalformedJournal, malformed
from streams.runtime.journal.journal import (
    BATCH,
    CLOSE,
    GENESIS,
    JOURNAL,
    JournalEntry,
    OutputEntry,
    decode_entry,
)
from streams.runtime.journal.made_by import version_of
from streams.runtime.journal.observer import Observer
from streams.runtime.journal.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.journal.snapshot import Snapshot, lies_behind, read_snapshots, write_snapshot
from streams.runtime.recovery.execution import Execution
from streams.runtime.recovery.task import STATE_DIGEST_RECORDS, Task, ignore
from streams.runtime.recovery.task_inputs import RecordedInputs
from streams.runtime.recovery.task_log import Beginning, Stored
from streams.runtime.tools.code import changed_sources


def folder_task(
    folder: LocalLog,
    execution: Execution,
    genesis: dict[str, Any],
    batch_records: int = 65_536,
    state_digest_records: int = STATE_DIGEST_RECORDS,
    on_step: Callable[[str], None] = ignore,
    observer: Observer | None = None,
    script: Iterator[JournalEntry] | None = None,
    threads: int | None = None,
) -> Task:
    """A task that runs an execution into a run folder.

    Args:
        folder: opened for writing.
        execution: topology over its inputs.
        genesis: facts for record 0; ``identity`` and ``code`` among them decide whether an
            unfinished run may go on.
        batch_records: most input records in a batch.
        state_digest_records, on_step, observer: as :class:`Task`.
        script, threads: as :class:`RecordedInputs`.
    """
    inputs = RecordedInputs(
        execution, batch_records, state_digest_records, on_step, script, threads
    )
    return Task(
        RunFolder(folder, execution, genesis, on_step),
        inputs,
        state_digest_records,
        on_step,
        observer,
    )


class RunFolder:
    """See the module's head.

    Args:
        folder: opened for writing.
        execution: whose outputs are written.
        facts: for record 0.
        on_step: called with each step's name, for fault tests.

    Attributes:
        reports: what was found torn and cut, for the user.
    """

    title = "the run"
    of = ""
    advice = "'sq verify' says more, --fresh starts over"

    def __init__(
        self,
        folder: LocalLog,
        execution: Execution,
        facts: dict[str, Any],
        on_step: Callable[[str], None] = ignore,
    ) -> None:
        self.folder = folder
        self.facts = facts
        self.outputs: Sequence[str] = execution.outputs
        self.inputs: Sequence[str] = [feed.topic for feed in execution.feeds]
        self.begins = [feed.offset for feed in execution.feeds]
        self.on_step = on_step
        self.reports: list[str] = []
        self.writers = {
            topic: folder.writer(topic) for topic in [*self.outputs, JOURNAL, SNAPSHOTS]
        }
        self._digests: dict[str, TopicDigest] = {}

    def own(self, meanwhile: Callable[[], None]) -> None:
        """It was opened for writing, and is read by its owner alone."""

    def journal(self, rejected: Callable[[], None]) -> RunJournal:
        """Its reader."""
        return RunJournal(self)

    def loose_ends(self, task: Task) -> TornTail:
        """What lies in outputs behind the journal's end."""
        return TornTail(self, task)

    def begin(self) -> dict[str, Any]:
        """A journal that begins where nothing is; outputs of a run that died before its first
        record are cut.
        """
        self.cut(dict.fromkeys(self.outputs, 0))
        return self.facts

    def stand_at(self, place: int, snapshot: Snapshot | None = None) -> None:
        """A run's journal records follow one another, and its outputs say themselves where they
        end.
        """

    def note(self, entry: JournalEntry) -> None:
        """Counts say where outputs end."""

    def settle(self, genesis: dict[str, Any]) -> None:
        """Outputs were cut to the journal's counts."""

    def cut(self, counts: dict[str, int]) -> None:
        """Cut every output back to what the journal commits.

        Raises:
            CorruptLog: an output holds less, or is damaged before that.
        """
        for topic, count in counts.items():
            writer = self.writers[topic]
            if writer.fault is not None and writer.fault.offset < count:
                raise writer.fault
            if writer.next_offset < count:
                raise CorruptLog(
                    f"{topic} holds {writer.next_offset} records, the journal committed {count}; "
                    "start over with --fresh"
                )
            if writer.next_offset > count or writer.fault is not None:
                self.reports.append(
                    f"{topic}: {writer.next_offset - count} records after the journal's end are cut"
                )
                writer.truncate(count)

    def append(self, sequence: int, outputs: Sequence[Output], clock: int) -> list[OutputEntry]:
        """Steps 3 and 4."""
        entries: list[OutputEntry] = []
        for output in outputs:
            writer = self.writers[output.topic]
            self._digest_of(output.topic).update(output.body, output.count, output.end_of)
            checksum = writer.append(output.body, output.count, clock)
            number = self.outputs.index(output.topic)
            entries.append(
                OutputEntry(number, output.count, output.digest, checksum, writer.end_position, -1)
            )
            self.on_step("output appended")
        for output in outputs:
            self.writers[output.topic].sync()
        self.on_step("outputs synced")
        return entries

    def commit(self, entry: JournalEntry) -> None:
        """Steps 5 and 6."""
        writer = self.writers[JOURNAL]
        writer.append(entry.encode(), 1)
        self.on_step("journal appended")
        writer.sync()
        if entry.kind == BATCH:  # steps are a batch's
            self.on_step("committed")

    def complete(self, snapshot: Snapshot, entry: JournalEntry, execution: Any) -> Snapshot:
        """The journal is read whole at a recovery, and says all but the states."""
        entry.states = list(enumerate(snapshot.digests()))
        return snapshot

    def write_snapshot(self, snapshot: Snapshot) -> int:
        """Append and sync its chunks."""
        return write_snapshot(self.writers[SNAPSHOTS], snapshot)

    def check(self, genesis: dict[str, Any]) -> None:
        """Inputs are digested as they are read."""

    def look_after(self, execution: Any) -> None:
        """No tool asks."""

    def difference(self, entry: JournalEntry, batch: Batch) -> str:
        """``sq verify`` says it."""
        return ""

    def closing_facts(self) -> dict[str, Any]:
        """The manifest says where outputs end."""
        return {}

    def flush(self, execution: Any) -> None:
        """Nothing is queued."""

    def abandon(self) -> None:
        """What lies behind the journal's end is cut by the next owner."""

    def close(self) -> None:
        """Whoever opened the folder closes it."""

    def _digest_of(self, topic: str) -> TopicDigest:
        """The topic's digest so far; what a process before this one wrote is read for it once."""
        if topic not in self._digests:
            coder = codec(topic_of(topic).record)
            is_new = not self.writers[topic].next_offset
            self._digests[topic] = (
                TopicDigest(coder.fingerprint)
                if is_new
                else digest_so_far(self.folder.reader(topic), coder)
            )
        return self._digests[topic]

    def topics(self, counts: dict[str, int]) -> dict[str, dict[str, Any]]:
        """Count and digest of each output, as a manifest has them."""
        return {
            topic: {"count": count, "digest": self._digest_of(topic).digest().hex()}
            for topic, count in counts.items()
        }


class TornTail:
    """What a killed task wrote behind its journal's end; see ``task_log.LooseEnds``."""

    def __init__(self, log: RunFolder, task: Task) -> None:
        self.log = log
        self.task = task

    def clear(self) -> bool:
        """Nothing hangs in a folder: the journal's end stays where it is."""
        return False

    def carry_out(self) -> None:
        """Cut it. Raises CorruptLog where an output holds less than the journal says."""
        self.log.cut(self.task.counts)


class RunJournal:
    """Reads a run folder's journal and snapshots; see ``task_log.Journal``."""

    def __init__(self, log: RunFolder) -> None:
        self.log = log
        self._next = 0

    def begin(self) -> Beginning | None:
        """As declared there. A last record that was torn is cut.

        Raises:
            MalformedJournal: a batch record says what none can.
        """
        log = self.log
        entries = self._entries()
        if not entries:
            return None
        first = entries[0]
        if first.kind != GENESIS:
            raise CorruptLog(
                "the journal does not begin with a genesis record; start over with --fresh"
            )
        check_identity(first.facts, log.facts)
        for entry in entries:
            wrong = (
                malformed(entry, len(log.inputs), len(log.outputs)) if entry.kind == BATCH else ""
            )
            if wrong:
                raise MalformedJournal(
                    f"journal record {entry.sequence} was changed: {wrong}; restore the folder, or "
                    "start over with --fresh"
                )
        snapshot, start = self._snapshot(entries) if entries[-1].kind != CLOSE else (None, 1)
        self._next = len(entries)
        stored: list[Stored] = list(enumerate(entries))
        return Beginning(stored[0], snapshot, stored[start:], first.facts)

    def _entries(self) -> list[JournalEntry]:
        entries: list[JournalEntry] = []
        writer = self.log.writers[JOURNAL]
        blocks = list(self.log.folder.reader(JOURNAL).blocks()) if writer.next_offset else []
        for number, block in enumerate(blocks):
            try:
                entry = decode_entry(bytes(block.body))
                if entries and entry.previous_digest != entries[-1].digest:
                    raise CorruptLog(
                        f"journal record {number} does not continue the one before it; start over "
                        "with --fresh"
                    )
            except CorruptLog:
                if number + 1 < len(blocks):
                    raise
                self.log.reports.append(
                    f"the journal's last record was torn and is cut: record {number}"
                )
                writer.truncate(number)
                break
            entries.append(entry)
        return entries

    def _snapshot(self, entries: Sequence[JournalEntry]) -> tuple[Snapshot | None, int]:
        """The latest snapshot that agrees with the journal, and the number of its record; None and
        1 if none does.
        """
        log = self.log
        numbers = {entry.sequence: number for number, entry in enumerate(entries)}
        snapshots, good = read_snapshots(log.folder)
        writer = log.writers[SNAPSHOTS]
        if good < writer.next_offset or writer.fault is not None:
            log.reports.append(
                f"{SNAPSHOTS} is damaged after offset {good}: cut, for it is only a cache"
            )
            writer.truncate(good)
        for snapshot in snapshots:
            number = numbers.get(snapshot.journal_sequence)
            if number is None or not snapshot.has_states_of(entries[number]):
                continue
            if lies_behind(snapshot, entries, log.begins, log.outputs):
                return snapshot, number
        return None, 1

    def read_on(self, previous: bytes) -> list[Stored]:
        """Nobody else writes it."""
        return []

    def fetch(self, previous: bytes, wait_seconds: float) -> list[Stored]:
        """Nobody else writes it."""
        return []

    def wait(self, wait_seconds: float) -> None:
        """Nobody else writes it."""

    def position(self) -> int:
        """Number of the next record."""
        return self._next

    def end(self) -> int:
        """Records it holds."""
        return self.log.writers[JOURNAL].next_offset

    def close(self) -> None:
        """Nothing is held."""


def check_identity(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to go on with a run that is another one.

    Raises:
        OtherIdentity: names what differs.
    """
    if version_of(before) != version_of(now):
        raise OtherIdentity(
            f"the folder holds a run made by version {version_of(before)}, this is version "
            f"{version_of(now)}; use that version, or --fresh to start over"
        )
    old, new = before.get("identity", {}), now.get("identity", {})
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if differing:
        named = ", ".join(_changed(key, old.get(key), new.get(key)) for key in differing)
        raise OtherIdentity(
            f"the folder holds another run: {named}; choose another --out, or --fresh to start over"
        )
    if before.get("code") != now.get("code"):
        named = (
            ", ".join(changed_sources(before.get("sources", {}), now.get("sources", {}))[:5])
            or "unknown files"
        )
        raise OtherIdentity(
            f"the run was made by other code ({named} differ); use that code, or --fresh to start "
            "over"
        )


def _changed(key: str, old: Any, new: Any) -> str:
    names = changed_sources(old or {}, new or {})[:5] if key == "strategy_files" else []
    return (
        f"{', '.join(names)} of {key} differ"
        if names
        else f"{key} was {_short(old)}, now {_short(new)}"
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
