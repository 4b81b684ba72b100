"""What a cluster holds of many partitions: first and last offsets, in two requests however many
they are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from streams.log.kafka.transport import Partition, TransportFailed

ASK_SECONDS = 10.0
PATIENCE_SECONDS = 30.0


def held_ranges(
    admin: AdminClient, partitions: Sequence[Partition]
) -> dict[Partition, tuple[int, int]]:
    """(log-start offset, last stable offset) of each partition: committed records lie between.

    Raises:
        TransportFailed: no answer for half a minute.
    """
    if not partitions:
        return {}
    first = _ask(admin, partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
    stable = _ask(admin, partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
    return {partition: (first[partition], stable[partition]) for partition in partitions}


def offset_at(admin: AdminClient, partition: Partition, timestamp_ms: int, end: int) -> int:
    """Offset of the first record whose Kafka timestamp is not earlier; ``end`` if there is none.
    Raises TransportFailed.
    """
    offset = _ask(admin, [partition], OffsetSpec.for_timestamp(timestamp_ms))[partition]  # type: ignore[no-untyped-call]
    return end if offset < 0 else offset


def _ask(
    admin: AdminClient, partitions: Sequence[Partition], spec: OffsetSpec
) -> dict[Partition, int]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            wanted = {TopicPartition(*each): spec for each in partitions}
            asked = admin.list_offsets(
                wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ASK_SECONDS
            )
            return {
                (place.topic, place.partition): int(answer.result().offset)
                for place, answer in asked.items()
            }
        except KafkaException as problem:
            if time.monotonic() > deadline:
                text = f"the offsets of {partitions[0][0]} cannot be asked: {problem.args[0].str()}"
                raise TransportFailed(
                    f"{text}; check that the broker is up and the topic exists"
                ) from problem
            time.sleep(0.1)
