"""Which venue's file it is, by what it holds, whatever its name; plain or gzip."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from connectors.reference import binance, kite
from connectors.reference.listing import BadDump, BadRow, Listing
from connectors.reference.table import Entry
from schemas.errors import WrongUse

JSON_BYTES_MAX = 256 << 20
"""``exchangeInfo`` is one JSON document, held whole: spot is some 15 MB."""
LINE_MAX = 1 << 16
GZIP = b"\x1f\x8b"


class NotADump(WrongUse):
    """A file that is no venue's list of instruments that can be read."""

    code = "not_a_dump"


class Dump(NamedTuple):
    """A file that was recognised.

    Attributes:
        format: "binance exchangeInfo" or "kite instruments".
        time: when the venue wrote it, ns UTC; None where it does not say.
        digest: SHA-256 of the file as it lies, in hexadecimal.
    """

    format: str
    time: int | None
    digest: str
    rows: Iterable[Listing | BadRow | Entry]


def open_dump(path: Path) -> Dump:
    """The file's rows, read as they are taken. Raises NotADump, BadDump."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        head = _head(path)
    except OSError as problem:
        raise NotADump(f"{path} cannot be read: {problem.strerror}; name a file") from None
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        info, time = binance.read(path.name, _whole(path))
        return Dump("binance exchangeInfo", time, digest, _binance_rows(path.name, info))
    first = head.partition(b"\n")[0]
    if b"tradingsymbol" in first or b"instrument_token" in first:
        return Dump("kite instruments", None, digest, kite.rows(path.name, _lines(path)))
    raise NotADump(
        f"{path} is {_seems(head)}; sync takes Binance's exchangeInfo (JSON) or Kite's dump of "
        "instruments (CSV with a header), plain or gzip"
    )


def _binance_rows(name: str, info: binance.ExchangeInfo) -> Iterator[Listing | BadRow | Entry]:
    venue = ""
    for row in binance.rows(info):
        venue = row.venue
        yield row
    if venue:
        yield binance.venue_terms(info, venue)


def _opened(path: Path) -> io.BufferedIOBase:
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP
    return gzip.open(path) if is_gzip else path.open("rb")


def _damaged(path: Path, problem: Exception) -> BadDump:
    return BadDump(f"{path.name} cannot be unpacked: {problem}; fetch it again")


def _head(path: Path) -> bytes:
    try:
        with _opened(path) as file:
            return file.read(1 << 12)
    except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
        raise _damaged(path, problem) from None


def _whole(path: Path) -> bytes:
    try:
        with _opened(path) as file:
            content = file.read(JSON_BYTES_MAX + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
        raise _damaged(path, problem) from None
    if len(content) > JSON_BYTES_MAX:
        raise BadDump(
            f"{path.name} has more than {JSON_BYTES_MAX >> 20} MiB, and exchangeInfo some 15: it "
            "is another file; name the answer of exchangeInfo"
        )
    return content.removeprefix(b"\xef\xbb\xbf")


def _lines(path: Path) -> Iterator[str]:
    """Lines as text, in bounded memory. Raises BadDump."""
    number = 0
    try:
        with _opened(path) as file:
            while line := file.readline(LINE_MAX + 1):
                number += 1
                if len(line) > LINE_MAX:
                    raise BadDump(
                        f"{path.name}: line {number} has more than {LINE_MAX >> 10} KiB: it is no "
                        "dump of instruments; name another file"
                    )
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
        raise _damaged(path, problem) from None
    except UnicodeDecodeError as problem:
        raise BadDump(
            f"{path.name}: line {number} is no UTF-8 ({problem.reason}); {kite.AGAIN}"
        ) from None


def _seems(head: bytes) -> str:
    if not head:
        return "empty"
    if head.startswith(b"PK"):
        return "a zip archive: unpack it first"
    if b"\x00" in head:
        return "binary, or text in UTF-16"
    return f"no list of instruments: it begins with {head[:40].decode('utf-8', 'replace')!r}"
