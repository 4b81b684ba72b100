"""A range of one partition's committed records into one topic of a local log.

Records come in large batches; their values are joined, and one compiled pass takes the framing off all of them. Every body is decoded once, so
that nothing lies in the folder that a reader of it could not decode: what does not decode is left out, and told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData, ShrivenError
from schemas.kernel import kernel
from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import OffsetOutOfRange, Partition, Reader, TransportFailed
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


@kernel
def _unframe(values: Any, ends: Any, ids: Any, body: Any, body_ends: Any) -> Any:
    """Copy every value but its framing into ``body``; ``body_ends[i]`` is -1 for a value that is not framed, or with an id not in ``ids``.

    An empty ``ids`` takes any. Returns the length of the body.
    """
    begin, at = 0, 0
    for i in range(len(ends)):
        end = ends[i]
        good = end - begin >= 5 and values[begin] == 0
        if good and len(ids) > 0:
            found = (np.int64(values[begin + 1]) << 24) | (np.int64(values[begin + 2]) << 16) | (np.int64(values[begin + 3]) << 8) | values[begin + 4]
            good = False
            for k in range(len(ids)):
                good = good or ids[k] == found
        if good:
            for b in range(begin + 5, end):
                body[at] = values[b]
                at += 1
            body_ends[i] = at
        else:
            body_ends[i] = -1
        begin = end
    return at


class Piece:
    """Some records of a partition without their framing, those that decode.

    Attributes:
        offsets: int64, rising.
        body, ends: their bytes, and where each ends.
        times: event times, ns UTC; 0 where the record has none.
        bad: (offset, raw value) of those that do not decode.
    """

    def __init__(self, topic: str, offsets: Sequence[int], values: Sequence[bytes], ids: Array) -> None:
        self.bad: list[tuple[int, bytes]] = []
        joined = np.frombuffer(b"".join(values), np.uint8)
        value_ends = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)))
        body = np.empty(len(joined), np.uint8)
        ends = np.empty(len(values), np.int64)
        body = body[: int(_unframe(joined, value_ends, ids, body, ends))]
        self.offsets = np.array(offsets, np.int64)
        self._codec = codec(topic_of(topic).record)
        self._is_journal = is_journal(topic)
        rows: Any = None
        is_sound = bool((ends >= 0).all())
        if is_sound:
            try:
                rows, found = self._decode(body, len(values), ends)
                is_sound = bool(np.array_equal(found, ends))
            except BadData:
                is_sound = False
        if not is_sound:
            good = [number for number, value in enumerate(values) if ends[number] >= 0 and self._decodes(value[HEADER_BYTES:])]
            kept = set(good)
            self.bad = [(offsets[number], value) for number, value in enumerate(values) if number not in kept]
            bodies = [values[number][HEADER_BYTES:] for number in good]
            body, ends = np.frombuffer(b"".join(bodies), np.uint8), np.cumsum(np.fromiter(map(len, bodies), np.int64, len(bodies)))
            self.offsets = self.offsets[good]
            rows = self._decode(body, len(bodies), ends)[0] if bodies else None
        self.body, self.ends = body, ends
        has_times = rows is not None and "event_time" in (rows.dtype.names or ())
        if has_times:
            self.times = np.ascontiguousarray(rows["event_time"])
        else:
            has_none = not len(ends) or topic.endswith((".journal", ".snapshots", ".dlq"))
            self.times = np.zeros(len(ends), np.int64) if has_none else event_times(topic, body, len(ends))

    def __len__(self) -> int:
        return len(self.ends)

    def _decode(self, body: Array, count: int, ends: Array) -> tuple[Any, Array]:
        """(rows or None, ends) of a body. A journal record proves itself by its digest, for a fraction of what decoding costs. Raises BadData."""
        if self._is_journal:
            starts = [0, *ends[:-1].tolist()]
            if not all(is_whole_journal_record(body[start:end]) for start, end in zip(starts, ends.tolist(), strict=True)):
                raise BadData("a journal record fails its digest")
            return None, ends
        if self._codec.dtype is None:
            return None, self._codec.record_ends(body, count)
        rows, _, ends = self._codec.decode_with_ends(body, count)
        return rows, ends

    def _decodes(self, body: bytes) -> bool:
        try:
            return bool(self._decode(np.frombuffer(body, np.uint8), 1, np.array([len(body)]))[1][0] == len(body))
        except BadData:
            return False

    def wanted(self, count: int, on_entry: Callable[[bytes], bool]) -> int:
        """How many of the first ``count`` records come before the first that is not wanted."""
        return next((number for number in range(count) if not on_entry(self.between(number, number + 1).tobytes())), count)

    def blocks(self, count: int) -> Iterable[tuple[int, int]]:
        """(first, stop) of the blocks that the first ``count`` records become: one, or one each for a journal's."""
        if self._is_journal:
            return ((number, number + 1) for number in range(count))
        return [(0, count)] if count else []

    def between(self, first: int, stop: int) -> Array:
        """Bytes of the records from ``first`` to before ``stop``."""
        return self.body[int(self.ends[first - 1]) if first else 0 : int(self.ends[stop - 1])]


def pieces(reader: Reader, partition: Partition, topic: str, begin: int, end: int, ids: Iterable[int] = ()) -> Iterable[Piece]:
    """The committed records of ``[begin, end)`` in pieces of a block's size.

    Args:
        reader: assigned to nothing else meanwhile.
        partition: as it is called on the cluster.
        topic: its name in the catalogue.
        ids: schema ids a record may carry; none: any.

    Raises:
        OffsetOutOfRange: the range is not there any more.
        TransportFailed: nothing comes for a minute.
    """
    if begin >= end:
        return
    known = np.array(sorted(ids), np.int64)
    reader.assign({partition: begin})
    offsets: list[int] = []
    values: list[bytes] = []
    size, silent = 0, 0.0
    while reader.position(partition) < end:
        chunk = reader.fetch(FETCH_RECORDS, WAIT_SECONDS)
        if not chunk.offsets:
            silent += WAIT_SECONDS
            if silent > PATIENCE_SECONDS:
                where = f"{partition[0]}/{partition[1]}"
                raise TransportFailed(f"{where} ends at offset {end} and nothing comes after {reader.position(partition)}; check the broker")
            continue
        silent = 0.0
        count = len(chunk.offsets) if chunk.offsets[-1] < end else sum(offset < end for offset in chunk.offsets)
        offsets += chunk.offsets[:count]
        values += chunk.values[:count]
        size += sum(map(len, chunk.values[:count]))
        if len(offsets) >= BLOCK_RECORDS or size >= BLOCK_BYTES:
            yield Piece(topic, offsets, values, known)
            offsets, values, size = [], [], 0
    if offsets:
        yield Piece(topic, offsets, values, known)


class Stretch:
    """A partition on its way into a local topic that keeps its offsets.

    Args:
        reader: of the cluster.
        partition: as it is called there.
        writer: of the local topic, with holes.
        begin: first offset wanted.
        ids: schema ids that records may carry; none: any.
        held_from: the partition's log-start offset.

    Attributes:
        bad: (offset, raw value) of records that do not decode, left out.
    """

    def __init__(
        self, reader: Reader, partition: Partition, writer: TopicWriter, begin: int, ids: Iterable[int] = (), held_from: int = 0
    ) -> None:
        self.held_from = held_from
        self.reader = reader
        self.partition = partition
        self.writer = writer
        self.begin = begin
        self.ids = list(ids)
        self.bad: list[tuple[int, bytes]] = []

    def pull(
        self,
        end: int,
        limit: int | None = None,
        on_progress: Callable[[int], None] = lambda _: None,
        on_entry: Callable[[bytes], bool] | None = None,
    ) -> int:
        """Append what is not there yet, up to ``end`` or ``limit`` records; returns how many were appended.

        Args:
            end: offset behind the range.
            limit: most records to append.
            on_progress: called with the offset reached.
            on_entry: asked of every record whether it is wanted; the first that is not ends the pull before it.

        Raises:
            OffsetOutOfRange: the cluster does not hold it any more.
            TransportFailed, LogFull, LogWriteFailed.
        """
        begin = max(self.begin, self.writer.next_offset)
        if begin >= end or limit == 0:
            return 0
        if self.held_from > begin:
            where = f"{self.partition[0]}/{self.partition[1]}: offsets {begin} to {self.held_from - 1}"
            raise OffsetOutOfRange(f"{where} are gone from the cluster, retention has removed them; verify from an archive that holds them")
        appended = 0
        for piece in pieces(self.reader, self.partition, self.writer.topic, begin, end, self.ids):
            self.bad += piece.bad
            count = len(piece) if limit is None else min(len(piece), limit - appended)
            wanted = count if on_entry is None else piece.wanted(count, on_entry)
            is_cut, count = wanted < count, wanted
            for first, stop in piece.blocks(count):
                times = int(piece.times[first:stop].max(initial=0))
                self.writer.append(piece.between(first, stop), stop - first, times, offsets=piece.offsets[first:stop])
            appended += count
            on_progress(self.reader.position(self.partition))
            if is_cut or (limit is not None and appended >= limit):
                break
        return appended
