"""Who reads a group's partitions, and which groups have rows.

Oracle: design section 10 (a task's group has offsets and no members; the owners group's assignment
of the journal's partitions is the shard map).
"""

from __future__ import annotations

import pytest
from simulated_lag import SimulatedCluster, SimulatedPartition

from jobs.lag.members import owners_group_of, readers
from jobs.lag.reading import Group, Member
from jobs.lag.settings import LagSettings
from jobs.lag.watching import Watch

INPUT = ("md.trades", 0)


def owner(name: str, journal: str, *shards: int) -> Member:
    return Member(name, "10.0.0.1", "", tuple((journal, shard) for shard in shards))


@pytest.mark.parametrize("prefix", ["", "prod."])
def test_a_shard_belongs_to_the_member_that_was_given_its_journal_partition(prefix: str) -> None:
    owners = Group(
        f"{prefix}pipeline.owners",
        False,
        (owner("a", f"{prefix}pipeline.journal", 0, 1), owner("b", f"{prefix}pipeline.journal", 2)),
        {},
    )
    groups = {owners.name: owners}
    for shard, expected in ((0, "a"), (1, "a"), (2, "b")):
        task = Group(f"{prefix}pipeline.{shard}", True, (), {INPUT: 5})
        found = readers(task, {**groups, task.name: task}, frozenset())
        assert found.members == 1 and found.owned(INPUT) is True
        assert (member := found.of(INPUT)) is not None and member.name == expected
    orphan = Group(f"{prefix}pipeline.3", True, (), {INPUT: 5})
    assert readers(orphan, groups, frozenset()).owned(INPUT) is None


def test_a_standbys_group_belongs_to_its_member_whatever_that_one_owns() -> None:
    owners = Group(
        "prod.pipeline.owners",
        False,
        (
            owner("prod.pipeline.host.0", "prod.pipeline.journal", 0),
            owner("prod.pipeline.host.1", ""),
        ),
        {},
    )
    journal = ("prod.pipeline.journal", 0)
    for name, expected in (("prod.pipeline.host.1", True), ("prod.pipeline.host.2", None)):
        group = Group(f"prod.pipeline.0.standby.{name}", True, (), {journal: 5})
        assert (
            readers(group, {owners.name: owners}, frozenset({journal[0]})).owned(journal)
            is expected
        )
    assert (
        readers(Group("prod.pipeline.0.standby.x", True, (), {journal: 5}), {}, frozenset()).owned(
            journal
        )
        is None
    )


def test_a_task_whose_owners_group_is_gone_has_no_members() -> None:
    task = Group("pipeline.0", True, (), {INPUT: 5})
    found = readers(task, {}, frozenset({"pipeline.journal"}))
    assert found.members == 0 and found.owned(INPUT) is None


def test_a_foreign_group_whose_name_ends_with_a_number_is_its_own() -> None:
    member = Member("m", "h", "", (INPUT,))
    group = Group("billing.7", False, (member,), {INPUT: 5})
    assert readers(group, {}, frozenset()).of(INPUT) == member
    simple = Group("billing.7", True, (), {INPUT: 5})
    assert readers(simple, {}, frozenset()).members == 0


def test_a_partition_that_no_member_owns_is_told_from_a_group_without_members() -> None:
    member = Member("m", "h", "", (("md.trades", 1),))
    assert readers(Group("g", False, (member,), {INPUT: 5}), {}, frozenset()).owned(INPUT) is False
    assert readers(Group("g", False, (), {INPUT: 5}), {}, frozenset()).owned(INPUT) is None


def test_names_of_tasks() -> None:
    assert owners_group_of("prod.pipeline.12") == ("prod.pipeline.owners", 12)
    assert owners_group_of("pipeline.owners") is None
    assert owners_group_of("7") is None


def test_owners_groups_give_no_rows_and_their_tasks_give_theirs() -> None:
    cluster = SimulatedCluster()
    cluster.partitions[INPUT] = SimulatedPartition()
    cluster.partitions[("pipeline.journal", 0)] = SimulatedPartition()
    cluster.partitions[INPUT].append(0)
    cluster.offsets = {"pipeline.owners": {}, "pipeline.0": {INPUT: 0}, "newcomer": {}}
    cluster.members = {
        "pipeline.owners": (owner("host-0", "pipeline.journal", 0),),
        "newcomer": (Member("n", "h", "", (INPUT,)),),
    }
    snapshot = Watch(cluster, LagSettings(), clock=lambda: cluster.now).collect()
    rows = {lag.group: lag for lag in snapshot.lags}
    assert set(rows) == {"pipeline.0", "newcomer"}
    assert rows["pipeline.0"].member is not None and rows["pipeline.0"].member.name == "host-0"
    assert (rows["newcomer"].position, rows["newcomer"].lag_records, rows["newcomer"].reason) == (
        None,
        None,
        "no_commit",
    )
    assert snapshot.members["pipeline.0"] == ("live", 1)
