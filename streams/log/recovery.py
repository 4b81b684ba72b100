"""The first thing done with a log opened for writing: find an unfinished last write, report it, cut
it.

Only the end of a topic's last segment is ever cut, and only what cannot be a whole block there: a
short tail, or a journal's last block whose record fails its own digest. Damage with whole blocks
behind it is corruption: it is reported and left as it lies.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

from streams.log import container
from streams.log.errors import CorruptBlock, WrongSchema
from streams.log.files import cut_back, truncate, typed, write_all
from streams.log.index import ENTRY_BYTES, HOLES_ENTRY_BYTES, Entry, unpack
from streams.log.reader import event_times
from streams.log.runs import RUN_BYTES
from streams.log.segment import Bytes, Segment, index_path, is_journal, runs_path, segments_of

DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class TornTail:
    """What recovery cut off the end of a topic.

    Attributes:
        topic, segment: where.
        position: byte position of the cut.
        bytes_cut: bytes behind it.
        next_offset: offset of the first record that is gone.
        records_lost: records gone that the index knew of; 0 for a write that never finished.
        what: why the bytes are no block.
    """

    topic: str
    segment: str
    position: int
    bytes_cut: int
    next_offset: int
    records_lost: int
    what: str

    def __str__(self) -> str:
        lost = f", {self.records_lost} records lost" if self.records_lost else ""
        cut = f"{self.topic}: {self.bytes_cut} bytes cut at byte {self.position} of {self.segment}"
        return f"{cut}, next offset {self.next_offset}{lost} ({self.what})"


def recover(folder: Path, topic: str) -> tuple[list[TornTail], CorruptBlock | WrongSchema | None]:
    """Cut the topic's torn tail and complete its last index.

    Returns:
        what was cut, and damage that was left in place (no append until it is cut off by
        ``truncate``).
    """
    reports: list[TornTail] = []
    while paths := segments_of(folder):
        path = paths[-1]
        try:
            segment = Segment(path, topic, check_index=True)
        except (EOFError, CorruptBlock) as error:
            if isinstance(error, CorruptBlock) and _has_sync_marker(path, topic):
                return reports, error
            lost = sum(
                entry.records
                for size in (ENTRY_BYTES, HOLES_ENTRY_BYTES)
                for entry in _entries_after(index_path(path), 0, size)
            )
            report = TornTail(
                topic,
                str(path),
                0,
                path.stat().st_size,
                int(path.stem),
                lost,
                "the file ends inside its header",
            )
            index_path(path).unlink(missing_ok=True)
            runs_path(path).unlink(missing_ok=True)
            path.unlink()
            reports.append(report)
            continue
        except WrongSchema as error:
            return reports, error
        with segment:
            # a pulled topic goes on as it began; its index alone knows its blocks
            if segment.older is not None and not segment.has_holes:
                return reports, WrongSchema(
                    f"{path} was written by an earlier version of {topic}; write to a new folder"
                )
            try:
                return [*reports, *_cut(segment)], None
            except CorruptBlock as error:
                return reports, error
    return reports, None


def is_whole_journal_record(body: Bytes) -> bool:
    """True if the record's last field is SHA-256 of the bytes before that field (design section 9).
    """
    record = body.tobytes()
    content, field = record[: -DIGEST_BYTES - 1], record[-DIGEST_BYTES - 1 :]
    return field == bytes([2 * DIGEST_BYTES]) + hashlib.sha256(content).digest()


def _has_sync_marker(path: Path, topic: str) -> bool:
    """True if the file ever got as far as the end of its header; if not, it holds no record."""
    sync = container.sync_marker(topic, int(path.stem), int(path.parent.name))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(sync) >= 0


def _cut(segment: Segment) -> list[TornTail]:
    fault = segment.fault
    if fault is not None and not fault.is_torn:
        raise CorruptBlock(str(segment.path), fault.position, segment.end_offset, fault.what)
    entries = len(segment.index)
    what = fault.what if fault else ""
    if entries and fault is None and is_journal(segment.topic):
        if not _last_record_is_whole(segment):
            entries, what = entries - 1, "the journal's last record fails its digest"
    elif entries and fault is None:
        entry, _ = segment.body(entries - 1)
        segment.offsets(entry)
    end_offset = segment.entry(entries - 1).end_offset if entries else segment.first_offset
    end_position = segment.entry(entries - 1).end_position if entries else segment.header_length
    lost = max(0, _last_known(segment) - end_offset)  # in a topic with holes, offsets
    _complete_index(segment, entries)
    if end_position == segment.size and not lost:
        return []
    truncate(segment.path, end_position)
    what = what or "the index knows blocks that are gone"
    return [
        TornTail(
            segment.topic,
            str(segment.path),
            end_position,
            segment.size - end_position,
            end_offset,
            lost,
            what,
        )
    ]


def _last_record_is_whole(segment: Segment) -> bool:
    try:
        entry, body = segment.body(len(segment.index) - 1)
    except CorruptBlock:
        return False
    return entry.records == 1 and is_whole_journal_record(body)


def _last_known(segment: Segment) -> int:
    """Offset after the last block that any whole index entry tells of, on disk or not."""
    path = index_path(segment.path)
    known = segment.end_offset
    for entry in _entries_after(path, segment.index.on_disk, segment.entry_bytes):
        known = max(known, entry.end_offset)
    return known


def _entries_after(path: Path, number: int, entry_bytes: int) -> list[Entry]:
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(number * entry_bytes)
        rest = file.read(1 << 20)
    found = (
        unpack(rest[at : at + entry_bytes])
        for at in range(0, len(rest) - entry_bytes + 1, entry_bytes)
    )
    return [entry for entry in found if entry is not None]


def _complete_index(segment: Segment, entries: int) -> None:
    """Make the index file hold exactly the first ``entries`` blocks, times filled in where the
    topic has them; and their runs no others.
    """
    on_disk = min(segment.index.on_disk, entries)
    path = index_path(segment.path)
    time_max = segment.entry(on_disk - 1).time_max if on_disk else 0
    packed = bytearray()
    for number in range(on_disk, entries):
        entry, body = segment.body(number)
        if time_max or number == 0:
            time_max = max(
                time_max, int(event_times(segment.topic, body, entry.records).max(initial=0))
            )
        packed += entry._replace(time_max=time_max).pack()
    runs = segment.entry(entries - 1).runs_end * RUN_BYTES if entries else 0
    if (
        segment.has_holes
        and runs_path(segment.path).exists()
        and runs_path(segment.path).stat().st_size > runs
    ):
        truncate(runs_path(segment.path), runs)
    if path.exists() and path.stat().st_size == entries * segment.entry_bytes and not packed:
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise typed(error, path) from None
    try:
        cut_back(descriptor, on_disk * segment.entry_bytes)
        write_all(descriptor, [bytes(packed)], on_disk * segment.entry_bytes, path)
    finally:
        os.close(descriptor)
