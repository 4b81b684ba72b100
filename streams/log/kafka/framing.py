"""Registry framing: magic byte 0, schema id (4 bytes, big-endian), Avro body."""

from __future__ import annotations

from schemas.errors import BadData

HEADER_BYTES = 5


class BadFraming(BadData):
    """Bytes that do not carry the registry framing."""

    code = "bad_framing"


def header(schema_id: int) -> bytes:
    """The five bytes before a body."""
    return b"\0" + schema_id.to_bytes(4, "big")


def schema_id_of(value: bytes) -> int:
    """The schema id. Raises BadFraming."""
    if len(value) < HEADER_BYTES or value[0] != 0:
        raise BadFraming("the value does not begin with the registry framing (a zero byte and a schema id)")
    return int.from_bytes(value[1:HEADER_BYTES], "big")
