"""The checker calls each anomaly by its name. Oracle: hand-made histories, each with the one
anomaly that Jepsen's Kafka workload calls so (jepsen.io, "Redpanda 21.10.1" and "Bufstream 0.1.0":
definitions in their sections on the workload)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.log.kafka.framing import header
from streams.runtime.journal.journal import BATCH, GENESIS, NO_DIGEST, JournalEntry, OutputEntry
from streams.runtime.order.merge import ELEMENT
from tests.simulation.broker import SimulatedBroker
from tests.simulation.checker import (
    NAMES,
    Batched,
    check_consumed,
    check_cycles,
    check_outputs,
    check_previous_offsets,
    check_reads,
    read_journal,
)
from tests.simulation.clock import VirtualClock
from tests.simulation.log import Read

KEY = ("out", 0)
INPUT = ("in", 0)
JOURNAL = ("journal", 0)


def cluster(*topics: str) -> SimulatedBroker:
    broker = SimulatedBroker(VirtualClock())
    for topic in topics:
        broker.create_topic(topic)
    return broker


def transaction(
    broker: SimulatedBroker,
    name: str,
    asked: int,
    *writes: tuple[tuple[str, int], bytes],
    commits: bool = True,
) -> Any:
    """One transaction of a producer; ``asked``: the moment its commit was asked for."""
    epoch = broker.init(name)
    for key, value in writes:
        broker.produce(name, epoch, key, [value])
    made = broker.coordinated[name].transaction
    assert made is not None
    made.commit_asked = asked
    broker.end(name, epoch, commits)
    return made


def read(offset: int, value: bytes, moment: int = 100, poll: int = 1) -> Read:
    return Read(moment, poll, KEY, offset, value)


def names(violations: Any) -> set[str]:
    return {violation.name for violation in violations}


def five() -> SimulatedBroker:
    """Offsets 0 a, 1 marker, 2 b (aborted), 3 marker, 4 c, 5 marker."""
    broker = cluster("out")
    transaction(broker, "w", 10, (KEY, b"a"))
    transaction(broker, "w", -1, (KEY, b"b"), commits=False)
    transaction(broker, "w", 20, (KEY, b"c"))
    return broker


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([read(0, b"a"), read(4, b"c", poll=2)], set()),
        ([read(0, b"a"), read(2, b"b"), read(4, b"c")], {"aborted-read"}),
        ([read(0, b"a"), read(4, b"c", moment=15)], {"precommitted-read"}),
        ([read(0, b"x")], {"inconsistent-offsets"}),
        ([read(9, b"x")], {"inconsistent-offsets"}),
        ([read(4, b"c"), read(0, b"a", poll=2)], {"nonmonotonic-poll"}),
        ([read(4, b"c"), read(0, b"a")], {"int-nonmonotonic-poll"}),
        ([read(0, b"a"), read(0, b"a", poll=2)], {"nonmonotonic-poll"}),
        ([read(4, b"c"), Read(100, 2, KEY, -1, b"0"), read(0, b"a", poll=2)], set()),
    ],
)
def test_a_readers_history(history: list[Read], expected: set[str]) -> None:
    assert names(check_reads(five(), [history])) == expected


def test_passing_over_a_committed_record_is_a_skip() -> None:
    broker = five()
    transaction(broker, "w", 30, (KEY, b"d"))
    assert names(check_reads(broker, [[read(0, b"a"), read(6, b"d", poll=2)]])) == {"poll-skip"}
    assert names(check_reads(broker, [[read(0, b"a"), read(6, b"d")]])) == {"int-poll-skip"}


def chain(*kinds: int) -> list[JournalEntry]:
    entries: list[JournalEntry] = []
    for number, kind in enumerate(kinds):
        entry = JournalEntry(
            sequence=number, kind=kind, previous_digest=entries[-1].digest if entries else NO_DIGEST
        )
        entry.encode()
        entries.append(entry)
    return entries


def journal(entries: list[JournalEntry]) -> SimulatedBroker:
    broker = cluster("journal")
    broker.append(JOURNAL, [header(1) + entry.encode() for entry in entries])
    return broker


def test_a_journal_without_forks_is_one_chain() -> None:
    entries = chain(GENESIS, BATCH, BATCH)
    assert names(read_journal(journal(entries), JOURNAL)[1]) == set()
    twice = JournalEntry(sequence=1, kind=BATCH, previous_digest=entries[0].digest, clock=5)
    assert names(read_journal(journal([*entries[:2], twice]), JOURNAL)[1]) == {"fork"}
    assert names(read_journal(journal([entries[0], entries[2]]), JOURNAL)[1]) == {"fork"}
    assert names(read_journal(journal([*entries, *chain(GENESIS)]), JOURNAL)[1]) == {"fork"}


def batch(*runs: tuple[int, int, int, int], outputs: tuple[OutputEntry, ...] = ()) -> JournalEntry:
    return JournalEntry(
        sequence=1, kind=BATCH, elements=np.array(list(runs), ELEMENT), outputs=list(outputs)
    )


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([batch((0, 0, 2, 2)), batch((0, 4, 4, 1))], set()),
        ([batch((-2, 7, 7, 1), (0, 0, 4, 3))], set()),
        ([batch((0, 0, 2, 2)), batch((0, 2, 4, 2))], {"duplicate"}),
        ([batch((0, 0, 0, 1)), batch((0, 4, 4, 1))], {"poll-skip"}),
        ([batch((0, 0, 1, 2))], {"inconsistent-offsets"}),
        ([batch((0, 0, 4, 2))], {"inconsistent-offsets"}),
    ],
)
def test_the_journal_as_a_consumer(batches: list[JournalEntry], expected: set[str]) -> None:
    """Committed records at 0, 2 and 4: markers between them."""
    broker = cluster("in")
    for value in (b"a", b"b", b"c"):
        transaction(broker, "feeder", 1, (INPUT, value))
    assert names(check_consumed(broker, batches, [INPUT])[0]) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([b"a", b"b", b"c"], set()),
        ([b"a", b"c"], {"lost-write"}),
        ([b"a", b"b", b"b", b"c"], {"duplicate"}),
        ([b"a", b"x", b"b", b"c"], {"aborted-read"}),
        ([b"b", b"a", b"c"], {"nonmonotonic-send"}),
    ],
)
def test_outputs_against_an_uninterrupted_run(written: list[bytes], expected: set[str]) -> None:
    broker = cluster("out", "journal")
    entries = chain(GENESIS, BATCH, BATCH)
    broker.append(KEY, written)
    broker.append(JOURNAL, [header(1) + entry.encode() for entry in entries])
    pairs, _ = read_journal(broker, JOURNAL)
    batches = [Batched({"out": [b"a", b"b"]}, ""), Batched({"out": [b"c"]}, "")]
    assert names(check_outputs(broker, pairs, batches, [KEY])) == expected


def test_an_output_seen_before_its_batch_asked_to_commit() -> None:
    broker = cluster("out", "journal")
    entries = chain(GENESIS, BATCH)
    transaction(broker, "w", 5, (JOURNAL, header(1) + entries[0].encode()))
    broker.append(KEY, [b"a"])  # outside the transaction
    transaction(broker, "w", 50, (JOURNAL, header(1) + entries[1].encode()))
    pairs, _ = read_journal(broker, JOURNAL)
    batches = [Batched({"out": [b"a"]}, "")]
    assert names(check_outputs(broker, pairs, batches, [KEY], [read(0, b"a", moment=60)])) == set()
    assert names(check_outputs(broker, pairs, batches, [KEY], [read(0, b"a", moment=40)])) == {
        "precommitted-read"
    }


def test_previous_offsets_are_the_logs() -> None:
    broker = five()
    entry = lambda previous: batch(
        (0, 0, 0, 1), outputs=(OutputEntry(0, 1, b"", b"", -1, previous),)
    )
    assert names(check_previous_offsets(broker, [entry(-1), entry(0)], [KEY])) == set()
    assert names(check_previous_offsets(broker, [entry(-1), entry(1)], [KEY])) == {
        "inconsistent-offsets"
    }


def test_circles_of_transactions() -> None:
    other = ("other", 0)
    broker = cluster("out", "other")
    epochs = {name: broker.init(name) for name in ("one", "two")}
    broker.produce("one", epochs["one"], KEY, [b"1"])
    broker.produce("two", epochs["two"], KEY, [b"2"])
    broker.produce("two", epochs["two"], other, [b"2"])
    broker.produce("one", epochs["one"], other, [b"1"])
    one, two = (broker.coordinated[name].transaction for name in ("one", "two"))
    assert one is not None
    assert two is not None
    for name in ("one", "two"):
        broker.end(name, epochs[name], commit=True)
    assert names(check_cycles(broker)) == {"G0"}

    broker = cluster("out")
    first = transaction(broker, "one", 1, (KEY, b"1"))
    second = transaction(broker, "two", 2, (KEY, b"2"))
    assert names(check_cycles(broker)) == set()
    assert names(check_cycles(broker, [(first, second)])) == set()
    assert names(check_cycles(broker, [(second, first)])) == {"G1c"}


def test_the_names_are_jepsens_and_ours() -> None:
    jepsens = (
        "aborted-read lost-write duplicate inconsistent-offsets nonmonotonic-poll "
        "nonmonotonic-send poll-skip int-poll-skip unseen"
    )
    assert {*jepsens.split(), "precommitted-read", "G0", "G1c"} <= set(NAMES)
