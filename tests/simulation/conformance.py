"""What both logs must do, the simulated one and the real one: one list of scenarios, run against
either (``test_simulated_log.py``).

Each scenario is a fact of Apache Kafka that the runner or its proof leans on; reference/kafka.md 2,
7 and 11 measured them on a real broker.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import pytest

from streams.log.kafka.transport import (
    Fenced,
    Fetched,
    Log,
    OffsetOutOfRange,
    Partition,
    Reader,
    TransportFailed,
    Writer,
)

TRIES = 200


class Bench(Protocol):
    """A cluster to try things on."""

    def log(self) -> Log:
        """Connections of a new process."""

    def topic(self, partitions: int = 1) -> str:
        """A new, empty topic."""

    def transactional_id(self) -> str:
        """One that nobody used before."""

    def delete_records(self, partition: Partition, before: int) -> None:
        """Retention up to an offset."""

    def recreate(self, topic: str) -> None:
        """Delete the topic and create it again."""


def values_between(log: Log, partition: Partition, first: int = 0) -> list[tuple[int, bytes]]:
    """(offset, value) of what a read_committed reader is given from ``first`` to the last stable
    offset of now.
    """
    reader = log.reader("conformance")
    reader.assign({partition: first})
    end = reader.end(partition)
    found = read_to(reader, partition, end)
    reader.close()
    return [(item.offset, item.value) for item in found if item.offset < end]


def read_to(reader: Reader, partition: Partition, end: int) -> list[Fetched]:
    """Poll until the position reaches ``end``."""
    found: list[Fetched] = []
    for _ in range(TRIES):
        if reader.position(partition) >= end:
            return found
        found += reader.poll(100, 0.1)
    raise AssertionError(f"the position stays at {reader.position(partition)}, the end is {end}")


def ready(log: Log, transactional_id: str) -> Writer:
    """A writer that has taken its id over."""
    writer = log.writer(transactional_id)
    writer.init()
    return writer


def write(
    writer: Writer, topic: str, values: Sequence[bytes], partition: int = 0, commits: bool = True
) -> dict[Partition, int]:
    """One transaction."""
    writer.begin()
    writer.produce(topic, partition, values)
    if not commits:
        flushed = getattr(writer, "flush", None)
        if flushed is not None:
            flushed()
        writer.abort()
        return {}
    return dict(writer.commit())


def a_commit_marker_takes_an_offset(bench: Bench) -> None:
    topic, log = bench.topic(), bench.log()
    writer = ready(log, bench.transactional_id())
    ends = [write(writer, topic, [b"%d" % number])[(topic, 0)] for number in range(3)]
    assert ends == [0, 2, 4]
    assert values_between(log, (topic, 0)) == [(0, b"0"), (2, b"1"), (4, b"2")]
    assert log.reader("conformance").end((topic, 0)) == 6


def aborted_records_are_never_given(bench: Bench) -> None:
    topic, log = bench.topic(), bench.log()
    writer = ready(log, bench.transactional_id())
    write(writer, topic, [b"a"])
    write(writer, topic, [b"b", b"c"], commits=False)
    write(writer, topic, [b"d"])
    assert [value for _, value in values_between(log, (topic, 0))] == [b"a", b"d"]


def an_open_transaction_holds_every_reader_back(bench: Bench) -> None:
    topic, log = bench.topic(2), bench.log()
    first, second = ready(log, bench.transactional_id()), ready(log, bench.transactional_id())
    write(second, topic, [b"before"])
    first.begin()
    first.produce(topic, 0, [b"open"])
    _sent(bench, (topic, 0), 3)
    write(second, topic, [b"after"])
    write(second, topic, [b"elsewhere"], partition=1)
    assert log.reader("conformance").end((topic, 0)) == 2
    assert values_between(log, (topic, 0)) == [(0, b"before")]
    assert values_between(log, (topic, 1)) == [(0, b"elsewhere")]
    first.commit()
    assert [value for _, value in values_between(log, (topic, 0))] == [b"before", b"open", b"after"]


def what_lies_open_is_told_and_can_be_read(bench: Bench) -> None:
    topic, log = bench.topic(2), bench.log()
    both = [(topic, 0), (topic, 1)]
    writer = ready(log, bench.transactional_id())
    write(writer, topic, [b"before"])
    writer.begin()
    writer.produce(topic, 0, [b"open"])
    _sent(bench, (topic, 0), 3)
    assert log.admin().open_ranges(both) == {(topic, 0): (2, 3)}
    reader = log.uncommitted("conformance")
    reader.assign({(topic, 0): 0})
    assert [item.value for item in read_to(reader, (topic, 0), 3)] == [b"before", b"open"]
    reader.close()
    writer.commit()


def a_void_shows_nothing_and_leaves_nothing_open(bench: Bench) -> None:
    topic, log = bench.topic(2), bench.log()
    both = [(topic, 0), (topic, 1)]
    name = bench.transactional_id()
    writer = ready(log, name)
    write(writer, topic, [b"before"])
    writer.void(both)
    write(writer, topic, [b"after"])
    _sent(bench, (topic, 0), 6)
    assert log.admin().open_ranges(both) == {}
    assert values_between(log, (topic, 0)) == [(0, b"before"), (4, b"after")]
    assert values_between(log, (topic, 1)) == []
    assert log.reader("conformance").end((topic, 1)) == 2
    ready(bench.log(), name)
    with pytest.raises(Fenced):
        writer.void(both)


def _sent(bench: Bench, partition: Partition, high_watermark: int) -> None:
    """Wait until a client has really sent what was produced: the high watermark says so."""
    waits = getattr(bench, "wait_for_high_watermark", None)
    if waits is not None:
        waits(partition, high_watermark)


def a_former_owner_is_fenced_and_what_it_left_open_aborted(bench: Bench) -> None:
    topic, name = bench.topic(), bench.transactional_id()
    old = ready(bench.log(), name)
    write(old, topic, [b"old"])
    old.begin()
    old.produce(topic, 0, [b"orphan"])
    _sent(bench, (topic, 0), 3)
    new_log = bench.log()
    new = ready(new_log, name)
    assert new_log.reader("conformance").end((topic, 0)) == 4, (
        "the orphan's marker lies there as soon as init returns"
    )
    with pytest.raises(Fenced):
        old.commit()
    write(new, topic, [b"new"])
    assert [value for _, value in values_between(new_log, (topic, 0))] == [b"old", b"new"]


def a_former_owner_is_told_by_whatever_it_calls_next(bench: Bench) -> None:
    """Not only by a commit: a client learns of it as its records come back, and what it is asked
    for then must not fail by another name.
    """
    topic, name = bench.topic(), bench.transactional_id()
    old = ready(bench.log(), name)
    old.begin()
    old.produce(topic, 0, [b"orphan"])
    _sent(bench, (topic, 0), 1)
    ready(bench.log(), name)
    with pytest.raises(Fenced):
        for _ in range(TRIES):
            old.produce(topic, 0, [b"zombie"])
            time.sleep(0.02)
    old.abort()
    with pytest.raises(Fenced):
        write(old, topic, [b"zombie"])


def a_former_owner_that_was_idle_is_fenced_at_its_next_transaction(bench: Bench) -> None:
    topic, name = bench.topic(), bench.transactional_id()
    old = ready(bench.log(), name)
    write(old, topic, [b"old"])
    log = bench.log()
    ready(log, name)
    with pytest.raises(TransportFailed):
        write(old, topic, [b"zombie"])
    with contextlib.suppress(TransportFailed):
        old.abort()
    assert [value for _, value in values_between(log, (topic, 0))] == [b"old"]


def transactional_ids_fence_only_their_own(bench: Bench) -> None:
    topic, log = bench.topic(), bench.log()
    one, other = bench.transactional_id(), bench.transactional_id()
    first = ready(log, one)
    ready(log, other)
    write(first, topic, [b"goes on"])
    assert [value for _, value in values_between(log, (topic, 0))] == [b"goes on"]


def a_commit_names_the_last_offset_per_partition(bench: Bench) -> None:
    topic, log = bench.topic(2), bench.log()
    writer = ready(log, bench.transactional_id())
    writer.begin()
    writer.produce(topic, 0, [b"a", b"b"])
    writer.produce(topic, 1, [b"c"])
    writer.produce(topic, 0, [b"d"])
    assert dict(writer.commit()) == {(topic, 0): 2, (topic, 1): 0}
    assert write(writer, topic, [b"e"]) == {(topic, 0): 4}


def an_empty_transaction_writes_nothing(bench: Bench) -> None:
    topic, log = bench.topic(), bench.log()
    writer = ready(log, bench.transactional_id())
    writer.begin()
    assert dict(writer.commit()) == {}
    assert log.reader("conformance").end((topic, 0)) == 0
    assert write(writer, topic, [b"a"]) == {(topic, 0): 0}


def records_outside_transactions_have_no_markers(bench: Bench) -> None:
    topic, log = bench.topic(), bench.log()
    writer = log.plain_writer()
    writer.init()
    writer.begin()
    writer.produce(topic, 0, [b"a", b"b"])
    assert dict(writer.commit()) == {(topic, 0): 1}
    writer.produce(topic, 0, [b"c"])
    assert dict(writer.commit()) == {(topic, 0): 2}
    assert values_between(log, (topic, 0)) == [(0, b"a"), (1, b"b"), (2, b"c")]


def a_position_steps_over_markers_and_aborted_records(bench: Bench) -> None:
    topic, log = bench.topic(), bench.log()
    writer = ready(log, bench.transactional_id())
    write(writer, topic, [b"a"])
    write(writer, topic, [b"b"], commits=False)
    reader = log.reader("conformance")
    reader.assign({(topic, 0): 0})
    end = reader.end((topic, 0))
    assert [item.value for item in read_to(reader, (topic, 0), end)] == [b"a"]
    assert reader.position((topic, 0)) == end


def a_position_never_goes_back(bench: Bench) -> None:
    """A record and the news that the partition ends after its marker come in one answer: the
    position is after the marker, not before it.
    """
    topic, log = bench.topic(), bench.log()
    write(ready(log, bench.transactional_id()), topic, [b"a"])
    for takes in (
        lambda reader: list(reader.fetch(100, 0.1).values),
        lambda reader: [item.value for item in reader.poll(100, 0.1)],
    ):
        reader = log.reader("conformance")
        reader.assign({(topic, 0): 0})
        _prefetched(bench)
        taken = next(filter(None, (takes(reader) for _ in range(TRIES))), [])
        assert taken == [b"a"], f"taken {taken}, position {reader.position((topic, 0))}"
        assert [item.value for item in read_to(reader, (topic, 0), 2)] == []
        assert reader.position((topic, 0)) == 2
        assert not reader.is_behind((topic, 0))


def _prefetched(bench: Bench) -> None:
    """Give a client's background fetch time to queue a record together with what follows it."""
    waits = getattr(bench, "wait_for_prefetch", None)
    if waits is not None:
        waits()


def a_reader_starts_where_it_is_told(bench: Bench) -> None:
    topic, log = bench.topic(), bench.log()
    writer = ready(log, bench.transactional_id())
    for value in (b"a", b"b", b"c"):
        write(writer, topic, [value])
    assert values_between(log, (topic, 0), 1) == [(2, b"b"), (4, b"c")], "offset 1 is a marker"


def a_position_before_the_log_start_is_loud(bench: Bench) -> None:
    topic, log = bench.topic(), bench.log()
    writer = ready(log, bench.transactional_id())
    for value in (b"a", b"b", b"c"):
        write(writer, topic, [value])
    bench.delete_records((topic, 0), 4)
    reader = log.reader("conformance")
    assert reader.start((topic, 0)) == 4
    reader.assign({(topic, 0): 2})
    with pytest.raises(OffsetOutOfRange):
        _poll_until_it_raises(reader)
    assert values_between(log, (topic, 0), 4) == [(4, b"c")]


def a_position_after_the_end_is_loud(bench: Bench) -> None:
    topic, log = bench.topic(), bench.log()
    write(ready(log, bench.transactional_id()), topic, [b"a"])
    reader = log.reader("conformance")
    reader.assign({(topic, 0): 50})
    with pytest.raises(OffsetOutOfRange):
        _poll_until_it_raises(reader)


def _poll_until_it_raises(reader: Reader) -> None:
    for _ in range(TRIES):
        reader.poll(10, 0.1)


def a_topic_made_anew_has_another_uuid(bench: Bench) -> None:
    topic, log = bench.topic(2), bench.log()
    before = log.admin().describe([topic, "no.such.topic"])
    assert set(before) == {topic}
    assert before[topic].partitions == 2
    bench.recreate(topic)
    after = log.admin().describe([topic])
    assert after[topic].topic_id != before[topic].topic_id


SCENARIOS: tuple[Callable[[Bench], None], ...] = (
    a_commit_marker_takes_an_offset,
    aborted_records_are_never_given,
    an_open_transaction_holds_every_reader_back,
    what_lies_open_is_told_and_can_be_read,
    a_void_shows_nothing_and_leaves_nothing_open,
    a_former_owner_is_fenced_and_what_it_left_open_aborted,
    a_former_owner_is_told_by_whatever_it_calls_next,
    a_former_owner_that_was_idle_is_fenced_at_its_next_transaction,
    transactional_ids_fence_only_their_own,
    a_commit_names_the_last_offset_per_partition,
    an_empty_transaction_writes_nothing,
    records_outside_transactions_have_no_markers,
    a_position_steps_over_markers_and_aborted_records,
    a_position_never_goes_back,
    a_reader_starts_where_it_is_told,
    a_position_before_the_log_start_is_loud,
    a_position_after_the_end_is_loud,
    a_topic_made_anew_has_another_uuid,
)
