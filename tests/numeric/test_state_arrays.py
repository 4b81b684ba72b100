"""Groups of arrays that kernels get by one pointer. Oracle: the same statements on the arrays, by
NumPy.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.state_arrays import StateArrays, array_of

LEVEL = np.dtype([("price", "i8"), ("quantity", "i8")])


class Ladder(StateArrays):
    best = array_of(np.int64)
    levels = array_of(LEVEL, 2)
    bits = array_of(np.uint64)


def ladder(rows: int = 3, columns: int = 5) -> Ladder:
    levels = np.zeros((rows, columns), LEVEL)
    levels["price"] = np.arange(rows * columns).reshape(rows, columns)
    return Ladder(best=np.zeros(2, np.int64), levels=levels, bits=np.zeros(8, np.uint64))


@borrowing_kernel
def mark(group, row, column):
    level = group.levels[row, column]
    level.quantity = 10 * level.price
    group.best[1] = level.price
    group.bits[row] |= np.uint64(1) << np.uint64(column)
    return group.levels.shape[0] * 100 + group.levels.shape[1]


@borrowing_kernel
def mark_within(packed, place, row, column):
    return mark(Ladder_at(packed, place), row, column)


Ladder_at = Ladder.at


@pytest.mark.parametrize("shape", [(3, 5), (1, 7), (6, 2)])
def test_a_kernel_reads_and_writes_the_arrays_whatever_their_lengths(
    shape: tuple[int, int],
) -> None:
    group, expected = ladder(*shape), ladder(*shape)
    row, column = shape[0] - 1, shape[1] - 1
    assert mark(group, row, column) == shape[0] * 100 + shape[1]
    price = int(expected.levels["price"][row, column])
    expected.levels["quantity"][row, column] = 10 * price
    expected.best[1] = price
    expected.bits[row] = 1 << column
    assert [array.tolist() for array in group] == [array.tolist() for array in expected]
    assert mark.signatures == [(Ladder.KIND, *mark.signatures[0][1:])], (
        "lengths are no part of the type"
    )


def test_a_group_is_found_in_the_context_of_a_loop() -> None:
    """The layout of streams.runtime.tools.pointers.Context: the address of each array, then its
    lengths.
    """
    group = ladder()
    packed = np.array(
        [7, 7, *[word for array in group for word in (array.ctypes.data, *array.shape)]], np.int64
    )
    mark_within(packed, 2, 1, 2)
    assert int(group.levels[1, 2]["quantity"]) == 70


def test_a_copy_and_a_pickled_group_have_memory_of_their_own() -> None:
    group = ladder()
    for other in (group.copy(), pickle.loads(pickle.dumps(group))):
        mark(other, 1, 1)
        assert (int(other.best[1]), int(group.best[1])) == (6, 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"best": np.zeros(2, np.int32)},
        {"best": np.zeros((1, 2), np.int64)},
        {"best": np.zeros(4, np.int64)[::2]},
        {"other": np.zeros(2, np.int64)},
    ],
)
def test_arrays_that_are_not_those_declared_are_refused(changed: dict[str, np.ndarray]) -> None:
    with pytest.raises(TypeError, match="Ladder"):
        Ladder(**{**ladder()._asdict(), **changed})
