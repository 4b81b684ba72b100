"""Market data by time from a cluster into a recording: what a backtest takes.

Reference data comes whole. Of ``control`` and market data, what lies in the window: by event time
(the running maximum within the partition, the rule every merge follows) or by the cluster's own
timestamps. Offsets are given anew from 0, for a recording is a log of its own; where its records
came from is in ``log.json``. A record of another version's schema is written with ours. One that
does not decode goes to ``import.dlq`` with its raw bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from connectors.pulling.offset_range import Piece, pieces
from connectors.pulling.reading import Reading
from schemas.catalogue import TOPICS
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData, WrongUse
from schemas.records import DeadLetter
from streams.log.digest import TopicDigest
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import reach
from streams.log.kafka.ranges import held_ranges, offset_at
from streams.log.kafka.transport import TopicChanged
from streams.log.kafka.versions import versions_on
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST

RECORDED = tuple(
    name
    for name, topic in TOPICS.items()
    if topic.kind == "external" and name.startswith(("control", "ref.", "md."))
)
DEAD_LETTERS = "import.dlq"
Progress = Callable[[int, int], None]


class NothingRecorded(BadData):
    """The window holds no market data."""

    code = "nothing_recorded"


class ManyPartitions(WrongUse):
    """Several partitions hold records, and a recording is one of them."""

    code = "many_partitions"


class Window(msgspec.Struct, frozen=True):
    """``begin`` and ``end``: ns UTC, both inclusive, None: open. ``by``: event-time or log-time."""

    begin: int | None = None
    end: int | None = None
    by: str = "event-time"


class Source(msgspec.Struct):
    """A partition that a topic of the recording comes from, and its committed range."""

    topic: str
    partition: int
    topic_id: str
    start_offset: int
    end_offset: int


class RecordingPull:
    """One recording on its way.

    Args:
        cluster: where from.
        window: which records.
        topics: only these; empty: ``control``, reference and external market data, as far as they
            are there.
        shard: partition of the market data; None: the only one that holds records.
        on_progress: called with offsets done and in all.

    Raises:
        WrongUse: a topic that is no input. TopicChanged: one that is not on the cluster.
            ManyPartitions.
    """

    def __init__(
        self,
        cluster: Cluster,
        window: Window,
        topics: Sequence[str] = (),
        shard: int | None = None,
        on_progress: Progress = lambda _a, _b: None,
    ) -> None:
        self.cluster = cluster
        self.window = window
        self.on_progress = on_progress
        self._admin = reach(cluster)
        self._log = KafkaLog(cluster)
        self._reader = self._log.reader(cluster.name("pull"))
        self._versions = versions_on(cluster)
        self.sources = self._sources(topics, shard)
        self._passed: set[str] = set()
        self._done = 0
        self._total = sum(each.end_offset - each.start_offset for each in self.sources)

    def _sources(self, topics: Sequence[str], shard: int | None) -> list[Source]:
        """The partitions to read, each up to its last stable offset now."""
        for topic in topics:
            if topic not in RECORDED:
                raise WrongUse(
                    f"{topic} is no input that a recording holds; these are: {', '.join(RECORDED)}"
                )
        wanted = [
            topic for topic in RECORDED if not topics or topic in topics or topic.startswith("ref.")
        ]
        found = self._log.admin().describe([self.cluster.name(topic) for topic in wanted])
        missing = [topic for topic in topics if self.cluster.name(topic) not in found]
        if missing or self.cluster.name("ref.instruments") not in found:
            lacking = ", ".join(
                self.cluster.name(topic) for topic in missing or ["ref.instruments"]
            )
            raise TopicChanged(f"{lacking}: not on {self.cluster.url}; see 'sq topics drift'")
        names = {
            topic: self.cluster.name(topic) for topic in wanted if self.cluster.name(topic) in found
        }
        held = held_ranges(
            self._admin,
            [(name, number) for name in names.values() for number in range(found[name].partitions)],
        )
        sources = []
        for topic, name in names.items():
            number = self._partition(
                topic, [held[name, each] for each in range(found[name].partitions)], shard
            )
            sources.append(Source(topic, number, found[name].topic_id, *held[name, number]))
        return sources

    def _partition(self, topic: str, ranges: Sequence[tuple[int, int]], shard: int | None) -> int:
        count = len(ranges)
        if count == 1 or not topic.startswith("md."):
            return 0
        if shard is not None:
            if not 0 <= shard < count:
                raise WrongUse(f"{topic} has partitions 0 to {count - 1}, not {shard}")
            return shard
        name = self.cluster.name(topic)
        held = [number for number, (start, end) in enumerate(ranges) if end > start]
        if len(held) > 1:
            numbers = ", ".join(map(str, held))
            raise ManyPartitions(
                f"partitions {numbers} of {name} hold records, and a recording is one of them: "
                "name it with --shard"
            )
        return held[0] if held else 0

    def close(self) -> None:
        """Give the connection back of a pull that is not wanted after all."""
        self._reader.close()

    def pull(self, out: Path) -> dict[str, Any]:
        """Pull into a new folder and close it by ``log.json``; returns that. All of it or, when
        stopped, nothing.

        Raises:
            NothingRecorded: no market data lies in the window. LogExists, LogFull, TransportFailed,
                OffsetOutOfRange.
        """
        try:
            log = LocalLog.create(out)
        except BaseException:
            self._reader.close()
            raise
        try:
            with log:
                letters: list[DeadLetter] = []
                topics = {source.topic: self._pull(log, source, letters) for source in self.sources}
                topics = {topic: facts for topic, facts in topics.items() if facts["count"]}
                if letters:
                    encoder = codec("DeadLetter")
                    body = encoder.encode_records(letters)
                    log.writer(DEAD_LETTERS).append(body, len(letters))
                    digest = TopicDigest(encoder.fingerprint)
                    digest.update(body, len(letters), partial(encoder.end_of, body))
                    topics[DEAD_LETTERS] = {"count": len(letters), "digest": digest.digest().hex()}
                if not any(topic.startswith("md.") for topic in topics):
                    raise NothingRecorded(
                        f"no market data of {self.cluster.url} lies in that window; name another "
                        "--from, --to or --by"
                    )
                sources = {each.topic: msgspec.to_builtins(each) for each in self.sources}
                window = msgspec.to_builtins(self.window)
                content = {
                    "command": "pull",
                    "topics": topics,
                    "sources": sources,
                    "window": window,
                    "undecodable": len(letters),
                }
                return log.seal(LOG_MANIFEST, {**content, "complete": self._is_complete(topics)})
        except BaseException:
            shutil.rmtree(out, ignore_errors=True)
            raise
        finally:
            self._reader.close()

    def _pull(self, log: LocalLog, source: Source, letters: list[DeadLetter]) -> dict[str, Any]:
        """One topic; count and digest."""
        record_codec = codec(topic_of(source.topic).record)
        digest = TopicDigest(record_codec.fingerprint)
        begin, end = source.start_offset, source.end_offset
        partition = self.cluster.name(source.topic), source.partition
        is_whole = source.topic.startswith("ref.")
        if self.window.by == "log-time" and not is_whole:
            begin, end = self._offsets_by_log_time(partition, begin, end)
        running = 0
        reading = Reading(source.topic, versions=self._versions)
        for piece in pieces(self._reader, partition, source.topic, begin, end, reading):
            letters += [_letter(source, offset, value) for offset, value in piece.bad]
            first, stop = 0, len(piece)
            if self.window.by == "event-time" and not is_whole and stop:
                reached = np.maximum.accumulate(np.maximum(piece.times, running))
                running = int(reached[-1])
                first, stop = self._window_of(reached)
            if stop > first:
                body = piece.between(first, stop)
                log.writer(source.topic).append(
                    body, stop - first, int(piece.times[first:stop].max())
                )
                digest.update(
                    body,
                    stop - first,
                    piece.ends[first:stop] - (int(piece.ends[first - 1]) if first else 0),
                )
            self._report(piece, source)
            if stop < len(piece):
                self._passed.add(source.topic)
                break
        self._done += source.end_offset - source.start_offset
        return {"count": digest.count, "digest": digest.digest().hex()}

    def _is_complete(self, topics: dict[str, Any]) -> bool:
        """True if nothing that comes later can belong to the window: market data has passed its
        end.
        """
        return self.window.by == "event-time" and all(
            topic in self._passed for topic in topics if topic.startswith("md.")
        )

    def _window_of(self, reached: Any) -> tuple[int, int]:
        """(first, stop) of the records whose running maximum of event time lies in the window."""
        first = (
            0
            if self.window.begin is None
            else int(np.searchsorted(reached, self.window.begin, "left"))
        )
        stop = (
            len(reached)
            if self.window.end is None
            else int(np.searchsorted(reached, self.window.end, "right"))
        )
        return first, max(first, stop)

    def _offsets_by_log_time(
        self, partition: tuple[str, int], begin: int, end: int
    ) -> tuple[int, int]:
        first = (
            begin
            if self.window.begin is None
            else offset_at(self._admin, partition, self.window.begin // 1_000_000, end)
        )
        stop = (
            end
            if self.window.end is None
            else offset_at(self._admin, partition, self.window.end // 1_000_000 + 1, end)
        )
        return max(begin, first), min(end, stop)

    def _report(self, piece: Piece, source: Source) -> None:
        if len(piece):
            self.on_progress(
                self._done + int(piece.offsets[-1]) + 1 - source.start_offset, self._total
            )


def _letter(source: Source, offset: int, value: bytes) -> DeadLetter:
    return DeadLetter(
        reason="undecodable",
        detail="the record does not decode as its topic's",
        origin_topic=source.topic,
        origin_partition=source.partition,
        origin_offset=offset,
        payload=value,
    )
