"""The bounded memory: many at once is one after the other. Oracle: a plain list of the last ones.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.numeric.ring import keep, keep_all


@given(st.integers(1, 7), st.lists(st.integers(0, 20), max_size=12))
def test_many_at_once_is_one_after_the_other_and_what_came_last_stays(
    capacity: int, sizes: list[int]
) -> None:
    one: tuple[dict[str, int], list[str]] = ({}, [])
    many: tuple[dict[str, int], list[str]] = ({}, [])
    oldest, oldest_of_many, count = 0, 0, 0
    for size in sizes:
        values = list(range(count, count + size))
        keys = [str(value) for value in values]
        count += size
        for key, value in zip(keys, values, strict=True):
            oldest = keep(*one, oldest, key, value, capacity)
        oldest_of_many = keep_all(*many, oldest_of_many, keys, values, capacity)
        assert (many, oldest_of_many) == (one, oldest)
        last = list(range(count))[-capacity:]
        assert list(many[0].items()) == [(str(value), value) for value in last]
        assert many[1][oldest:] + many[1][:oldest] == [str(value) for value in last]
