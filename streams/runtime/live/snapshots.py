"""Snapshots as they lie on a cluster: a cache of the journal, queued and never waited for.

A snapshot's chunks are keyed ``<place>.<number>`` with four places, so that a compacted topic keeps
the last four. They are read from the end of the topic backwards, for the last whole one is nearly
always the right one. Each says where its journal record lies, so recovery reads the journal from
there and not from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from schemas.codec import codec
from schemas.errors import BadData
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.log.kafka.transport import Admin, Partition, Reader, Writer
from streams.runtime.journal.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.journal.snapshot import Chunks, Snapshot, SnapshotKey, chunks_of, gather, whole
from streams.runtime.live.spec import TaskSpec
from streams.runtime.live.stored import read_range

CHUNK_BYTES = 512 << 10
RETAINED = 4
TAIL_RECORDS = 64


class SnapshotWriter:
    """Writes snapshots, and trims what lies before the last few.

    Args:
        writer: without transactions.
        admin: of the cluster.
        spec: of the task.
    """

    def __init__(self, writer: Writer, admin: Admin, spec: TaskSpec) -> None:
        self._writer = writer
        self._admin = admin
        self._schema_id = spec.schema_ids[SNAPSHOTS]
        self._partition = spec.partition_of(SNAPSHOTS)
        self._ends: list[int] = []

    def write(self, snapshot: Snapshot) -> int:
        """Queue it; returns its bytes. It is worth nothing until it is whole.

        Raises:
            SnapshotTooLarge: more than 1 GiB of state.
        """
        keys, values = snapshot_values(snapshot, self._schema_id)
        partition = self._partition
        if partition in (delivered := self._writer.commit()):  # the one before, long since
            self._ends.append(delivered[partition] + 1)
            if len(self._ends) > RETAINED:
                self._admin.trim(partition, self._ends.pop(0))
        self._writer.begin()
        self._writer.produce(*partition, values, keys)
        return sum(map(len, values))

    def commit(self) -> None:
        """Wait until what was queued is delivered."""
        self._writer.commit()


def snapshot_values(snapshot: Snapshot, schema_id: int) -> tuple[list[bytes], list[bytes]]:
    """(keys, values) of a snapshot's records.

    Raises:
        SnapshotTooLarge: more than 1 GiB of state.
    """
    place = snapshot.journal_sequence % RETAINED
    encode, frame = codec("SnapshotChunk").encode_records, header(schema_id)
    chunks = chunks_of(snapshot, CHUNK_BYTES)
    keys = [f"{place}.{chunk.number}".encode() for chunk in chunks]
    return keys, [frame + encode([chunk]) for chunk in chunks]


def _unnoticed() -> None:
    """Nobody is told."""


def read_snapshots(
    reader: Reader, partition: Partition, rejected: Callable[[], None] = _unnoticed
) -> Iterator[Snapshot]:
    """Whole snapshots, the latest first; broken ones are passed over, for they are only a cache:
    ``rejected`` is called for each, or for a chunk.
    """
    broken: set[SnapshotKey | int] = set()
    begin, end = reader.start(partition), reader.end(partition)
    seen: set[SnapshotKey] = set()
    window = TAIL_RECORDS
    while True:
        start = max(begin, end - window)
        found, spoilt = _whole_ones(reader, partition, start, end)
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


def _whole_ones(
    reader: Reader, partition: Partition, start: int, end: int
) -> tuple[dict[SnapshotKey, Snapshot], set[SnapshotKey | int]]:
    """Whole ones; and keys of broken ones, offsets of chunks that are none. One of which the
    range holds no first chunk is neither.
    """
    spoilt: set[SnapshotKey | int] = set()
    decode = codec("SnapshotChunk").decode_records
    gathered: Chunks = {}
    for chunk in read_range(reader, partition, start, end):
        for offset, value in zip(chunk.offsets, chunk.values, strict=True):
            try:
                gather(gathered, decode(value[HEADER_BYTES:], 1))
            except BadData:
                spoilt.add(offset)
    found: dict[SnapshotKey, Snapshot] = {}
    for key, parts in gathered.items():
        snapshot = whole(key, parts)
        if snapshot is not None:
            found[key] = snapshot
        elif 0 in parts:
            spoilt.add(key)
    return found, spoilt
