"""One segment as a reader sees it: the file's header, its index, and what lies behind the last
indexed block.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import xxhash

from streams.log import container
from streams.log.errors import CorruptBlock, WrongSchema
from streams.log.files import read_at, unreadable
from streams.log.index import ENTRY_BYTES, HOLES_ENTRY_BYTES, DamagedEntry, Entry, Index, unpack
from streams.log.older import OlderSchema, older_schema
from streams.log.runs import RUN_BYTES, RUNS_SUFFIX, Offsets, offsets_of, runs_from

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
SUFFIX = ".avro"
INDEX_SUFFIX = ".index"


def is_journal(topic: str) -> bool:
    """True for a topic whose blocks hold one record each, which ends with its own digest."""
    return topic.endswith(".journal")


class Fault(NamedTuple):
    """Bytes at the end of a segment that are no whole block.

    ``is_torn`` is True for an unfinished last write, which may be cut; False for damage with more
    blocks behind it, which may not.
    """

    position: int
    what: str
    is_torn: bool


def name_of(first_offset: int) -> str:
    """File name of the segment that begins at this offset."""
    return f"{first_offset:020d}{SUFFIX}"


def index_path(path: Path) -> Path:
    """The index beside a segment."""
    return path.with_suffix(INDEX_SUFFIX)


def runs_path(path: Path) -> Path:
    """The runs of offsets beside a segment of a topic with holes."""
    return path.with_suffix(RUNS_SUFFIX)


def segments_of(folder: Path) -> list[Path]:
    """Segments of a partition's folder, in offset order."""
    return sorted(
        path for path in folder.glob("*" + SUFFIX) if len(path.stem) == 20 and path.stem.isdigit()
    )


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise unreadable(error, path) from None


class Segment:
    """An open segment. Blocks the index lacks (crash, deleted index) are found by reading on from
    its last good entry.

    Args:
        path: the file.
        topic: the topic it must belong to.
        check_index: look at every index entry, not only at the last, and take the index only as far
            as its entries follow one another.

    Raises:
        CorruptBlock: the header is not what this topic and offset must have.
        EOFError: the file ends inside the header (a segment torn at its creation).
        WrongSchema: written with another schema that this version cannot read.
        LogReadFailed: the operating system refuses to open it.
    """

    def __init__(self, path: Path, topic: str, check_index: bool = False) -> None:
        self.path = path
        self.topic = topic
        self.partition = int(path.parent.name)
        self.first_offset = int(path.stem)
        self._descriptor = _open(path)
        self._index_descriptor = self._runs_descriptor = -1
        self.older: OlderSchema | None = None
        try:
            self.size = os.fstat(self._descriptor).st_size
            self._check_header()
            if index_path(path).exists():
                self._index_descriptor = _open(index_path(path))
            if self.has_holes and runs_path(path).exists():
                self._runs_descriptor = _open(runs_path(path))
            self.index = self._load_index(check_index)
            self.fault = self._read_on()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Segment:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file descriptors back; twice does no harm."""
        for descriptor in (self._descriptor, self._index_descriptor, self._runs_descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._index_descriptor = self._runs_descriptor = -1

    @property
    def entry_bytes(self) -> int:
        """Length of an index entry: longer where offsets have holes."""
        return HOLES_ENTRY_BYTES if self.has_holes else ENTRY_BYTES

    @property
    def end_offset(self) -> int:
        """Offset after the last whole block."""
        return self.entry(-1).end_offset if len(self.index) else self.first_offset

    @property
    def end_position(self) -> int:
        """Byte position after the last whole block."""
        return self.entry(-1).end_position if len(self.index) else self.header_length

    @property
    def time_max(self) -> int:
        """Running maximum of event time after the last whole block."""
        return self.entry(-1).time_max if len(self.index) else 0

    def entry(self, number: int) -> Entry:
        """Index entry of a block; raises CorruptBlock if it fails its own check."""
        try:
            return self.index[number]
        except DamagedEntry as damage:
            raise self.damaged(damage) from None

    def damaged(self, damage: DamagedEntry) -> CorruptBlock:
        """The error for a bad index entry."""
        text = (
            "an index entry fails its own check; if the segment itself verifies, delete the "
            "index and it is rebuilt"
        )
        if self.has_holes:
            text = (
                "an index entry fails its own check, and with it the offsets of a block are "
                "lost; pull the topic again"
            )
        return CorruptBlock(
            str(index_path(self.path)), damage.number * self.entry_bytes, self.first_offset, text
        )

    def _pread(self, length: int, position: int) -> bytes:
        return read_at(self._descriptor, length, position, self.path)

    def _check_header(self) -> None:
        buffer = self._pread(container.HEADER_BYTES_USUAL, 0)
        try:
            metadata, sync, self.header_length = self._decode_header(buffer)
        except ValueError as error:
            raise CorruptBlock(str(self.path), 0, self.first_offset, str(error)) from None
        except EOFError:
            headers = (
                container.encode_header(self.topic, self.first_offset, self.partition, has_holes)
                for has_holes in (False, True)
            )
            if not any(header.startswith(buffer) for header in headers):
                raise CorruptBlock(
                    str(self.path), 0, self.first_offset, "the header does not parse"
                ) from None
            raise
        self.has_holes = metadata.get(container.HOLES) == container.RUNS
        self.sync = container.sync_marker(self.topic, self.first_offset, self.partition)
        if sync != self.sync:
            text = (
                "the sync marker does not belong to this topic and offset: damaged, renamed, or "
                "a file of another log"
            )
            raise CorruptBlock(
                str(self.path), self.header_length - container.SYNC_BYTES, self.first_offset, text
            )
        text = metadata.get("avro.schema", b"").decode("utf-8", "replace")
        expected = container.schema_text(self.topic)
        if metadata.get("avro.codec", b"null") != b"null":
            raise CorruptBlock(
                str(self.path), 0, self.first_offset, "the header names a codec other than null"
            )
        if text != expected:
            try:
                same = container.canonical_form(text) == container.canonical_form(expected)
            except Exception as error:  # noqa: BLE001  (fastavro raises many kinds on damaged schemas)
                raise CorruptBlock(
                    str(self.path), 0, self.first_offset, "the schema in the header does not parse"
                ) from error
            if not same:
                self.older = self._readable(text)

    def _readable(self, text: str) -> OlderSchema:
        """The reader of an earlier version's schema."""
        try:
            older = older_schema(self.topic, text)
        except Exception as error:  # noqa: BLE001  (a damaged schema may lack anything that a schema has)
            what = "the schema in the header is not one of a record"
            raise CorruptBlock(str(self.path), 0, self.first_offset, what) from error
        if older.problems:
            text = (
                f"{self.path} was written with another schema than this code has for "
                f"{self.topic} ({older.problems[0]})"
            )
            raise WrongSchema(f"{text}; import or run it again with this version")
        return older

    def _decode_header(self, buffer: bytes) -> tuple[dict[str, bytes], bytes, int]:
        try:
            return container.decode_header(buffer)
        except EOFError:
            if self.size <= len(buffer):
                raise
            return container.decode_header(self._pread(container.HEADER_BYTES_MAX, 0))

    def _load_index(self, check: bool) -> Index:
        """The index up to its last entry that is whole and lies inside the segment; with ``check``,
        up to the first that does not fit.
        """
        if self._index_descriptor < 0:
            return Index(-1, 0)
        count = os.fstat(self._index_descriptor).st_size // self.entry_bytes
        if check:
            return Index(self._index_descriptor, self._entries_that_fit(count), self.entry_bytes)
        while count:
            entry = unpack(
                os.pread(self._index_descriptor, self.entry_bytes, (count - 1) * self.entry_bytes)
            )
            if (
                entry is not None
                and self.header_length <= entry.position
                and self._lies_inside(entry)
            ):
                break
            count -= 1
        return Index(self._index_descriptor, count, self.entry_bytes)

    def _lies_inside(self, entry: Entry) -> bool:
        """True if the entry's block and its runs lie inside their files."""
        runs_size = os.fstat(self._runs_descriptor).st_size if self._runs_descriptor >= 0 else 0
        return entry.end_position <= self.size and (
            not entry.runs or entry.runs_end * RUN_BYTES <= runs_size
        )

    def _entries_that_fit(self, count: int) -> int:
        """How many entries are whole, follow one another without gap, and lie inside the segment.
        """
        index = Index(self._index_descriptor, count, self.entry_bytes)
        offset, position, runs = self.first_offset, self.header_length, 0
        for number in range(count):
            try:
                entry = index[number]
            except DamagedEntry:
                return number
            if (entry.previous_end_offset, entry.position, entry.runs_begin) != (
                offset,
                position,
                runs,
            ) or not self._lies_inside(entry):
                return number
            offset, position, runs = entry.end_offset, entry.end_position, entry.runs_end
        return count

    def _read_on(self) -> Fault | None:
        """Enter the blocks behind the last indexed one; returns what is left over that is no block.

        Where offsets have holes, only the index knows them: one block without an entry is an
        unfinished append, more are damage.
        """
        if self.has_holes and self.end_position < self.size:
            position = self.end_position
            return Fault(
                position,
                "a block has no entry in the index, which alone knows its offsets",
                not self._has_blocks_after(position),
            )
        while self.end_position < self.size:
            position = self.end_position
            try:
                count, body_at, body_length = self._block_header(position)
                self._expect_sync(body_at + body_length)
            except (EOFError, ValueError) as error:
                return Fault(position, str(error), not self._has_blocks_after(position))
            body = self._read(body_at, body_length)
            length = body_at + body_length + container.SYNC_BYTES - position
            checksum = xxhash.xxh3_128_digest(body.data)
            self.index.found.append(
                Entry(self.end_offset, count, position, length, self.time_max, checksum)
            )
        return None

    def _block_header(self, position: int) -> tuple[int, int, int]:
        """(count, position of the body, length of the body) of the block at ``position``; EOFError
        or ValueError if there is none.
        """
        header = self._pread(container.BLOCK_HEADER_BYTES_MAX, position)
        count, length, header_length = container.decode_block_header(header)
        if position + header_length + length + container.SYNC_BYTES > self.size:
            raise EOFError("the file ends inside a block")
        return count, position + header_length, length

    def _expect_sync(self, position: int) -> None:
        if self._pread(container.SYNC_BYTES, position) != self.sync:
            raise ValueError("a block does not end with the sync marker")

    def _has_blocks_after(self, position: int) -> bool:
        """True if a sync marker lies behind ``position`` with bytes behind it: then this was not
        the last write.
        """
        step = 1 << 20
        while position < self.size:
            window = self._pread(step + container.SYNC_BYTES, position)
            found = window.find(self.sync)
            if found >= 0:
                return position + found + container.SYNC_BYTES < self.size
            position += step
        return False

    def _read(self, position: int, length: int) -> Bytes:
        """``length`` bytes in memory of their own. Raises EOFError if the file is shorter."""
        body = np.empty(length, np.uint8)
        view = body.data
        done = 0
        while done < length:
            try:
                read = os.preadv(self._descriptor, [view[done:]], position + done)
            except OSError as error:
                raise unreadable(error, self.path) from None
            if read == 0:
                raise EOFError("the file ends inside a block")
            done += read
        return body

    def body(self, number: int) -> tuple[Entry, Bytes]:
        """A block's entry and body as stored, checked against each other: header, sync marker,
        checksum.

        Raises:
            CorruptBlock: index and block disagree, or the block's bytes have changed.
        """
        entry = self.entry(number)
        try:
            count, body_at, length = self._block_header(entry.position)
            if (
                count != entry.records
                or body_at + length + container.SYNC_BYTES != entry.end_position
            ):
                raise ValueError("the block's header is not what the index says")
            self._expect_sync(body_at + length)
            body = self._read(body_at, length)
            if xxhash.xxh3_128_digest(body.data) != entry.checksum:
                raise ValueError("the block's bytes fail their checksum")
        except (EOFError, ValueError) as error:
            raise CorruptBlock(
                str(self.path), entry.position, entry.first_offset, str(error)
            ) from None
        return entry, body

    def offsets(self, entry: Entry) -> Offsets | None:
        """Offset of every record of a block, or None where they follow one another from its first.

        Raises:
            CorruptBlock: the runs are missing, or not what was written.
        """
        if not entry.runs:
            return None
        path, position = runs_path(self.path), entry.runs_begin * RUN_BYTES
        buffer = (
            read_at(self._runs_descriptor, entry.runs * RUN_BYTES, position, path)
            if self._runs_descriptor >= 0
            else b""
        )
        try:
            return offsets_of(
                runs_from(
                    buffer, entry.runs_checksum, entry.first_offset, entry.end_offset, entry.records
                )
            )
        except ValueError as error:
            raise CorruptBlock(str(path), position, entry.first_offset, str(error)) from None
