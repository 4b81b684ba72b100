"""The end of a partition once no transaction is open in it.

A broker writes a commit's marker after it has answered the producer, so whoever reads at once to the last stable offset may miss what was just
committed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import OffsetSpec

from streams.log.kafka.admin import admin_of
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.transport import Partition

HUNG_SECONDS = 5.0
ASK_SECONDS = 30.0


def settled_ends(cluster: Cluster, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """Last stable offsets, waited for until nothing lies behind them; a transaction that hangs is waited for ``HUNG_SECONDS``."""
    admin = admin_of(cluster)
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    deadline = time.monotonic() + HUNG_SECONDS
    while True:
        wanted = {TopicPartition(*each): latest for each in partitions}
        futures = admin.client.list_offsets(wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=ASK_SECONDS)
        highs = {(place.topic, place.partition): int(future.result().offset) for place, future in futures.items()}
        stable = admin.ends(partitions)
        if stable == highs or time.monotonic() > deadline:
            return stable
        time.sleep(0.02)
