"""What one shard of a topology says of ticks: its journal (which inputs a committed batch
consumed), and its quotes where it makes them.

Records are read as committed: a tick counts once nothing can take it back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from jobs.canary.sightings import Sightings
from jobs.live.deployment import quotes_canary
from jobs.live.topic_ownership import open_claims, read_claims
from jobs.live.topology_status import first_entry, last_entry
from schemas.codec import codec
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import Partition, Reader
from streams.runtime.journal.journal import BATCH, CLOSE, GENESIS, JOURNAL, decode_entry
from streams.runtime.live.spec import runtime_name
from streams.runtime.order.canary import is_canary

INPUTS = ("md.depth", "md.trades")
QUOTES = "md.quotes"
FETCH_RECORDS = 10_000


def running(
    log: KafkaLog, cluster: Cluster, chosen: str = ""
) -> dict[tuple[str, int], dict[str, Any]]:
    """Genesis facts of every shard that has consumed something and was not ended, by (topology,
    shard).
    """
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for topology, (_, claim) in open_claims(read_claims(log, cluster)).items():
        for shard in range(claim.shards) if chosen in ("", topology) else ():
            first, last = (
                first_entry(log, cluster, topology, shard),
                last_entry(log, cluster, topology, shard),
            )
            if (
                first is not None
                and last is not None
                and first.kind == GENESIS
                and last.kind != CLOSE
                and last.input_sequence > 0
            ):
                found[topology, shard] = first.facts
    return found


class Watch:
    """One shard's evidence, from now on.

    Attributes:
        sightings: by witness; inputs are keyed by offset, quotes by the tick's number.
    """

    def __init__(
        self,
        log: KafkaLog,
        cluster: Cluster,
        topology: str,
        shard: int,
        facts: Mapping[str, Any],
        sightings: dict[str, Sightings],
    ) -> None:
        self.shard = shard
        self.inputs = [item["topic"] for item in facts["inputs"]]
        self.sightings = sightings
        self._journal = self._reader(
            log, cluster, (cluster.name(runtime_name(topology, JOURNAL)), shard)
        )
        self._quotes = (
            self._reader(log, cluster, (cluster.name(QUOTES), shard))
            if QUOTES in sightings
            else None
        )

    @staticmethod
    def evidence(facts: Mapping[str, Any]) -> list[str]:
        """What can be seen of a topology with this genesis record."""
        published = {item["topic"] for item in facts["outputs"] if item["published"]}
        return [
            *INPUTS,
            *(
                [QUOTES]
                if QUOTES in published and quotes_canary(facts["job"], facts["clock"])
                else []
            ),
        ]

    @staticmethod
    def _reader(log: KafkaLog, cluster: Cluster, partition: Partition) -> Reader:
        reader = log.reader(cluster.name("canary"))
        reader.assign({partition: reader.end(partition)})
        return reader

    def sent(self, number: int, offsets: Mapping[str, int], at: float) -> None:
        """A tick was written: ``offsets`` by input topic, an input that no broker took is missing.
        """
        for witness, sightings in self.sightings.items():
            key = number if witness == QUOTES and "md.depth" in offsets else offsets.get(witness)
            if key is None:
                sightings.refused()
            else:
                sightings.sent(key, at)

    def look(self, wait_seconds: float) -> None:
        """Take what was committed since the last look."""
        for value in self._journal.fetch(FETCH_RECORDS, wait_seconds).values:
            entry = decode_entry(value[HEADER_BYTES:])
            if entry.kind == BATCH and entry.elements is not None:
                for run in entry.elements:
                    topic = (
                        self.inputs[run["input"]] if 0 <= run["input"] < len(self.inputs) else ""
                    )
                    if topic in self.sightings:
                        self.sightings[topic].saw(
                            int(run["first_offset"]), int(run["last_offset"]), time.monotonic()
                        )
        if self._quotes is not None:
            decode = codec("Quote").decode_records
            for value in self._quotes.fetch(FETCH_RECORDS, wait_seconds).values:
                if is_canary(value):
                    quote = decode(value[HEADER_BYTES:], 1)[0]
                    self.sightings[QUOTES].saw(quote.sequence, quote.sequence, time.monotonic())

    def expire(self) -> None:
        """Count what is overdue."""
        for sightings in self.sightings.values():
            sightings.expire(time.monotonic())

    def close(self) -> None:
        """Give connections back."""
        self._journal.close()
        if self._quotes is not None:
            self._quotes.close()
