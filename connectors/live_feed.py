"""A recording becomes a live feed: its records go to the cluster's topics in the order a merge
gives them, at the pace of their event times.

1. Reference data (``ref.*``) goes first and is acknowledged before anything else is sent: a job
   then knows every instrument it will meet.
2. The other topics follow in merge order (design section 5: running maximum of event time, topic
   rank), ``control`` among them.
3. A record is due when the wall clock has moved as far since the first one as its event time has,
   divided by the speed.

Bodies are copied as they lie in the recording, never encoded again; only the registry framing is
put before them. Kafka's timestamps are the wall clock of this process, for event time in them would
have retention delete an old recording within minutes (reference: kafka.md 11.7).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from schemas.catalogue import TOPICS
from schemas.errors import WrongUse
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import header
from streams.log.kafka.partitions import key_of_instrument, partitions_of_instruments
from streams.log.kafka.producing import PlainProducer, framed
from streams.log.local import LocalLog
from streams.runtime.order.blocks import BlockSource
from streams.runtime.order.feed import Feed
from streams.runtime.order.merge import InputBatch, Merger

FED = tuple(
    name
    for name, topic in TOPICS.items()
    if topic.kind == "external" and name.startswith(("control", "ref.", "md."))
)
SLICE_RECORDS = 1 << 13
PAUSE_SECONDS_MAX = 0.05
NEVER = 2**63 - 1


class NothingToFeed(WrongUse):
    """A folder without market data."""

    code = "nothing_to_feed"


class Fed(msgspec.Struct):
    """What a feed sent.

    Attributes:
        counts: records by topic.
        never_sent: of those, how many were queued and given up when the feed was stopped.
        first_time, last_time: event times, ns UTC; 0 before the first record.
        seconds: from the first market record handed over to the last one acknowledged.
        behind_seconds_max: how far the feed ran behind its pace at worst; 0 at full speed.
    """

    counts: dict[str, int]
    never_sent: int = 0
    first_time: int = 0
    last_time: int = 0
    seconds: float = 0.0
    behind_seconds_max: float = 0.0

    @property
    def records(self) -> int:
        """All records."""
        return sum(self.counts.values())


def fed_topics(log: LocalLog) -> list[str]:
    """Topics of a recording that a feed sends, in merge order. Raises NothingToFeed."""
    found = [topic for topic in FED if topic in log.topics()]
    if not any(topic.startswith("md.") for topic in found):
        raise NothingToFeed(
            f"{log.path} holds no market data; give a folder that 'sq import', 'sq generate' or "
            "'sq pull' wrote"
        )
    return found


class LiveFeed:
    """One feed of one recording.

    Args:
        log: the recording.
        cluster: where to.
        partitions: number of partitions by topic, of every topic of :func:`fed_topics`.
        schema_ids: registry id by topic, of the same.
        producer: writes.
        speed: event seconds a wall second; None is as fast as the cluster takes them.
        on_progress: called with (records sent, records in all).
    """

    def __init__(
        self,
        log: LocalLog,
        cluster: Cluster,
        partitions: Mapping[str, int],
        schema_ids: Mapping[str, int],
        producer: PlainProducer,
        speed: float | None = None,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self._speed = speed
        self._producer = producer
        self._on_progress = on_progress
        self._partitions = partitions
        self._heads = {topic: header(schema_ids[topic]) for topic in fed_topics(log)}
        self._names = {topic: cluster.name(topic) for topic in self._heads}
        self._keys: dict[int, bytes] = {}
        self._started = 0.0
        readers = {topic: log.reader(topic) for topic in self._heads}
        self._total = sum(reader.end_offset - reader.start_offset for reader in readers.values())
        self._reference = [
            Feed(topic, 0, BlockSource(readers[topic]))
            for topic in readers
            if topic.startswith("ref.")
        ]
        market = [topic for topic in readers if not topic.startswith("ref.")]
        self._feeds = [
            Feed(topic, code, BlockSource(readers[topic])) for code, topic in enumerate(market)
        ]
        self.fed = Fed(dict.fromkeys(self._heads, 0))

    def run(self) -> Fed:
        """Send everything. Raises NotDelivered; after KeyboardInterrupt :meth:`stop` ends what was
        begun.
        """
        for feed in self._reference:
            while feed.refill():
                self._send(feed, feed.first, feed.count)
                feed.consume(feed.count - feed.first)
                feed.compact()
        self._producer.flush()
        merger = Merger(self._feeds, NEVER)
        target = InputBatch(SLICE_RECORDS)
        present = 0
        while not target.ended:
            merger.take(target, SLICE_RECORDS, present)
            if target.count == 0:
                break
            # behind the first merge, whose kernels may have to be compiled
            self._started = self._started or time.monotonic()
            present = int(target.clock[target.count - 1])
            self._pace(target)
            for code, count in enumerate(
                np.bincount(target.origin[: target.count], minlength=len(self._feeds)).tolist()
            ):
                self._feeds[code].consume(count)
        self._producer.flush()
        self._finish()
        return self.fed

    def stop(self) -> Fed:
        """End a feed that was interrupted: what is on its way is waited for, what is queued is
        given up.
        """
        self.fed.never_sent = self._producer.abandon()
        self._finish()
        return self.fed

    def _finish(self) -> None:
        self.fed.seconds = time.monotonic() - self._started if self._started else 0.0

    def _pace(self, target: InputBatch) -> None:
        """Send a slice, each record when it is due."""
        clock = target.clock[: target.count]
        if not self.fed.first_time and clock[-1]:
            # before the first market record there is no time: due at once
            self.fed.first_time = int(clock[np.flatnonzero(clock)[0]])
        sent = 0
        while sent < target.count:
            due = target.count
            if self._speed is not None:
                elapsed = time.monotonic() - self._started
                due = int(
                    np.searchsorted(
                        clock, self.fed.first_time + int(elapsed * self._speed * 1e9), "right"
                    )
                )
                if due <= sent:
                    wait = (int(clock[sent]) - self.fed.first_time) / (self._speed * 1e9) - elapsed
                    time.sleep(min(max(wait, 0.0), PAUSE_SECONDS_MAX))
                    continue
                self._note_behind(int(clock[sent]), elapsed)
            self._send_rows(target, sent, due)
            sent = due
            self._on_progress(self.fed.records, self._total)
        self.fed.last_time = int(clock[-1])

    def _note_behind(self, clock: int, elapsed: float) -> None:
        behind = elapsed - (clock - self.fed.first_time) / ((self._speed or 1.0) * 1e9)
        self.fed.behind_seconds_max = max(self.fed.behind_seconds_max, behind)

    def _send_rows(self, target: InputBatch, first: int, stop: int) -> None:
        """Send records ``first`` to ``stop`` of a slice; those of one input lie one behind the
        other in its feed.
        """
        origin, index = target.origin[first:stop], target.index[first:stop]
        for feed in self._feeds:
            rows = index[origin == feed.code]
            if len(rows):
                self._send(feed, int(rows[0]), int(rows[-1]) + 1)

    def _send(self, feed: Feed, first: int, stop: int) -> None:
        """Hand rows of a feed to the producer."""
        topic = feed.topic
        begin = int(feed.ends[first - 1]) if first else 0
        ends = feed.ends[first:stop]
        values = framed(
            self._heads[topic], feed.body[begin : int(ends[-1])].tobytes(), (ends - begin).tolist()
        )
        if TOPICS[topic].key == "instrument":
            instruments = (
                feed.rows["instrument"][first:stop].tolist()
                if feed.is_columnar
                else [each.instrument for each in feed.records[first:stop]]
            )
            keys: list[bytes | None] = [self._key(instrument) for instrument in instruments]
            partitions = partitions_of_instruments(instruments, self._partitions[topic]).tolist()
        else:
            keys, partitions = [None] * len(values), [0] * len(values)
        self._producer.send(self._names[topic], values, keys, partitions)
        self.fed.counts[topic] += len(values)

    def _key(self, instrument: int) -> bytes:
        key = self._keys.get(instrument)
        if key is None:
            key = self._keys[instrument] = key_of_instrument(instrument)
        return key
