"""States and reasons on a real broker: retention, recreation, rewinds, members that come, stand
still and go.

Oracle: what the test itself did to the cluster.
"""

from __future__ import annotations

import time

import pytest
from confluent_kafka import Consumer, TopicPartition
from lag_cases import LagCase, MakeCase, wait_for

from jobs.lag.watching import Lag, Snapshot, Watch

pytestmark = pytest.mark.broker


def a_minute_ago() -> int:
    """Old enough not to be OK, young enough for retention."""
    return int(time.time() * 1000) - 60_000


def until(case: LagCase, watch: Watch, state: str | None, group: str = "g") -> Lag:
    """Collect until the group's one row has this state."""
    seen: list[str | None] = []

    def look() -> Lag | None:
        found = case.lag(watch, group)
        seen.append(found.state)
        return found if found.state == state else None

    return wait_for(look, f"{group} is {state}; it was {seen[-5:]}")


def poll_until_assigned(consumer: Consumer) -> None:
    """Join the group."""

    def joined() -> bool:
        consumer.poll(0.1)
        return bool(consumer.assignment())

    wait_for(joined, "the consumer has its partitions")


def test_records_removed_before_they_were_read_are_data_loss_and_stay_so_when_the_client_jumps(
    case: LagCase,
) -> None:
    case.plain(100)
    case.commit(10)
    watch = case.watch(window_seconds=5.0)
    assert case.lag(watch).lag_records == 90
    case.admin.delete_records([TopicPartition(case.topic, 0, 50)])[
        TopicPartition(case.topic, 0)
    ].result(30)
    lag = until(case, watch, "DATA_LOSS")
    assert (lag.lag_records, lag.lag_seconds, lag.reason) == (50, None, "below_log_start")
    case.commit(100)
    assert case.lag(watch).state == "DATA_LOSS", "a silent reset does not hide it"
    until(case, watch, "OK")


def test_markers_removed_behind_a_group_that_had_read_everything_are_no_loss(case: LagCase) -> None:
    case.transaction(5)
    case.read(5)
    watch = case.watch()
    assert case.lag(watch).lag_records == 0
    case.admin.delete_records([TopicPartition(case.topic, 0, 6)])[
        TopicPartition(case.topic, 0)
    ].result(30)
    lag = case.lag(watch)
    assert lag.position == 5 and (lag.lag_records, lag.lag_seconds, lag.state) == (0, 0.0, "OK")


def test_a_position_behind_the_end_is_a_topic_made_anew(case: LagCase) -> None:
    case.plain(10)
    case.commit(500)  # as a group's commit is after its topic was deleted and created again
    watch = case.watch()
    lags = [case.lag(watch) for _ in range(2)]
    assert [(lag.lag_records, lag.lag_seconds, lag.state, lag.reason) for lag in lags] == [
        (None, None, None, "beyond_log_end"),
        (None, None, "DATA_LOSS", "beyond_log_end"),
    ]


def test_a_deleted_topic_gives_no_lag_but_a_reason_or_no_row(case: LagCase) -> None:
    case.plain(10)
    case.commit(5)
    watch = case.watch()
    case.lag(watch)
    for answer in case.admin.delete_topics([case.topic]).values():
        answer.result(30)

    def gone() -> bool:
        return all(
            lag.lag_records is None and lag.lag_seconds is None and lag.reason == "topic_gone"
            for lag in case.snapshot(watch).lags
        )

    wait_for(gone, "the deleted topic's rows say so or are gone")


def test_a_rewind_is_seen_until_the_window_passes(case: LagCase) -> None:
    case.plain(100)
    case.commit(100)
    watch = case.watch(window_seconds=3.0)
    assert case.lag(watch).state == "OK"
    case.commit(20)
    assert case.lag(watch).state == "REWOUND"
    case.commit(100)
    until(case, watch, "OK")


def test_a_member_without_a_commit_has_a_row_that_says_no_commit(case: LagCase) -> None:
    case.plain(10)
    consumer = case.consumer("newcomer")
    consumer.subscribe([case.topic])
    poll_until_assigned(consumer)
    lag = wait_for(
        lambda: next(iter(case.snapshot().lags), None), "the member's partition has a row"
    )
    assert (lag.position, lag.lag_records, lag.lag_seconds, lag.state, lag.reason) == (
        None,
        None,
        None,
        None,
        "no_commit",
    )
    assert lag.member is not None and lag.member.host == "127.0.0.1"
    consumer.close()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_an_owner_that_stands_still_is_stalled_and_without_it_the_group_has_no_members(
    case: LagCase, protocol: str
) -> None:
    case.plain(50, timestamp_ms=a_minute_ago())
    case.commit(10)
    consumer = case.consumer(group_protocol=protocol, client_id="billing@1.2.3")
    consumer.subscribe([case.topic])
    poll_until_assigned(consumer)
    consumer.pause(consumer.assignment())
    watch = case.watch(window_seconds=1.0)

    def stalled() -> Lag | None:
        consumer.poll(0.05)  # alive, reading nothing
        found = case.lag(watch)
        return found if found.state == "STALLED" else None

    lag = wait_for(stalled, "the owner stands still")
    assert lag.lag_records == 40
    assert lag.member is not None and lag.member.job_version == "1.2.3"
    consumer.close()
    assert until(case, case.watch(), "NO_MEMBERS").member is None


def test_a_consumer_that_drains_is_catching_up_then_ok(case: LagCase) -> None:
    case.plain(2_000, timestamp_ms=a_minute_ago())
    case.commit(0)
    watch = case.watch(window_seconds=5.0)
    seen = []
    for position in range(200, 2_001, 200):
        case.commit(position)
        lag = case.lag(watch)
        seen.append(lag.state)
        assert lag.lag_records == 2_000 - position
        assert position in (200, 2_000) or (
            lag.eta_drain_seconds is not None and lag.eta_drain_seconds > 0
        )
    assert seen[-1] == "OK" and set(seen[2:-1]) == {"CATCHING_UP"}


def test_a_task_of_ours_is_owned_by_the_member_of_its_owners_group(make_case: MakeCase) -> None:
    """Laid out as design section 10 says: ``assign()`` and plain commits in the shard's group, a
    subscription of the journal in the owners group.
    """
    case = make_case()
    job = f"{case.topic}.job"
    case.make(f"{job}.journal", 2)
    case.plain(20, timestamp_ms=a_minute_ago())
    for shard in (0, 1):
        case.commit(5, f"job.{shard}")
    membership = {
        "partition_assignment_strategy": "cooperative-sticky",
        "session_timeout_ms": 6_000,
        "heartbeat_interval_ms": 300,
    }
    owner = case.consumer("job.owners", group_instance_id="test-host-0", **membership)
    owner.subscribe([f"{job}.journal"])
    poll_until_assigned(owner)
    watch = case.watch()

    def owned() -> Snapshot | None:
        found = case.snapshot(watch)
        return found if all(found.members[f"{job}.{shard}"][1] for shard in (0, 1)) else None

    snapshot = wait_for(owned, "both shards are owned")
    assert {lag.group for lag in snapshot.lags} == {f"{job}.0", f"{job}.1"}, (
        "the owners group has no rows"
    )
    assert {lag.member.name for lag in snapshot.lags if lag.member} == {"test-host-0"}
    assert {lag.state for lag in snapshot.lags} <= {None, "STALLED"}, (
        "it is owned, so not NO_MEMBERS"
    )
    owner.unsubscribe()
    wait_for(
        lambda: owner.poll(0.5) is None and not owner.assignment(),
        "the owner gives its shards back",
    )
    owner.close()

    def left() -> bool:
        owners = case.snapshot(watch).members
        return owners[f"{job}.0"][1] == 0 and owners[f"{job}.1"][1] == 0

    wait_for(left, "the owner has left")
    assert {lag.state for lag in case.snapshot(case.watch()).lags} == {"NO_MEMBERS"}
    for answer in case.admin.delete_topics([f"{job}.journal"]).values():
        answer.exception(30)
