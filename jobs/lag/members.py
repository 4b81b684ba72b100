"""Who reads a group's partitions. Pure.

Most groups say so themselves. A task of ours reads with ``assign()``: its group
``<environment>.<topology>.<shard>`` has offsets and no members, and shard s belongs to the member
of ``<environment>.<topology>.owners`` that was given partition s of the journal topic. A standby's
group ``<environment>.<topology>.<shard>.standby.<instance id>`` has one reader: the member of that
instance id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from jobs.lag.reading import Group, Member, Partition

OWNERS = ".owners"
TASK = re.compile(r"(?P<job>.+)\.(?P<shard>\d+)")
STANDBY = re.compile(r"(?P<job>.+)\.(?P<shard>\d+)\.standby\.(?P<member>.+)")


class Readers(NamedTuple):
    """A group's readers: ``members`` how many, ``of`` who reads a partition (None: nobody)."""

    members: int
    by_partition: Mapping[Partition, Member]
    task_owner: Member | None = None

    def of(self, partition: Partition) -> Member | None:
        """Who reads this partition."""
        return self.task_owner or self.by_partition.get(partition)

    def owned(self, partition: Partition) -> bool | None:
        """True if somebody reads it, False if the group's members do not, None if there are no
        members.
        """
        return None if self.members == 0 else self.of(partition) is not None


def is_owners(name: str) -> bool:
    """True for the group whose assignment is the shard map; it commits nothing."""
    return name.endswith(OWNERS)


def owners_group_of(name: str) -> tuple[str, int] | None:
    """(owners group, shard) if the name is that of a task's group: ``prod.pipeline.3`` ->
    (``prod.pipeline.owners``, 3).
    """
    found = TASK.fullmatch(name)
    return (found["job"] + OWNERS, int(found["shard"])) if found else None


def readers(group: Group, groups: Mapping[str, Group], topics: frozenset[str]) -> Readers:
    """The readers of a group.

    Args:
        group: the group.
        groups: all groups of the cluster by name.
        topics: topics of the cluster: a job whose journal exists is ours even when its owners group
            is gone.
    """
    standby = STANDBY.fullmatch(group.name)
    if standby is not None and not group.members:
        owners_group = groups.get(standby["job"] + OWNERS)
        follower = (
            next((each for each in owners_group.members if each.name == standby["member"]), None)
            if owners_group is not None
            else None
        )
        return Readers(int(follower is not None), {}, follower)
    task = owners_group_of(group.name)
    if task is not None and not group.members:
        owners, shard = task
        journal = owners.removesuffix(OWNERS) + ".journal"
        if owners in groups or journal in topics:
            owner = _owner(groups.get(owners), shard)
            return Readers(int(owner is not None), {}, owner)
    return Readers(
        len(group.members),
        {partition: member for member in group.members for partition in member.partitions},
    )


def _owner(owners: Group | None, shard: int) -> Member | None:
    if owners is None:
        return None
    return next(
        (
            member
            for member in owners.members
            if any(partition == shard for _, partition in member.partitions)
        ),
        None,
    )
