"""Tables of records, the index over them, and the conversion of single records, against NumPy
and the codec."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import codec
from schemas.records import Fill, PnL, Position
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.conversion import reader, writer
from streams.numeric.index import ENTRY, find, put, slots_for
from streams.numeric.table import Table, record_at, table_at

PAIR = np.dtype([("key", "i8"), ("inner", [("sum", "i8"), ("word", "u8")])])


@borrowing_kernel
def _fill_table(address: Any, index_address: Any) -> Any:
    """Write every row, by its record and by its index; returns the table's length."""
    table = table_at(address, PAIR)
    index = table_at(index_address, ENTRY)
    for place in range(len(table)):
        table[place].key = 7 * place
        put(index, 7 * place, -1, place)
    for place in range(len(table)):
        row = table[find(index, 7 * place, -1)]
        row.inner.sum += place
        row.inner.word = np.uint64(place)
    return len(table)


def test_a_kernel_and_numpy_see_the_same_rows() -> None:
    """Oracle: NumPy, over the same memory; a longer table compiles nothing and begins with the
    same rows.
    """
    for length in (1, 3, 100):
        table, index = Table(PAIR, length), Table(ENTRY, slots_for(length))
        assert _fill_table(table.address, index.address) == length
        places = np.arange(length)
        assert (table.rows["key"] == 7 * places).all() and (
            table.rows["inner"]["sum"] == places
        ).all()
        larger = table.grown(2 * length)
        assert (larger.rows[:length] == table.rows).all() and not larger.rows[length:]["key"].any()
        assert table.rows.ctypes.data % 64 == 0
    assert len(_fill_table.signatures) == 1


def test_plain_python_sees_the_same_rows_and_is_stopped_outside_them() -> None:
    """Oracle: the rows themselves."""
    table = Table(PAIR, 2)
    view = table_at(table.address, PAIR)
    view[1].inner.sum = 5
    assert (len(view), table.rows[1]["inner"]["sum"], view[1].inner.sum) == (2, 5, 5)
    assert type(view[1].key) is int
    for place in (-1, 2):
        with pytest.raises(IndexError):
            view[place]
    with pytest.raises(OverflowError):
        view[0].inner.word = -1
    header = np.zeros(1, PAIR)
    record_at(header.ctypes.data, PAIR).key = 3
    assert header["key"][0] == 3


amounts = st.integers(1 - 10**38, 10**38 - 1)
ids = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUV", min_size=20, max_size=20)
longs, ints, small = (
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 2),
)
maybe = st.one_of(st.none(), amounts)
fills = st.builds(Fill, ids, ints, ints, ints, longs, small, longs, longs, small, amounts, longs)
positions = st.builds(Position, ints, ints, ints, longs, ids, longs, amounts, amounts, amounts)
values = st.builds(
    PnL, ints, longs, ints, amounts, maybe, amounts, amounts, maybe, st.integers(0, 6), ints
)


@settings(max_examples=100, deadline=None)
@given(st.one_of(fills, positions, values))
def test_a_record_becomes_its_row_and_comes_back(record: Any) -> None:
    """Oracle: the codec, which goes through Avro bytes."""
    coder = codec(type(record).__name__)
    row = np.zeros(1, coder.dtype)
    writer(coder.name)(record, row)
    assert (row == coder.decode_rows(coder.encode_records([record]), 1)).all()
    assert reader(coder.name)(row, 0) == record
    if coder.name == "Position":
        assert reader(coder.name, "order_id")(row, 0, record.order_id) == record
