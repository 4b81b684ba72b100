"""Framed values to records. Oracle: fastavro wrote the bodies, by schemas edited as later versions
would be.
"""

from __future__ import annotations

import copy
import io
from typing import Any

import fastavro
import pytest

from connectors.framed import FramedDecoder, UnreadableRecord
from schemas.codec import codec
from schemas.general import plain_schema, to_avro
from schemas.records import Fill
from schemas.shapes import schemas, shapes
from streams.log.kafka.framing import header

FILLS = [
    Fill(f"{number:020}", 1, 2, 3, 4 << number, 1, 10**number, -5, 2, 10**30 + number, 7)
    for number in range(3)
]


def framed(record: Any, schema_id: int = 7) -> bytes:
    return header(schema_id) + codec(type(record).__name__).encode_records([record])


def later_version() -> dict[str, Any]:
    schema = copy.deepcopy(schemas()["Fill"])
    schema["fields"].insert(
        3,
        {
            "name": "note",
            "doc": "A note.",
            "unit": "text",
            "type": ["null", "string"],
            "default": None,
        },
    )
    side = next(field for field in schema["fields"] if field["name"] == "side")
    side["type"]["symbols"].append("CROSS")
    return schema


def written(schema: dict[str, Any], values: dict[str, Any], schema_id: int) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(plain_schema(schema)), values)
    return header(schema_id) + stream.getvalue()


def decoder() -> FramedDecoder:
    return FramedDecoder(
        {7: schemas()["Fill"], 8: later_version(), 9: schemas()["Trade"]}.__getitem__
    )


def test_values_of_our_schema_are_decoded_together() -> None:
    assert decoder().records("fills", 0, [4, 6, 8], [framed(each) for each in FILLS]) == FILLS
    assert (
        FramedDecoder(None).records("fills", 0, [4, 6, 8], [framed(each, 123) for each in FILLS])
        == FILLS
    )


def test_a_later_version_beside_ours_is_resolved() -> None:
    values = to_avro(shapes()["Fill"])(FILLS[1])
    newer = written(later_version(), {**values, "note": "a later field", "side": "CROSS"}, 8)
    found = decoder().records("fills", 0, [4, 6, 8], [framed(FILLS[0]), newer, framed(FILLS[2])])
    assert found[0] == FILLS[0] and found[2] == FILLS[2]
    assert found[1].side == 0  # UNKNOWN: the symbol's default for an old reader
    assert (found[1].order_id, found[1].price, found[1].fee) == (
        FILLS[1].order_id,
        FILLS[1].price,
        FILLS[1].fee,
    )


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ([framed(FILLS[0]), b"{}", framed(FILLS[2])], "fills/2/6"),
        ([framed(FILLS[0]), framed(FILLS[1])[:-1], framed(FILLS[2])], "fills/2/6"),
        ([framed(FILLS[0]), framed(FILLS[1]), framed(FILLS[2]) + b"\0"], "fills/2/8"),
        ([b"", framed(FILLS[1])], "fills/2/4"),
        ([header(8) + b"\x05", framed(FILLS[1])], "fills/2/4"),
        ([framed(FILLS[0]), header(8) + b"\x05"], "fills/2/6"),
    ],
)
def test_an_unreadable_value_is_named_by_its_place(values: list[bytes], place: str) -> None:
    with pytest.raises(UnreadableRecord, match=place):
        decoder().records("fills", 2, [4, 6, 8][: len(values)], values)
