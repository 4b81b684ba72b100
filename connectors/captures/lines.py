"""Files to numbered lines: several files, plain or gzip, are one recording, its lines counted from 1 across them.

A file may end anywhere: what can be decompressed is read, the rest is a :class:`Damage` with the file and the reason, never an exception in
the middle of good data. Memory is bounded: a line beyond ``LINE_BYTES_MAX`` comes out cut, marked, and reading goes on behind it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from schemas.errors import BadData, WrongUse

CHUNK_BYTES = 1 << 18
LINE_BYTES_MAX = 8 << 20
GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 31
"""zlib's largest window, with a gzip header and its checksum."""


class RecordingMissing(WrongUse):
    """A file of the recording does not exist or cannot be opened."""

    code = "recording_missing"


class RecordingUnreadable(BadData):
    """The operating system refused to go on reading a file."""

    code = "recording_unreadable"


class Damage(msgspec.Struct, frozen=True):
    """Where a compressed file could not be read on, and why."""

    file: str
    line: int
    text: str


class Lines:
    """The lines of a recording, in order.

    Attributes:
        number: number of the line given last, from 1 across all files.
        path, file: the file it is in, and its name without its folder.
        is_cut: True if the line given last is not whole: the file ends inside it damaged, or it was too long.
        bytes_done, bytes_total: how far reading is, in bytes on disk.
        paths: the files. damages: those that could not be read to their end.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        if not paths:
            raise WrongUse("no file was named; give the recording's files in order")
        self.paths = [Path(path) for path in paths]
        for path in self.paths:
            if not path.is_file():
                kind = "is a folder" if path.is_dir() else "does not exist"
                raise RecordingMissing(f"{path} {kind}; give the recording's files in order, plain or gzip")
            try:
                path.open("rb").close()
            except OSError as problem:
                raise RecordingMissing(f"{path} cannot be opened: {problem.strerror}") from None
        self.number = 0
        self.path = self.paths[0]
        self.file = ""
        self.is_cut = False
        self.bytes_done = 0
        self.bytes_total = sum(path.stat().st_size for path in self.paths)
        self.damages: list[Damage] = []

    def __iter__(self) -> Iterator[bytes]:
        """Every line without its line end."""
        for path in self.paths:
            self.path, self.file = path, path.name
            yield from self._lines(path)

    def _lines(self, path: Path) -> Iterator[bytes]:
        """Lines of one file; a line that is too long is given cut, once, and its rest skipped."""
        open_line = b""
        is_skipping = False
        damages = len(self.damages)
        for piece in self._texts(path):
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

    def _texts(self, path: Path) -> Iterator[bytes]:
        """The file's text, piece by piece, decompressed where it is gzip."""
        chunks = self._chunks(path)
        first = next(chunks, b"")
        if not first.startswith(GZIP_MAGIC):
            yield first
            yield from chunks
            return
        engine = zlib.decompressobj(GZIP_WINDOW)
        chunk: bytes | None = first
        try:
            while chunk is not None:
                while chunk:
                    if engine.eof:  # another member, or zeros that fill a block
                        chunk = chunk.lstrip(b"\0")
                        if not chunk:
                            break
                        engine = zlib.decompressobj(GZIP_WINDOW)
                    text = engine.decompress(chunk, CHUNK_BYTES)
                    chunk = engine.unused_data if engine.eof else engine.unconsumed_tail
                    yield text
                chunk = next(chunks, None)
            while text := engine.decompress(b"", CHUNK_BYTES):
                yield text
        except zlib.error as problem:
            self._damage(f"the compressed data is damaged ({str(problem).rpartition(': ')[2]})")
            return
        if not engine.eof:
            self._damage("the file ends inside its compressed data")

    def _damage(self, text: str) -> None:
        self.damages.append(Damage(self.file, self.number, f"{text}; what came before was read"))

    def _chunks(self, path: Path) -> Iterator[bytes]:
        try:
            with path.open("rb") as source:
                while chunk := source.read(CHUNK_BYTES):
                    self.bytes_done += len(chunk)
                    yield chunk
        except OSError as problem:
            raise RecordingUnreadable(f"{path}: reading stopped after {self.bytes_done} bytes: {problem.strerror}; copy the file anew") from None


Progress = Callable[[int, int], None]
"""Told how much is done and how much there is, in one unit."""
