"""The history checker: what readers were given, and what the log holds in the end, judged with the
names of Jepsen's Kafka workload.

| name | what happened |
|---|---|
| aborted-read | a record that no committed batch wrote was given to a read_committed reader |
| precommitted-read | a record was given to a reader before anybody asked to commit its batch |
| lost-write | a committed batch's record is not on its topic, or an acknowledged input is not in the log |
| duplicate | a record is on its topic twice, or the journal consumed an input twice |
| inconsistent-offsets | one offset, two values; or a journal that names offsets that hold something else |
| nonmonotonic-poll, poll-skip | successive polls went back, or passed over a committed record (``int-``: within one poll) |
| nonmonotonic-send | a batch's records lie in another order than they were sent |
| unseen | after the faults stopped, something was never consumed (liveness) |
| G0, G1c | batches overwrite or read each other in a circle |

And three of the project's own: ``split-claim`` (the journal's id is not its topology's first
claim), ``missed``, ``misnamed`` and ``false-alarm`` (the verifier does not find a change of the
log, finds it as something else, or finds one that nobody made), ``runaway-clock`` (the journal's
clock follows a host's or a record's into the future), ``fork`` (the journal is no chain),
``diverged`` (one uninterrupted run over the journal's order gives other outputs or another state
than the journal says), ``halted`` (a task ended with a typed error that no fault explains),
``defect`` (it ended with an untyped one).

The oracle is the broker's own account of every transaction, and an execution that nothing ever
interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from schemas.errors import ShrivenError
from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import Partition
from streams.runtime.journal.journal import BATCH, GENESIS, NO_DIGEST, JournalEntry, decode_entry
from tests.simulation.broker import Record, SimulatedBroker, Transaction
from tests.simulation.log import Read

NAMES = (
    "aborted-read",
    "precommitted-read",
    "lost-write",
    "duplicate",
    "inconsistent-offsets",
    "nonmonotonic-poll",
    "int-nonmonotonic-poll",
    "poll-skip",
    "int-poll-skip",
    "nonmonotonic-send",
    "unseen",
    "G0",
    "G1c",
    "fork",
    "diverged",
    "halted",
    "defect",
    "split-claim",
    "missed",
    "misnamed",
    "false-alarm",
    "runaway-clock",
)


class Violation(NamedTuple):
    """One finding."""

    name: str
    text: str


class Batched(NamedTuple):
    """A journal batch as the oracle executed it: records per output topic, and what of the journal
    it contradicts (empty: nothing).
    """

    outputs: dict[str, list[bytes]]
    finding: str


def check_reads(broker: SimulatedBroker, histories: Iterable[Sequence[Read]]) -> list[Violation]:
    """Every reader's history against the broker's account."""
    found: list[Violation] = []
    places: dict[Partition, dict[int, int]] = {}
    for history in histories:
        last: dict[Partition, tuple[int, int]] = {}
        for read in history:
            key = read.partition
            if read.offset < 0:
                last.pop(key, None)
                continue
            if key not in places:
                places[key] = {
                    record.offset: place for place, record in enumerate(broker.committed(*key))
                }
            found += _check_read(broker, read)
            place = places[key].get(read.offset)
            if place is not None:
                before = last.get(key)
                if before is not None and place != before[0] + 1:
                    inside = "int-" if before[1] == read.poll else ""
                    name = "poll-skip" if place > before[0] else "nonmonotonic-poll"
                    found.append(
                        Violation(
                            inside + name,
                            f"{key[0]}/{key[1]}: offset {read.offset} came after place {before[0]}",
                        )
                    )
                last[key] = (place, read.poll)
    return found


def _check_read(broker: SimulatedBroker, read: Read) -> list[Violation]:
    record = broker.at(read.partition, read.offset)
    where = f"{read.partition[0]}/{read.partition[1]} offset {read.offset}"
    if record is None or record.value != read.value:
        return [
            Violation(
                "inconsistent-offsets",
                f"{where}: a reader was given a value that the log does not hold there",
            )
        ]
    transaction = record.transaction
    if transaction is None:
        return []
    if not broker.partition(read.partition).is_visible(record):
        return [Violation("aborted-read", f"{where}: belongs to {transaction}")]
    if transaction.commit_asked > read.moment or transaction.commit_asked < 0:
        return [
            Violation(
                "precommitted-read",
                f"{where}: read at moment {read.moment}, commit asked at "
                f"{transaction.commit_asked}",
            )
        ]
    return []


def read_journal(
    broker: SimulatedBroker, journal: Partition
) -> tuple[list[tuple[Record, JournalEntry]], list[Violation]]:
    """The committed journal, and what keeps it from being one chain without forks."""
    entries: list[tuple[Record, JournalEntry]] = []
    found: list[Violation] = []
    before = NO_DIGEST
    for number, record in enumerate(broker.committed(*journal)):
        assert record.value is not None
        entry = decode_entry(record.value[HEADER_BYTES:])
        if (
            entry.sequence != number
            or entry.previous_digest != before
            or (entry.kind == GENESIS) != (number == 0)
        ):
            text = (
                f"journal record {number} (offset {record.offset}) has sequence "
                f"{entry.sequence} and does not continue the one before it"
            )
            found.append(Violation("fork", text))
            break
        before = entry.digest
        entries.append((record, entry))
    return entries, found


def start_offsets(
    entries: Sequence[JournalEntry], inputs: Sequence[Partition]
) -> dict[Partition, int]:
    """Where the genesis record says each input begins."""
    facts = entries[0].facts.get("inputs", []) if entries else []
    found = {item["topic"]: int(item["start_offset"]) for item in facts}
    return {key: found.get(key[0], 0) for key in inputs}


def output_starts(
    entries: Sequence[JournalEntry], outputs: Sequence[Partition]
) -> dict[Partition, int]:
    """Where the genesis record says this journal's part of each output begins; another topology may
    have written before.
    """
    facts = entries[0].facts.get("outputs", []) if entries else []
    found = {item["topic"]: int(item.get("start_offset", 0)) for item in facts}
    return {key: max(0, found.get(key[0], 0)) for key in outputs}


def check_consumed(
    broker: SimulatedBroker, entries: Sequence[JournalEntry], inputs: Sequence[Partition]
) -> tuple[list[Violation], dict[Partition, int]]:
    """The journal as a consumer: each committed input record once, in order. Also the offset after
    the last one consumed, per input.
    """
    found: list[Violation] = []
    ends = start_offsets(entries, inputs)
    committed = {
        key: [record.offset for record in broker.committed(*key) if record.offset >= ends[key]]
        for key in inputs
    }
    cursors = dict.fromkeys(inputs, 0)
    for entry in entries:
        if entry.kind != BATCH:
            continue
        for code, first, last, count in entry.elements.tolist():
            if not 0 <= code < len(inputs):
                continue
            key = inputs[code]
            offsets, cursor = committed[key], cursors[key]
            run = offsets[cursor : cursor + count]
            where = f"batch {entry.sequence}: {key[0]}/{key[1]} run {first}..{last} of {count}"
            if len(run) == count and count and (run[0], run[-1]) == (first, last):
                cursors[key], ends[key] = cursor + count, last + 1
                continue
            if first < ends[key]:
                name = "duplicate"
            elif first in offsets and (not run or first > run[0]):
                name = "poll-skip"
            else:
                name = "inconsistent-offsets"
            found.append(Violation(name, f"{where}; the next committed records are {run[:4]}"))
            return found, ends
    return found, ends


def check_outputs(
    broker: SimulatedBroker,
    entries: Sequence[tuple[Record, JournalEntry]],
    batches: Sequence[Batched],
    outputs: Sequence[Partition],
    observed: Sequence[Read] = (),
) -> list[Violation]:
    """Every output topic against what one uninterrupted execution wrote, batch by batch, and when
    an observer saw it.
    """
    found: list[Violation] = []
    asked = [
        record.transaction.commit_asked if record.transaction else -1
        for record, entry in entries
        if entry.kind == BATCH
    ]
    numbers = [entry.sequence for _, entry in entries if entry.kind == BATCH]
    seen: dict[Partition, dict[int, int]] = {}
    for read in observed:
        if read.offset >= 0:
            seen.setdefault(read.partition, {}).setdefault(read.offset, read.moment)
    starts = output_starts([entry for _, entry in entries], outputs)
    for key in outputs:
        expected = [
            (value, place)
            for place, batch in enumerate(batches)
            for value in batch.outputs.get(key[0], ())
        ]
        actual = [record for record in broker.committed(*key) if record.offset >= starts[key]]
        found += _compare(key, expected, actual, numbers)
        places: dict[bytes, int] = {}
        for value, place in expected:
            places.setdefault(value, place)
        for record in actual:
            assert record.value is not None
            moment = seen.get(key, {}).get(record.offset)
            place = places.get(record.value, -1)
            if moment is not None and place >= 0 and moment < asked[place]:
                text = (
                    f"{key[0]} offset {record.offset} was read at moment {moment}, batch "
                    f"{numbers[place]} asked to commit at {asked[place]}"
                )
                found.append(Violation("precommitted-read", text))
                break
    return found


def _compare(
    key: Partition,
    expected: Sequence[tuple[bytes, int]],
    actual: Sequence[Record],
    numbers: Sequence[int],
) -> list[Violation]:
    if [value for value, _ in expected] == [record.value for record in actual]:
        return []
    wanted = {value for value, _ in expected}
    counts: dict[bytes, int] = {}
    for record in actual:
        assert record.value is not None
        counts[record.value] = counts.get(record.value, 0) + 1
        if record.value not in wanted:
            return [
                Violation(
                    "aborted-read",
                    f"{key[0]} offset {record.offset}: no batch of the journal wrote this record",
                )
            ]
        if counts[record.value] > 1:
            return [
                Violation(
                    "duplicate", f"{key[0]} offset {record.offset}: the record is there twice"
                )
            ]
    for value, place in expected:
        if value not in counts:
            return [
                Violation(
                    "lost-write",
                    f"{key[0]}: a record of batch {numbers[place]} is not on the topic",
                )
            ]
    return [
        Violation("nonmonotonic-send", f"{key[0]}: records lie in another order than the journal's")
    ]


def check_previous_offsets(
    broker: SimulatedBroker, entries: Sequence[JournalEntry], outputs: Sequence[Partition]
) -> list[Violation]:
    """Each batch names the offset of this journal's last record before it, per output partition it
    writes.
    """
    starts = output_starts(entries, outputs)
    committed = {
        key: [record.offset for record in broker.committed(*key) if record.offset >= starts[key]]
        for key in outputs
    }
    written = dict.fromkeys(outputs, 0)
    for entry in entries:
        for output in entry.outputs:
            key = outputs[output.output]
            count = written[key]
            expected = committed[key][count - 1] if 0 < count <= len(committed[key]) else -1
            if output.previous_offset != expected:
                text = (
                    f"batch {entry.sequence}: {key[0]} previous offset "
                    f"{output.previous_offset}, the log has {expected}"
                )
                return [Violation("inconsistent-offsets", text)]
            written[key] += output.count
    return []


def check_cycles(
    broker: SimulatedBroker, consumed: Sequence[tuple[Transaction, Transaction]] = ()
) -> list[Violation]:
    """G0: transactions that lie in one order here and in another there; G1c: circles that need a
    read as well.

    ``consumed``: (writer, reader) pairs of transactions, where a batch read what another wrote.
    """
    after: dict[Transaction, set[Transaction]] = {}
    for topic in broker.topics.values():
        for partition in topic.partitions:
            before: Transaction | None = None
            for record in partition.records:
                transaction = record.transaction
                if transaction is None or not partition.is_visible(record):
                    continue
                if before is not None and before is not transaction:
                    after.setdefault(before, set()).add(transaction)
                before = transaction
    if _has_circle(after):
        return [Violation("G0", "committed transactions overwrite each other in a circle")]
    for writer, reader in consumed:
        if writer is not reader:
            after.setdefault(writer, set()).add(reader)
    return (
        [Violation("G1c", "committed transactions read and overwrite each other in a circle")]
        if _has_circle(after)
        else []
    )


def _has_circle(after: dict[Transaction, set[Transaction]]) -> bool:
    waiting = dict.fromkeys(after, 0)
    for followers in after.values():
        for follower in followers:
            waiting[follower] = waiting.get(follower, 0) + 1
    free = [node for node, count in waiting.items() if not count]
    done = 0
    while free:
        node = free.pop()
        done += 1
        for follower in after.get(node, ()):
            waiting[follower] -= 1
            if not waiting[follower]:
                free.append(follower)
    return done < len(waiting)


class Judged(Protocol):
    """What of a subject (``world.py``) the verdict needs."""

    inputs: Sequence[Partition]
    outputs: Sequence[Partition]
    journal: Partition
    has_previous_offsets: bool

    def reexecute(
        self, broker: SimulatedBroker, entries: Sequence[JournalEntry]
    ) -> tuple[list[Batched], str]:
        """See ``world.Subject``."""


def check_world(
    broker: SimulatedBroker,
    histories: Sequence[Sequence[Read]],
    observed: Sequence[Read],
    subject: Judged,
) -> list[Violation]:
    """Everything that can be said of a finished schedule, apart from liveness."""
    inputs, outputs, journal = subject.inputs, subject.outputs, subject.journal
    found = check_reads(broker, [*histories, observed])
    pairs, forks = read_journal(broker, journal)
    entries = [entry for _, entry in pairs]
    consumed, ends = check_consumed(broker, entries, inputs)
    found += forks + consumed
    for (_, key), offset in broker.group_offsets.items():
        if offset > max(ends.get(key, offset), _after_holes(broker, key, ends.get(key, offset))):
            found.append(
                Violation(
                    "inconsistent-offsets",
                    f"the group's offset {offset} of {key[0]} is past what the journal consumed, "
                    f"{ends[key]}",
                )
            )
    found += check_cycles(broker)
    if any(item.name in ("duplicate", "poll-skip", "inconsistent-offsets") for item in consumed):
        return found
    try:
        batches, whole = subject.reexecute(broker, entries)
    except (ShrivenError, KeyError, IndexError) as problem:
        return [*found, Violation("diverged", f"the journal cannot be executed again: {problem}")]
    for entry, batch in zip(
        [entry for entry in entries if entry.kind == BATCH], batches, strict=True
    ):
        if batch.finding:
            found.append(Violation("diverged", f"batch {entry.sequence}: {batch.finding}"))
            break
    if whole:
        found.append(Violation("diverged", whole))
    found += check_outputs(broker, pairs, batches, outputs, observed)
    if subject.has_previous_offsets:
        found += check_previous_offsets(broker, entries, outputs)
    return found


def _after_holes(broker: SimulatedBroker, key: Partition, offset: int) -> int:
    """The position after markers and aborted records that follow an offset."""
    partition = broker.partition(key)
    while offset < len(partition.records) and not partition.is_visible(partition.records[offset]):
        offset += 1
    return offset
