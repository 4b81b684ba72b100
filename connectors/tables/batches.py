"""A table's rows, batch by batch, as text and where its fields lie in it: CSV and Parquet alike.

What a Parquet file holds is written as text of the same form first: whole numbers and decimals
digit by digit, a double as the shortest decimal that reads back as it, an instant as ns. So there
is one reading of numbers, and none of them passes through a float that its file did not have.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from connectors.captures.kinds import kind_of
from connectors.captures.lines import Lines, Progress, RecordingUnreadable
from connectors.tables.columns import ColumnMap, places_of
from schemas.errors import WrongUse
from streams.numeric.text_fields import split_lines

Array = np.ndarray[Any, Any]

TEXT_BYTES = 8 << 20
BATCH_ROWS = 1 << 17
SEPARATORS = ",;\t|"
PARQUET, ZIP = b"PAR1", (b"PK\x03\x04", b"PK\x05\x06")
CUT = b"\0\n"
"""Ends a line of which the rest is lost: a line with a byte of 0 is not whole."""
RATIO_MAX, RATIO_FROM = 400, 64 << 20
"""Text that is packed smaller than this is no table of trades, from so many bytes on."""
WANTED = (
    "convert or unpack it: trades are read from CSV (plain, .gz or a .zip of one file) in UTF-8, "
    "and from Parquet"
)


class NotATable(WrongUse):
    """The file is no table that can be read, or an archive that holds none."""

    code = "not_a_table"


class Batch(msgspec.Struct):
    """Rows of a table.

    Attributes:
        text: UTF-8 bytes. starts, ends: by field, where each row's text lies.
        rows: start and end of each row's text, and how many columns it has: 0 for a blank one,
            -1 for one that is not whole.
        columns: how many a row must have. line: number of the first row in its file, from 1.
        unit: of the times, where the file itself says it; empty else.
    """

    text: Array
    starts: dict[str, Array]
    ends: dict[str, Array]
    rows: Array
    columns: int
    line: int
    unit: str = ""

    def raw(self, row: int) -> bytes:
        """The row's own text."""
        return bytes(self.text[self.rows[row, 0] : self.rows[row, 1]])

    def field(self, name: str, row: int) -> str:
        """One field's text."""
        start, end = int(self.starts[name][row]), int(self.ends[name][row])
        return bytes(self.text[start:end]).decode("utf-8", "replace")


def _head(path: Path) -> bytes:
    """What a file begins with; nothing of a pipe, which is read once."""
    if not path.is_file():
        return b""
    with path.open("rb") as source:
        return source.read(4)


def _fields(text: Array, separator: str, places: dict[str, int], columns: int) -> Iterator[Batch]:
    """Batches of a text of whole lines, the first of which is line 1."""
    of_column = np.full(columns, -1, np.int64)
    names = list(places)
    for number, name in enumerate(names):
        of_column[places[name]] = number
    line = 1
    done = np.zeros(2, np.int64)
    while len(text):
        starts = np.zeros((len(names), BATCH_ROWS), np.int64)
        ends, rows = np.zeros_like(starts), np.zeros((BATCH_ROWS, 3), np.int64)
        split_lines(text, ord(separator), of_column, starts, ends, rows, done)
        count = int(done[0])
        yield Batch(
            text=text,
            starts={name: starts[number, :count] for number, name in enumerate(names)},
            ends={name: ends[number, :count] for number, name in enumerate(names)},
            rows=rows[:count],
            columns=columns,
            line=line,
        )
        line += count
        text = text[int(done[1]) :]


class Table(Lines):
    """Tables of one kind, one behind the other.

    Attributes:
        file: name of the one that is read. names: its columns. places: which of them each field is.
    """

    WANTED = WANTED

    def __init__(self, paths: Sequence[Path], wanted: ColumnMap, progress: Progress) -> None:
        super().__init__(paths)
        self._wanted = wanted
        self._progress = progress
        self.names: list[str] = []
        self.places: dict[str, int] = {}

    def batches(self) -> Iterator[Batch]:
        """Every row. Raises NotATable, NotLines, MissingColumn, RecordingUnreadable."""
        for path in self.paths:
            self.path, self.file = path, path.name if path.is_file() else "pipe"
            self.number = 0
            read = self._parquet if _head(path) == PARQUET else self._text
            for batch in read(path):
                yield batch
                self.number += len(batch.rows)
                self._progress(self.bytes_done, self.bytes_total)

    def texts(self, path: Path) -> Iterator[bytes | None]:
        """The file's text, also of a zip with one file in it."""
        if _head(path) in ZIP:
            return self._zipped(path)
        return super().texts(path)

    def _digest(self, path: Path) -> None:
        """Read a file that is then read by places."""
        for _ in self._chunks(path):
            pass

    def _zipped(self, path: Path) -> Iterator[bytes]:
        """The one file of a zip. Raises NotATable."""
        self._digest(path)
        try:
            with zipfile.ZipFile(path) as archive:
                files = [each for each in archive.infolist() if not each.is_dir()]
                if len(files) != 1:
                    what = "no file" if not files else f"{len(files)} files"
                    raise NotATable(f"{path} holds {what}; a zip with one CSV file is read")
                if files[0].filename.lower().endswith((".zip", ".gz", ".parquet")):
                    raise NotATable(f"{path} holds {files[0].filename}; unpack it and import that")
                with archive.open(files[0]) as member:
                    while chunk := member.read(1 << 18):
                        yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as problem:
            self._damage(f"the zip is damaged or of a kind that is not read ({problem})", 0)
        except RuntimeError as problem:
            raise NotATable(f"{path} is encrypted; unpack it first") from problem

    def _text(self, path: Path) -> Iterator[Batch]:
        """Rows of text: the header, then whole lines of some megabytes at once."""
        line = 0
        for text in self._whole_lines(path):
            rows = text
            if not line:
                rows, skipped = self._begin(path, text)
                line = 1 + skipped
            array = np.frombuffer(rows, np.uint8)
            for batch in _fields(array, self._separator, self.places, len(self.names)):
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
        self._separator = self._wanted.file.separator or max(SEPARATORS, key=line.count)
        self.names = [name.strip().strip('"') for name in line.split(self._separator)]
        self._refuse_other(path, line)
        if self._wanted.file.header:
            skipped, at = skipped + 1, end + 1 if end >= 0 else len(text)
        self.places = places_of(self.file, self.names, self._wanted)
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
        if self._wanted.file.header and numbers > 1:
            raise NotATable(
                f"{path} begins with numbers, so it has no header; name columns by number with "
                "--map: [file] header = false and [columns] time = 1"
            )

    def _parquet(self, path: Path) -> Iterator[Batch]:
        """Rows of a Parquet file as text."""
        self._digest(path)
        try:
            frame = pl.scan_parquet(path)
            self.names = frame.collect_schema().names()
            self.places = places_of(self.file, self.names, self._wanted)
            chosen = frame.select(pl.nth(list(self.places.values())))
            places = {field: number for number, field in enumerate(self.places)}
            line = 1
            for part in chosen.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
                text, unit = self._as_text(part)
                for batch in _fields(text, "\t", places, len(places)):
                    batch.line, batch.unit = line, unit
                    yield batch
                    line += len(batch.rows)
        except pl.exceptions.PolarsError as problem:
            what = str(problem).splitlines()[0][:200]
            raise RecordingUnreadable(f"{path} cannot be read as Parquet: {what}") from None

    def _as_text(self, part: pl.DataFrame) -> tuple[Array, str]:
        """Text of a frame, and the unit of its times where their type says it. Raises NotATable."""
        columns, unit = [], ""
        for field, series in zip(self.places, part.get_columns(), strict=True):
            kind = series.dtype
            if isinstance(kind, pl.Datetime):
                series, unit = self._instants(series, kind), "ns"
            elif isinstance(kind, pl.Binary | pl.List | pl.Struct | pl.Date | pl.Time):
                raise NotATable(f"{self.file}: column {series.name} is {kind}: no {field}")
            elif kind.is_float() and self._wanted.file.doubles == "nearest":
                series = series.round(self.precisions.get(field, 0))
            columns.append(series.alias(field))
        written = io.BytesIO()
        pl.DataFrame(columns).write_csv(
            written, include_header=False, separator="\t", quote_style="never"
        )
        return np.frombuffer(written.getbuffer(), np.uint8), unit

    precisions: dict[str, int] = {}
    """Decimals of fields whose doubles are to be rounded."""

    def _instants(self, series: pl.Series, kind: pl.Datetime) -> pl.Series:
        """ns from 1970, UTC. Raises NotATable for times of no zone."""
        zone = self._wanted.zone_minutes
        if kind.time_zone is None and zone is None:
            raise NotATable(
                f"{self.file}: {series.name} has no zone; say it with --map: [time] zone"
            )
        scale = {"ms": 10**6, "us": 10**3, "ns": 1}[kind.time_unit]
        shift = 0 if kind.time_zone is not None else (zone or 0) * 60 * 10**9
        return series.to_physical() * scale - shift
