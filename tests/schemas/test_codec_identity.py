"""Every path of the codec writes fastavro's bytes and reads back what was written. Oracle:
fastavro, its validator run on every record.
"""

from __future__ import annotations

import numpy as np
import pytest
from codec_harness import FIXED, GENERAL, ROWED, edges, example, oracle, some
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.records import DepthUpdate, PnL, Position
from schemas.shapes import shapes

# Seeded, and without shrinking: a failing record shows its field at once, and shrinking wide
# records takes minutes.
PHASES = (Phase.explicit, Phase.generate)
GENERATED = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=PHASES,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", FIXED)
@GENERATED
@given(choice=st.data())
def test_structs_and_rows_become_the_bytes_of_fastavro_and_come_back(name, choice):
    found = choice.draw(some(name))
    body = codec(name).encode_records(found)
    assert body == oracle(name, found)
    assert codec(name).decode_records(body, len(found)) == found
    rows = codec(name).decode_rows(body, len(found))
    assert codec(name).encode_rows(rows, len(found)).tobytes() == body
    assert codec(name).rows_to_records(rows, 0, len(found)) == found
    assert [codec(name).row_to_record(rows, place) for place in range(len(found))] == found


@pytest.mark.parametrize("name", GENERAL)
@GENERATED
@given(choice=st.data())
def test_records_without_a_fixed_width_become_the_bytes_of_fastavro_and_come_back(name, choice):
    found = choice.draw(some(name))
    body = codec(name).encode_records(found)
    assert body == oracle(name, found)
    assert codec(name).decode_records(body, len(found)) == found


@GENERATED
@given(found=some("DepthUpdate"))
def test_depth_rows_and_levels_become_the_bytes_of_fastavro_and_come_back(found):
    body = codec("DepthUpdate").encode_records(found)
    assert body == oracle("DepthUpdate", found)
    rows, levels = codec("DepthUpdate").decode_rows(body, len(found))
    assert len(levels) == sum(len(update.bids) + len(update.asks) for update in found)
    assert codec("DepthUpdate").encode_rows(rows, len(found), levels).tobytes() == body
    assert codec("DepthUpdate").rows_to_records(rows, 0, len(found), levels) == found


@pytest.mark.parametrize("place", [-1, 3])
def test_a_row_that_is_not_there_has_no_record(place):
    with pytest.raises(WrongUse, match="are there"):
        codec("Mark").row_to_record(np.zeros(3, codec("Mark").dtype), place)


@pytest.mark.parametrize("name", list(shapes()))
def test_record_ends_are_where_the_next_record_starts(name):
    """Oracle: the lengths of the records encoded one at a time."""
    found = [example(name, number) for number in range(5)]
    ends = np.cumsum([len(codec(name).encode_records([record])) for record in found])
    body = codec(name).encode_records(found)
    assert codec(name).record_ends(body, 5).tolist() == ends.tolist()
    assert [codec(name).end_of(body, count) for count in range(6)] == [0, *ends.tolist()]
    if name in ROWED:
        assert codec(name).decode_with_ends(body, 5)[2].tolist() == ends.tolist()


@pytest.mark.parametrize("name", list(shapes()))
def test_no_records_are_no_bytes(name):
    assert codec(name).encode_records([]) == b""
    assert codec(name).decode_records(b"", 0) == []
    assert codec(name).record_ends(b"", 0).tolist() == []


@pytest.mark.parametrize("count", [1, 15, 16, 65535, 65536])
def test_every_list_header_of_msgpack_is_understood(count):
    """Lists of 16 and of 65,536 structs change the header's length. Oracle: one record's bytes,
    repeated.
    """
    record = example("Signal")
    body = codec("Signal").encode_records([record] * count)
    assert body == oracle("Signal", [record]) * count
    assert codec("Signal").decode_records(body, count) == [record] * count


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65535, 65536])
def test_every_number_of_levels_is_understood(count):
    levels = [(6_000_000 + index, index) for index in range(count)]
    found = [
        DepthUpdate(1, 2, 3, 4, 5, 6, 1, 0, levels, []),
        DepthUpdate(1, 2, 3, 4, 5, 6, 1, 0, [], levels),
    ]
    body = codec("DepthUpdate").encode_records(found)
    assert body == oracle("DepthUpdate", found)
    assert codec("DepthUpdate").decode_records(body, 2) == found


@pytest.mark.parametrize(
    "value", edges(64)[::7] + [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**38 - 1, 1 - 10**38]
)
def test_decimals_of_every_width_are_exact(value):
    """Values beyond 64 bits leave the msgpack path; -128 takes two bytes, as fastavro writes it."""
    found = [
        Position(1, 1, 1, 5, "0" * 20, 0, value, -value, value),
        Position(1, 1, 1, 5, "0" * 20, 0, 1, 2, 3),
    ]
    body = codec("Position").encode_records(found)
    assert body == oracle("Position", found)
    assert codec("Position").decode_records(body, 2) == found
    rows = codec("Position").decode_rows(body, 2)
    assert (int(rows[0]["cost_high"]) << 64) + int(rows[0]["cost_low"]) == value
    assert codec("Position").encode_rows(rows, 2).tobytes() == body


def test_minus_128_takes_two_bytes():
    """The trap of the width rule (bit_length + 8) // 8: one byte would hold it."""
    body = codec("PnL").encode_records([PnL(1, 2, 8, -128, None, 127, -129, None, 1, 0)])
    assert b"\x04\xff\x80" in body and b"\x02\x7f" in body and b"\x04\xff\x7f" in body


def test_null_is_nan_in_a_double_column_and_the_smallest_high_half_in_a_decimal():
    rows = codec("PnL").decode_rows(
        codec("PnL").encode_records([PnL(1, 2, 8, 5, None, 5, 5, -1, 1, 0)]), 1
    )
    assert int(rows[0]["unrealized_high"]) == -(2**63) and int(rows[0]["equity_high"]) == -1
    features = codec("MarketFeatures")
    rows = features.decode_rows(features.encode_records([example("MarketFeatures", 1)]), 1)
    assert np.isnan(rows[0]["pressure"])


def test_negative_zero_and_infinities_keep_their_bits():
    """Oracle: fastavro; the codec is a copy of bits, whoever computes a feature keeps it canonical.
    """
    for value in (-0.0, 0.0, float("inf"), float("-inf"), 5e-324):
        record = example("Signal")
        found = [
            type(record)(
                *[
                    value if name == "fast" else getattr(record, name)
                    for name in record.__struct_fields__
                ]
            )
        ]
        body = codec("Signal").encode_records(found)
        assert body == oracle("Signal", found)
        assert (
            codec("Signal").encode_rows(codec("Signal").decode_rows(body, 1), 1).tobytes() == body
        )


@pytest.mark.parametrize("name", FIXED)
def test_part_of_the_rows_becomes_part_of_the_records(name):
    found = [example(name, number) for number in range(6)]
    rows = codec(name).decode_rows(codec(name).encode_records(found), 6)
    assert codec(name).rows_to_records(rows, 2, 3) == found[2:5]
    assert codec(name).encode_rows(rows, 2).tobytes() == codec(name).encode_records(found[:2])
    assert codec(name).rows_to_records(rows[::2]) == found[::2]


@pytest.mark.parametrize("name", ROWED)
def test_every_enum_value_is_written_and_read(name):
    """Each symbol of each enum field, one record each. Oracle: fastavro writes the symbol's name.
    """
    base = example(name)
    found = []
    for field in shapes()[name].fields:
        for index in range(len(field.symbols)):
            found.append(
                type(base)(
                    *[
                        index if other == field.name else getattr(base, other)
                        for other in base.__struct_fields__
                    ]
                )
            )
    body = codec(name).encode_records(found)
    assert body == oracle(name, found)
    assert codec(name).decode_records(body, len(found)) == found


def test_the_two_halves_of_the_catalogue_cover_it():
    assert sorted([*ROWED, *GENERAL]) == sorted(shapes())
    assert len(ROWED) >= 19


def test_fingerprints_are_sha_256_and_differ():
    """Oracle: 32 bytes each, no two alike."""
    found = {codec(name).fingerprint for name in shapes()}
    assert len(found) == len(shapes()) and {len(one) for one in found} == {32}
