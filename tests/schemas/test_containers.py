"""Files written from the codec's bytes open in other people's tools. Oracle: fastavro and polars
read the container.
"""

from __future__ import annotations

import io
from decimal import Decimal

import fastavro
import polars
import pytest
from codec_harness import container, example, plain

from schemas.catalogue import TOPICS
from schemas.codec import codec
from schemas.records import PnL
from schemas.shapes import is_levels, shapes


@pytest.mark.parametrize("topic", list(TOPICS))
def test_every_topic_opens_in_fastavro(topic):
    name = TOPICS[topic].record
    found = [example(name, number) for number in range(4)]
    file = container(name, codec(name).encode_records(found), 4)
    assert list(fastavro.reader(io.BytesIO(file))) == [
        plain(shapes()[name], record) for record in found
    ]


@pytest.mark.parametrize("topic", list(TOPICS))
def test_every_topic_opens_in_polars(topic):
    name = TOPICS[topic].record
    found = [example(name, number) for number in range(4)]
    frame = polars.read_avro(io.BytesIO(container(name, codec(name).encode_records(found), 4)))
    assert frame.to_dicts() == [plain(shapes()[name], record) for record in found]


def test_wide_decimals_open_in_polars():
    """Widths from one to sixteen bytes, nulls among them."""
    wide = [0, 127, -128, 2**63 - 1, -(2**63), 2**64, -(2**100), 10**37]
    found = [
        PnL(1, 2, 8, value, None if value < 0 else value, -value, value, None, 1, 0)
        for value in wide
    ]
    frame = polars.read_avro(
        io.BytesIO(container("PnL", codec("PnL").encode_records(found), len(found)))
    )
    assert frame["realized"].to_list() == [Decimal(value) for value in wide]
    assert frame["unrealized"].to_list() == [
        None if value < 0 else Decimal(value) for value in wide
    ]


def test_a_file_without_records_opens_in_both():
    file = container("Quote", b"", 0)
    assert list(fastavro.reader(io.BytesIO(file))) == []
    assert polars.read_avro(io.BytesIO(file)).height == 0


@pytest.mark.parametrize("name", list(shapes()))
def test_the_validator_of_fastavro_accepts_what_was_read_back(name):
    """fastavro writes 3.7 as 3 without a word, so its validator judges the records."""
    from fastavro.validation import validate

    schema = fastavro.parse_schema(codec(name).schema)
    found = codec(name).decode_records(
        codec(name).encode_records([example(name, number) for number in range(4)]), 4
    )
    assert all(validate(plain(shapes()[name], record), schema) for record in found)


def test_only_depth_updates_have_levels():
    assert [
        name for name, shape in shapes().items() if any(is_levels(field) for field in shape.fields)
    ] == ["DepthUpdate"]
