"""Bounded looks at records: one assigned consumer, a deadline, and no trace on the cluster (nothing
is committed, no group is joined).

Looks at the same partition that overlap (several groups, short lags) are met by one pass from the
lowest start. A pass is over when the record before ``stop`` was seen, or the client says "end of
partition": it says so once it has read to the last stable offset, markers and aborted records
included, which is the proof that no committed record is left.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, TopicPartition

from jobs.lag.reading import Partition, Seen, Want
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.silence import SILENT

GONE = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)
REFUSED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
MISSING = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
)
POLL_SECONDS = 0.1
BATCH = 500


class Pass:
    """One read through a partition, for the wants that it meets.

    Args:
        wants: of one partition; they all count, or there is only one.
        bytes_max: a pass that met more ends.
    """

    def __init__(self, wants: Sequence[Want], bytes_max: int) -> None:
        self.wants = wants
        self.start = min(want.start for want in wants)
        self.stop = max(want.stop for want in wants)
        self.counts = wants[0].counted
        self.bytes_left = bytes_max
        self.reached = self.start
        self.done = False
        self.failure = ""
        self.offsets: list[int] = []
        self.timestamps: list[int] = []

    @property
    def partition(self) -> Partition:
        """Which partition it reads."""
        return self.wants[0].topic, self.wants[0].partition

    def record(self, offset: int, timestamp_ms: int, size: int) -> None:
        """A committed record."""
        if self.done or offset < self.reached:
            return
        if offset >= self.stop:
            self.end(self.stop)
            return
        self.offsets.append(offset)
        self.timestamps.append(timestamp_ms)
        self.reached = offset + 1
        self.bytes_left -= size
        self.done = not self.counts or self.reached >= self.stop or self.bytes_left <= 0

    def end(self, offset: int) -> None:
        """Everything before this offset was read."""
        self.reached = max(self.reached, min(offset, self.stop))
        self.done = True

    def fail(self, reason: str) -> None:
        """It cannot go on."""
        self.failure = reason
        self.done = True

    def seen(self, want: Want) -> Seen:
        """What it saw of one want."""
        first = next(
            (at for at, offset in enumerate(self.offsets) if offset >= want.start),
            len(self.offsets),
        )
        failure = self.failure or ("" if self.done else "fetch_timeout")
        stamp = self.timestamps[first] if first < len(self.timestamps) else None
        return Seen(len(self.offsets) - first, max(want.start, self.reached), stamp, failure)


def rounds(wants: Sequence[Want], bytes_max: int) -> list[list[Pass]]:
    """Passes in rounds: a consumer has one position in a partition, so a round holds a partition
    once.
    """
    by_partition: dict[tuple[Partition, bool], list[Want]] = {}
    for want in wants:
        by_partition.setdefault(((want.topic, want.partition), want.committed), []).append(want)
    planned: list[list[Pass]] = []
    for asked in by_partition.values():
        short = [want for want in asked if want.counted]
        groups = ([short] if short else []) + [[want] for want in asked if not want.counted]
        for at, group in enumerate(groups):
            if at == len(planned):
                planned.append([])
            planned[at].append(Pass(group, bytes_max))
    return planned


class Probe:
    """Meets wants with one consumer.

    Args:
        cluster: where.
        committed: read committed records only.
    """

    def __init__(self, cluster: Cluster, committed: bool = True) -> None:
        settings = cluster.client(
            group_id="sq-lag",
            isolation_level="read_committed" if committed else "read_uncommitted",
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            auto_offset_reset="error",
            enable_partition_eof=True,
            # "end of partition" comes with an empty answer, which the broker holds back for so long
            fetch_wait_max_ms=5,
            fetch_error_backoff_ms=50,
            fetch_queue_backoff_ms=2,
            fetch_message_max_bytes=262_144,
            queued_max_messages_kbytes=16_384,
        )
        self.consumer = Consumer({**settings, "logger": SILENT})
        self.passes = 0

    def look(self, wants: Sequence[Want], seconds: float, bytes_max: int) -> Mapping[Want, Seen]:
        """Meet the wants within so many seconds; those that could not be met have a failure."""
        deadline = time.monotonic() + seconds
        seen: dict[Want, Seen] = {}
        for passes in rounds(wants, bytes_max):
            if time.monotonic() < deadline:
                self.passes += len(passes)
                self._round({each.partition: each for each in passes}, deadline)
            for each in passes:
                seen.update({want: each.seen(want) for want in each.wants})
        return seen

    def close(self) -> None:
        """Give the connections back."""
        self.consumer.close()

    def _round(self, passes: dict[Partition, Pass], deadline: float) -> None:
        self.consumer.assign(
            [TopicPartition(*partition, each.start) for partition, each in passes.items()]
        )
        open_passes = dict(passes)
        while open_passes and time.monotonic() < deadline:
            first = self.consumer.poll(POLL_SECONDS)
            if first is None:
                continue
            for message in (first, *self.consumer.consume(BATCH, 0)):
                self._take(message, open_passes)
            over = [partition for partition, each in open_passes.items() if each.done]
            for partition in over:
                del open_passes[partition]
            if over and open_passes:
                # not pause(): a paused partition stays paused when it is assigned anew
                self.consumer.incremental_unassign(
                    [TopicPartition(*partition) for partition in over]
                )
        self.consumer.unassign()

    def _take(self, message: Any, passes: dict[Partition, Pass]) -> None:
        problem = message.error()
        partition = (message.topic(), message.partition())
        if partition not in passes:
            if problem is not None and problem.code() in REFUSED:
                for each in passes.values():
                    each.fail("not_authorized")
            return
        each = passes[partition]
        if problem is None:
            kind, timestamp_ms = message.timestamp()
            each.record(
                message.offset(),
                -1 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
                len(message),
            )
        elif problem.code() == KafkaError._PARTITION_EOF:
            each.end(message.offset())
        elif problem.code() in GONE:
            each.fail("below_log_start")
        elif problem.code() in REFUSED:
            each.fail("not_authorized")
        elif problem.code() in MISSING:
            each.fail("topic_gone")
