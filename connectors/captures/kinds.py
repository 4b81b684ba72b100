"""What a file is that is no recording, in words: so that whoever named the wrong one sees it at
once.
"""

from __future__ import annotations

import re

from schemas.errors import WrongUse

MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"BZh", "a bzip2 file"),
    (b"PK\x03\x04", "a zip file"),
    (b"PK\x05\x06", "a zip file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\x04\x22\x4d\x18", "an lz4 file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PAR1", "a Parquet file"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"%PDF", "a PDF file"),
    (b"\xd4\xc3\xb2\xa1", "a network capture (pcap)"),
    (b"\xa1\xb2\xc3\xd4", "a network capture (pcap)"),
    (b"\x0a\x0d\x0d\x0a", "a network capture (pcapng)"),
    (b"\x7fELF", "a program"),
)
CONTROL_SHARE = 0.1
"""Bytes below a space, line ends and tabs apart, that text does not have."""
TIMED = re.compile(rb"\d{9,20}(\.\d+)?:? ")


class NotLines(WrongUse):
    """The file is not text of one frame a line."""

    code = "not_lines"


def kind_of(head: bytes) -> str:
    """What a file that begins so is; empty for text."""
    for magic, name in MAGICS:
        if head.startswith(magic):
            return name
    if head[257:262] == b"ustar":
        return "a tar archive"
    part = head[:4096]
    if len(part) > 3 and (
        part[1::2].count(0) > len(part) // 4 or part[::2].count(0) > len(part) // 4
    ):
        return "text in UTF-16 or binary data"
    odd = sum(1 for byte in part if byte < 32 and byte not in (9, 10, 13))
    return "binary data" if odd > CONTROL_SHARE * len(part) else ""


def text_of(lines: list[bytes]) -> str:
    """What text that holds no usable line seems to be, from its first lines that are not blank."""
    line = next((each.strip() for each in lines if each.strip()), b"")
    lowered = line[:200].lower()
    if not line:
        return "it holds blank lines only"
    if lowered.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
        return "it seems to be a web page or XML"
    if TIMED.match(line):
        body = line.partition(b" ")[2].lstrip()
        if not body.startswith((b"{", b"[")):
            return "its lines have a receive time, but no JSON behind it"
        return (
            "it seems to be a recording of another venue or stream: no frame is a Binance "
            "trade, depth or bookTicker"
        )
    if line.startswith(b"["):
        return "it seems to be one JSON array, not a line a frame"
    if line.startswith(b"{"):
        return (
            "its lines seem to be JSON without a receive time: write the time in ns and a space "
            "before each"
        )
    if line.count(b",") >= 3 or line.count(b";") >= 3 or line.count(b"\t") >= 3:
        return "it seems to be a table (CSV): frames of a web-socket recording are wanted"
    return "it seems to be text of another kind"
