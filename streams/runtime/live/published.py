"""An output partition read along with the journal: what lies on the log of the records that a
journal entry speaks of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from schemas.errors import CorruptLog, ShrivenError
from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import Chunk, Log, OffsetOutOfRange, Partition
from streams.runtime.journal.batch import Batch
from streams.runtime.journal.journal import JournalEntry, OutputEntry
from streams.runtime.live.spec import TaskSpec
from streams.runtime.live.stored import FETCH_RECORDS, PATIENCE, read_range
from streams.runtime.verify.output_reader import first_difference


def removed_by_retention(partition: Partition, begin: int, first: int) -> OffsetOutOfRange:
    """What is raised where the log begins at ``first`` and records from ``begin`` on are needed."""
    where = f"{partition[0]}/{partition[1]}: offsets {begin} to {first - 1}"
    return OffsetOutOfRange(
        f"{where} are gone from the cluster, removed by retention; verify from an archive that "
        "holds them"
    )


class Published:
    """One output partition, read along with the journal from its first own offset.

    Attributes:
        last: offset of the last record taken, -1 before the first.
    """

    def __init__(self, log: Log, spec: TaskSpec, topic: str, start: int) -> None:
        self.topic = topic
        self.partition = spec.partition_of(topic)
        self.last = -1
        self._reader = log.reader(f"{spec.group}.verify")
        self._begin = start
        self._start = max(start, self._reader.start(self.partition))
        self._end = self._reader.end(self.partition)
        self._chunks: Iterator[Chunk] = read_range(
            self._reader, self.partition, self._start, self._end
        )
        self._offsets: list[int] = []
        self._values: list[bytes] = []

    def take(self, item: OutputEntry) -> tuple[bytes, str]:
        """Bodies of the records that the journal's entry speaks of, and what of them is not as it
        says (empty: nothing).
        """
        while len(self._values) < item.count:
            chunk = next(self._chunks, None)
            if chunk is None and not self._goes_on():
                self.require_kept(self.last + 1)
                return (
                    b"",
                    f"{self.topic} holds {len(self._values)} records after offset {self.last}, the "
                    f"journal says {item.count}",
                )
            if chunk is not None:
                self._offsets += chunk.offsets
                self._values += chunk.values
        taken, self._values = self._values[: item.count], self._values[item.count :]
        offsets, self._offsets = self._offsets[: item.count], self._offsets[item.count :]
        wrong = ""
        if self.last != item.previous_offset:
            wrong = (
                f"{self.topic}: the journal puts its record before at offset "
                f"{item.previous_offset}, it is at {self.last}"
            )
        self.last = offsets[-1]
        return b"".join(value[HEADER_BYTES:] for value in taken), wrong

    def _goes_on(self) -> bool:
        """The topic was written to since its end was asked."""
        end = self._reader.end(self.partition)
        if end <= self._end:
            return False
        self._chunks = read_range(self._reader, self.partition, self._end, end)
        self._end = end
        return True

    @property
    def next_offset(self) -> int:
        """Behind the last record taken; markers of transactions may lie between."""
        return self.last + 1

    def require_kept(self, offset: int) -> None:
        """Raises OffsetOutOfRange if the log begins behind this offset, or behind the first of this
        journal's.
        """
        first, begin = self._reader.start(self.partition), max(offset, self._begin)
        if first > begin:
            raise removed_by_retention(self.partition, begin, first)

    def left(self, end: int | None = None) -> int:
        """Records after the last one taken, as far as the end that was asked of the log, or as this
        one.
        """
        offsets = [*self._offsets, *(offset for chunk in self._chunks for offset in chunk.offsets)]
        return sum(end is None or offset < end for offset in offsets)

    def close(self) -> None:
        """Give the connection back."""
        self._reader.close()


def difference_on_log(log: Log, spec: TaskSpec, entry: JournalEntry, batch: Batch) -> str:
    """The first published record of a journal entry that is not what the batch makes now, with its
    fields; empty if none can be named.
    """
    made = {output.topic: output for output in batch.outputs}
    for item in entry.outputs:
        topic = spec.outputs[item.output]
        output = made.get(topic)
        if topic not in spec.published or output is None or output.digest == item.digest:
            continue
        try:
            published = Published(log, spec, topic, item.previous_offset + 1)
        except ShrivenError:
            return ""
        try:
            body, _ = published.take(item)
        except ShrivenError:
            return ""
        finally:
            published.close()
        if body and hashlib.sha256(body).digest() == item.digest:
            first = published.last - item.count + 1
            return first_difference(
                topic, first, body, bytes(output.body), item.count, output.count
            ).text
    return ""


def last_offsets(
    log: Log, spec: TaskSpec, latest: Mapping[str, tuple[int, int]], starts: Mapping[str, int]
) -> dict[str, int]:
    """Where the journal's last record lies in each published output: found by reading on from the
    one before, all outputs at once.

    They are waited for: the markers of a transaction reach its partitions one after another, the
    journal's perhaps first. What retention has removed is not: then the last one lies before the
    log's start, or is the last that is left.

    Args:
        latest: by topic, offset of the record before the last batch that wrote there (-1: none),
            and that batch's count.
        starts: by topic, where this journal's records begin; another topology may have written
            there before.

    Raises:
        CorruptLog: they are not there.
    """
    if not latest:
        return {}
    reader = log.reader(f"{spec.group}.recovery")
    places = {spec.partition_of(topic): topic for topic in latest}
    found: dict[str, list[int]] = {topic: [] for topic in latest}
    cut: dict[str, int] = {}  # by topic of which records are gone: where it ends
    try:
        positions: dict[Partition, int] = {}
        for partition, topic in places.items():
            previous, first = latest[topic][0], reader.start(partition)
            begin = previous + 1 if previous >= 0 else starts.get(topic, 0)
            if first > begin:
                cut[topic] = reader.end(partition)
            positions[partition] = max(begin, first)
        reader.assign(positions)
        tries = 0
        while tries < PATIENCE and any(
            reader.position(partition) < cut[topic]
            if topic in cut
            else len(found[topic]) < latest[topic][1]
            for partition, topic in places.items()
        ):
            records = reader.poll(FETCH_RECORDS, 0.1)
            tries += not records
            for record in records:
                found[places[record.topic, record.partition]].append(record.offset)
    finally:
        reader.close()
    last: dict[str, int] = {}
    for partition, topic in places.items():
        previous, count = latest[topic]
        if topic in cut:
            last[topic] = [positions[partition] - 1, *found[topic]][: count + 1][-1]
        elif len(found[topic]) < count:
            name = "/".join(map(str, partition))
            raise CorruptLog(
                f"{name} holds {len(found[topic])} records after offset {previous}, the journal "
                f"committed {count}"
            )
        else:
            last[topic] = found[topic][count - 1]
    return last
