"""Built ids. Oracle: the bit layout of design section 4, written out with Python integers; base 32
by Python's ``int(text, 32)``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import CapacityExceeded
from streams.numeric import identity

PARTS = st.tuples(
    st.integers(0, 2**24 - 1),
    st.integers(0, 2**10 - 1),
    st.integers(0, 2**48 - 1),
    st.integers(0, 2**18 - 1),
)
LARGEST = (2**24 - 1, 2**10 - 1, 2**48 - 1, 2**18 - 1)
PROPERTY = settings(max_examples=500, deadline=None, derandomize=True)


def number(parts):
    journal, shard, sequence, ordinal = parts
    return ((journal * 2**10 + shard) * 2**48 + sequence) * 2**18 + ordinal


@PROPERTY
@given(PARTS)
def test_an_id_is_its_hundred_bits_in_base_32(parts):
    text = identity.order_id(*parts)
    assert len(text) == 20
    assert set(text) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUV")
    assert int(text, 32) == number(parts)
    assert identity.parse_id(text) == parts


@PROPERTY
@given(PARTS, PARTS)
def test_ids_sort_as_their_parts_and_are_equal_only_for_equal_parts(one, two):
    a, b = identity.order_id(*one), identity.order_id(*two)
    assert (a < b, a == b) == (one < two, one == two)
    assert (a < b) == (identity.to_halves(a) < identity.to_halves(b))


@pytest.mark.parametrize(
    "parts",
    [
        (0, 0, 0, 0),
        LARGEST,
        (1, 0, 0, 0),
        (0, 1, 0, 0),
        (0, 0, 2**32, 0),
        (0, 0, 2**32 - 1, 2**18 - 1),
    ],
)
def test_ids_at_the_edges(parts):
    assert int(identity.order_id(*parts), 32) == number(parts)
    assert identity.parse_id(identity.order_id(*parts)) == parts


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("wrong", ["large", "negative"])
def test_a_part_that_does_not_fit_is_refused_by_name(place, wrong):
    parts = [0, 0, 0, 0]
    parts[place] = -1 if wrong == "negative" else LARGEST[place] + 1
    with pytest.raises(CapacityExceeded) as caught:
        identity.order_id(*parts)
    assert (
        caught.value.setting
        == ("identity.journal_id", "identity.shard", "identity.sequence", "identity.ordinal")[place]
    )
    assert caught.value.limit == LARGEST[place]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 19,
        "0" * 21,
        "0" * 19 + "W",
        "0" * 19 + "a",
        "0" * 19 + " ",
        "0" * 19 + "_",
        "٠" * 20,
        "-" + "0" * 19,
    ],
)
def test_text_that_is_no_id_is_refused(text):
    with pytest.raises(identity.BadIdentity) as caught:
        identity.parse_id(text)
    assert caught.value.code == "bad_identity"


@PROPERTY
@given(PARTS)
def test_kernels_hold_the_same_id_in_two_halves(parts):
    text = identity.order_id(*parts)
    high, low = identity.pack(*parts)
    assert (high, low) == identity.to_halves(text) == (number(parts) >> 50, number(parts) % 2**50)
    assert identity.unpack(high, low) == parts
    assert identity.texts(np.array([high, high]), np.array([low, low])) == [text, text]
    buffer = np.zeros(30, np.uint8)
    assert identity.write_text(high, low, buffer, 5) == 25
    assert buffer[5:25].tobytes() == text.encode()
    assert identity.read_text(buffer, 5) == (high, low)


@pytest.mark.parametrize("place", [0, 9, 10, 19])
def test_no_other_byte_is_read_as_an_id(place):
    for byte in range(256):
        buffer = np.frombuffer(b"0" * 20, np.uint8).copy()
        buffer[place] = byte
        good = chr(byte) in "0123456789ABCDEFGHIJKLMNOPQRSTUV"
        assert (identity.read_text(buffer, 0) != (-1, -1)) == good


def test_ids_of_one_run_are_unique_and_ascending():
    ids = [
        identity.order_id(9, shard, sequence, ordinal)
        for shard in range(3)
        for sequence in range(200)
        for ordinal in range(20)
    ]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
