"""Snapshots: a cache of the journal, written after a batch committed, never part of it.

A snapshot is a list of SnapshotChunk records of one sequence with one digest. A corrupt, truncated or missing one costs time, not truth:
recovery takes the highest whole one that agrees with the state digests in the journal, or starts at genesis.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.codec import codec
from schemas.errors import ShrivenError
from schemas.records import SnapshotChunk
from streams.log.local import LocalLog
from streams.runtime.journal import JournalEntry

TOPIC = "pipeline.snapshots"
CHUNK_BYTES = 1 << 20
BYTES_MAX = 1 << 30


class SnapshotTooLarge(ShrivenError):
    """The state does not fit a snapshot."""

    code = "snapshot_too_large"
    restart_helps = False


class Snapshot(msgspec.Struct):
    """State at a position: records consumed, journal sequence, per-feed positions, records per output, states by stage."""

    sequence: int
    journal_sequence: int
    journal_digest: bytes
    feeds: list[list[int]]
    counts: dict[str, int]
    states: dict[str, bytes]

    def digests(self) -> list[bytes]:
        """SHA-256 per stage, in the order the journal has them."""
        return [hashlib.sha256(state).digest() for state in self.states.values()]


def write_snapshot(writer: Any, snapshot: Snapshot) -> None:
    """Append the snapshot's chunks to the topic and sync them.

    Raises:
        SnapshotTooLarge: more than 1 GiB of state.
    """
    payload = msgspec.msgpack.encode(snapshot)
    if len(payload) > BYTES_MAX:
        raise SnapshotTooLarge(f"the state has {len(payload)} bytes, a snapshot takes {BYTES_MAX}; lower the stages' capacities")
    digest = hashlib.sha256(payload).digest()
    count = (len(payload) + CHUNK_BYTES - 1) // CHUNK_BYTES
    encoder = codec("SnapshotChunk")
    for number in range(count):
        chunk = SnapshotChunk(
            sequence=snapshot.sequence,
            journal_sequence=snapshot.journal_sequence,
            snapshot_digest=digest,
            number=number,
            chunks=count,
            payload=payload[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES],
        )
        writer.append(encoder.encode_records([chunk]), 1)
    writer.sync()


def read_snapshots(log: LocalLog) -> tuple[list[Snapshot], int]:
    """Whole snapshots, the latest first, and the offset at which the topic stops being readable; broken snapshots are passed over."""
    if TOPIC not in log.topics():
        return [], 0
    decoder = codec("SnapshotChunk")
    gathered: dict[tuple[int, bytes], dict[int, bytes]] = {}
    sizes: dict[tuple[int, bytes], int] = {}
    good = 0
    try:
        for block in log.reader(TOPIC).blocks():
            for chunk in decoder.decode_records(block.body, block.count):
                key = (chunk.sequence, chunk.snapshot_digest)
                gathered.setdefault(key, {})[chunk.number] = chunk.payload
                sizes[key] = chunk.chunks
            good = block.first_offset + block.count
    except ShrivenError:
        pass  # what was read is used; the caller cuts the rest away, for it is only a cache
    found: list[Snapshot] = []
    for key in sorted(gathered, reverse=True):
        chunks = gathered[key]
        payload = b"".join(chunks[number] for number in sorted(chunks))
        if len(chunks) != sizes[key] or hashlib.sha256(payload).digest() != key[1]:
            continue
        try:
            found.append(msgspec.msgpack.decode(payload, type=Snapshot))
        except msgspec.ValidationError:
            continue
    return found, good


def lies_behind(snapshot: Snapshot, entries: Sequence[JournalEntry], begins: Sequence[int], outputs: Sequence[str]) -> bool:
    """True if the snapshot's positions and counts are those of the journal up to its batch: no state digest binds them.

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
    return (snapshot.sequence, [place[0] for place in snapshot.feeds], snapshot.counts) == (consumed, positions, counts)
