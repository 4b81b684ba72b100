"""Folders that are pulled from a simulated cluster, by the code of ``sq pull``; and such folders
with other content, closed again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from connectors.pulling.topology import TopologyPull, close_pulled, topic_facts
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.transport import Partition
from streams.log.local import LocalLog
from streams.log.manifest import DIGEST, RUN_MANIFEST, read_manifest
from streams.log.verify import FILES
from streams.runtime.journal.journal import JOURNAL
from tests.simulation.broker import SimulatedBroker
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Network


class SimulatedPull(TopologyPull):
    """``sq pull`` of a cluster that is not there: only the connection is another."""

    def __init__(self, broker: SimulatedBroker) -> None:
        self.cluster, self.topology, self.shard, self.to = (
            Cluster(bootstrap="simulated:0"),
            "pipeline",
            0,
            None,
        )
        self.on_progress = lambda _done, _total: None
        self.broker = broker
        self._log: Any = SimulatedLog(broker, Network(broker.clock))
        self.journal, self._versions = (JOURNAL, 0), None
        self._done = self._total = 0

    def _held(self, partitions: list[Partition]) -> dict[Partition, tuple[int, int]]:
        found = {each: self.broker.partition(each) for each in partitions}
        return {each: (place.start, place.last_stable_offset) for each, place in found.items()}


def pulled(broker: SimulatedBroker, out: Path) -> Path:
    """The folder, closed."""
    with LocalLog.create(out) as folder:
        pull = SimulatedPull(broker)
        close_pulled(folder, pull.pull(folder), pull.cluster)
    return out


def closed_again(
    folder: Path,
    change: Callable[[dict[str, Any]], object] = lambda _: None,
    more: tuple[str, int, Any] | None = None,
) -> None:
    """Close a folder as a forger would: digests of files and topics made again.

    Args:
        change: of what ``run.json`` says.
        more: a topic, how far behind its last record, and the record that is put there.
    """
    facts = {
        key: value
        for key, value in read_manifest(folder / RUN_MANIFEST).items()
        if key not in (DIGEST, FILES)
    }
    (folder / RUN_MANIFEST).unlink()
    with LocalLog.open(folder, writable=True) as log:
        if more is not None:
            topic, distance, record = more
            writer = log.writer(topic, 0, has_holes=True)
            offsets = np.array([writer.next_offset + distance])
            writer.append(
                codec(topic_of(topic).record).encode_records([record]), 1, offsets=offsets
            )
        facts["topics"] = topic_facts(log)
        change(facts)
        log.seal(RUN_MANIFEST, facts)
