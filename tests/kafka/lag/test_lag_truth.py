"""Lag on a real broker, transactions and all.

Oracle: what the test itself produced, consumed and committed; every peer of reference/operations.md
1.1 shows at least 1 for the first case.
"""

from __future__ import annotations

import time

import pytest
from confluent_kafka import TopicPartition
from lag_cases import LagCase, MakeCase, wait_for

from jobs.lag.reading import Want

pytestmark = pytest.mark.broker
def test_a_transactional_producer_then_idle_is_exactly_zero(case: LagCase) -> None:
    for _ in range(5):
        case.transaction(3)
    assert case.read(15) < case.snapshot().reading.bounds[(case.topic, 0)].last_stable, (
        "a marker follows the last record"
    )
    lag = case.lag()
    assert (lag.lag_records, lag.lag_seconds, lag.state, lag.reason) == (0, 0.0, "OK", None)


def test_an_aborted_tail_is_not_lag(case: LagCase) -> None:
    case.transaction(4)
    case.transaction(300, "abort")
    case.read(4)
    lag = case.lag()
    assert (lag.lag_records, lag.lag_seconds, lag.state) == (0, 0.0, "OK")


@pytest.mark.parametrize("short", [1, 7, 120])
def test_a_short_lag_counts_committed_records_only(case: LagCase, short: int) -> None:
    for turn in range(50):
        case.transaction(3)
        if turn % 5 == 0:
            case.transaction(10, "abort")
    case.read(150 - short)
    assert case.lag().lag_records == short


def test_a_long_lag_is_at_least_the_truth_and_counts_no_more_than_offsets(case: LagCase) -> None:
    for _ in range(40):
        case.transaction(100)
    case.read(100)
    watch = case.watch(exact_lag_records=500)
    lag = case.lag(watch)
    assert lag.lag_records is not None and 3_900 <= lag.lag_records <= 3_900 + 40
    assert watch.looks == 1


def test_lag_in_seconds_is_the_age_of_the_record_at_the_position(case: LagCase) -> None:
    now = int(time.time() * 1000)
    for age in (50_000, 40_000, 30_000, 20_000):
        case.plain(1, timestamp_ms=now - age)
    for position, age in ((0, 50), (1, 40), (3, 20)):
        case.commit(position)
        lag = case.lag()
        assert lag.lag_seconds is not None and age <= lag.lag_seconds <= age + (
            time.time() - now / 1000
        )
    case.commit(4)
    assert case.lag().lag_seconds == 0


def test_an_open_transaction_holds_and_blocks_and_lets_go(case: LagCase) -> None:
    case.transaction(5)
    case.read(5)
    case.transaction(20, "open", name="hung")
    watch = case.watch(txn_blocked_seconds=0.5)
    lag = wait_for(
        lambda: found if (found := case.lag(watch)).state == "TXN_BLOCKED" else None,
        "the open transaction blocks",
    )
    assert (lag.lag_records, lag.lag_seconds) == (0, 0.0), "everything decided is read"
    snapshot = case.snapshot(watch)
    assert snapshot.reading.bounds[(case.topic, 0)].hold == 20
    assert 0.5 < snapshot.transaction_age[(case.topic, 0)] < 60
    case.plain(3)
    assert case.snapshot(watch).reading.bounds[(case.topic, 0)].hold == 23, (
        "what comes after it is held back as well"
    )
    case.end("hung")
    lag = wait_for(
        lambda: found if (found := case.lag(watch)).lag_records else None,
        "the transaction's records are there",
    )
    assert lag.lag_records == 23
    assert (case.topic, 0) not in case.snapshot(watch).transaction_age


def test_an_aborted_transaction_lets_go_and_leaves_no_lag(case: LagCase) -> None:
    case.transaction(5)
    case.read(5)
    case.transaction(20, "open", name="hung")
    watch = case.watch(txn_blocked_seconds=0.2)
    wait_for(lambda: case.lag(watch).state == "TXN_BLOCKED", "the open transaction blocks")
    case.end("hung", "abort")
    lag = wait_for(
        lambda: found if (found := case.lag(watch)).state == "OK" else None, "it lets go"
    )
    assert (lag.lag_records, lag.lag_seconds) == (0, 0.0)


def test_a_reader_inside_an_open_transaction_is_unknown_in_seconds_with_the_reason(
    case: LagCase,
) -> None:
    case.plain(2)
    case.transaction(10, "open")
    case.commit(7)
    lag = case.lag()
    assert (lag.lag_records, lag.lag_seconds, lag.reason) == (0, None, "open_txn")


def test_offsets_pending_in_an_open_transaction_are_not_waited_for(case: LagCase) -> None:
    """``committed()`` of a consumer does not answer here until its own time-out: reference/kafka.md
    11.1.
    """
    case.plain(10)
    case.commit(4)
    producer, consumer = case.producer("pending"), case.consumer()
    consumer.assign([TopicPartition(case.topic, 0, 9)])
    producer.begin_transaction()
    producer.send_offsets_to_transaction(
        [TopicPartition(case.topic, 0, 9)], consumer.consumer_group_metadata(), 30
    )
    began = time.monotonic()
    lag = case.lag()
    assert (lag.position, lag.lag_records) == (4, 6), (
        "a commit that may still be aborted has not happened"
    )
    assert time.monotonic() - began < 8
    producer.commit_transaction(30)
    assert (
        wait_for(
            lambda: found if (found := case.lag()).position == 9 else None, "the commit is seen"
        ).lag_records
        == 1
    )
    consumer.close()


def test_empty_partitions_are_caught_up(make_case: MakeCase) -> None:
    case = make_case(partitions=3)
    case.commit(0, partition=0)
    case.plain(2, partition=1)
    case.commit(2, partition=1)
    case.commit(0, partition=2)
    lags = case.snapshot().lags
    assert [(lag.partition, lag.lag_records, lag.lag_seconds, lag.state) for lag in lags] == [
        (0, 0, 0, "OK"),
        (1, 0, 0, "OK"),
        (2, 0, 0, "OK"),
    ]


def test_holes_of_compaction_are_not_lag(make_case: MakeCase) -> None:
    case = make_case(
        cleanup_policy="compact",
        segment_ms="100",
        min_cleanable_dirty_ratio="0.01",
        min_compaction_lag_ms="0",
        max_compaction_lag_ms="200",
    )
    for number in range(200):
        case.plain(1, key=b"a" if number % 2 else b"b", value=str(number).encode())
    case.commit(0)
    exporter = case.watch(recount_seconds=0.0)
    case.lag(exporter)  # counts what compaction has not reached yet

    def compacted() -> bool:
        time.sleep(0.2)
        case.plain(1, key=b"c")  # a new segment, so that the former may be cleaned
        consumer = case.consumer("witness", enable_partition_eof=True)
        consumer.assign([TopicPartition(case.topic, 0, 0)])
        count = 0
        while (message := consumer.poll(5)) is not None and message.error() is None:
            count += 1
        consumer.close()
        self_counted.append(count)
        return count < 150

    self_counted: list[int] = []
    try:
        wait_for(compacted, "the broker compacts")
    except AssertionError:
        pytest.skip("the broker did not compact within a minute")
    assert self_counted[-1] == case.lag(exporter).lag_records == case.lag().lag_records, (
        "one that watched from the start, and a first look"
    )


def test_timestamps_in_the_future_count_as_now_and_are_counted(case: LagCase) -> None:
    case.plain(1, timestamp_ms=int(time.time() * 1000) + 1_800_000)
    case.commit(0)
    watch = case.watch()
    for _ in range(3):
        lag = case.lag(watch)
        assert (lag.lag_records, lag.lag_seconds) == (1, 0.0)
    assert case.snapshot(watch).skew == {case.topic: 1}


@pytest.mark.parametrize("kind", ["CreateTime", "LogAppendTime"])
def test_the_type_of_timestamps_and_the_retention_are_told(make_case: MakeCase, kind: str) -> None:
    case = make_case(message_timestamp_type=kind, retention_ms="3600000")
    case.plain(1, timestamp_ms=int(time.time() * 1000) - 600_000)
    case.commit(0)
    snapshot = case.snapshot()
    assert snapshot.reading.settings[case.topic][:2] == (3600.0, kind)
    (lag,) = snapshot.lags
    expected = 600 if kind == "CreateTime" else 0
    assert lag.lag_seconds == pytest.approx(expected, abs=30)
    assert lag.retention_margin_seconds == pytest.approx(3600 - expected, abs=30)


def test_a_partition_whose_look_was_over_first_is_looked_at_again(make_case: MakeCase) -> None:
    """Regression: partitions that were done were paused, stayed paused when assigned anew, and
    every later look at them ran into its time-out.
    """
    case = make_case(partitions=4)
    for partition, count in enumerate((1, 300, 2, 1_500)):
        case.plain(count, partition=partition)
        case.commit(0, partition=partition)
    source = case.watch().source
    wants = [
        Want(case.topic, partition, 0, count, counted=True)
        for partition, count in enumerate((1, 300, 2, 1_500))
    ]
    for _ in range(4):
        seen = source.look(wants)
        assert [(seen[want].records, seen[want].reached, seen[want].failure) for want in wants] == [
            (want.stop, want.stop, "") for want in wants
        ]
