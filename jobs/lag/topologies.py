"""Which topologies an environment has, open and closed, from its topic of claims; read again when
that has grown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set

import msgspec

from jobs.lag.reading import Bounds, Partition, TopologyFacts
from jobs.lag.shards import TOPOLOGIES, environments
from jobs.live.topic_ownership import open_claims, read_claims
from schemas.errors import ShrivenError
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster


class Topologies:
    """The topologies of every environment of a cluster.

    Args:
        cluster: whatever its own environment is.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._known: dict[str, tuple[int, list[TopologyFacts]]] = {}

    def read(
        self, topics: Set[str], bounds: Mapping[Partition, Bounds], failures: Counter[str]
    ) -> tuple[TopologyFacts, ...]:
        """Every topology that ever claimed a topic. One that cannot be read is counted, and what
        was known of it stays.
        """
        found: list[TopologyFacts] = []
        for environment in sorted(environments(topics)):
            cluster = msgspec.structs.replace(self.cluster, environment=environment)
            ends = bounds.get((cluster.name(TOPOLOGIES), 0))
            if ends is not None and self._known.get(environment, (-1,))[0] != ends.last_stable:
                try:
                    self._known[environment] = ends.last_stable, _topologies(cluster)
                except ShrivenError as problem:
                    failures[problem.code] += 1
            found += self._known.get(environment, (-1, []))[1]
        return tuple(found)


def _topologies(cluster: Cluster) -> list[TopologyFacts]:
    claims = read_claims(KafkaLog(cluster), cluster)
    still_open = open_claims(claims)
    last = {claim.topology: claim for _, claim in claims}
    return [
        TopologyFacts(cluster.environment, name, claim.shards, name in still_open)
        for name, claim in sorted(last.items())
    ]
