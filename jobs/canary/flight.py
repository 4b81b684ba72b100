"""The canary's flight: a tick every few seconds into each shard's inputs, and every witness asked
for it.

1. look for shards that run; one that has not consumed anything yet is left alone
2. write one depth tick and one trade tick into each shard's partitions, without a transaction, and
   wait for the broker
3. until the next tick: read journals and quotes, count what is overdue as lost
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry

from jobs.canary.sightings import Sightings
from jobs.canary.watching import INPUTS, Watch, running
from jobs.telemetry.metrics import CANARY
from jobs.telemetry.table import make
from jobs.telemetry.task import ProcessMetrics
from schemas.codec import codec
from schemas.errors import ShrivenError
from schemas.registry import resolve
from schemas.version import VERSION
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import header
from streams.runtime.order.canary import depth_tick, trade_tick
from streams.runtime.tools.code import code_digest, source_digests

REFRESH_SECONDS = 15.0
LOOK_SECONDS = 0.005


class Flight:
    """See the module's head.

    Args:
        cluster: where.
        topology: one name, or empty for every topology with an open claim.
        interval_seconds: between two ticks.
        bound_seconds: after which a tick is lost.
        say: told what a person should know.
    """

    def __init__(
        self,
        cluster: Cluster,
        topology: str,
        interval_seconds: float,
        bound_seconds: float,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.cluster = cluster
        self.log = KafkaLog(cluster)
        self.topology = topology
        self.interval_seconds = interval_seconds
        self.bound_seconds = bound_seconds
        self.watches: dict[tuple[str, int], Watch] = {}
        self.registry: CollectorRegistry = ProcessMetrics(
            VERSION, code_digest(source_digests([]))
        ).registry
        self._say = say
        self._metrics = make(CANARY, self.registry)
        self._headers = {
            topic: header(schema_id) for topic, schema_id in resolve(cluster, list(INPUTS)).items()
        }
        self._writer = self.log.plain_writer()
        self._refreshed = -REFRESH_SECONDS
        self._trouble = ""

    def fly(self, is_stopping: threading.Event, ticks: int = 0) -> None:
        """Until told to stop, or until so many ticks were written and each was seen or lost."""
        left = ticks
        while not is_stopping.is_set():
            began = time.monotonic()
            self._try(self._refresh)
            if self.watches and (left or not ticks):
                self._try(self._send)
                left -= 1
            while not is_stopping.is_set() and time.monotonic() - began < self.interval_seconds:
                self._look()
                if (
                    ticks
                    and not left
                    and not any(
                        each.waiting
                        for watch in self.watches.values()
                        for each in watch.sightings.values()
                    )
                ):
                    return
                if not self.watches:
                    is_stopping.wait(0.2)

    def _try(self, act: Callable[[], None]) -> None:
        """Trouble with the cluster is told once, and is what the canary is there to see: it goes
        on.
        """
        try:
            act()
            self._trouble = ""
        except ShrivenError as problem:
            if problem.code != self._trouble:
                self._trouble = problem.code
                self._say(problem.text)

    def _refresh(self) -> None:
        """Begin to watch shards that run by now; stop watching those that were ended."""
        if time.monotonic() - self._refreshed < REFRESH_SECONDS and self.watches:
            return
        self._refreshed = time.monotonic()
        found = running(self.log, self.cluster, self.topology)
        for place in [place for place in self.watches if place not in found]:
            self.watches.pop(place).close()
        for place, facts in found.items():
            if place not in self.watches:
                topology, shard = place
                sightings = {
                    witness: self._sightings(topology, shard, witness)
                    for witness in Watch.evidence(facts)
                }
                self.watches[place] = Watch(
                    self.log, self.cluster, topology, shard, facts, sightings
                )
                self._say(f"watching {topology} shard {shard}: {', '.join(sightings)}")
        if not self.watches:
            self._say(
                "nothing runs here that has consumed anything yet; 'sq status' shows what there is"
            )

    def _sightings(self, topology: str, shard: int, witness: str) -> Sightings:
        names = ("sent", "seen", "lost", "late", "duplicates")
        counters = {
            name: self._metrics[f"canary_{name}_total"].labels(topology, str(shard), witness)
            for name in names
        }
        seen_after = self._metrics["canary_seconds"].labels(topology, str(shard), witness)

        def tell(what: str, seconds: float | None) -> None:
            counters[what].inc()
            if seconds is not None:
                seen_after.observe(seconds)

        return Sightings(tell, self.bound_seconds)

    def _send(self) -> None:
        """One tick to every shard that is watched. A partition that several topologies read gets
        one.
        """
        number, at = time.time_ns(), time.monotonic()
        values = {
            "md.depth": self._headers["md.depth"]
            + codec("DepthUpdate").encode_records([depth_tick(number)]),
            "md.trades": self._headers["md.trades"]
            + codec("Trade").encode_records([trade_tick(number)]),
        }
        delivered: dict[Any, int] = {}
        try:
            self._writer.begin()
            for shard in {watch.shard for watch in self.watches.values()}:
                for topic, value in values.items():
                    self._writer.produce(self.cluster.name(topic), shard, [value])
            delivered = dict(self._writer.commit())
        except ShrivenError:
            self._writer.abort()
            raise
        finally:
            for watch in self.watches.values():
                places = {
                    topic: delivered.get((self.cluster.name(topic), watch.shard))
                    for topic in values
                }
                watch.sent(
                    number,
                    {topic: offset for topic, offset in places.items() if offset is not None},
                    at,
                )

    def _look(self) -> None:
        for watch in self.watches.values():
            self._try(lambda watch=watch: watch.look(LOOK_SECONDS))  # type: ignore[misc]
            watch.expire()

    def rows(self) -> list[dict[str, Any]]:
        """What was counted, by topology, shard and witness."""
        return [
            {
                "topology": topology,
                "shard": shard,
                "witness": witness,
                **each.counts,
                "slowest_seconds": round(each.slowest_seconds, 4),
            }
            for (topology, shard), watch in self.watches.items()
            for witness, each in watch.sightings.items()
        ]

    def close(self) -> None:
        """Give connections back."""
        for watch in self.watches.values():
            watch.close()
        self._writer.close()
