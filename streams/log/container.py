"""Avro object containers as this project writes them: codec null, deterministic header and sync
marker.

A file is a header (magic, metadata map with schema and codec, sync marker) and blocks (record
count, body length, body, sync marker), counts and lengths as zigzag varints (Avro 1.11
specification, "Object Container Files").
"""

from __future__ import annotations

import functools
import hashlib
import json

import fastavro.schema

from schemas.catalogue import topic as topic_of
from schemas.forgetting import forgettable
from schemas.shapes import schemas

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
BLOCK_HEADER_BYTES_MAX = 20
HEADER_BYTES_USUAL = 1 << 14
HEADER_BYTES_MAX = 1 << 20
HOLES = "shriven.offsets"
RUNS = b"runs"


def sync_marker(topic: str, first_offset: int, partition: int = 0) -> bytes:
    """The 16 bytes that end every block of a segment: from SHA-256 over ``topic/partition/first
    offset`` as in the segment's path.
    """
    return hashlib.sha256(f"{topic}/{partition}/{first_offset:020d}".encode()).digest()[:SYNC_BYTES]


def encode_long(value: int) -> bytes:
    """Zigzag varint of a signed 64-bit integer."""
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def decode_long(buffer: bytes, position: int) -> tuple[int, int]:
    """(value, next position) of a zigzag varint.

    Raises:
        EOFError: the buffer ends inside it.
        ValueError: it is longer than ten bytes.
    """
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(buffer):
            raise EOFError("the bytes end inside a number")
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
    raise ValueError("a number is longer than ten bytes")


@forgettable
@functools.cache
def schema_text(topic: str) -> str:
    """The schema a topic's files carry: the committed one, as compact JSON. Raises UnknownTopic."""
    return json.dumps(schemas()[topic_of(topic).record], separators=(",", ":"), ensure_ascii=False)


@functools.lru_cache(maxsize=256)
def canonical_form(text: str) -> str:
    """Avro parsing canonical form of a schema: equal for schemas that decode the same bytes alike.
    """
    return str(fastavro.schema.to_parsing_canonical_form(json.loads(text)))


def encode_header(
    topic: str, first_offset: int, partition: int = 0, has_holes: bool = False, schema: str = ""
) -> bytes:
    """Header bytes of a new segment; the same for every run. One whose offsets have holes says so.
    ``schema``: another version's; empty: ours.
    """
    metadata = {"avro.codec": b"null", "avro.schema": (schema or schema_text(topic)).encode()}
    if has_holes:
        metadata[HOLES] = RUNS
    out = bytearray(MAGIC + encode_long(len(metadata)))
    for key, value in metadata.items():
        out += encode_long(len(key)) + key.encode() + encode_long(len(value)) + value
    return bytes(out + encode_long(0) + sync_marker(topic, first_offset, partition))


def decode_header(buffer: bytes) -> tuple[dict[str, bytes], bytes, int]:
    """(metadata, sync marker, length of the header) of a file that begins with ``buffer``.

    Raises:
        EOFError: the bytes end inside the header.
        ValueError: they are not an Avro container.
    """
    if buffer[:4] != MAGIC[: len(buffer)]:
        raise ValueError("not an Avro container: the first four bytes are wrong")
    if len(buffer) < len(MAGIC):
        raise EOFError("the bytes end inside the header")
    position = len(MAGIC)
    metadata: dict[str, bytes] = {}

    def take() -> bytes:
        nonlocal position
        length, position = decode_long(buffer, position)
        if length < 0:
            raise ValueError("a length in the header is negative")
        if position + length > len(buffer):
            raise EOFError("the bytes end inside the header")
        position += length
        return buffer[position - length : position]

    while True:
        count, position = decode_long(buffer, position)
        if count == 0:
            break
        if count < 0:
            count = -count
            _, position = decode_long(buffer, position)
        for _ in range(count):
            key = take()
            metadata[key.decode("utf-8", "replace")] = take()
    if position + SYNC_BYTES > len(buffer):
        raise EOFError("the bytes end inside the header")
    return metadata, buffer[position : position + SYNC_BYTES], position + SYNC_BYTES


def decode_block_header(buffer: bytes) -> tuple[int, int, int]:
    """(record count, body length, length of this header) at the start of ``buffer``.

    Raises:
        EOFError: the bytes end inside it.
        ValueError: not a block header: negative or overlong numbers.
    """
    count, position = decode_long(buffer, 0)
    length, position = decode_long(buffer, position)
    if count < 0 or length < 0:
        raise ValueError("a block's count or length is negative")
    return count, length, position
