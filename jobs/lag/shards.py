"""Whose a group is, and the state of every shard of every open topology: facts of the cluster, for
all its environments at once.

An environment is there where its topic ``topologies`` is. A group or topic belongs to the
environment whose name it begins with; a foreign group to the one whose topics it reads, if that is
one; all else to the environment without a name. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

from jobs.lag.members import OWNERS, STANDBY, TASK
from jobs.lag.reading import Group, Reading, TopologyFacts
from jobs.live.shard_state import SUFFIX, Note, state_of

TOPOLOGIES = "topologies"
JOURNAL = ".journal"


class GroupFacts(NamedTuple):
    """Whose a group is; ``topology`` and ``shard`` are empty for one that is no task's or
    standby's.
    """

    environment: str
    topology: str = ""
    shard: str = ""


class ShardState(NamedTuple):
    """One shard of an open topology; ``state`` of ``jobs.live.shard_state.STATES``, ``record``
    where it is quarantined at one.
    """

    environment: str
    topology: str
    shard: int
    state: str
    record: tuple[str, str, str]


def environments(topics: Set[str]) -> set[str]:
    """Names of the environments on a cluster, the empty one of the environment without a name
    included.
    """
    found = {
        name.removesuffix(f".{TOPOLOGIES}") for name in topics if name.endswith(f".{TOPOLOGIES}")
    }
    return found | ({""} if TOPOLOGIES in topics else set())


def environment_of(name: str, known: Set[str]) -> str:
    """The environment that a name on the cluster belongs to."""
    prefix, dot, _ = name.partition(".")
    return prefix if dot and prefix in known else ""


def facts_of(
    group: Group, known: Set[str], topologies: Mapping[tuple[str, str], TopologyFacts]
) -> GroupFacts:
    """Whose a group is."""
    environment = environment_of(group.name, known)
    ours = group.name.removeprefix(f"{environment}.") if environment else group.name
    found = STANDBY.fullmatch(ours) or TASK.fullmatch(ours)
    if found is not None and (environment, found["job"]) in topologies:
        return GroupFacts(environment, found["job"], found["shard"])
    if not environment:
        read = {environment_of(topic, known) for topic, _ in group.offsets}
        environment = read.pop() if len(read) == 1 else ""
    return GroupFacts(environment)


def is_tool(name: str) -> bool:
    """True for a group that stores words and no position: it has no lag."""
    return name.endswith(SUFFIX)


def is_closed(facts: GroupFacts, topologies: Mapping[tuple[str, str], TopologyFacts]) -> bool:
    """True for a group of a topology that was ended for good: what it left unread is nobody's."""
    topology = topologies.get((facts.environment, facts.topology))
    return topology is not None and not topology.is_open


def shard_states(reading: Reading, stalled: Set[GroupFacts]) -> list[ShardState]:
    """Every shard of every open topology that has begun: the processes of one that is claimed may
    still be preparing.

    Args:
        reading: of the cluster.
        stalled: tasks before which records wait and whose position stands still, though somebody
            owns it.
    """
    groups = {group.name: group for group in reading.groups}
    found = []
    for topology in reading.topologies:
        if not topology.is_open:
            continue
        job = f"{topology.environment}.{topology.name}" if topology.environment else topology.name
        owners = _owned(groups.get(job + OWNERS))
        for shard in range(topology.shards):
            noted = groups.get(f"{job}.{shard}{SUFFIX}")
            note = Note.parse(next(iter(noted.notes.values()), "") if noted is not None else "")
            journal = reading.bounds.get((job + JOURNAL, shard))
            if not note.state and (journal is None or journal.last_stable == journal.log_start):
                continue
            is_frozen = GroupFacts(topology.environment, topology.name, str(shard)) in stalled
            state = state_of(note, shard in owners, is_frozen)
            found.append(ShardState(topology.environment, topology.name, shard, state, note.record))
    return found


def _owned(owners: Group | None) -> set[int]:
    return {
        partition
        for member in (owners.members if owners is not None else ())
        for _, partition in member.partitions
    }
