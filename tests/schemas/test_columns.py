"""Columns without a decoder of the record. Oracle: the codec, which fastavro is the oracle of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import codec
from schemas.general import MalformedRecord
from schemas.records import Quote
from schemas.shapes import shapes

NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 63, 64, -64, -65, 2**31 - 1, -(2**31), 2**62, 2**63 - 1, -(2**63)]),
    st.integers(-(2**63), 2**63 - 1),
)
SMALL = st.integers(-(2**31), 2**31 - 1)
QUOTES = st.builds(Quote, SMALL, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, SMALL)


@settings(max_examples=60, deadline=None)
@given(st.lists(QUOTES, max_size=30))
def test_columns_are_the_fields_of_the_records(records: list[Quote]) -> None:
    body = codec("Quote").encode_records(records)
    found = codec("Quote").integer_columns(body, len(records), Quote.__struct_fields__)
    for name, column in found.items():
        assert column.tolist() == [getattr(record, name) for record in records], name


@pytest.mark.parametrize("cut", [1, 7])
def test_bytes_that_are_not_that_many_records_are_refused(cut: int) -> None:
    body = bytes(codec("Quote").encode_records([Quote(1, 2, 3, 4, 5, 6, 2**62, 8)] * 3))
    for wrong, count in ((body[:-cut], 3), (body, 2), (body, 4), (body + b"\x80", 3), (b"", 1)):
        with pytest.raises(MalformedRecord, match="are no"):
            codec("Quote").integer_columns(wrong, count, ("sequence",))
    with pytest.raises(MalformedRecord, match="are no"):
        codec("Quote").integer_columns(b"\xff" * 10 + b"\x01" + b"\x00" * 7, 1, ("sequence",))
    assert codec("Quote").integer_columns(b"", 0, ("sequence",))["sequence"].tolist() == []


def has_only_integers(record: str) -> bool:
    return codec(record).has_integers([field.name for field in shapes()[record].fields])


def test_which_records_have_integers_only() -> None:
    assert has_only_integers("Quote") and has_only_integers("Mark")
    assert not any(map(has_only_integers, ("Fill", "Toxicity", "Bar", "Instrument")))
    assert codec("Fill").has_integers(["event_time", "price"]) and not codec("Fill").has_integers(
        ["event_time", "order_id"]
    )
