"""Keys of the records that a topology writes: the field that the catalogue names, as decimal text,
read from the record's own bytes.

Nothing in the product reads a key back: partitions are chosen by the writer, and records of the
versions before have none. They are for tools, and for whoever compacts or joins these topics
elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.forgetting import forgettable
from streams.log.kafka.framing import HEADER_BYTES

CONTINUED = 0x80
SMALL = [str((byte >> 1) ^ -(byte & 1)).encode() for byte in range(CONTINUED)]
"""By a varint of one byte."""
STRING, NUMBER = "string", "number"


def keys_of(topic: str, values: Sequence[bytes]) -> list[bytes] | None:
    """Keys of framed values that this product encoded; None for a topic without a key."""
    before = _before_key(topic)
    if before is None:
        return None
    if before == ():
        return [
            SMALL[value[HEADER_BYTES]] if value[HEADER_BYTES] < CONTINUED else _key(value, before)
            for value in values
        ]
    return [_key(value, before) for value in values]


@forgettable
@functools.cache
def _before_key(topic: str) -> tuple[str, ...] | None:
    """How the fields before the key are encoded; None if the catalogue names no key."""
    entry = topic_of(topic)
    if not entry.key:
        return None
    kinds: list[str] = []
    for field in codec(entry.record).schema["fields"]:
        if field["name"] == entry.key:
            return tuple(kinds)
        kind = field["type"]
        if kind not in ("string", "int", "long"):
            raise ValueError(
                f"{topic}: the key {entry.key} lies behind {field['name']}, whose length is not "
                "known here"
            )
        kinds.append(STRING if kind == "string" else NUMBER)
    raise ValueError(f"{topic}: {entry.record} has no field {entry.key}")


def _key(value: bytes, before: Sequence[str]) -> bytes:
    at = HEADER_BYTES
    for kind in before:
        number, at = _number(value, at)
        at += number if kind == STRING else 0
    return str(_number(value, at)[0]).encode()


def _number(value: bytes, at: int) -> tuple[int, int]:
    """A varint, and where it ends."""
    found = shift = 0
    while (byte := value[at]) >= CONTINUED:
        found |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    found |= byte << shift
    return (found >> 1) ^ -(found & 1), at + 1
