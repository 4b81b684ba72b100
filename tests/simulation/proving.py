"""Journals and logs that somebody has changed: the verifier must find each change, and find nothing
in what nobody touched.

After a schedule the log is verified as it is; then, on a copy each, after one hostile act. A forger
here knows the format: a journal record that is changed is given its digest anew, and so is every
record behind it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import Partition
from streams.runtime.journal.journal import BATCH, CLOSE, JournalEntry, OutputEntry, decode_entry
from streams.runtime.journal.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.journal.snapshot import Snapshot
from streams.runtime.live.evidence import LiveEvidence
from streams.runtime.live.shard import ShardTask
from streams.runtime.live.snapshots import read_snapshots, snapshot_values
from streams.runtime.verify.verify import Verifier
from tests.simulation.broken_verifiers import EVIDENCES, VERIFIERS
from tests.simulation.broker import SimulatedBroker
from tests.simulation.checker import Violation
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Network
from tests.simulation.process import Process
from tests.simulation.stand_in import HEADER, SCHEMA_ID, make_stand_in
from tests.simulation.subjects import LiveSubject

Entries = list[JournalEntry]


class StandInOrder:
    """The stand-in's inputs have no keys to look at: its order is the checker's business, and that
    of ``test_times.py``.
    """

    def __init__(self, execution: Any) -> None:
        self.execution = execution

    def misplaced(self, elements: Any) -> str:
        """Nothing."""
        return ""


class ProvingSubject(LiveSubject):
    """The runner over the stand-in execution; at the end the journal may be closed, and the
    verifier is asked.
    """

    def finish(self, process: Process, task: ShardTask) -> None:
        """Drained; closed in half of the schedules."""
        super().finish(process, task)
        if process.random.random() < 0.5:
            task.end()

    def judge(self, broker: SimulatedBroker) -> list[Violation]:
        """The verifier's verdict on the log as it is, and after each act that can be done to it."""
        if not any(entry.kind == BATCH for entry in entries_of(broker, self.journal)):
            return []
        for key in self.inputs:
            broker.partition(key).start = 0  # what retention took is put back from the archive
        found = [Violation("false-alarm", text) for text in self._verdict(broker)]
        for act in ACTS:
            changed = copy.deepcopy(broker)
            if not act.is_done(changed, self):
                continue
            kinds = self._verdict(changed)
            if not kinds:
                found.append(Violation("missed", f"{act.name}: the verifier found nothing"))
            elif not any(text.startswith(act.found_as) for text in kinds):
                found.append(Violation("misnamed", f"{act.name}: found as {kinds}"))
        return found

    def _verdict(self, broker: SimulatedBroker) -> list[str]:
        log = SimulatedLog(broker, Network(broker.clock))
        of = EVIDENCES.get(self.mutation, LiveEvidence)
        evidence = of(
            log, lambda _: self.spec(), lambda _: make_stand_in, lambda _: {}, self.journal
        )
        evidence.order_of = StandInOrder
        verifier = VERIFIERS.get(self.mutation, Verifier)(evidence)
        return [f"{finding.kind}: {finding.text}" for finding in verifier.verify().findings]

    forges = True

    def forge(self, broker: SimulatedBroker, source: random.Random) -> bool:
        """Write a copy of the last snapshot with something else in it than the owner put there."""
        reader = SimulatedLog(broker, Network(broker.clock)).reader("")
        last = next(iter(read_snapshots(reader, (SNAPSHOTS, 0))), None)
        if last is None:
            return False
        _, values = snapshot_values(source.choice(FORGED)(last, source), SCHEMA_ID)
        broker.append((SNAPSHOTS, 0), values)
        return True


def _moved(snapshot: Snapshot, source: random.Random) -> Snapshot:
    place = source.randrange(len(snapshot.feeds))
    feeds = [
        [offset + (number == place), maximum]
        for number, (offset, maximum) in enumerate(snapshot.feeds)
    ]
    return msgspec.structs.replace(snapshot, feeds=feeds)


def _miscounted(snapshot: Snapshot, source: random.Random) -> Snapshot:
    return msgspec.structs.replace(
        snapshot,
        last_offsets={topic: offset + 1 for topic, offset in snapshot.last_offsets.items()},
    )


FORGED: Sequence[Callable[[Snapshot, random.Random], Snapshot]] = (_moved, _miscounted)


def entries_of(broker: SimulatedBroker, journal: Partition) -> Entries:
    """The committed journal."""
    return [
        decode_entry(record.value[HEADER_BYTES:])
        for record in broker.committed(*journal)
        if record.value is not None
    ]


def rewritten(broker: SimulatedBroker, journal: Partition, entries: Entries) -> None:
    """Put these records where the journal's lie, the chain made good."""
    records = broker.partition(journal).records
    places = [record.offset for record in broker.committed(*journal)]
    previous = b"\0" * 32
    for place, entry in zip(places, entries, strict=True):
        entry.previous_digest = previous
        records[place] = records[place]._replace(value=HEADER + entry.encode())
        previous = entry.digest


# the acts: each changes the log, and says whether there was anything to change


def _edited(edit: Callable[[JournalEntry], bool]) -> Callable[[SimulatedBroker, LiveSubject], bool]:
    def act(broker: SimulatedBroker, subject: LiveSubject) -> bool:
        entries = entries_of(broker, subject.journal)
        for entry in entries:
            if entry.kind == BATCH and edit(entry):
                rewritten(broker, subject.journal, entries)
                return True
        return False

    return act


def _miscount(entry: JournalEntry) -> bool:
    """E8: counts that cancel out, so that their sum is what it was."""
    runs = [place for place in range(len(entry.elements)) if entry.elements[place]["input"] >= 0]
    if len(runs) < 2:
        return False
    entry.elements[runs[0]]["count"] += 9000
    entry.elements[runs[1]]["count"] -= 9000
    return True


def _unknown_input(entry: JournalEntry) -> bool:
    runs = [place for place in range(len(entry.elements)) if entry.elements[place]["input"] >= 0]
    if runs:
        entry.elements[runs[0]]["input"] = 77
    return bool(runs)


def _turned(entry: JournalEntry) -> bool:
    """A run's records in another order than the partition has them."""
    for place in range(len(entry.elements)):
        run = entry.elements[place]
        if run["input"] >= 0 and run["count"] > 1 and run["first_offset"] != run["last_offset"]:
            run["first_offset"], run["last_offset"] = (
                int(run["last_offset"]),
                int(run["first_offset"]),
            )
            return True
    return False


def _unchained(entry: JournalEntry) -> bool:
    for place, output in enumerate(entry.outputs):
        if output.previous_offset > 0:
            entry.outputs[place] = OutputEntry(
                output.output,
                output.count,
                output.digest,
                output.checksum,
                output.end_position,
                output.previous_offset - 1,
            )
            return True
    return False


def _other_clock(entry: JournalEntry) -> bool:
    entry.clock += 1
    return bool(entry.inputs)


def _output_changed(broker: SimulatedBroker, subject: LiveSubject) -> bool:
    entries = entries_of(broker, subject.journal)
    starts = {item["topic"]: item["start_offset"] for item in entries[0].facts["outputs"]}
    for topic in ("md.quotes", "md.marks"):
        for record in broker.committed(topic):
            if record.offset >= starts[topic] and record.value is not None:
                value = record.value[:-1] + bytes([record.value[-1] ^ 2])
                broker.partition((topic, 0)).records[record.offset] = record._replace(value=value)
                return True
    return False


def _foreign(broker: SimulatedBroker, subject: LiveSubject) -> bool:
    """A record of somebody else behind the last one. Where the journal is closed: before it was."""
    entries = entries_of(broker, subject.journal)
    first = next(
        (record.value for record in broker.committed("md.quotes") if record.value is not None),
        HEADER,
    )
    broker.append(("md.quotes", 0), [first])
    if entries[-1].kind == CLOSE:
        entries[-1].facts = {
            "ends": {
                **entries[-1].facts["ends"],
                "md.quotes": broker.partition(("md.quotes", 0)).end,
            }
        }
        rewritten(broker, subject.journal, entries)
    return True


def _goes_on(broker: SimulatedBroker, subject: LiveSubject) -> bool:
    """A journal record behind the Close."""
    entries = entries_of(broker, subject.journal)
    if entries[-1].kind != CLOSE:
        return False
    last = entries[-1]
    entry = JournalEntry(
        sequence=last.sequence + 1,
        kind=BATCH,
        input_sequence=last.input_sequence,
        previous_digest=last.digest,
    )
    broker.append(subject.journal, [HEADER + entry.encode()])
    return True


def _fork(broker: SimulatedBroker, subject: LiveSubject) -> bool:
    """A second owner's record behind the last."""
    entries = entries_of(broker, subject.journal)
    last = entries[-1]
    if last.kind != BATCH:
        return False
    entry = JournalEntry(
        sequence=last.sequence + 1,
        kind=BATCH,
        input_sequence=last.input_sequence,
        clock=last.clock,
        previous_digest=b"\1" * 32,
    )
    broker.append(subject.journal, [HEADER + entry.encode()])
    return True


def _outputs_expired(broker: SimulatedBroker, subject: LiveSubject) -> bool:
    entries = entries_of(broker, subject.journal)
    start = next(
        item["start_offset"] for item in entries[0].facts["outputs"] if item["topic"] == "md.quotes"
    )
    own = [record.offset for record in broker.committed("md.quotes") if record.offset >= start]
    if own:
        broker.delete_records(("md.quotes", 0), own[0] + 1)
    return bool(own)


def _inputs_expired(broker: SimulatedBroker, subject: LiveSubject) -> bool:
    used = [
        run
        for entry in entries_of(broker, subject.journal)
        if entry.elements is not None
        for run in entry.elements.tolist()
        if run[0] == 1
    ]
    if used:
        broker.delete_records(("md.trades", 0), used[0][1] + 1)
    return bool(used)


class Act(NamedTuple):
    """What is done to a log. ``found_as``: how the finding that must come of it begins."""

    name: str
    is_done: Callable[[SimulatedBroker, Any], bool]
    found_as: tuple[str, ...]


ACTS = (
    Act("counts that cancel out", _edited(_miscount), ("journal", "input")),
    Act("an input that there is not", _edited(_unknown_input), ("journal", "input")),
    Act("a run turned round", _edited(_turned), ("journal", "input")),
    Act("another offset before an output's record", _edited(_unchained), ("journal",)),
    Act("another clock", _edited(_other_clock), ("journal",)),
    Act("a record of an output changed", _output_changed, ("output",)),
    Act("a foreign record behind an output's last", _foreign, ("output",)),
    Act("a journal record behind the Close", _goes_on, ("journal",)),
    Act("a fork of the journal", _fork, ("journal",)),
    Act("retention of an output", _outputs_expired, ("retention",)),
    Act("retention of an input", _inputs_expired, ("retention",)),
)
