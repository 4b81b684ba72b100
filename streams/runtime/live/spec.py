"""What a task of a live topology is given: names, inputs, outputs, bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from schemas.errors import WrongUse
from streams.log.kafka.transport import Partition
from streams.runtime.order.flood import FloodLimit

CONTROL_TOPICS = ("control", "ref.instruments")
"""Topics of one partition, read by every shard, and polled before anything else."""
RUNTIME = "pipeline."
"""Prefix of the catalogue's runtime topics; on a cluster every topology has its own."""


STANDBY = ".standby."
"""Between a task's group and a member's instance id: the group of that member's standby."""


class NoTopology(WrongUse):
    """No such topology ran on the cluster, or none of that name is open."""

    code = "no_topology"


def runtime_name(topology: str, topic: str) -> str:
    """A runtime topic under its topology's name; any other as it is."""
    return f"{topology}.{topic.removeprefix(RUNTIME)}" if topic.startswith(RUNTIME) else topic


class Bounds(msgspec.Struct, frozen=True):
    """Where a batch ends.

    Attributes:
        records: most input records.
        work_seconds: the record bound of the next batch follows the measured cost so that its work
            takes about this long.
        linger_seconds: from one batch to the next, unless control has something to say or a batch
            is full: fewer and larger transactions.
        order_wait_seconds: how long an empty buffer is waited for whose partition holds more.
        tick_seconds: silence after which the wall clock is journaled.
        offsets_seconds: how often group offsets are stored.
        identity_seconds: how often topics are compared with what they were.
    """

    records: int = 65_536
    work_seconds: float = 0.02
    linger_seconds: float = 0.0
    order_wait_seconds: float = 0.05
    tick_seconds: float = 0.1
    offsets_seconds: float = 1.0
    identity_seconds: float = 10.0


class TaskSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One shard of a topology.

    Attributes:
        topology: its name; ``<topology>.journal`` and so on are its topics.
        shard: partition of the sharded topics, and part of every built id.
        environment: prefix of names on the log.
        inputs: topics read, in merge order.
        outputs: topics written, in catalogue order, dead letters last.
        published: those of the outputs that go to the log; the others are digested in the journal
            only.
        schema_ids: registry id by topic, journal and snapshots included.
        decodable: ids that may be met, by input topic; the topic's own where it is missing.
        clock: event or wall.
        start: earliest or end, for market data that nothing was read of.
        facts: what else the genesis record holds: identity, code, sources, versions, configuration,
            files, journal_id.
        state_digest_records: a state digest and a snapshot every so many input records.
        clock_jump_max: ns; see design section 5.
        flood: most dead letters of an input.
    """

    topology: str
    shard: int
    environment: str
    inputs: list[str]
    outputs: list[str]
    published: list[str]
    schema_ids: dict[str, int]
    facts: dict[str, Any]
    decodable: dict[str, list[int]] = {}
    clock: str = "event"
    start: str = "earliest"
    state_digest_records: int = 1_000_000
    clock_jump_max: int = 3_600_000_000_000
    flood: FloodLimit = FloodLimit()
    bounds: Bounds = Bounds()

    def name(self, topic: str) -> str:
        """What a topic is called on the log; a runtime topic of the pipeline takes this topology's
        name.
        """
        topic = runtime_name(self.topology, topic)
        return f"{self.environment}.{topic}" if self.environment else topic

    def partition_of(self, topic: str) -> Partition:
        """The partition this shard reads or writes."""
        return self.name(topic), 0 if topic.startswith(("control", "ref.")) else self.shard

    @property
    def group(self) -> str:
        """Group whose offsets tools look at."""
        return f"{self.name(self.topology)}.{self.shard}"

    def standby_group(self, member: str) -> str:
        """Group whose offset says how far this member's standby has followed the journal; for
        tools, like the other.
        """
        return f"{self.group}{STANDBY}{member}"

    def transactional_id(self, number: int) -> str:
        """Id of the producer of even (0) or odd (1) journal sequences."""
        return f"{self.group}.{number}"

    def ids_of(self, topic: str) -> list[int]:
        """Schema ids that records of an input may carry."""
        return self.decodable.get(topic) or [self.schema_ids[topic]]


Clock = Callable[[], int]
"""ns UTC, for the wall clock source; read between batches only."""
