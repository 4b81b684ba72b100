"""A range of one partition's committed records into one topic of a local log.

Records come in large batches, kept as one body without framing from the client to the file. Every
body is decoded once, so that nothing lies in the folder that a reader of it could not decode: what
does not decode is left out, and told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from connectors.pulling.reading import Reading, SchemaReader
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData, ShrivenError
from streams.log.kafka.framing import HEADER_BYTES, NOT_FRAMED, FramedValues, schema_id_of
from streams.log.kafka.transport import Chunk, OffsetOutOfRange, Partition, Reader, TransportFailed
from streams.log.local import TopicWriter
from streams.log.reader import event_times
from streams.log.recovery import is_whole_journal_record
from streams.log.segment import is_journal

Array = np.ndarray[Any, Any]
FETCH_RECORDS = 16_384
BLOCK_RECORDS = 65_536
BLOCK_BYTES = 4 << 20
PATIENCE_SECONDS = 60.0
WAIT_SECONDS = 0.2


class Undecodable(ShrivenError):
    """A record that is none of its topic's."""

    code = "undecodable"


def _kept(values: Sequence[bytes]) -> FramedValues:
    """Values as one body, whatever they come as."""
    if isinstance(values, FramedValues):
        return values
    is_framed = [len(value) >= HEADER_BYTES and value[0] == 0 for value in values]
    bodies = [
        value[HEADER_BYTES:] if framed else value
        for value, framed in zip(values, is_framed, strict=True)
    ]
    ids = [
        schema_id_of(value) if framed else NOT_FRAMED
        for value, framed in zip(values, is_framed, strict=True)
    ]
    ends = np.cumsum(np.fromiter(map(len, bodies), np.int64, len(bodies)))
    return FramedValues(np.frombuffer(b"".join(bodies), np.uint8), ends, np.array(ids, np.int64))


class Piece:
    """Some records of a partition without their framing, those that decode.

    Records of another version's schema have ours, unless the topic is kept with that one.

    Attributes:
        offsets: int64, rising.
        body, ends: their bytes, and where each ends.
        times: event times, ns UTC; 0 where the record has none.
        bad: (offset, raw value) of those that do not decode.

    Raises:
        RegistryUnreachable, RegistryRefused: a record that is not of our schema has an id that
            nobody answers for.
    """

    def __init__(self, topic: str, chunks: Sequence[Chunk], reading: Reading) -> None:
        self.bad: list[tuple[int, bytes]] = []
        kept = [_kept(chunk.values) for chunk in chunks]
        shifts = np.cumsum([0, *(int(each.ends[-1]) for each in kept[:-1])])
        body = np.concatenate([np.asarray(each.body[: int(each.ends[-1])]) for each in kept])
        ends = np.concatenate([each.ends + shift for each, shift in zip(kept, shifts, strict=True)])
        schema_ids = np.concatenate([each.schema_ids for each in kept])
        self._values = FramedValues(body, ends, schema_ids)
        self._offsets = np.concatenate([np.array(chunk.offsets, np.int64) for chunk in chunks])
        self._topic = topic
        self._codec = codec(topic_of(topic).record)
        self._is_journal = is_journal(topic)
        self._reading = reading
        self._parts: list[tuple[Array, Array, Array, Array]] = []
        for first, stop, older in reading.runs(schema_ids):
            self._take(first, stop, older)
        self._join()

    def _take(self, first: int, stop: int, older: SchemaReader) -> None:
        """The records from ``first`` to before ``stop``, of one schema: all at once, or by halves
        as far as they decode.
        """
        values = self._values
        begin = int(values.ends[first - 1]) if first else 0
        body, ends = (
            values.body[begin : int(values.ends[stop - 1])],
            values.ends[first:stop] - begin,
        )
        try:
            if isinstance(older, str):
                raise BadData(older)
            ours, ours_ends = (body, ends) if older is None else older.convert(body, ends)
            times = self._times(ours, ours_ends)
        except BadData:
            if stop - first > 1 and not isinstance(older, str):
                middle = (first + stop) // 2
                self._take(first, middle, older)
                self._take(middle, stop, older)
                return
            for number in range(first, stop):
                self._reading.check_answered(int(values.schema_ids[number]))
                self.bad.append((int(self._offsets[number]), values[number]))
            return
        if not self._reading.is_kept(older):
            body, ends = ours, ours_ends
        self._parts.append((self._offsets[first:stop], body, ends, times))

    def _join(self) -> None:
        """The parts as one."""
        nothing = np.empty(0, np.int64)
        parts = self._parts or [(nothing, np.empty(0, np.uint8), nothing, nothing)]
        offsets, bodies, ends, times = zip(*parts, strict=True)
        shifts = np.cumsum([0, *(len(each) for each in bodies[:-1])])
        self.offsets, self.body, self.times = (
            np.concatenate(offsets),
            np.concatenate(bodies),
            np.concatenate(times),
        )
        self.ends = np.concatenate([each + shift for each, shift in zip(ends, shifts, strict=True)])

    def __len__(self) -> int:
        return len(self.ends)

    def _times(self, body: Array, ends: Array) -> Array:
        """Event times of records with our schema. A journal record proves itself by its digest, for
        a fraction of what decoding costs.

        Raises:
            BadData: one does not decode, or does not end where its value does.
        """
        if self._is_journal:
            starts = [0, *ends[:-1].tolist()]
            if not all(
                is_whole_journal_record(body[start:end])
                for start, end in zip(starts, ends.tolist(), strict=True)
            ):
                raise BadData("a journal record fails its digest")
            return np.zeros(len(ends), np.int64)
        rows: Any = None
        if self._codec.dtype is None:
            found = self._codec.record_ends(body, len(ends))
        else:
            rows, _, found = self._codec.decode_with_ends(body, len(ends))
        if not np.array_equal(found, ends):
            raise BadData("a record does not end where its value does")
        if rows is not None and "event_time" in (rows.dtype.names or ()):
            return np.ascontiguousarray(rows["event_time"])
        return (
            np.zeros(len(ends), np.int64)
            if self._topic.endswith((".snapshots", ".dlq"))
            else event_times(self._topic, body, len(ends))
        )

    def wanted(self, count: int, on_entry: Callable[[bytes], bool]) -> int:
        """How many of the first ``count`` records come before the first that is not wanted."""
        return next(
            (
                number
                for number in range(count)
                if not on_entry(self.between(number, number + 1).tobytes())
            ),
            count,
        )

    def blocks(self, count: int) -> Iterable[tuple[int, int]]:
        """(first, stop) of the blocks that the first ``count`` records become: one, or one each for
        a journal's.
        """
        if self._is_journal:
            return ((number, number + 1) for number in range(count))
        return [(0, count)] if count else []

    def between(self, first: int, stop: int) -> Array:
        """Bytes of the records from ``first`` to before ``stop``."""
        return self.body[int(self.ends[first - 1]) if first else 0 : int(self.ends[stop - 1])]


def pieces(
    reader: Reader, partition: Partition, topic: str, begin: int, end: int, reading: Reading
) -> Iterable[Piece]:
    """The committed records of ``[begin, end)`` in pieces of a block's size.

    Args:
        reader: assigned to nothing else meanwhile.
        partition: as it is called on the cluster.
        topic: its name in the catalogue.
        reading: what its records may be.

    Raises:
        OffsetOutOfRange: the range is not there any more.
        TransportFailed: nothing comes for a minute.
    """
    if begin >= end:
        return
    reader.assign({partition: begin})
    gathered: list[Chunk] = []
    records, size, silent = 0, 0, 0.0
    while reader.position(partition) < end:
        chunk = reader.fetch(FETCH_RECORDS, WAIT_SECONDS)
        if not chunk.offsets:
            silent += WAIT_SECONDS
            if silent > PATIENCE_SECONDS:
                where = f"{partition[0]}/{partition[1]}"
                raise TransportFailed(
                    f"{where} ends at offset {end} and nothing comes after "
                    f"{reader.position(partition)}; check the broker"
                )
            continue
        silent = 0.0
        count = (
            len(chunk.offsets)
            if chunk.offsets[-1] < end
            else sum(offset < end for offset in chunk.offsets)
        )
        if not count:
            continue
        values = _kept(chunk.values[:count])
        gathered.append(Chunk(chunk.offsets[:count], values, chunk.timestamp_ms))
        records, size = records + count, size + int(values.ends[-1])
        if records >= BLOCK_RECORDS or size >= BLOCK_BYTES:
            yield Piece(topic, gathered, reading)
            gathered, records, size = [], 0, 0
    if gathered:
        yield Piece(topic, gathered, reading)


class OffsetRange:
    """A partition on its way into a local topic that keeps its offsets.

    Args:
        reader: of the cluster.
        partition: as it is called there.
        writer: of the local topic, with holes.
        begin: first offset wanted.
        reading: what its records may be; None: of any id, with our schema.
        held_from: the partition's log-start offset.

    Attributes:
        bad: (offset, raw value) of records that do not decode, left out.
    """

    def __init__(
        self,
        reader: Reader,
        partition: Partition,
        writer: TopicWriter,
        begin: int,
        reading: Reading | None = None,
        held_from: int = 0,
    ) -> None:
        self.held_from = held_from
        self.reader = reader
        self.partition = partition
        self.writer = writer
        self.begin = begin
        self.reading = reading or Reading(writer.topic)
        self.bad: list[tuple[int, bytes]] = []

    def pull(
        self,
        end: int,
        limit: int | None = None,
        on_progress: Callable[[int], None] = lambda _: None,
        on_entry: Callable[[bytes], bool] | None = None,
    ) -> int:
        """Append what is not there yet, up to ``end`` or ``limit`` records; returns how many were
        appended.

        Args:
            end: offset behind the range.
            limit: most records to append.
            on_progress: called with the offset reached.
            on_entry: asked of every record whether it is wanted; the first that is not ends the
                pull before it.

        Raises:
            OffsetOutOfRange: the cluster does not hold it any more.
            TransportFailed, LogFull, LogWriteFailed.
        """
        begin = max(self.begin, self.writer.next_offset)
        if begin >= end or limit == 0:
            return 0
        if self.held_from > begin:
            where = (
                f"{self.partition[0]}/{self.partition[1]}: offsets {begin} to {self.held_from - 1}"
            )
            raise OffsetOutOfRange(
                f"{where} are gone from the cluster, retention has removed them; verify from an "
                "archive that holds them"
            )
        appended = 0
        for piece in pieces(
            self.reader, self.partition, self.writer.topic, begin, end, self.reading
        ):
            self.bad += piece.bad
            count = len(piece) if limit is None else min(len(piece), limit - appended)
            wanted = count if on_entry is None else piece.wanted(count, on_entry)
            is_cut, count = wanted < count, wanted
            for first, stop in piece.blocks(count):
                times = int(piece.times[first:stop].max(initial=0))
                self.writer.append(
                    piece.between(first, stop),
                    stop - first,
                    times,
                    offsets=piece.offsets[first:stop],
                )
            appended += count
            on_progress(self.reader.position(self.partition))
            if is_cut or (limit is not None and appended >= limit):
                break
        return appended
