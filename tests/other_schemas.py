"""Schemas of other versions of a record, and records written with them by fastavro."""

from __future__ import annotations

import copy
import io
from typing import Any

import fastavro

from schemas.codec import codec
from schemas.general import plain_schema, to_avro
from schemas.shapes import schemas, shapes

NOTE = {
    "name": "note",
    "doc": "What another version says besides.",
    "unit": "text",
    "type": ["null", "string"],
    "default": None,
}


def with_note(record: str) -> dict[str, Any]:
    """A version with a field more, not at the end."""
    schema = copy.deepcopy(schemas()[record])
    schema["fields"].insert(2, NOTE)
    return schema


def without(record: str, *fields: str) -> dict[str, Any]:
    """A version that did not know these fields."""
    schema = copy.deepcopy(schemas()[record])
    schema["fields"] = [field for field in schema["fields"] if field["name"] not in fields]
    return schema


def rewritten(
    record: str, schema: dict[str, Any], body: bytes, note: str | None = "of another version"
) -> bytes:
    """A record's body with another version's schema."""
    (found,) = codec(record).decode_records(body, 1)
    stream = io.BytesIO()
    fastavro.schemaless_writer(
        stream,
        fastavro.parse_schema(plain_schema(schema)),
        {**to_avro(shapes()[record])(found), "note": note},
    )
    return stream.getvalue()
