"""The end of a partition once no transaction is open in it.

A broker writes a commit's marker after it has answered the producer, so whoever reads at once to
the last stable offset may miss what was just committed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from streams.log.kafka.admin import admin_of
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.transport import Partition

HUNG_SECONDS = 5.0


def settled_ends(cluster: Cluster, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """Last stable offsets, waited for until nothing lies behind them; a transaction that hangs is
    waited for ``HUNG_SECONDS``.
    """
    admin = admin_of(cluster)
    deadline = time.monotonic() + HUNG_SECONDS
    while True:
        highs = admin.high_watermarks(partitions)
        stable = admin.ends(partitions)
        if stable == highs or time.monotonic() > deadline:
            return stable
        time.sleep(0.02)
