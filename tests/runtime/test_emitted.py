"""Bodies of what was emitted. Oracle: the codec, over all records at once."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.codec import codec
from schemas.general import BadRecord
from schemas.records import Fill
from streams.runtime.schedule.output_buffer import GIVEN_MAX, Bodies, body_of

FILLS = codec("Fill")


def rows_of(first: int, count: int) -> Any:
    """So many fills as rows."""
    order_id, time = "0" * 19 + "A", 10**18
    places = range(first, first + count)
    records = [Fill(order_id, 1, 1, 1, time + n, 1, 1000 + n, 7, 1, -n, n) for n in places]
    return FILLS.decode_rows(FILLS.encode_records(records), count)


def test_pieces_are_one_body_and_their_sizes_are_kept() -> None:
    rows = rows_of(0, 1000)
    bodies, at, pieces = Bodies(), 0, (1, 7, 300, 692)
    for count in pieces:
        bodies.encode(FILLS, rows[at : at + count], count)
        at += count
    assert bodies.count == 1000
    parts = bodies.take()
    body, sizes = body_of(parts)
    assert bytes(body) == FILLS.encode_rows(rows, 1000).tobytes()
    assert [count for count, _ in sizes] == list(pieces)
    assert sum(size for _, size in sizes) == len(body)
    assert (bodies.count, bodies.take()) == (0, [])


def test_packed_records_and_rows_keep_their_order() -> None:
    rows = rows_of(0, 30)
    bodies = Bodies()
    bodies.encode(FILLS, rows[:10], 10)
    bodies.add(FILLS.pack_trusted(list(FILLS.rows_to_records(rows, 10, 10))), 10)
    bodies.encode(FILLS, rows[20:], 10)
    body, sizes = body_of(bodies.take())
    assert bytes(body) == FILLS.encode_rows(rows, 30).tobytes()
    assert [count for count, _ in sizes] == [10, 10, 10]


def test_a_body_that_somebody_holds_is_left_alone_and_memory_is_used_again() -> None:
    """Bodies are held for some batches, as a writer does; at most so many arrays are waited for."""
    bodies, held, places = Bodies(), [], set()
    for batch in range(20):
        rows = rows_of(100 * batch, 100)
        bodies.encode(FILLS, rows, 100)
        ((part, count),) = bodies.take()
        assert count == 100
        places.add(part.body.ctypes.data)
        held.append((part.body, part.body.tobytes()))
        del part
        if len(held) == GIVEN_MAX:
            held.pop(0)
        assert all(body.tobytes() == written for body, written in held)
    assert len(places) <= GIVEN_MAX + 1


def test_a_row_without_a_form_is_refused_and_those_before_stay() -> None:
    rows = rows_of(0, 3)
    bad = rows_of(3, 2)
    bad["side"][1] = 9
    bodies = Bodies()
    bodies.encode(FILLS, rows, 3)
    with pytest.raises(BadRecord, match="row 1 of Fill"):
        bodies.encode(FILLS, bad, 2)
    body, _ = body_of(bodies.take())
    assert bytes(body) == FILLS.encode_rows(rows, 3).tobytes()
