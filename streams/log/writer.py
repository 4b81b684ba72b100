"""Appending to a topic: one block per append, written at once, nothing kept in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import xxhash

from schemas.errors import WrongUse
from streams.log import container
from streams.log.errors import CorruptBlock
from streams.log.files import SyncPolicy, cut_back, make_folder, sync_file, sync_folder, truncate, typed, write_all
from streams.log.index import ENTRY_BYTES, Entry
from streams.log.reader import event_times
from streams.log.segment import Segment, index_path, is_journal, name_of, segments_of

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class TopicWriter:
    """The one writer of a topic, after recovery has cut its tail. A new topic gets its first segment at once.

    Args:
        folder: the partition's folder.
        topic: its name.
        policy: "commit": a new segment's name is synced at once and every :meth:`sync` is an fdatasync; "close": segments are synced when they
            are full, and with their names when closed; "never".
        segment_records: an append to a segment that holds at least this many records opens the next one.
        first_offset: where a new topic begins.
        fault: damage that recovery found at the end; no append until :meth:`truncate` has cut it off.

    Attributes:
        next_offset: offset of the next record.
        end_position: byte position in the last segment after its last block.
        segment: path of the last segment.
        time_max: running maximum of event time, ns UTC.
        fault: damage behind ``next_offset``, until it is cut off; None if there is none.
    """

    def __init__(
        self, folder: Path, topic: str, policy: SyncPolicy, segment_records: int, first_offset: int = 0, fault: CorruptBlock | None = None
    ) -> None:
        self.topic = topic
        self._folder = folder
        self._policy = policy
        self._segment_records = segment_records
        self.fault = fault
        self._descriptor = self._index_descriptor = -1
        self._is_dirty = self._has_new_names = False
        self._is_journal = is_journal(topic)
        self.end_position = 0
        paths = segments_of(folder)
        if paths:
            self._continue(paths[-1])
        else:
            make_folder(folder)
            if policy == "commit":
                sync_folder(folder.parent)
                sync_folder(folder.parent.parent)
            self.time_max = 0
            self._begin(first_offset)

    def append(self, body: Any, count: int, time_max: int = 0) -> bytes:
        """Write one block; returns its checksum (XXH3-128 of the body).

        Args:
            body: the records' bytes, one after the other: uint8 array or bytes.
            count: how many records they are, at least 1.
            time_max: running maximum of event time after the block, or a bound above it (a clock); 0 if the topic is not sought by time.

        Raises:
            LogFull: no room; the block is not there, everything before is, and the writer can go on when there is room.
            LogWriteFailed: the operating system refused the write.
            CorruptBlock: the topic's end is damaged.
        """
        if self.fault is not None:
            raise self.fault
        if self._descriptor < 0:
            raise WrongUse(f"the writer of {self.topic} is closed; open the log again")
        if count < 1:
            raise WrongUse(f"a block of {self.topic} needs at least one record, not {count}")
        if count > 1 and self._is_journal:
            raise WrongUse(f"a block of {self.topic} holds one record, not {count}: its digest proves the block")
        view = memoryview(body).cast("B")
        if self.next_offset - self._segment_first >= self._segment_records:
            self._begin(self.next_offset)
        if not time_max and self.time_max:
            time_max = int(event_times(self.topic, view, count).max())
        time_max = max(time_max, self.time_max)
        checksum = xxhash.xxh3_128_digest(view)
        position = self.end_position
        framing = container.encode_long(count) + container.encode_long(len(view))
        end = write_all(self._descriptor, [framing, view, self._sync], position, self.segment)
        entry = Entry(self.next_offset, count, position, end - position, time_max, checksum)
        try:
            write_all(self._index_descriptor, [entry.pack()], self._blocks * ENTRY_BYTES, self._index)
        except BaseException:
            cut_back(self._descriptor, position)
            raise
        self._blocks += 1
        self.end_position = end
        self.next_offset += count
        self.time_max = time_max
        self._is_dirty = True
        return checksum

    def sync(self) -> None:
        """Make everything appended survive a power cut, if the policy is "commit"; nothing otherwise.

        Raises:
            LogWriteFailed, LogFull: the disk did not take it; what is on it is unknown and the writer is closed.
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
            raise WrongUse(f"{self.topic} holds offsets {start} to {self.next_offset}; it cannot be cut back to {next_offset}")
        kept = max(1, sum(int(path.stem) < next_offset for path in paths))
        with Segment(paths[kept - 1], self.topic) as segment:  # before anything goes: a refused cut changes nothing
            blocks = segment.index.block_of(next_offset)
            if blocks and segment.entry(blocks - 1).end_offset != next_offset or not blocks and next_offset != segment.first_offset:
                raise CorruptBlock(str(segment.path), segment.entry(blocks).position, next_offset, f"no block ends at offset {next_offset}")
            position = segment.entry(blocks - 1).end_position if blocks else segment.header_length
        while len(paths) > kept:
            self._remove(paths.pop())
        self._close_files()
        truncate(index_path(paths[-1]), blocks * ENTRY_BYTES)
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
            self._sync = segment.sync
            self._blocks = len(segment.index)
            self.next_offset, self.end_position, self.time_max = segment.end_offset, segment.end_position, segment.time_max
        try:
            self._descriptor = os.open(path, _FLAGS)
            self._index_descriptor = os.open(index_path(path), _FLAGS)
        except OSError as error:
            self._close_files()
            raise typed(error, path) from None

    def _begin(self, first_offset: int) -> None:
        """Open the segment that begins here; the one before is synced and closed."""
        path = self._folder / name_of(first_offset)
        header = container.encode_header(self.topic, first_offset)
        if self._policy != "never":
            self._sync_segment(with_index=True)
        try:
            descriptor = os.open(path, _FLAGS | os.O_TRUNC)
            index_descriptor = os.open(index_path(path), _FLAGS | os.O_TRUNC)
        except OSError as error:
            raise typed(error, path) from None
        try:
            write_all(descriptor, [header], 0, path)
        except BaseException:
            os.close(descriptor)
            os.close(index_descriptor)
            self._remove(path)
            raise
        self._close_files()
        self._descriptor, self._index_descriptor = descriptor, index_descriptor
        self.segment, self._index = path, index_path(path)
        self._segment_first = self.next_offset = first_offset
        self._sync = container.sync_marker(self.topic, first_offset)
        self._blocks = 0
        self.end_position = len(header)
        self._is_dirty = self._has_new_names = True
        if self._policy == "commit":
            sync_folder(self._folder)

    def _sync_segment(self, with_index: bool = False) -> None:
        """fdatasync; the index only with its segment's end, for recovery checks all of the last segment's index."""
        if self._descriptor < 0 or not (self._is_dirty or with_index):
            return
        try:
            sync_file(self._descriptor, self.segment)
            if with_index:
                sync_file(self._index_descriptor, self._index)
        except BaseException:
            self._close_files()
            raise
        self._is_dirty = False

    def _remove(self, path: Path) -> None:
        index_path(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def _close_files(self) -> None:
        for descriptor in (self._descriptor, self._index_descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._index_descriptor = -1
