"""Files to numbered lines: several files, plain or gzip, are one recording, its lines counted from
1 across them.

A file may end anywhere: what can be decompressed is read, the rest is a :class:`Damage` with the
file and the reason, never an exception in the middle of good data. Memory is bounded: a line beyond
``LINE_BYTES_MAX`` comes out cut, marked, and reading goes on behind it. A pipe is a file as well:
everything is read once, and digested as it is read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from connectors.captures.kinds import NotLines, kind_of
from connectors.captures.members import MAGIC, Members
from schemas.errors import BadData, WrongUse

CHUNK_BYTES = 1 << 18
LINE_BYTES_MAX = 8 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class RecordingMissing(WrongUse):
    """A file of the recording does not exist or cannot be opened."""

    code = "recording_missing"


class RecordingUnreadable(BadData):
    """The operating system refused to go on reading a file."""

    code = "recording_unreadable"


class Damage(msgspec.Struct, frozen=True):
    """Where a compressed file could not be read on, and why. ``bytes_lost``: how many of its bytes
    were not read.
    """

    file: str
    line: int
    text: str
    bytes_lost: int = 0


class Digested(msgspec.Struct, frozen=True):
    """A file that was read: its name, its length, and SHA-256 of its bytes."""

    file: str
    bytes: int
    sha256: str


class Lines:
    """The lines of a recording, in order.

    Attributes:
        number: number of the line given last, from 1 across all files.
        path, file: the file it is in, and its name without its folder.
        is_cut: True if the line given last is not whole: the file ends inside it damaged, or it was
            too long.
        bytes_done, bytes_total: how far reading is, in bytes on disk.
        paths: the files. damages: where they could not be read.
        digests: of the files that were read, in order.
    """

    WANTED = (
        "unpack or convert it to lines of UTF-8 text: a receive time, a space, the frame's JSON"
    )
    """What to make of a file that is something else."""

    def __init__(self, paths: Sequence[Path]) -> None:
        if not paths:
            raise WrongUse("no file was named; give the recording's files in order")
        self.paths = [Path(path) for path in paths]
        for path in self.paths:
            if not path.exists() or path.is_dir():
                kind = "is a folder" if path.is_dir() else "does not exist"
                raise RecordingMissing(
                    f"{path} {kind}; give the recording's files in order, plain or gzip"
                )
            if not os.access(path, os.R_OK):
                raise RecordingMissing(f"{path} cannot be opened: permission denied")
        self.number = 0
        self.path = self.paths[0]
        self.file = ""
        self.is_cut = False
        self.bytes_done = 0
        self.bytes_total = sum(path.stat().st_size for path in self.paths)
        self.damages: list[Damage] = []
        self.digests: list[Digested] = []

    @property
    def count(self) -> int:
        """Lines so far."""
        return self.number

    def __iter__(self) -> Iterator[bytes]:
        """Every line without its line end."""
        for path in self.paths:
            self.path, self.file = path, path.name if path.is_file() else "pipe"
            yield from self._lines(path)

    def _lines(self, path: Path) -> Iterator[bytes]:
        """Lines of one file; a line that is too long is given cut, once, and its rest skipped."""
        open_line = b""
        is_skipping = False
        damages = len(self.damages)
        for piece in self.texts(path):
            if piece is None:  # what follows is another line
                if open_line:
                    self.number += 1
                    self.is_cut = True
                    yield open_line
                open_line, is_skipping, damages = b"", False, len(self.damages)
                continue
            text = piece
            if is_skipping:
                end = text.find(b"\n")
                if end < 0:
                    continue
                text, is_skipping = text[end + 1 :], False
            parts = text.split(b"\n")
            parts[0] = open_line + parts[0]
            open_line = parts.pop()
            self.is_cut = False
            for part in parts:
                self.number += 1
                yield part[:-1] if part.endswith(b"\r") else part
            if len(open_line) > LINE_BYTES_MAX:
                self.number += 1
                self.is_cut = True
                yield open_line[:LINE_BYTES_MAX]
                open_line, is_skipping = b"", True
        if open_line:
            self.number += 1
            self.is_cut = len(self.damages) > damages
            yield open_line

    def texts(self, path: Path) -> Iterator[bytes | None]:
        """The file's text, part by part, decompressed where it is gzip, without a byte order mark;
        None where a line is cut off.
        """
        chunks = self._chunks(path)
        first = next(chunks, b"")
        texts: Iterator[bytes | None] = _joined(first, chunks)
        if first.startswith(MAGIC):
            texts = iter(Members(_joined(first, chunks), self._damage))  # type: ignore[arg-type]
        head = next((text for text in texts if text), b"")
        kind = kind_of(head)
        if kind:
            packed = ", packed by gzip" if first.startswith(MAGIC) else ""
            raise NotLines(f"{path} is {kind}{packed}; {self.WANTED}")
        yield head.removeprefix(BYTE_ORDER_MARK)
        yield from texts

    def _damage(self, text: str, bytes_lost: int) -> None:
        what = f"{text}; {bytes_lost:,} bytes were not read" if bytes_lost else text
        self.damages.append(Damage(self.file, self.number, what, bytes_lost))

    def _chunks(self, path: Path) -> Iterator[bytes]:
        digest, length = hashlib.sha256(), 0
        try:
            with path.open("rb") as source:
                while chunk := source.read(CHUNK_BYTES):
                    digest.update(chunk)
                    length += len(chunk)
                    self.bytes_done += len(chunk)
                    self.bytes_total = max(self.bytes_total, self.bytes_done)
                    yield chunk
            self.digests.append(Digested(self.file, length, digest.hexdigest()))
        except OSError as problem:
            raise RecordingUnreadable(
                f"{path}: reading stopped after {self.bytes_done} bytes: {problem.strerror}; copy "
                "the file anew"
            ) from None


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


Progress = Callable[[int, int], None]
"""Told how much is done and how much there is, in one unit."""
