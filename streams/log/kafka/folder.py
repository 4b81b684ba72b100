"""A folder that was pulled from a cluster, as a log with partitions: what verifies a cluster
verifies the folder, by the same code.

Bodies lie there without framing, at the offsets they had. A record that could not be decoded is a
hole in its topic, and its raw bytes are the payload of its dead letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.reasons import REASONS, SKIPPED, UNDECODABLE
from streams.log.kafka.framing import header
from streams.log.kafka.transport import (
    NOTHING,
    Admin,
    Chunk,
    Fetched,
    Partition,
    TransportFailed,
    Writer,
)
from streams.log.local import Block, LocalLog

DEAD_LETTERS = "pipeline.dlq"


class FolderReader:
    """Reads one topic of the folder.

    Args:
        log: the folder, open.
        schema_ids: what its bodies are framed with again.
        topics: those that the folder holds.
    """

    def __init__(
        self, log: LocalLog, schema_ids: Mapping[str, int], topics: frozenset[str]
    ) -> None:
        self._log = log
        self._ids = schema_ids
        self._topics = topics
        self._topic = ""
        self._position = 0
        self._blocks: Iterator[Block] = iter(())
        self._raw: list[tuple[int, bytes]] = []
        self._left = NOTHING

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read this topic, one at a time, from this offset on."""
        if not positions:
            return
        ((topic, _), offset) = next(iter(positions.items()))
        self._topic, self._position, self._left = topic, offset, NOTHING
        self._blocks = iter(())
        if topic in self._topics:
            reader = self._log.reader(topic)
            self._blocks = iter(reader.blocks(max(offset, reader.start_offset)))
        self._raw = [each for each in self._raw_of(topic) if each[0] >= offset]

    def _raw_of(self, topic: str) -> list[tuple[int, bytes]]:
        """(offset, raw value) of the topic's records that could not be decoded."""
        if DEAD_LETTERS not in self._topics or topic == DEAD_LETTERS:
            return []
        decode = codec("DeadLetter").decode_records
        letters = [
            letter
            for block in self._log.reader(DEAD_LETTERS).blocks()
            for letter in decode(block.body, block.count)
        ]
        mine = [each for each in letters if each.origin_topic == topic]
        return sorted(
            (each.origin_offset, each.payload)
            for each in mine
            if each.reason in UNDECODABLE
            or (each.reason == REASONS[SKIPPED] and not self._holds(topic, each.origin_offset))
        )

    def _holds(self, topic: str, offset: int) -> bool:
        """True if the record is in the topic's own file: it decoded, and was left out for another
        reason.
        """
        if (
            topic not in self._topics
            or not self._log.reader(topic).start_offset
            <= offset
            < self._log.reader(topic).end_offset
        ):
            return False
        block = next(iter(self._log.reader(topic).blocks(offset)), None)
        return block is not None and offset in [
            block.offset_of(number) for number in range(block.count)
        ]

    def _first_raw(self, topic: str) -> int:
        raw = self._raw_of(topic)
        return raw[0][0] if raw else 1 << 62

    def poll(self, limit: int, wait_seconds: float) -> Sequence[Fetched]:
        """As :meth:`fetch`, a record at a time."""
        chunk = self.fetch(limit, wait_seconds)
        return [
            Fetched(self._topic, 0, offset, value, 0)
            for offset, value in zip(chunk.offsets, chunk.values, strict=True)
        ]

    def fetch(self, limit: int, wait_seconds: float) -> Chunk:
        """The next records, framed as they were; nothing at the end."""
        if not self._left.offsets:
            self._left = self._next()
        offsets, values, _ = self._left
        self._left = Chunk(offsets[limit:], values[limit:], 0)
        if offsets:
            self._position = offsets[:limit][-1] + 1
        return Chunk(offsets[:limit], values[:limit], 0)

    def _next(self) -> Chunk:
        block = next(self._blocks, None)
        if block is None:
            rest, self._raw = self._raw, []
            return Chunk([offset for offset, _ in rest], [value for _, value in rest], 0)
        framing = header(self._ids.get(self._topic, 0))
        body = block.body.data
        ends = codec(topic_of(self._topic).record).record_ends(block.body, block.count).tolist()
        found = [
            (block.offset_of(number), framing + bytes(body[start:end]))
            for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True))
        ]
        found = [each for each in found if each[0] >= self._position]
        while self._raw and found and self._raw[0][0] < found[-1][0]:
            found.append(self._raw.pop(0))
        found.sort()
        return Chunk([offset for offset, _ in found], [value for _, value in found], 0)

    def position(self, partition: Partition) -> int:
        """Offset of the next record."""
        return self._position

    def is_behind(self, partition: Partition) -> bool:
        """True while there is more."""
        return self._position < self.end(partition)

    def end(self, partition: Partition) -> int:
        """Offset after the topic's last record."""
        topic = partition[0]
        end = self._log.reader(topic).end_offset if topic in self._topics else 0
        raw = self._raw_of(topic)
        return max(end, raw[-1][0] + 1 if raw else 0)

    def start(self, partition: Partition) -> int:
        """Offset of the topic's first record."""
        topic = partition[0]
        if topic not in self._topics:
            return 0
        return min(self._log.reader(topic).start_offset, self._first_raw(topic))

    def commit_position(self, offsets: Mapping[Partition, int], wait: bool = False) -> None:
        """A folder has no groups."""

    def close(self) -> None:
        """The folder stays open."""


class FolderLog:
    """The folder as a log that is only read.

    Args:
        log: the folder, open.
        schema_ids: by topic.
    """

    def __init__(self, log: LocalLog, schema_ids: Mapping[str, int]) -> None:
        self._log = log
        self._ids = schema_ids
        self._topics = frozenset(log.topics())  # asked once: each asking lists every folder

    def reader(self, group: str) -> FolderReader:
        """A reader of one topic at a time."""
        return FolderReader(self._log, self._ids, self._topics)

    def uncommitted(self, group: str) -> FolderReader:
        """The same: what was pulled is committed."""
        return self.reader(group)

    def writer(self, transactional_id: str) -> Writer:
        """Refused."""
        raise TransportFailed(
            f"{self._log.path} was pulled to be read; run a topology on a cluster"
        )

    def plain_writer(self) -> Writer:
        """Refused."""
        raise TransportFailed(
            f"{self._log.path} was pulled to be read; run a topology on a cluster"
        )

    def beside(self, work: Callable[[], None]) -> Callable[[], None]:
        """See :class:`streams.log.kafka.transport.Log`: when it is waited for."""
        return work

    def admin(self) -> Admin:
        """Refused."""
        raise TransportFailed(f"{self._log.path} was pulled to be read; it is no cluster")
