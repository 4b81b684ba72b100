"""The simulated log does what Kafka does. Oracles: the same scenarios on a real broker (marked
``broker``), and a brute-force model of a partition that looks at nothing but the list of entries.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from streams.log.kafka.transport import Fenced, OutcomeUnknown, Partition, TransportFailed
from tests.simulation.broker import SimulatedBroker
from tests.simulation.clock import MILLISECOND, SECOND, VirtualClock
from tests.simulation.conformance import SCENARIOS, Bench, ready, values_between, write
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Fate, Network

NAMES = ("one", "other")


class SimulatedBench:
    """A simulated cluster without faults; every process with a network of its own."""

    def __init__(self, marker_delay: int = 0) -> None:
        self.clock = VirtualClock()
        self.broker = SimulatedBroker(self.clock, lambda: marker_delay)
        self.made = 0

    def log(self) -> SimulatedLog:
        return SimulatedLog(self.broker, Network(self.clock))

    def topic(self, partitions: int = 1) -> str:
        self.made += 1
        self.broker.create_topic(f"topic-{self.made}", partitions)
        return f"topic-{self.made}"

    def transactional_id(self) -> str:
        self.made += 1
        return f"id-{self.made}"

    def delete_records(self, partition: Partition, before: int) -> None:
        self.broker.delete_records(partition, before)

    def recreate(self, topic: str) -> None:
        self.broker.recreate_topic(topic)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_simulated_log(scenario: Callable[[Bench], None]) -> None:
    scenario(SimulatedBench())


class LossyNetwork(Network):
    """The next commit meets this fate."""

    outcome = Fate.ANSWERED
    delay = SECOND

    def fate(self) -> Fate:
        return self.outcome

    def late(self) -> int:
        return self.delay


def lossy(bench: SimulatedBench, outcome: Fate) -> SimulatedLog:
    network = LossyNetwork(bench.clock)
    network.outcome = outcome
    return SimulatedLog(bench.broker, network)


@pytest.mark.parametrize(
    ("outcome", "expected"), [(Fate.ANSWER_LOST, [b"a"]), (Fate.REQUEST_LOST, []), (Fate.LATE, [])]
)
def test_a_lost_commit_answer_says_nothing_of_the_outcome(
    outcome: Fate, expected: list[bytes]
) -> None:
    bench = SimulatedBench()
    topic, name = bench.topic(), bench.transactional_id()
    writer = ready(lossy(bench, outcome), name)
    with pytest.raises(OutcomeUnknown):
        write(writer, topic, [b"a"])
    ready(bench.log(), name)  # the next owner
    bench.clock.advance_to(bench.clock.now + 5 * SECOND)
    bench.broker.settle()
    assert [value for _, value in values_between(bench.log(), (topic, 0))] == expected


def test_a_late_commit_ends_whatever_the_same_epoch_has_open_when_it_lands() -> None:
    """Jepsen's torn transaction (Bufstream 0.1.0; reference/kafka.md 7): why a producer with an
    indefinite error is never used again.
    """
    bench = SimulatedBench()
    topic, name = bench.topic(), bench.transactional_id()
    log = lossy(bench, Fate.LATE)
    writer = log.writer(name)
    writer.init()
    with pytest.raises(OutcomeUnknown):
        write(writer, topic, [b"a"])
    bench.broker.end(name, writer.epoch, commit=False)  # what a retry on the same producer does
    bench.broker.produce(name, writer.epoch, (topic, 0), [b"half of the next transaction"])
    bench.clock.advance_to(bench.clock.now + 2 * SECOND)
    bench.broker.settle()
    assert [value for _, value in values_between(bench.log(), (topic, 0))] == [
        b"half of the next transaction"
    ]


def test_a_hung_transaction_is_aborted_at_its_timeout_and_its_owner_fenced() -> None:
    bench = SimulatedBench()
    topic = bench.topic()
    writer = ready(bench.log(), bench.transactional_id())
    writer.begin()
    writer.produce(topic, 0, [b"hung"])
    reader = bench.log().reader("")
    assert reader.end((topic, 0)) == 0
    bench.clock.advance_to(bench.clock.now + 11 * SECOND)
    assert reader.end((topic, 0)) == 2
    with pytest.raises(Fenced):
        writer.commit()
    assert values_between(bench.log(), (topic, 0)) == []


def test_init_waits_for_the_markers_of_a_decided_commit() -> None:
    bench = SimulatedBench(marker_delay=50 * MILLISECOND)
    topic, name = bench.topic(), bench.transactional_id()
    write(ready(bench.log(), name), topic, [b"a"])
    assert values_between(bench.log(), (topic, 0)) == [], (
        "decided, but its marker is not written yet"
    )
    ready(bench.log(), name)
    assert values_between(bench.log(), (topic, 0)) == [(0, b"a")]


def test_a_topic_made_anew_is_read_on_silently_once_it_is_long_enough() -> None:
    """Measured (reference/kafka.md 11.7): only comparing UUIDs notices."""
    bench = SimulatedBench()
    topic = bench.topic()
    bench.broker.append((topic, 0), [b"old 0", b"old 1"])
    reader = bench.log().reader("")
    reader.assign({(topic, 0): 0})
    assert len(reader.poll(10, 0)) == 2
    bench.broker.recreate_topic(topic)
    bench.broker.append((topic, 0), [b"new 0", b"new 1", b"new 2"])
    assert [item.value for item in reader.poll(10, 0)] == [b"new 2"]


class LogAgainstModel(RuleBasedStateMachine):
    """Two partitions, two transactional ids with former owners still about, plain records,
    retention; a list of entries as the model.
    """

    writers = Bundle("writers")

    def __init__(self) -> None:
        super().__init__()
        self.bench = SimulatedBench()
        self.topic = self.bench.topic(2)
        self.entries: list[list[tuple[str, Any, Any]]] = [[], []]
        self.starts = [0, 0]
        self.owner: dict[str, Any] = {}
        self.open: dict[str, tuple[int, set[int]] | None] = dict.fromkeys(NAMES)
        self.begun: dict[int, bool] = {}
        self.numbers = 0
        self.values = 0

    @rule(target=writers, name=st.sampled_from(NAMES))
    def take_over(self, name: str) -> Any:
        writer = self.bench.log().writer(name)
        writer.init()
        self._end(name, "abort")
        self.owner[name] = writer
        self.begun[id(writer)] = False
        return writer

    def _end(self, name: str, outcome: str) -> None:
        transaction = self.open[name]
        if transaction is not None:
            for partition in transaction[1]:
                self.entries[partition].append(("marker", transaction[0], outcome))
        self.open[name] = None

    @rule(writer=writers, partition=st.integers(0, 1), count=st.integers(1, 3))
    def produce(self, writer: Any, partition: int, count: int) -> None:
        if not self.begun[id(writer)]:
            writer.begin()
            self.begun[id(writer)] = True
        values = [b"%d" % (self.values + number) for number in range(count)]
        self.values += count
        name = writer.transactional_id
        if self.owner[name] is not writer:
            with pytest.raises(Fenced):
                writer.produce(self.topic, partition, values)
            return
        writer.produce(self.topic, partition, values)
        transaction = self.open[name]
        if transaction is None:
            self.numbers += 1
            transaction = self.open[name] = (self.numbers, set())
        transaction[1].add(partition)
        self.entries[partition] += [("data", transaction[0], value) for value in values]

    @rule(writer=writers, commits=st.booleans())
    def end(self, writer: Any, commits: bool) -> None:
        if not self.begun[id(writer)]:
            return
        self.begun[id(writer)] = False
        name = writer.transactional_id
        if self.owner[name] is not writer:
            with contextlib.suppress(TransportFailed):
                writer.commit() if commits else writer.abort()
            writer.close()
            return
        offsets = writer.commit() if commits else writer.abort()
        transaction = self.open[name]
        if commits:
            last = {}
            for partition in transaction[1] if transaction else ():
                last[(self.topic, partition)] = max(
                    place
                    for place, entry in enumerate(self.entries[partition])
                    if entry[:2] == ("data", transaction[0])
                )
            assert dict(offsets) == last
        self._end(name, "commit" if commits else "abort")

    @rule(partition=st.integers(0, 1))
    def plain(self, partition: int) -> None:
        writer = self.bench.log().plain_writer()
        value = b"%d" % self.values
        self.values += 1
        writer.produce(self.topic, partition, [value])
        assert dict(writer.commit()) == {(self.topic, partition): len(self.entries[partition])}
        self.entries[partition].append(("data", None, value))

    @precondition(lambda self: any(self.entries))
    @rule(partition=st.integers(0, 1), share=st.floats(0, 1))
    def retain(self, partition: int, share: float) -> None:
        before = int(self._stable(partition) * share)
        self.bench.delete_records((self.topic, partition), before)
        self.starts[partition] = max(self.starts[partition], before)

    def _stable(self, partition: int) -> int:
        entries = self.entries[partition]
        ended = {entry[1] for entry in entries if entry[0] == "marker"}
        return next(
            (
                place
                for place, entry in enumerate(entries)
                if entry[0] == "data" and entry[1] is not None and entry[1] not in ended
            ),
            len(entries),
        )

    @invariant()
    def a_reader_is_given_what_the_model_says(self) -> None:
        for partition in (0, 1):
            entries = self.entries[partition]
            kept = {
                entry[1] for entry in entries if entry[0] == "marker" and entry[2] == "commit"
            } | {None}
            stable = self._stable(partition)
            expected = [
                (place, entry[2])
                for place, entry in enumerate(entries[:stable])
                if entry[0] == "data" and entry[1] in kept and place >= self.starts[partition]
            ]
            log = self.bench.log()
            reader = log.reader("")
            assert reader.end((self.topic, partition)) == stable
            assert reader.start((self.topic, partition)) == self.starts[partition]
            assert values_between(log, (self.topic, partition), self.starts[partition]) == expected


LogAgainstModel.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None
)
TestLogAgainstModel = LogAgainstModel.TestCase
