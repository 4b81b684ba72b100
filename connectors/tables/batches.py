"""Files to batches of rows: CSV plain or packed here, Parquet as text of the same form.

So there is one reading of numbers, and none passes through a float that its file did not have.
"""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from connectors.captures.kinds import kind_of
from connectors.captures.lines import Lines, Progress
from connectors.tables.columns import ColumnMap, places_of
from connectors.tables.kinds import Kind
from connectors.tables.rows import Batch, NotATable, row_batches

if TYPE_CHECKING:
    from connectors.tables.parquet import ParquetRows

TEXT_BYTES = 8 << 20
HEAD_BYTES = 1 << 16
SEPARATORS = ",;\t|"
PARQUET, ZIP = b"PAR1", (b"PK\x03\x04", b"PK\x05\x06")
CUT = b"\0\n"
"""Ends a line of which the rest is lost: a line with a byte of 0 is not whole."""
RATIO_MAX, RATIO_FROM = 400, 64 << 20
"""Text that is packed smaller than this is no table, from so many bytes on."""
WANTED = (
    "convert or unpack it: tables are read from CSV (plain, .gz or a .zip of one file) in UTF-8, "
    "and from Parquet"
)


def head_of(path: Path) -> bytes:
    """What a file begins with; nothing of a pipe, which is read once."""
    if not path.is_file():
        return b""
    with path.open("rb") as source:
        return source.read(4)


def _names(line: str, separator: str) -> list[str]:
    """The columns of a header."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return line.split(separator)


class Table(Lines):
    """Tables of one kind, one behind the other.

    Attributes:
        file: name of the one that is read. names: its columns. places: which of them each field is.
        precisions: decimals of fields whose doubles are to be rounded.
        remarks: what of the files is not in their rows, a sentence each.
    """

    WANTED = WANTED

    def __init__(
        self, paths: Sequence[Path], wanted: ColumnMap, kind: Kind, progress: Progress
    ) -> None:
        super().__init__(paths)
        self._wanted, self._kind = wanted, kind
        self._progress = progress
        self.names: list[str] = []
        self.places: dict[str, int] = {}
        self.precisions: dict[str, int] = {}
        self.remarks: list[str] = []

    def batches(self) -> Iterator[Batch]:
        """Every row. Raises NotATable, NotLines, MissingColumn, RecordingUnreadable."""
        for path in self.paths:
            self.path, self.file = path, path.name if path.is_file() else "pipe"
            self.number = 0
            read = self._parquet if head_of(path) == PARQUET else self._text
            for batch in read(path):
                yield batch
                self.number += len(batch.rows)
                self._progress(self.bytes_done, self.bytes_total)

    def texts(self, path: Path) -> Iterator[bytes | None]:
        """The file's text, also of a zip with one file in it."""
        if head_of(path) in ZIP:
            return self._zipped(path)
        return super().texts(path)

    def first_line(self, path: Path) -> str:
        """The first line that holds something; empty where the file's beginning has none."""
        text = next((text for text in self.texts(path) if text), b"")
        lines = text[:HEAD_BYTES].decode("utf-8", "replace").splitlines()
        return next((line for line in lines if line.strip()), "").removeprefix("\ufeff")

    def column_names(self, path: Path) -> list[str]:
        """The columns that the header names. Raises NotATable, NotLines."""
        self.path, self.file = path, path.name
        if head_of(path) == PARQUET:
            return self._parquet_rows(path).column_names()
        line = self.first_line(path)
        if not line:
            raise NotATable(f"{path} is empty, or begins with nothing")
        self._separate(line)
        self._refuse_other(path, line)
        return self.names

    def _separate(self, line: str) -> None:
        self._separator = self._wanted.file.separator or max(SEPARATORS, key=line.count)
        self.names = [name.strip() for name in _names(line, self._separator)]

    def _digest(self, path: Path) -> None:
        """Read a file that is then read by places."""
        for _ in self._chunks(path):
            pass

    def _zipped(self, path: Path) -> Iterator[bytes]:
        """A file of a zip. Raises NotATable."""
        self._digest(path)
        try:
            with zipfile.ZipFile(path) as archive:
                file = self.member(path, archive)
                if file.filename.lower().endswith((".zip", ".gz", ".parquet")):
                    raise NotATable(f"{path} holds {file.filename}; unpack it and import that")
                with archive.open(file) as member:
                    while chunk := member.read(1 << 18):
                        yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as problem:
            self._damage(f"the zip is damaged or of a kind that is not read ({problem})", 0)
        except RuntimeError as problem:
            raise NotATable(f"{path} is encrypted; unpack it first") from problem

    def member(self, path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
        """The file of a zip that is read: the only one. Raises NotATable."""
        files = [each for each in archive.infolist() if not each.is_dir()]
        if len(files) != 1:
            what = "no file" if not files else f"{len(files)} files"
            raise NotATable(f"{path} holds {what}; a zip with one CSV file is read")
        return files[0]

    def _text(self, path: Path) -> Iterator[Batch]:
        """Rows of text: the header, then whole lines of some megabytes at once."""
        line = 0
        for text in self._whole_lines(path):
            rows = text
            if not line:
                rows, skipped = self._begin(path, text)
                line = 1 + skipped
            array = np.frombuffer(rows, np.uint8)
            for batch in row_batches(array, self._separator, self.places, len(self.names)):
                batch.line, count = line, len(batch.rows)
                yield batch
                line += count

    def _whole_lines(self, path: Path) -> Iterator[bytes]:
        """The text in pieces of whole lines; the last one may be empty. Raises NotATable."""
        held: list[bytes] = []
        size = 0
        for piece in self._bounded(path):
            held.append(piece)
            size += len(piece)
            if size < TEXT_BYTES:
                continue
            text = b"".join(held)
            end = text.rfind(b"\n") + 1
            if not end and b"\r" not in text:
                raise NotATable(f"{path} is no table of lines: it has no line ends; {WANTED}")
            yield text[:end] if end else text
            held, size = ([text[end:]], len(text) - end) if end else ([], 0)
        yield b"".join(held)

    def _bounded(self, path: Path) -> Iterator[bytes]:
        """The text's parts, CUT where a line is. Raises NotATable for what no table packs to."""
        length, size, damages = 0, path.stat().st_size, len(self.damages)
        for piece in self.texts(path):
            length += len(piece or b"")
            if length > RATIO_FROM and path.is_file() and length > size * RATIO_MAX:
                raise NotATable(f"{path} unpacks to over {RATIO_MAX} times its size: no table does")
            if piece is None:
                damages = len(self.damages)
            yield CUT if piece is None else piece
        if len(self.damages) > damages and length:
            yield CUT

    def _begin(self, path: Path, text: bytes) -> tuple[bytes, int]:
        """Look at the first line; returns the text behind the header, and the header's lines."""
        skipped, at = 0, 0
        while True:
            end = text.find(b"\n", at)
            first = text[at : end if end >= 0 else None]
            if first.strip() or end < 0:
                break
            skipped, at = skipped + 1, end + 1
        kind = kind_of(text[:4096])
        if kind:
            raise NotATable(f"{path} holds {kind}; {self.WANTED}")
        if not first.strip(b" \t\r\n\0"):
            what = f"cannot be read: {self.damages[-1].text}" if self.damages else "is empty"
            raise NotATable(f"{path} {what}")
        if b"\r" in first.rstrip(b"\r"):
            raise NotATable(f"{path}: its lines end with CR alone; convert it: tr '\\r' '\\n'")
        line = first.decode("utf-8", "replace").strip("\r").removeprefix("\ufeff")
        self._separate(line)
        self._refuse_other(path, line)
        if self._has_header:
            skipped, at = skipped + 1, end + 1 if end >= 0 else len(text)
        self.places = places_of(self.file, self.names, self._wanted, self._kind)
        return text[at:], skipped

    def _refuse_other(self, path: Path, line: str) -> None:
        """What the first line shows to be something else. Raises NotATable."""
        if line.lstrip().startswith(("{", "[", "<")):
            kind = "JSON" if line.lstrip()[0] != "<" else "a web page or XML"
            raise NotATable(f"{path} seems to be {kind}; {WANTED}")
        start = line.partition(" ")
        if start[0].rstrip(":").replace(".", "").isdigit() and start[2].lstrip()[:1] in ("{", "["):
            raise NotATable(
                f"{path} seems to hold web-socket frames; 'sq import binance' reads them"
            )
        numbers = sum(name.replace(".", "", 1).isdigit() for name in self.names)
        self._has_header = self._wanted.file.header is True or (
            self._wanted.file.header == "auto" and numbers < 2
        )
        if self._has_header and numbers > 1:
            raise NotATable(
                f"{path} begins with numbers, so it has no header; name columns by number with "
                "--map: [file] header = false and [columns] time = 1"
            )

    def _parquet(self, path: Path) -> Iterator[Batch]:
        """Rows of a Parquet file."""
        rows = self._parquet_rows(path)
        self._digest(path)
        for batch in rows.batches():
            self.names, self.places = rows.names, rows.places
            yield batch

    def _parquet_rows(self, path: Path) -> ParquetRows:
        """What reads a Parquet file. Raises NotATable where polars is not installed."""
        try:
            from connectors.tables.parquet import ParquetRows  # needs polars: not in the image
        except ModuleNotFoundError as absent:
            raise NotATable(
                f"{path} is Parquet, which is read with {absent.name}, and that is not installed "
                "here; install it, or convert the file to CSV"
            ) from None
        return ParquetRows(path, self.file, self._wanted, self._kind, self.precisions)
