"""Records for log tests, encoded by fastavro and not by this project's codec, so that a log test
judges the log alone.
"""

from __future__ import annotations

import decimal
import functools
import io
import json
from pathlib import Path
from typing import Any

import fastavro
import numpy as np

from streams.log import container
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST
from streams.log.segment import is_journal

TOPIC = "md.marks"


@functools.cache
def schema_of(topic: str) -> Any:
    """The topic's schema, parsed by fastavro."""
    return fastavro.parse_schema(json.loads(container.schema_text(topic)))


def record_of(schema: Any, number: int) -> Any:
    """A value of any schema, different for every number; event times rise with it."""
    if isinstance(schema, list):
        return record_of(schema[1], number) if number % 2 else None
    if not isinstance(schema, dict):
        values = {
            "int": number % 1000,
            "long": 1_000 + number,
            "double": number / 7,
            "boolean": bool(number % 2),
        }
        return {
            **values,
            "string": f"text {number}",
            "bytes": bytes([number % 256] * 5),
            "null": None,
        }[schema]
    kind = schema["type"]
    if kind == "record":
        return {
            field["name"]: number
            if field["name"] == "event_time"
            else record_of(field["type"], number)
            for field in schema["fields"]
        }
    if kind == "enum":
        return schema["symbols"][number % len(schema["symbols"])]
    if kind == "array":
        return [record_of(schema["items"], number + place) for place in range(number % 3)]
    if schema.get("logicalType") == "decimal":
        return decimal.Decimal(number - 500)
    if kind == "string":
        return f"{number:020d}"
    return record_of(kind, number)


def records_of(topic: str, first: int, count: int) -> list[Any]:
    """``count`` records, numbered from ``first``."""
    return [record_of(schema_of(topic), number) for number in range(first, first + count)]


def encode(topic: str, first: int, count: int) -> bytes:
    """Their bodies, one behind the other."""
    out = io.BytesIO()
    for record in records_of(topic, first, count):
        fastavro.schemaless_writer(out, schema_of(topic), record)
    return out.getvalue()


def offset_of(number: int, has_holes: bool) -> int:
    """Offset of record ``number``: the number itself, or one with holes before every second record,
    larger ones before every seventh.
    """
    return number + number // 2 + 3 * (number // 7) if has_holes else number


def offsets_of(first: int, count: int, has_holes: bool) -> list[int]:
    """Offsets of ``count`` records, numbered from ``first``."""
    return [offset_of(number, has_holes) for number in range(first, first + count)]


def fill(
    log: LocalLog, blocks: list[int], topic: str = TOPIC, first: int = 0, has_holes: bool = False
) -> int:
    """Append blocks of these sizes (a journal's hold one record each), times given; returns the
    next record's number.
    """
    if is_journal(topic):
        blocks = [1] * sum(blocks)
    writer = log.writer(topic, has_holes=has_holes)
    for count in blocks:
        offsets = np.array(offsets_of(first, count, True)) if has_holes else None
        writer.append(
            encode(topic, first, count), count, time_max=first + count - 1, offsets=offsets
        )
        first += count
    return first


def close(log: LocalLog) -> None:
    """Close the folder by its manifest, as an import does."""
    log.seal(LOG_MANIFEST, {})
    log.close()


def contents(log: LocalLog, topic: str = TOPIC) -> bytes:
    """Every body of a topic, joined."""
    return b"".join(block.body.tobytes() for block in log.reader(topic).blocks())


def last_segment(path: Path, topic: str = TOPIC) -> Path:
    """File of the topic's last segment."""
    return sorted((path / topic / "0").glob("*.avro"))[-1]
