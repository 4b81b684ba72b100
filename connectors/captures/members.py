"""Gzip as recorders leave it behind: members that end early, members appended to them, damaged
bytes in the middle.

Everything that ``zcat`` shows is given, and what it does not: the members behind a damaged one. A
member is read as raw deflate data between a header and a trailer that are checked here, for only so
is it known where one ends whose trailer was never written: a recorder that is killed and started
again appends its next member there.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

MAGIC = b"\x1f\x8b"
HEAD = b"\x1f\x8b\x08"
HEADER_BYTES_MAX = 1 << 16
OUT_BYTES = 1 << 18
TRAILER_BYTES = 8
FHCRC, FEXTRA, FNAME, FCOMMENT, RESERVED = 2, 4, 8, 16, 0xE0


class Members:
    """The text of a gzip file, part by part.

    Args:
        chunks: the file's bytes in order.
        damaged: told what is wrong and how many bytes were not read because of it.
    """

    def __init__(self, chunks: Iterator[bytes], damaged: Callable[[str, int], None]) -> None:
        self._chunks = chunks
        self._damaged = damaged
        self._held = b""
        self._is_at_end = False

    def __iter__(self) -> Iterator[bytes | None]:
        """Text; None where what follows does not continue what came before."""
        while self._fill(1):
            if not self._held.strip(b"\0"):  # zeros that fill a block
                self._held = b""
                continue
            self._held = self._held.lstrip(b"\0")
            length = self._header()
            if length is None:
                yield from self._skip("it is damaged, where a gzip member should begin", 0)
                continue
            self._held = self._held[length:]
            yield from self._member()

    def _fill(self, count: int) -> bool:
        """Hold at least this many bytes; False if the file ends before."""
        while len(self._held) < count and not self._is_at_end:
            chunk = next(self._chunks, b"")
            self._is_at_end = not chunk
            self._held += chunk
        return len(self._held) >= count

    def _header(self, start: int = 0) -> int | None:
        """Where the data of a member begins whose header begins at ``start``; None if there is
        none.
        """
        self._fill(start + HEADER_BYTES_MAX)
        held = self._held
        if held[start : start + 3] != HEAD or len(held) < start + 10 or held[start + 3] & RESERVED:
            return None
        at, flags = start + 10, held[start + 3]
        if flags & FEXTRA:
            at += 2 + int.from_bytes(held[at : at + 2], "little")
        for flag in (FNAME, FCOMMENT):
            if flags & flag:
                end = held.find(b"\0", at)
                if end < 0:
                    return None
                at = end + 1
        at += 2 if flags & FHCRC else 0
        return at if at <= len(held) else None

    def _member(self) -> Iterator[bytes | None]:
        """The rest of a member whose header is read."""
        engine, checksum, length = zlib.decompressobj(-zlib.MAX_WBITS), 0, 0
        while not engine.eof:
            if not self._held and not self._fill(1):
                break
            end = self._next_member()
            if end == 0:
                self._damaged("a member of the compressed data has no end, another one follows", 0)
                yield None
                return
            before, data = engine.copy(), self._held[:end]
            try:
                text = engine.decompress(data, OUT_BYTES)
            except zlib.error as problem:
                text, read = _up_to_damage(before, self._held)
                yield text
                self._held = self._held[read:]
                what = str(problem).rpartition(": ")[2]
                yield from self._skip(f"the compressed data is damaged ({what})", 1)
                return
            self._held = (
                engine.unused_data if engine.eof else engine.unconsumed_tail
            ) + self._held[end:]
            checksum, length = zlib.crc32(text, checksum), length + len(text)
            yield text
        if not engine.eof:
            yield engine.flush()
            self._damaged("the file ends inside its compressed data", 0)
            return
        yield from self._trailer(checksum, length)

    def _next_member(self) -> int:
        """How much of what is held can be this member's: up to where another one begins, which no
        recorder writes inside one.
        """
        if not self._fill(len(HEAD)):
            return len(self._held)
        at = self._held.find(HEAD)
        while at >= 0:
            if self._is_member(at):
                return at
            at = self._held.find(HEAD, at + 1)
        return len(self._held) if self._is_at_end else len(self._held) - len(HEAD) + 1

    def _trailer(self, checksum: int, length: int) -> Iterator[bytes | None]:
        """Check the member's end, where there is one. The text was given already: whoever reads on
        decides what it is worth.
        """
        if not self._fill(TRAILER_BYTES):
            self._damaged("the file ends inside its compressed data", 0)
            self._held = b""
            yield None
            return
        expected = checksum.to_bytes(4, "little") + (length & 0xFFFFFFFF).to_bytes(4, "little")
        trailer = self._held[:TRAILER_BYTES]
        if trailer == expected:
            self._held = self._held[TRAILER_BYTES:]
            return
        if not self._is_member():
            self._damaged("the compressed data is damaged (incorrect data check)", 0)
            self._held = self._held[TRAILER_BYTES:]
            return
        self._damaged("a member of the compressed data has no end, another one follows", 0)
        yield None

    def _skip(self, what: str, least: int) -> Iterator[bytes | None]:
        """Pass over damaged bytes to the next member, or to the end of the file."""
        skipped, self._held = min(least, len(self._held)), self._held[least:]
        while self._fill(len(HEAD)):
            at = self._held.find(HEAD)
            if at < 0:
                at = len(self._held) - len(HEAD) + 1
                skipped, self._held = skipped + at, self._held[at:]
                if not self._fill(len(self._held) + 1):
                    break
                continue
            skipped, self._held = skipped + at, self._held[at:]
            if self._is_member():
                self._damaged(what, skipped)
                yield None
                return
            skipped, self._held = skipped + 1, self._held[1:]
        self._damaged(what, skipped + len(self._held))
        self._held = b""
        yield None

    def _is_member(self, start: int = 0) -> bool:
        """True if a member of text begins here: the three bytes that begin one occur in compressed
        data, too.
        """
        at = self._header(start)
        if at is None:
            return False
        try:
            text = zlib.decompressobj(-zlib.MAX_WBITS).decompress(self._held[at : at + 4096], 4096)
        except zlib.error:
            return False
        return bool(text) and not any(byte < 32 and byte not in b"\t\r\n" for byte in text[:256])


def _up_to_damage(engine: zlib._Decompress, data: bytes) -> tuple[bytes, int]:
    """(text before the damage, bytes read for it): byte by byte, as the engine gives nothing of a
    call that fails.
    """
    found: list[bytes] = []
    step = 1 << 12
    at = 0
    while at < len(data):
        before = engine.copy()
        try:
            text, tail = _all_of(engine, data[at : at + step])
        except zlib.error:
            if step == 1:
                break
            engine, step = before, max(1, step >> 4)
            continue
        found.append(text)
        at += step
        if tail:
            break
    return b"".join(found), min(at, len(data))


def _all_of(engine: zlib._Decompress, data: bytes) -> tuple[bytes, bytes]:
    text = engine.decompress(data)
    return text, engine.unused_data
