"""Journal and snapshots as they lie in their topics.

A snapshot's chunks are keyed ``<slot>.<number>`` with four slots, so that a compacted topic keeps the last four. They are read from the end of the
topic backwards, for the last whole one is nearly always the right one. Each says where its journal record lies, so recovery reads the journal
from there and not from its beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData, CorruptLog
from schemas.records import Instrument, SnapshotChunk
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.log.kafka.transport import Chunk, Partition, Reader, TransportFailed
from streams.runtime.execution import Output
from streams.runtime.journal import JournalEntry, decode_entry
from streams.runtime.snapshot import BYTES_MAX, SnapshotTooLarge

CHUNK_BYTES = 512 << 10
SLOTS = 4
TAIL_RECORDS = 64
FETCH_RECORDS = 10_000
BINDING = "snapshot"
"""Fact of a batch's journal record at which a snapshot was taken: its binding."""
ENDS = "ends"
"""Fact of a Close: by published output, offset behind its last record."""
PATIENCE = 300
"""Empty polls of 0.1 s before a range that is known to be there is given up."""
SnapshotKey = tuple[int, int, bytes]
"""Input records consumed, journal record, digest: the highest is the latest. Drains without input between them differ in the journal record alone."""


def read_range(reader: Reader, partition: Partition, start: int, end: int) -> Iterator[Chunk]:
    """Committed records of ``[start, end)``, in pieces. The reader is assigned to this partition alone, and stands at ``end`` where there are none.

    Raises:
        TransportFailed: they do not come.
    """
    if start > end:
        return
    reader.assign({partition: start})
    yield from read_on(reader, partition, end)


def read_on(reader: Reader, partition: Partition, end: int) -> Iterator[Chunk]:
    """Committed records from where the reader stands up to ``end``, in pieces.

    Raises:
        TransportFailed: they do not come.
    """
    empty = 0
    while reader.position(partition) < end:
        chunk = reader.fetch(FETCH_RECORDS, 0.1)
        if not chunk.offsets:
            empty += 1
            if empty > PATIENCE:
                where = f"{partition[0]}/{partition[1]}"
                raise TransportFailed(f"{where} ends at offset {end} and nothing comes after {reader.position(partition)}; check the broker")
            continue
        empty = 0
        if chunk.offsets[-1] >= end:
            inside = sum(offset < end for offset in chunk.offsets)
            chunk = Chunk(chunk.offsets[:inside], chunk.values[:inside], chunk.timestamp_ms)
        if chunk.offsets:
            yield chunk


def read_journal(reader: Reader, partition: Partition, start: int, end: int, previous: bytes | None = None) -> Iterator[tuple[int, JournalEntry]]:
    """(offset, record) of the journal in order, the chain checked; ``previous`` is the digest the first one must continue, None to take it on trust.

    Raises:
        CorruptLog: a record is damaged, or does not continue the one before: the chain has a fork.
    """
    for chunk in read_range(reader, partition, start, end):
        for offset, value in zip(chunk.offsets, chunk.values, strict=True):
            entry = journal_record(partition, offset, value, previous)
            previous = entry.digest
            yield offset, entry


def journal_record(partition: Partition, offset: int, value: bytes, previous: bytes | None) -> JournalEntry:
    """A record of the journal, which must continue the one whose digest is ``previous``.

    Raises:
        CorruptLog: as :func:`read_journal`.
    """
    try:
        entry = decode_entry(value[HEADER_BYTES:])
    except CorruptLog as problem:
        raise CorruptLog(f"{partition[0]}/{partition[1]} offset {offset}: {problem.text}") from problem
    if previous is not None and entry.previous_digest != previous:
        raise CorruptLog(
            f"{partition[0]}/{partition[1]} offset {offset}: journal record {entry.sequence} does not continue the one before it; "
            "two owners wrote this journal, or a record of it is lost"
        )
    return entry


class LiveSnapshot(msgspec.Struct, kw_only=True):
    """State at a position of the journal.

    Attributes:
        sequence: input records consumed.
        journal_sequence, journal_digest, journal_offset: the journal record it belongs to, and where that lies.
        feeds: per input the next offset, the running maximum of event time before it, and what its flood guard counted.
        counts: per output, records written.
        last_offsets: per output, offset of the last record before the journal record's own (-1: none).
        instruments: what the stages were built over.
        states: by stage.
        skips: records that operators left out: topic, offset, why.
        code: digest of the code that wrote it; an Upgrade before it is not read again.
    """

    sequence: int
    journal_sequence: int
    journal_digest: bytes
    journal_offset: int
    feeds: list[list[int]]
    counts: dict[str, int]
    last_offsets: dict[str, int]
    instruments: list[Instrument]
    states: dict[str, bytes]
    skips: list[tuple[str, int, str]] = []
    code: str = ""

    def binding(self) -> str:
        """SHA-256, in hex, of everything but the states and the place of the journal record. That record holds it, so that
        positions, counts and skips are no more to be forged than the states are.
        """
        bound = [self.sequence, self.feeds, sorted(self.counts.items()), sorted(self.last_offsets.items()), self.instruments, self.skips, self.code]
        return hashlib.sha256(msgspec.msgpack.encode(bound)).hexdigest()

    def belongs_to(self, entry: JournalEntry) -> bool:
        """True if this is the snapshot that the owner took at this journal record."""
        is_bound = entry.digest == self.journal_digest and entry.facts.get(BINDING) == self.binding()
        return is_bound and [digest for _, digest in entry.states] == self.digests()

    def digests(self) -> list[bytes]:
        """SHA-256 per stage, in the order the journal has them."""
        return [hashlib.sha256(state).digest() for state in self.states.values()]


def snapshot_values(snapshot: LiveSnapshot, schema_id: int) -> tuple[list[bytes], list[bytes]]:
    """(keys, values) of a snapshot's records.

    Raises:
        SnapshotTooLarge: more than 1 GiB of state.
    """
    payload = msgspec.msgpack.encode(snapshot)
    if len(payload) > BYTES_MAX:
        raise SnapshotTooLarge(f"the state has {len(payload)} bytes, a snapshot takes {BYTES_MAX}; lower the stages' capacities")
    digest = hashlib.sha256(payload).digest()
    count = (len(payload) + CHUNK_BYTES - 1) // CHUNK_BYTES
    slot = snapshot.journal_sequence % SLOTS
    encode, frame = codec("SnapshotChunk").encode_records, header(schema_id)
    keys: list[bytes] = []
    values: list[bytes] = []
    for number in range(count):
        chunk = SnapshotChunk(
            sequence=snapshot.sequence,
            journal_sequence=snapshot.journal_sequence,
            snapshot_digest=digest,
            number=number,
            chunks=count,
            payload=payload[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES],
        )
        keys.append(f"{slot}.{number}".encode())
        values.append(frame + encode([chunk]))
    return keys, values


def _unnoticed() -> None:
    """Nobody is told."""


def read_snapshots(reader: Reader, partition: Partition, rejected: Callable[[], None] = _unnoticed) -> Iterator[LiveSnapshot]:
    """Whole snapshots, the latest first; broken ones are passed over, for they are only a cache: ``rejected`` is called for each, or for a piece."""
    broken: set[SnapshotKey | int] = set()
    begin, end = reader.start(partition), reader.end(partition)
    seen: set[SnapshotKey] = set()
    window = TAIL_RECORDS
    while True:
        start = max(begin, end - window)
        found, spoilt = _whole(reader, partition, start, end)
        for _ in spoilt - broken:
            rejected()
        broken |= spoilt
        for key in sorted(found, reverse=True):
            if key not in seen:
                seen.add(key)
                yield found[key]
        if start == begin:
            return
        window *= 4


def _whole(reader: Reader, partition: Partition, start: int, end: int) -> tuple[dict[SnapshotKey, LiveSnapshot], set[SnapshotKey | int]]:
    """Whole ones; and keys of broken ones, offsets of pieces that are none. One of which the range holds no first piece is neither."""
    spoilt: set[SnapshotKey | int] = set()
    decode = codec("SnapshotChunk").decode_records
    gathered: dict[SnapshotKey, dict[int, Any]] = {}
    for chunk in read_range(reader, partition, start, end):
        for offset, value in zip(chunk.offsets, chunk.values, strict=True):
            try:
                record = decode(value[HEADER_BYTES:], 1)[0]
            except BadData:
                spoilt.add(offset)
                continue
            gathered.setdefault((record.sequence, record.journal_sequence, record.snapshot_digest), {})[record.number] = record
    found: dict[SnapshotKey, LiveSnapshot] = {}
    for key, parts in gathered.items():
        payload = b"".join(parts[number].payload for number in sorted(parts))
        if len(parts) != next(iter(parts.values())).chunks or hashlib.sha256(payload).digest() != key[2]:
            if 0 in parts:
                spoilt.add(key)
            continue
        try:
            found[key] = msgspec.msgpack.decode(payload, type=LiveSnapshot)
        except (msgspec.ValidationError, msgspec.DecodeError):
            spoilt.add(key)
    return found, spoilt


def framed(
    outputs: Sequence[Output], topics: Sequence[str], headers: Mapping[str, bytes]
) -> list[tuple[str, list[bytes]]]:
    """A batch's outputs to these topics as the values that are written."""
    found = []
    for output in outputs:
        if output.topic in topics:
            bodies = split(output.body, output.count, topic_of(output.topic).record)
            found.append((output.topic, [headers[output.topic] + body for body in bodies]))
    return found


def split(body: Any, count: int, record: str) -> Sequence[bytes]:
    """The records' bodies of a batch's output."""
    view = memoryview(body).cast("B")
    ends = codec(record).record_ends(body, count).tolist()
    starts = [0, *ends[:-1]]
    return [bytes(view[first:last]) for first, last in zip(starts, ends, strict=True)]
