"""Lag while producers, transactions, consumers and retention go on between every two steps of a
collection.

Oracle: a brute-force count over the entries of the simulated log; a planted reading in the wrong
order shows that the property can fail.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_lag import SimulatedCluster, SimulatedPartition

from jobs.lag.settings import LagSettings
from jobs.lag.watching import Watch

PARTITION = ("t", 0)
PRODUCERS = 2
OPERATIONS = (
    "append",
    "begin 0",
    "begin 1",
    "commit 0",
    "commit 1",
    "abort 0",
    "abort 1",
    "consume",
    "remove",
    "wait",
)


def operate(cluster: SimulatedCluster, operation: str) -> None:
    """One thing that others do to the log."""
    partition = cluster.partitions[PARTITION]
    stamp = int(cluster.now * 1000)
    name, _, producer = operation.partition(" ")
    if name == "append":
        partition.append(stamp)
    elif name == "begin":
        partition.append(stamp, int(producer))
    elif name in ("commit", "abort"):
        partition.end(int(producer), name == "commit", stamp)
    elif (
        name == "consume"
    # reads one record and commits: a consumer commits what it read, so never beyond a committed
    # record
    ):
        position = cluster.offsets["g"][PARTITION]
        left = partition.truth(position, partition.last_stable)
        if left:
            cluster.offsets["g"][PARTITION] = left[0] + 1
    elif name == "remove":
        if partition.log_start < cluster.offsets["g"][PARTITION]:
            partition.log_start += 1
    else:
        cluster.now += 0.5


def watched(operations: list[str], **how: object) -> tuple[SimulatedCluster, Watch]:
    """A watch over a cluster where the next operations (one, or several separated by commas) happen
    between any two steps.
    """
    rest = iter(operations)

    def between() -> None:
        for operation in next(rest, "").split(","):
            if operation:
                operate(cluster, operation)

    cluster = SimulatedCluster(between, **how)  # type: ignore[arg-type]
    cluster.partitions[PARTITION] = SimulatedPartition()
    cluster.offsets["g"] = {PARTITION: 0}
    for _ in range(3):
        operate(cluster, "append")
    cluster.partitions[PARTITION].end(0, True, 0)
    return cluster, Watch(cluster, LagSettings(), clock=lambda: cluster.now)


def collect_and_compare(cluster: SimulatedCluster, watch: Watch) -> None:
    """One collection against the truth at the instants at which it read."""
    (lag,) = watch.collect().lags
    position, end = cluster.read_positions["g"][PARTITION], cluster.read_ends[PARTITION]
    truth = cluster.partitions[PARTITION].truth(position, end)
    assert lag.lag_records == len(truth), f"counted {lag.lag_records}, the truth is {len(truth)}"
    assert lag.lag_seconds is not None, f"no time is known at position {position} of {end}"
    if truth:
        first = cluster.partitions[PARTITION].entries[truth[0]]
        # time stands still in this test
        assert lag.lag_seconds == pytest.approx(cluster.now - first.timestamp_ms / 1000)
    else:
        assert lag.lag_seconds == 0


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([each for each in OPERATIONS if each not in ("wait", "remove")]),
        max_size=120,
    ),
    st.integers(1, 8),
)
def test_short_lag_is_exactly_the_committed_records_behind_the_position(
    operations: list[str], collections: int
) -> None:
    cluster, watch = watched(operations)
    for _ in range(collections):
        collect_and_compare(cluster, watch)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(OPERATIONS), max_size=120),
    st.integers(1, 8),
    st.integers(0, 6),
    st.integers(1, 12),
)
def test_lag_is_never_negative_and_never_below_the_truth(
    operations: list[str], collections: int, exact: int, look_limit: int
) -> None:
    """Whatever is cut short (counts, looks, retention in between), what is not counted counts in
    offsets: never too little, never below zero.
    """
    cluster, _ = watched(operations, look_limit=look_limit)
    watch = Watch(cluster, LagSettings(exact_lag_records=exact), clock=lambda: cluster.now)
    for _ in range(collections):
        (lag,) = watch.collect().lags
        position, end = cluster.read_positions["g"][PARTITION], cluster.read_ends[PARTITION]
        truth = cluster.partitions[PARTITION].truth(position, end)
        assert lag.lag_records is not None and len(truth) <= lag.lag_records <= max(
            0, end - position
        )
        assert lag.lag_seconds is None or lag.lag_seconds >= 0
        assert lag.lag_seconds is not None or lag.reason
        assert (lag.eta_drain_seconds or 0) >= 0


def test_ends_read_before_positions_are_caught_by_the_same_comparison() -> None:
    """The planted mistake of several exporters: what is produced and consumed between the two puts
    the position behind the end.
    """
    between = ["consume,consume,consume", "append,consume"]
    collect_and_compare(*watched(between))
    cluster, watch = watched(between, ends_first=True)
    with pytest.raises(AssertionError, match="no time is known at position 4 of 3"):
        collect_and_compare(cluster, watch)
    assert cluster.read_ends[PARTITION] < cluster.read_positions["g"][PARTITION]


def test_a_stuck_group_costs_one_look() -> None:
    cluster, watch = watched([])
    looked = []
    for _ in range(5):
        collect_and_compare(cluster, watch)
        looked.append(cluster.looked)
    assert looked == [1] * 5
    operate(cluster, "append")
    collect_and_compare(cluster, watch)
    collect_and_compare(cluster, watch)
    assert cluster.looked == 2, (
        "what came since is looked at once more, from where the last look ended"
    )


def test_groups_at_one_position_share_a_look() -> None:
    cluster, watch = watched([])
    for number in range(30):
        cluster.offsets[f"other{number}"] = {PARTITION: 0}
    assert {lag.lag_records for lag in watch.collect().lags} == {3}
    assert cluster.looked == 1


def test_memory_is_bounded_by_the_positions_there_are() -> None:
    cluster, watch = watched([])
    for _ in range(50):
        operate(cluster, "append")
        operate(cluster, "consume")
        watch.collect()
    assert len(watch.memory.known) <= 1
    assert len(watch.histories) == 1
    del cluster.offsets["g"]
    assert watch.collect().lags == ()
    assert not watch.memory.known and not watch.histories, "a deleted group leaves nothing behind"
