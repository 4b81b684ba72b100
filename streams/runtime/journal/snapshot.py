"""Snapshots: a cache of the journal, written after a batch committed, never part of it.

A snapshot is a list of SnapshotChunk records of one sequence with one digest, the same in a run
folder and on a cluster. A corrupt, truncated or missing one costs time, not truth: recovery takes
the highest whole one that agrees with the journal, or starts at genesis.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from schemas.codec import codec
from schemas.errors import ShrivenError
from schemas.records import Instrument, SnapshotChunk
from streams.log.local import LocalLog
from streams.runtime.journal.journal import JournalEntry

TOPIC = "pipeline.snapshots"
CHUNK_BYTES = 1 << 20
BYTES_MAX = 1 << 30
BINDING = "snapshot"
"""Fact of a live batch's journal record at which a snapshot was taken: its binding."""
SnapshotKey = tuple[int, int, bytes]
"""Input records consumed, journal record, digest: the highest is the latest. Drains without input
between them differ in the journal record alone."""
Chunks = dict[SnapshotKey, dict[int, SnapshotChunk]]
"""Chunks of snapshots by their number."""


class SnapshotTooLarge(ShrivenError):
    """The state does not fit a snapshot."""

    code = "snapshot_too_large"
    restart_helps = False


class Snapshot(msgspec.Struct, kw_only=True):
    """State at a position of the journal.

    Attributes:
        sequence: input records consumed.
        journal_sequence, journal_digest: the journal record it belongs to.
        feeds: per input its position: on a cluster the next offset, the running maximum of event
            time before it, and what its flood guard counted.
        counts: per output, records written.
        states: by stage.
        journal_offset: where the journal record lies. This and all below is a cluster's.
        last_offsets: per output, offset of the last record before the journal record's own
            (-1: none).
        instruments: what the stages were built over.
        skips: records that operators left out: topic, offset, why.
        code: digest of the code that wrote it; an Upgrade before it is not read again.
    """

    sequence: int
    journal_sequence: int
    journal_digest: bytes
    feeds: list[list[int]]
    counts: dict[str, int]
    states: dict[str, bytes]
    journal_offset: int = -1
    last_offsets: dict[str, int] = {}
    instruments: list[Instrument] = []
    skips: list[tuple[str, int, str]] = []
    code: str = ""

    def binding(self) -> str:
        """SHA-256, in hex, of everything but the states and the place of the journal record.

        A live journal record holds it, so that positions, counts and skips are no more to be
        forged than the states are. A run folder's journal is read whole, and says all of it:
        :func:`lies_behind`.
        """
        bound = [
            self.sequence, self.feeds, sorted(self.counts.items()),
            sorted(self.last_offsets.items()), self.instruments, self.skips, self.code,
        ]  # fmt: skip
        return hashlib.sha256(msgspec.msgpack.encode(bound)).hexdigest()

    def is_of_a_cluster(self) -> bool:
        """True if it says anything that a run folder's snapshot has no place for."""
        more = self.last_offsets, self.instruments, self.skips, self.code
        return self.journal_offset != -1 or any(more)

    def bind(self, entry: JournalEntry) -> None:
        """Give a live journal record, not written yet, the digests of all this says."""
        entry.states = list(enumerate(self.digests()))
        entry.facts = {BINDING: self.binding()}

    def belongs_to(self, entry: JournalEntry) -> bool:
        """True if this is the snapshot that the owner took at this live journal record."""
        is_bound = entry.facts.get(BINDING) == self.binding()
        return is_bound and self.has_states_of(entry)

    def has_states_of(self, entry: JournalEntry) -> bool:
        """True if this journal record has the digests of these states."""
        of_entry = [digest for _, digest in entry.states]
        return entry.digest == self.journal_digest and of_entry == self.digests()

    def digests(self) -> list[bytes]:
        """SHA-256 per stage, in the order the journal has them."""
        return [hashlib.sha256(state).digest() for state in self.states.values()]


def chunks_of(snapshot: Snapshot, chunk_bytes: int) -> list[SnapshotChunk]:
    """The snapshot's records.

    Raises:
        SnapshotTooLarge: more than 1 GiB of state.
    """
    payload = msgspec.msgpack.encode(snapshot)
    if len(payload) > BYTES_MAX:
        what = f"the state has {len(payload)} bytes, a snapshot takes {BYTES_MAX}"
        raise SnapshotTooLarge(f"{what}; lower the stages' capacities")
    digest = hashlib.sha256(payload).digest()
    count = (len(payload) + chunk_bytes - 1) // chunk_bytes
    return [
        SnapshotChunk(
            sequence=snapshot.sequence,
            journal_sequence=snapshot.journal_sequence,
            snapshot_digest=digest,
            number=number,
            chunks=count,
            payload=payload[number * chunk_bytes : (number + 1) * chunk_bytes],
        )
        for number in range(count)
    ]


def gather(chunks: Chunks, found: Iterable[SnapshotChunk]) -> None:
    """Put records with the others of their snapshots."""
    for chunk in found:
        key = chunk.sequence, chunk.journal_sequence, chunk.snapshot_digest
        chunks.setdefault(key, {})[chunk.number] = chunk


def whole(key: SnapshotKey, parts: Mapping[int, SnapshotChunk]) -> Snapshot | None:
    """The snapshot of these chunks; None if one is missing, or they are not what was written."""
    payload = b"".join(parts[number].payload for number in sorted(parts))
    if len(parts) != next(iter(parts.values())).chunks:
        return None
    if hashlib.sha256(payload).digest() != key[2]:
        return None
    try:
        return msgspec.msgpack.decode(payload, type=Snapshot)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None


def write_snapshot(writer: Any, snapshot: Snapshot) -> int:
    """Append the snapshot's chunks to a run folder's topic and sync them; returns their bytes.

    Raises:
        SnapshotTooLarge: more than 1 GiB of state.
    """
    size = 0
    for chunk in chunks_of(snapshot, CHUNK_BYTES):
        body = codec("SnapshotChunk").encode_records([chunk])
        writer.append(body, 1)
        size += len(body)
    writer.sync()
    return size


def read_snapshots(log: LocalLog) -> tuple[list[Snapshot], int]:
    """Whole snapshots of a run folder, the latest first, and the offset at which the topic stops
    being readable; broken snapshots are passed over.
    """
    if TOPIC not in log.topics():
        return [], 0
    decoder = codec("SnapshotChunk")
    gathered: Chunks = {}
    good = 0
    try:
        for block in log.reader(TOPIC).blocks():
            gather(gathered, decoder.decode_records(block.body, block.count))
            good = block.first_offset + block.count
    except ShrivenError:
        pass  # what was read is used; the caller cuts the rest away, for it is only a cache
    read = [whole(key, gathered[key]) for key in sorted(gathered, reverse=True)]
    return [snapshot for snapshot in read if snapshot is not None], good


def lies_behind(
    snapshot: Snapshot,
    entries: Sequence[JournalEntry],
    begins: Sequence[int],
    outputs: Sequence[str],
) -> bool:
    """True if the snapshot's positions and counts are those of the journal up to its batch: no
    state digest binds them.

    Args:
        snapshot: of a batch that the journal has.
        entries: the journal.
        begins: first offset of each input.
        outputs: topics by their number.
    """
    positions, counts, consumed = list(begins), dict.fromkeys(outputs, 0), 0
    for entry in entries:
        if entry.sequence > snapshot.journal_sequence:
            break
        consumed = entry.input_sequence
        for item in entry.inputs:
            positions[item.input] += item.count
        for output in entry.outputs:
            counts[outputs[output.output]] += output.count
    stands = snapshot.sequence, [place[0] for place in snapshot.feeds], snapshot.counts
    return stands == (consumed, positions, counts)
