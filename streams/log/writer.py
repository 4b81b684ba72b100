"""Appending to a topic: one block per append, written at once, nothing kept in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import xxhash

from schemas.errors import WrongUse
from streams.log import container
from streams.log.errors import CorruptBlock, WrongSchema
from streams.log.files import (
    SyncPolicy,
    cut_back,
    make_folder,
    sync_file,
    sync_folder,
    truncate,
    typed,
    write_all,
)
from streams.log.index import ENTRY_BYTES, HOLES_ENTRY_BYTES, Entry
from streams.log.reader import event_times
from streams.log.runs import RUN_BYTES, Offsets, runs_of
from streams.log.segment import Segment, index_path, is_journal, name_of, runs_path, segments_of

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class TopicWriter:
    """The one writer of a topic, after recovery has cut its tail. A new topic gets its first
    segment at once.

    Args:
        folder: the partition's folder.
        topic: its name.
        policy: "commit": a new segment's name is synced at once and every :meth:`sync` is an
            fdatasync; "close": segments are synced when they are full, and with their names when
            closed; "never".
        segment_records: an append to a segment that holds at least this many records opens the next
            one.
        first_offset: where a new topic begins.
        fault: damage that recovery found at the end; no append until :meth:`truncate` has cut it
            off.
        has_holes: a new topic keeps the offsets of a Kafka partition, which have holes.
        schema: what its records are written with, where that is another version's; empty: ours.

    Attributes:
        next_offset: offset of the next record.
        end_position: byte position in the last segment after its last block.
        segment: path of the last segment.
        time_max: running maximum of event time, ns UTC.
        fault: damage behind ``next_offset``, until it is cut off; None if there is none.
        has_holes: True if offsets need not follow one another.
    """

    def __init__(
        self,
        folder: Path,
        topic: str,
        policy: SyncPolicy,
        segment_records: int,
        first_offset: int = 0,
        fault: CorruptBlock | None = None,
        has_holes: bool = False,
        schema: str = "",
    ) -> None:
        self.topic = topic
        self._schema = schema
        self._folder = folder
        self._policy = policy
        self._segment_records = segment_records
        self.fault = fault
        self.has_holes = has_holes
        self._partition = int(folder.name)
        self._descriptor = self._index_descriptor = self._runs_descriptor = -1
        self._runs = 0
        self.next_offset: int
        self._is_dirty = self._has_new_names = False
        self._is_journal = is_journal(topic)
        self.end_position = 0
        paths = segments_of(folder)
        if paths:
            self._continue(paths[-1])
            if has_holes and not self.has_holes:
                raise WrongUse(f"{paths[-1]} holds offsets without holes; pull into a new folder")
        else:
            make_folder(folder)
            if policy == "commit":
                sync_folder(folder.parent)
                sync_folder(folder.parent.parent)
            self.time_max = 0
            self._begin(first_offset)

    def append(
        self, body: Any, count: int, time_max: int = 0, offsets: Offsets | None = None
    ) -> bytes:
        """Write one block; returns its checksum (XXH3-128 of the body).

        Args:
            body: the records' bytes, one after the other: uint8 array or bytes.
            count: how many records they are, at least 1.
            time_max: running maximum of event time after the block, or a bound above it (a clock);
                0 if the topic is not sought by time.
            offsets: of every record, rising, in a topic with holes; None where they follow on.

        Raises:
            LogFull: no room; the block is not there, everything before is, and the writer can go on
                when there is room.
            LogWriteFailed: the operating system refused the write.
            CorruptBlock: the topic's end is damaged.
        """
        if self.fault is not None:
            raise self.fault
        if self._descriptor < 0:
            raise WrongUse(f"the writer of {self.topic} is closed; open the log again")
        if count < 1:
            raise WrongUse(f"a block of {self.topic} needs at least one record, not {count}")
        runs = self._runs_of(offsets, count) if offsets is not None else None
        if count > 1 and self._is_journal:
            raise WrongUse(
                f"a block of {self.topic} holds one record, not {count}: its digest proves the "
                "block"
            )
        view = memoryview(body).cast("B")
        if self.next_offset - self._segment_first >= self._segment_records:
            self._begin(self.next_offset)
        if not time_max and self.time_max:
            time_max = int(event_times(self.topic, view, count).max())
        time_max = max(time_max, self.time_max)
        checksum = xxhash.xxh3_128_digest(view)
        position = self.end_position
        framing = container.encode_long(count) + container.encode_long(len(view))
        # before the block: what the index knows always has its offsets
        if runs is not None and len(runs) > 1:
            write_all(
                self._runs_descriptor,
                [runs.data.cast("B")],
                self._runs * RUN_BYTES,
                runs_path(self.segment),
            )
        end = write_all(self._descriptor, [framing, view, self._sync], position, self.segment)
        entry = Entry(
            self.next_offset,
            count,
            position,
            end - position,
            time_max,
            checksum,
            runs_begin=self._runs,
        )
        if runs is not None:
            first = int(runs[0, 0])
            entry = entry._replace(first_offset=first, hole=first - self.next_offset)
            if len(runs) > 1:
                entry = entry._replace(
                    span=int(runs[-1].sum()) - first,
                    runs=len(runs),
                    runs_checksum=xxhash.xxh3_64_intdigest(runs.data),
                )
        try:
            write_all(
                self._index_descriptor,
                [entry.pack(self.has_holes)],
                self._blocks * self._entry_bytes,
                self._index,
            )
        except BaseException:
            cut_back(self._descriptor, position)
            raise
        self._blocks += 1
        self._runs = entry.runs_end
        self.end_position = end
        self.next_offset = entry.end_offset
        self.time_max = time_max
        self._is_dirty = True
        return checksum

    def _runs_of(self, offsets: Offsets, count: int) -> Offsets:
        """The runs of a block's offsets. Raises WrongUse where they cannot follow what is there."""
        if not self.has_holes and (
            int(offsets[0]) != self.next_offset or int(offsets[-1]) - int(offsets[0]) != count - 1
        ):
            raise WrongUse(
                f"{self.topic} has no holes: its next offset is {self.next_offset}; open a pulled "
                "topic's writer with has_holes"
            )
        if len(offsets) != count or int(offsets[0]) < self.next_offset:
            given = f"{len(offsets)} offsets from {offsets[0]} on"
            raise WrongUse(
                f"{given} were given for {count} records behind offset {self.next_offset} of "
                f"{self.topic}"
            )
        try:
            return runs_of(offsets)
        except ValueError as error:
            raise WrongUse(f"{self.topic}: {error}") from None

    @property
    def _entry_bytes(self) -> int:
        return HOLES_ENTRY_BYTES if self.has_holes else ENTRY_BYTES

    def sync(self) -> None:
        """Make everything appended survive a power cut, if the policy is "commit"; nothing
        otherwise.

        Raises:
            LogWriteFailed, LogFull: the disk did not take it; what is on it is unknown and the
                writer is closed.
        """
        if self._policy == "commit":
            self._sync_segment()

    def truncate(self, next_offset: int) -> None:
        """Cut back so that ``next_offset`` is the next record's; later segments go.

        Raises:
            CorruptBlock: no block ends there.
            WrongUse: it lies outside the topic.
        """
        paths = segments_of(self._folder)
        start = int(paths[0].stem)
        if not start <= next_offset <= self.next_offset:
            raise WrongUse(
                f"{self.topic} holds offsets {start} to {self.next_offset}; it cannot be cut back "
                f"to {next_offset}"
            )
        kept = max(1, sum(int(path.stem) < next_offset for path in paths))
        # before anything goes: a refused cut changes nothing
        with Segment(paths[kept - 1], self.topic) as segment:
            blocks = segment.index.block_of(next_offset)
            if (
                blocks
                and segment.entry(blocks - 1).end_offset != next_offset
                or not blocks
                and next_offset != segment.first_offset
            ):
                raise CorruptBlock(
                    str(segment.path),
                    segment.entry(blocks).position,
                    next_offset,
                    f"no block ends at offset {next_offset}",
                )
            position = segment.entry(blocks - 1).end_position if blocks else segment.header_length
            runs = segment.entry(blocks - 1).runs_end if blocks else 0
        while len(paths) > kept:
            self._remove(paths.pop())
        self._close_files()
        truncate(index_path(paths[-1]), blocks * self._entry_bytes)
        if self.has_holes:
            truncate(runs_path(paths[-1]), runs * RUN_BYTES)
        truncate(paths[-1], position)
        self.fault = None
        self._continue(paths[-1])
        self._is_dirty = True

    def close(self) -> None:
        """Sync, unless the policy is "never", and give the files back; twice does no harm."""
        if self._policy != "never" and self._descriptor >= 0:
            self._sync_segment(with_index=True)
            if self._has_new_names:
                sync_folder(self._folder)
                sync_folder(self._folder.parent)
        self._close_files()

    def _continue(self, path: Path) -> None:
        """Go on behind the last block of a segment, its index made complete."""
        with Segment(path, self.topic) as segment:
            self.segment, self._index = path, index_path(path)
            self._segment_first = segment.first_offset
            self.has_holes = segment.has_holes
            self._check_schema(segment)
            self._runs = segment.entry(-1).runs_end if len(segment.index) else 0
            self._sync = segment.sync
            self._blocks = len(segment.index)
            self.next_offset, self.end_position, self.time_max = (
                segment.end_offset,
                segment.end_position,
                segment.time_max,
            )
        try:
            self._descriptor = os.open(path, _FLAGS)
            self._index_descriptor = os.open(index_path(path), _FLAGS)
            if self.has_holes:
                self._runs_descriptor = os.open(runs_path(path), _FLAGS)
        except OSError as error:
            self._close_files()
            raise typed(error, path) from None

    def _check_schema(self, segment: Segment) -> None:
        """A topic goes on with the schema it began with. Raises WrongSchema."""
        held = (
            segment.older.text if segment.older is not None else container.schema_text(self.topic)
        )
        given = self._schema or container.schema_text(self.topic)
        if container.canonical_form(held) != container.canonical_form(given):
            raise WrongSchema(
                f"{segment.path} was written by another version of {self.topic}; write to a new "
                "folder"
            )

    def _begin(self, first_offset: int) -> None:
        """Open the segment that begins here; the one before is synced and closed."""
        path = self._folder / name_of(first_offset)
        header = container.encode_header(
            self.topic, first_offset, self._partition, self.has_holes, self._schema
        )
        if self._policy != "never":
            self._sync_segment(with_index=True)
        try:
            descriptor = os.open(path, _FLAGS | os.O_TRUNC)
            index_descriptor = os.open(index_path(path), _FLAGS | os.O_TRUNC)
            runs_descriptor = (
                os.open(runs_path(path), _FLAGS | os.O_TRUNC) if self.has_holes else -1
            )
        except OSError as error:
            raise typed(error, path) from None
        try:
            write_all(descriptor, [header], 0, path)
        except BaseException:
            for opened in (descriptor, index_descriptor, runs_descriptor):
                if opened >= 0:
                    os.close(opened)
            self._remove(path)
            raise
        self._close_files()
        self._descriptor, self._index_descriptor, self._runs_descriptor = (
            descriptor,
            index_descriptor,
            runs_descriptor,
        )
        self.segment, self._index = path, index_path(path)
        self._segment_first = self.next_offset = first_offset
        self._sync = container.sync_marker(self.topic, first_offset, self._partition)
        self._blocks = self._runs = 0
        self.end_position = len(header)
        self._is_dirty = self._has_new_names = True
        if self._policy == "commit":
            sync_folder(self._folder)

    def _sync_segment(self, with_index: bool = False) -> None:
        """fdatasync; the index only with its segment's end, for recovery checks all of it, but
        always where it alone has the offsets.
        """
        if self._descriptor < 0 or not (self._is_dirty or with_index):
            return
        try:
            if self.has_holes:
                sync_file(self._runs_descriptor, runs_path(self.segment))
            sync_file(self._descriptor, self.segment)
            if with_index or self.has_holes:
                sync_file(self._index_descriptor, self._index)
        except BaseException:
            self._close_files()
            raise
        self._is_dirty = False

    def _remove(self, path: Path) -> None:
        index_path(path).unlink(missing_ok=True)
        runs_path(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def _close_files(self) -> None:
        for descriptor in (self._descriptor, self._index_descriptor, self._runs_descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._index_descriptor = self._runs_descriptor = -1
