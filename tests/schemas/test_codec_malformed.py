"""Bytes that are not what the schema says end in a typed error, and legal Avro that fastavro would
not write is read all the same.

Oracle: the Avro specification, and fastavro as the reader of whatever the compiled decoder accepts.
"""

from __future__ import annotations

import contextlib
import io
import random

import fastavro
import numpy as np
import pytest
from codec_harness import FIXED, ROWED, example, oracle

from schemas.codec import codec
from schemas.general import BadRecord, MalformedRecord, plain_schema
from schemas.records import DepthUpdate, Fill, Quote, Signal
from schemas.shapes import shapes
from schemas.wire import NO_ROOM, most_levels


def read_by_fastavro(name: str, body: bytes, count: int) -> list:
    parsed = fastavro.parse_schema(plain_schema(codec(name).schema))
    stream = io.BytesIO(body)
    return [fastavro.schemaless_reader(stream, parsed, None) for _ in range(count)]


@pytest.mark.parametrize("name", list(shapes()))
def test_a_body_cut_at_any_byte_is_malformed(name):
    body = codec(name).encode_records([example(name, 1), example(name, 2)])
    for cut in range(len(body)):
        with pytest.raises(MalformedRecord):
            codec(name).decode_records(body[:cut], 2)


@pytest.mark.parametrize("name", list(shapes()))
def test_bytes_behind_the_last_record_are_malformed(name):
    body = codec(name).encode_records([example(name, 1)])
    with pytest.raises(MalformedRecord, match="1 bytes follow"):
        codec(name).decode_records(body + b"\0", 1)


@pytest.mark.parametrize("name", FIXED)
def test_the_malformed_record_is_named(name):
    good = codec(name).encode_records([example(name, 2)])
    with pytest.raises(MalformedRecord) as caught:
        codec(name).decode_rows(good * 3 + good[:-1], 4)
    assert caught.value.index == 3
    assert caught.value.record == name


@pytest.mark.parametrize("name", ROWED)
def test_flipped_bytes_are_refused_or_mean_what_fastavro_reads(name):
    """2,000 seeded corruptions: never a crash, and what is accepted agrees with fastavro field by
    field.
    """
    chance = random.Random(name)
    body = codec(name).encode_records([example(name, number) for number in range(3)])
    for _ in range(2000):
        wrong = bytearray(body)
        for _ in range(chance.randrange(1, 4)):
            wrong[chance.randrange(len(wrong))] = chance.randrange(256)
        try:
            found = codec(name).decode_records(bytes(wrong), 3)
        except MalformedRecord:
            continue
        assert codec(name).end_of(bytes(wrong), 3) == len(wrong)
        peers = read_by_fastavro(name, bytes(wrong), 3)
        for record, peer in zip(found, peers, strict=True):
            for field in shapes()[name].fields:
                mine, theirs = getattr(record, field.name), peer[field.name]
                if field.kind == "enum":
                    mine = field.symbols[mine]
                elif field.kind == "decimal" and theirs is not None:
                    theirs = int.from_bytes(theirs, "big", signed=True)
                elif field.kind == "array":
                    theirs = [tuple(entry.values()) for entry in theirs]
                assert mine == theirs or (mine != mine and theirs != theirs), field.name


@pytest.mark.parametrize("name", ROWED)
def test_random_bytes_never_crash_a_decoder(name):
    chance = random.Random(name)
    for size in [0, 1, 2, 7, 8, 9, 10, 50, 300] * 40:
        body = chance.randbytes(size)
        with contextlib.suppress(MalformedRecord):
            codec(name).decode_with_ends(body, 3)
        with contextlib.suppress(MalformedRecord):
            assert codec(name).end_of(body, 3) <= size


def quote_with(first: bytes) -> bytes:
    """A quote whose first field, an int, is these bytes."""
    return first + codec("Quote").encode_records([example("Quote")])[1:]


@pytest.mark.parametrize(
    ("varint", "value"),
    [
        (b"\x80\x00", 0),
        (b"\x82\x80\x00", 1),
        (b"\xfe\xff\xff\xff\x0f", 2**31 - 1),
        (b"\xff\xff\xff\xff\x0f", -(2**31)),
        (b"\x81" + b"\x80" * 8 + b"\x00", -1),
    ],
)
def test_long_forms_of_a_varint_are_read(varint, value):
    """The specification does not ask for the shortest form. Oracle: fastavro reads the same."""
    body = quote_with(varint)
    assert (
        int(codec("Quote").decode_rows(body, 1)[0]["instrument"])
        == value
        == read_by_fastavro("Quote", body, 1)[0]["instrument"]
    )


@pytest.mark.parametrize(
    "varint",
    [
        b"\x80" * 10 + b"\x00",
        b"\xff" * 9 + b"\x02",
        b"\xff" * 11,
        b"\x80\x80\x80\x80\x10",
        b"\x81\x80\x80\x80\x10",
    ],
)
def test_a_varint_too_long_or_too_large_is_malformed(varint):
    """Eleven bytes, bits past the 64th, an int past 32 bits."""
    with pytest.raises(MalformedRecord):
        codec("Quote").decode_rows(quote_with(varint), 1)


def test_the_largest_longs_are_read():
    for value in (2**63 - 1, -(2**63)):
        body = oracle("Quote", [Quote(1, value, value, 1, 1, 1, value, 0)])
        row = codec("Quote").decode_rows(body, 1)[0]
        assert int(row["event_time"]) == int(row["ask_quantity"]) == value


@pytest.mark.parametrize("index", [b"\x01", b"\x06", b"\x7f", b"\x80\x02"])
def test_an_enum_index_outside_the_symbols_is_malformed(index):
    body = codec("Trade").encode_records([example("Trade")])
    flags = codec("Trade").encode_records([example("Trade")])[-1:]
    assert body[-2:-1] == b"\x02"
    with pytest.raises(MalformedRecord):
        codec("Trade").decode_rows(body[:-2] + index + flags, 1)


@pytest.mark.parametrize(
    "text",
    [
        b"W" * 20,
        b"v" * 20,
        b"-" * 20,
        b"@" * 20,
        b":" * 20,
        b"/" * 20,
        b"\x80" * 20,
        b"\xb0" * 20,
        b"0" * 19 + b" ",
    ],
)
def test_an_id_with_other_characters_is_malformed(text):
    good = codec("Fill").encode_records([example("Fill")])
    with pytest.raises(MalformedRecord):
        codec("Fill").decode_rows(good[:1] + text + good[21:], 1)


@pytest.mark.parametrize("length", [0, 1, 19, 21, 40])
def test_an_id_of_another_length_is_malformed(length):
    good = codec("Fill").encode_records([example("Fill")])
    with pytest.raises(MalformedRecord):
        codec("Fill").decode_rows(bytes([2 * length]) + b"0" * length + good[21:], 1)


@pytest.mark.parametrize("value", [b"\x02", b"\xff"])
def test_a_boolean_is_0_or_1(value):
    good = codec("OrderEvent").encode_records([example("OrderEvent")])
    with pytest.raises(MalformedRecord):
        codec("OrderEvent").decode_rows(good[:-1] + value, 1)


HEAD = oracle("DepthUpdate", [DepthUpdate(1, 2, 3, 4, 5, 6, 1, 0, [], [])])[:-2]


@pytest.mark.parametrize(
    ("bids", "levels"),
    [
        (b"\x04\x02\x04\x06\x08\x00", [(1, 2), (3, 4)]),  # one block, as fastavro writes it
        # a negative count, then the block's size
        (b"\x03\x08\x02\x04\x06\x08\x00", [(1, 2), (3, 4)]),
        (b"\x02\x02\x04\x02\x06\x08\x00", [(1, 2), (3, 4)]),  # two blocks
        (b"\x01\x04\x02\x04\x02\x06\x08\x00", [(1, 2), (3, 4)]),  # one of each
        (b"\x00", []),
    ],
)
def test_every_block_form_of_an_array_is_read(bids, levels):
    """Oracle: the Avro specification's array encoding; fastavro reads the same."""
    body = HEAD + bids + b"\x02\x0a\x0c\x00"
    assert codec("DepthUpdate").decode_records(body, 1)[0].bids == levels
    assert codec("DepthUpdate").decode_records(body, 1)[0].asks == [(5, 6)]
    assert [
        tuple(entry.values()) for entry in read_by_fastavro("DepthUpdate", body, 1)[0]["bids"]
    ] == levels


@pytest.mark.parametrize(
    "bids",
    [
        b"\x03\x06\x02\x04\x06\x08\x00",  # a block size that is not the block's
        b"\x03\x07\x02\x04\x06\x08\x00",  # a negative size
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00",  # more levels than bytes
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x08\x00",  # the smallest count there is
        b"\x04\x02\x04\x06",  # ends inside a level
        b"\x02\x02\x04",  # no closing block
    ],
)
def test_a_broken_array_is_malformed(bids):
    for body in (HEAD + bids, HEAD + bids + b"\x00"):
        with pytest.raises(MalformedRecord):
            codec("DepthUpdate").decode_rows(body, 1)


def test_a_decimal_wider_than_16_bytes_is_malformed():
    good = codec("RiskEvent").encode_records([example("RiskEvent")])
    tail = b"\x04\xff\x80\x04\xff\x80"
    assert good.endswith(tail)
    assert codec("RiskEvent").decode_records(good[:-3] + b"\x20" + b"\xff" * 16, 1)[0].limit == -1
    for wrong in (b"\x22" + b"\xff" * 17, b"\x20\x80" + b"\x00" * 15, b"\x01"):
        with pytest.raises(MalformedRecord):
            codec("RiskEvent").decode_rows(good[:-3] + wrong, 1)


def test_a_null_union_has_two_branches():
    good = codec("PerformanceReport").encode_records([example("PerformanceReport", 1)])
    body = codec("PnL").encode_records([example("PnL", 1)])
    place = body.index(b"\x00", 10)
    assert codec("PnL").decode_records(body, 1)[0].unrealized is None
    with pytest.raises(MalformedRecord):
        codec("PnL").decode_rows(body[:place] + b"\x04" + body[place + 1 :], 1)
    with pytest.raises(MalformedRecord):
        codec("PerformanceReport").decode_records(good[:-3] + b"\x04" + good[-2:], 1)


def test_nothing_outside_the_given_range_is_read_or_written():
    """A kernel handed a part of a larger array. Oracle: sentinels around the part."""
    from schemas.compiled import quote

    body = np.frombuffer(
        b"\xff" * 16 + codec("Quote").encode_records([example("Quote")]) * 2 + b"\x02" * 64,
        np.uint8,
    )
    end = len(body) - 64
    rows, ends = np.zeros(4, quote.DTYPE), np.full(4, -7)
    assert quote.decode(body, 16, end, rows, 1, 2, ends) == end
    assert ends.tolist() == [-7, 16 + (end - 16) // 2, end, -7]
    assert not any(rows[0].tolist()) and not any(rows[3].tolist())
    assert quote.decode(body, 16, end - 1, rows, 1, 2, ends) == -2
    assert quote.decode(body, 16, end, rows, 1, 3, ends) == -3
    out = np.full(16 + 2 * quote.MAX_BYTES, 0xEE, np.uint8)
    assert quote.encode(rows, 1, 2, out, 16) == end
    assert out[:16].tolist() == [0xEE] * 16 and out[16:end].tobytes() == body[16:end].tobytes()


def test_a_table_too_short_is_said_and_nothing_is_done():
    from schemas.compiled import depth_update, quote

    body = np.frombuffer(codec("Quote").encode_records([example("Quote")] * 3), np.uint8)
    rows, ends = np.zeros(3, quote.DTYPE), np.zeros(3, np.int64)
    assert quote.decode(body, 0, len(body), rows, 1, 3, ends) == NO_ROOM
    assert quote.decode(body, 0, len(body) + 1, rows, 0, 3, ends) == NO_ROOM
    assert quote.encode(rows, 0, 3, np.zeros(3 * quote.MAX_BYTES - 1, np.uint8), 0) == NO_ROOM
    assert quote.encode(rows, 1, 3, np.zeros(4 * quote.MAX_BYTES, np.uint8), 0) == NO_ROOM
    levels = np.zeros(1, depth_update.LEVEL)
    update = np.frombuffer(codec("DepthUpdate").encode_records([example("DepthUpdate")]), np.uint8)
    rows = np.zeros(1, depth_update.DTYPE)
    assert depth_update.decode(update, 0, len(update), rows, 0, 1, ends, levels, 0) == NO_ROOM
    assert not levels["price"].any()


@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_the_room_said_to_suffice_for_levels_suffices(count):
    """Oracle: the levels there are; the bound counts ends of varints, so the header's ten and a sum
    of small ids may be over it.
    """
    found = [
        DepthUpdate(1, 2, 3, 4, 5, 6, 1, 0, [(index, 0) for index in range(count)], [(0, 0)] * 3)
    ] * 5
    body = np.frombuffer(codec("DepthUpdate").encode_records(found), np.uint8)
    assert 5 * (count + 3) <= most_levels(body) <= 5 * (count + 3) + 5 * 7


def test_a_count_beyond_the_bytes_names_its_record():
    """A count that fits the bytes behind it, but not the varints in them."""
    good = codec("DepthUpdate").encode_records([example("DepthUpdate")])
    wrong = HEAD + b"\x28" + b"\xff\xff\xff\xff\xff\x01" * 8
    with pytest.raises(MalformedRecord) as caught:
        codec("DepthUpdate").decode_rows(good + wrong, 2)
    assert caught.value.index == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [("side", 3), ("liquidity", 255), ("fee_high", -(2**63))],
    ids=["enum past its symbols", "enum 255", "null where none may be"],
)
def test_a_row_without_an_avro_form_is_refused(column, value):
    rows = codec("Fill").decode_rows(codec("Fill").encode_records([example("Fill")] * 3), 3)
    rows[column][1] = value
    with pytest.raises(BadRecord, match="row 1 of Fill"):
        codec("Fill").encode_rows(rows, 3)


@pytest.mark.parametrize(
    ("column", "value"),
    [("bid_count", -1), ("ask_count", 4), ("first_level", -1), ("first_level", 2**62), ("kind", 9)],
)
def test_a_depth_row_that_points_outside_its_levels_is_refused(column, value):
    rows, levels = codec("DepthUpdate").decode_rows(
        codec("DepthUpdate").encode_records([example("DepthUpdate")]), 1
    )
    rows[column][0] = value
    with pytest.raises(BadRecord):
        codec("DepthUpdate").encode_rows(rows, 1, levels)


WRONG = {
    "long past 64 bits": ("event_time", 2**63),
    "long past any": ("event_time", 2**200),
    "int past 32 bits": ("instrument", 2**31),
    "int below 32 bits": ("instrument", -(2**31) - 1),
    "a float where an integer belongs": ("quantity", 3.7),
    "a boolean where an integer belongs": ("quantity", True),
    "a string where an integer belongs": ("quantity", "3"),
    "none where nothing may be missing": ("quantity", None),
    "numpy's integer": ("quantity", np.int64(3)),
    "an enum past its symbols": ("side", 3),
    "a negative enum": ("side", -1),
    "an enum's name": ("side", "BUY"),
    "a short id": ("order_id", "0" * 19),
    "a long id": ("order_id", "0" * 21),
    "a lower-case id": ("order_id", "v" * 20),
    "an id that is a number": ("order_id", 5),
    "a decimal past 127 bits": ("fee", 2**127),
    "a decimal that is a float": ("fee", 1.0),
}


@pytest.mark.parametrize(("field", "value"), WRONG.values(), ids=WRONG.keys())
def test_a_struct_with_a_wrong_value_is_refused_by_name(field, value):
    """fastavro would write 3.7 as 3; the codec names the field."""
    good = example("Fill")
    wrong = Fill(
        *[value if name == field else getattr(good, name) for name in Fill.__struct_fields__]
    )
    with pytest.raises(BadRecord, match=f"Fill.{field}"):
        codec("Fill").encode_records([good, wrong])


@pytest.mark.parametrize("value", [1, "0.5", None, True])
def test_a_double_is_a_float(value):
    good = example("Signal")
    wrong = Signal(
        *[value if name == "strength" else getattr(good, name) for name in Signal.__struct_fields__]
    )
    with pytest.raises(BadRecord, match="Signal.strength"):
        codec("Signal").encode_records([wrong])


def test_a_nullable_double_is_never_nan():
    """NaN is null in a column, so a NaN in a struct or on the log would change its meaning on the
    way.
    """
    good = example("Toxicity")
    wrong = type(good)(
        *[
            float("nan") if name == "vpin" else getattr(good, name)
            for name in good.__struct_fields__
        ]
    )
    with pytest.raises(BadRecord, match=r"Toxicity\.vpin"):
        codec("Toxicity").encode_records([wrong])
    with pytest.raises(MalformedRecord):
        codec("Toxicity").decode_rows(oracle("Toxicity", [wrong]), 1)


@pytest.mark.parametrize("levels", [[(1,)], [(1, 2, 3)], [(1, 2.5)], [(1, 2**63)], [1], ["ab"]])
def test_levels_are_pairs_of_integers(levels):
    with pytest.raises(BadRecord):
        codec("DepthUpdate").encode_records([DepthUpdate(1, 2, 3, 4, 5, 6, 1, 0, [], levels)])


def test_a_record_of_another_type_is_refused():
    with pytest.raises(BadRecord, match="handed to the codec of Quote"):
        codec("Quote").encode_records([example("Quote"), example("Mark")])
