"""The state of a shard, as a fact on the cluster: what its owner said last, stored beside the
offset of a group of its own.

A member that has given a shard up ends, and takes its metrics along; a member that drained leaves a
shard without an owner on purpose. Both say so here before they go, so that ``sq status`` and the
lag exporter know it for as long as it is true. The next owner's word replaces it. Nothing reads it
back to decide anything.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from streams.log.kafka.admin import KafkaAdmin
from streams.log.kafka.cluster import Cluster
from streams.runtime.journal.journal import JOURNAL
from streams.runtime.live.spec import runtime_name

SUFFIX = ".state"
STARTING, RUNNING, DRAINED, HALTED, QUARANTINED = (
    "starting",
    "running",
    "drained",
    "halted",
    "quarantined",
)
STATES = ("running", "recovering", "frozen", "halted", "quarantined", "drained", "no owner")
"""What a shard of an open topology can be in, for whoever looks from outside."""
GROUP = re.compile(r"(?P<topology>.+)\.(?P<shard>\d+)" + re.escape(SUFFIX))
FROZEN_SECONDS = 15.0
"""Records wait for so long, and the journal has grown by nothing for as long: whoever owns the
shard does not work.
"""


class Note(NamedTuple):
    """What the owner said: a state, and a detail (the record it died at, the code of its error)."""

    state: str
    detail: str = ""

    @classmethod
    def parse(cls, text: str) -> Note:
        """As it was stored; empty where nothing was."""
        state, _, detail = text.partition(" ")
        return cls(state, detail)

    def text(self) -> str:
        """As it is stored."""
        return f"{self.state} {self.detail}".rstrip()

    @property
    def record(self) -> tuple[str, str, str]:
        """Topic, partition and offset of the record that the last process died at, empty where none
        is known.
        """
        parts = self.detail.split("/")
        return (
            (parts[0], parts[1], parts[2])
            if self.state == QUARANTINED and len(parts) == 3
            else ("", "", "")
        )


def group_of(cluster: Cluster, topology: str, shard: int) -> str:
    """The group that holds it."""
    return f"{cluster.name(topology)}.{shard}{SUFFIX}"


def write(
    admin: KafkaAdmin, cluster: Cluster, topology: str, shard: int, note: Note, wait: bool = False
) -> None:
    """Say it. Where that fails nothing else does: who looks sees what was said before."""
    partition = cluster.name(runtime_name(topology, JOURNAL)), shard
    admin.note_position(group_of(cluster, topology, shard), partition, 0, note.text(), wait)


def state_of(note: Note, has_owner: bool, is_frozen: bool) -> str:
    """One of ``STATES``.

    Args:
        note: what the last owner said; empty of one that says nothing (an older version).
        has_owner: a member has the shard.
        is_frozen: see ``FROZEN_SECONDS``.
    """
    if note.state in (HALTED, QUARANTINED):
        return note.state
    if not has_owner:
        return DRAINED if note.state == DRAINED else "no owner"
    if note.state == STARTING:
        return "recovering"
    return "frozen" if is_frozen else RUNNING
