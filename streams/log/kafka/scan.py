"""Committed records of whole topics, from where one says to where they end now: what commands and
rebuilds read.

Ends are last stable offsets taken before the first record is read, so that a scan of a topic that
grows ends, and never waits for a transaction that is still open. Markers and aborted records are
stepped over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from schemas.errors import WrongUse
from streams.log.kafka.transport import (
    Fetched,
    Log,
    OffsetOutOfRange,
    Partition,
    TopicFacts,
    TransportFailed,
)

CHUNK_RECORDS = 10_000
POLL_SECONDS = 0.2
SILENCE_SECONDS_MAX = 30.0


class TopicMissing(WrongUse):
    """A topic that a command reads or writes is not on the cluster."""

    code = "topic_missing"


def facts_of(log: Log, topics: Sequence[str]) -> dict[str, TopicFacts]:
    """What the topics are. Raises TopicMissing, TransportFailed."""
    found = dict(log.admin().describe(topics))
    missing = [name for name in topics if name not in found]
    if missing:
        raise TopicMissing(
            f"the cluster has no topic {', '.join(missing)}; make it with 'sq topics apply', or "
            "name another environment"
        )
    return found


def committed(
    log: Log,
    group: str,
    topics: Sequence[str],
    positions: Mapping[Partition, int] | None = None,
    ends: Mapping[Partition, int] | None = None,
) -> Iterator[Sequence[Fetched]]:
    """Every committed record of the topics, each partition in offset order, in chunks.

    Args:
        log: the cluster's.
        group: what the reader calls itself; nothing is stored under it.
        topics: as they are called on the cluster.
        positions: where to begin, by partition; missing: at its log-start offset.
        ends: where to end; missing: at its last stable offset now. A partition that is given ends
            and is not among them is not read.

    Raises:
        TopicMissing; OffsetOutOfRange: a position lies before what retention has left;
        TransportFailed.
    """
    facts = facts_of(log, topics)
    reader = log.reader(group)
    try:
        left: dict[Partition, int] = {}
        starts: dict[Partition, int] = {}
        for partition in [
            (name, number) for name in topics for number in range(facts[name].partitions)
        ]:
            if ends is not None and partition not in ends:
                continue
            first = reader.start(partition)
            start = first if positions is None else positions.get(partition, first)
            if start < first:
                place = f"{partition[0]}/{partition[1]}"
                raise OffsetOutOfRange(
                    f"{place} begins at offset {first}, and {start} is asked for: retention has "
                    "removed what lies between"
                )
            end = reader.end(partition) if ends is None else ends[partition]
            if start < end:
                starts[partition], left[partition] = start, end
        if left:
            reader.assign(starts)
        heard = time.monotonic()
        while left:
            found = reader.poll(CHUNK_RECORDS, POLL_SECONDS)
            wanted = [
                each for each in found if each.offset < left.get((each.topic, each.partition), 0)
            ]
            if wanted:
                yield wanted
            done = [each for each, end in left.items() if reader.position(each) >= end]
            for each in done:
                del left[each]
            if found or done:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE_SECONDS_MAX:
                (name, number), end = next(iter(left.items()))
                raise TransportFailed(
                    f"{name}/{number} ends at offset {end} and nothing came for "
                    f"{SILENCE_SECONDS_MAX:.0f} s; check the broker"
                )
    finally:
        reader.close()
