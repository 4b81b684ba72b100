"""The type of ``out`` is the same in every process. Oracle: pickle, which Numba's cache uses, in
this and in a fresh process.
"""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

from schemas.compiled.signal import DTYPE
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.outputs import outputs_type


@pytest.mark.parametrize(
    "topics",
    [
        ("signals",),
        ("md.quotes", "md.bars", "md.marks"),
        ("md.book_tickers", "orders.requests"),
        (),
    ],
)
def test_the_same_topics_are_the_same_class_with_a_pair_each(topics: tuple[str, ...]) -> None:
    made = outputs_type(topics)
    assert made is outputs_type(topics)
    assert list(made.PAIRS) == [topic.replace(".", "_") for topic in topics]


def test_a_stored_type_is_read_back_equal_in_a_process_that_never_made_it() -> None:
    stored = pickle.dumps(outputs_type(("md.quotes", "md.bars")).KIND)
    code = (
        f"import pickle; stored = pickle.loads({stored!r}); from streams.numeric.outputs import "
        "outputs_type;print(stored == outputs_type(('md.quotes', 'md.bars')).KIND, stored == "
        "outputs_type(('md.bars', 'md.quotes')).KIND)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "True False"


@borrowing_kernel
def append(out, strength):
    rows, count = out.signals
    rows[count[0]].instrument = strength
    count[0] += 1


def test_a_kernel_appends_to_the_rows_that_the_pair_holds() -> None:
    out = outputs_type(("signals",))((np.zeros(3, DTYPE), np.zeros(1, np.int64)))
    append(out, 5)
    append(out, 6)
    ((rows, count),) = out
    assert (rows["instrument"].tolist(), int(count[0])) == ([5, 6, 0], 2)
