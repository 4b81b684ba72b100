"""The class of ``out`` is found again by its name. Oracle: pickle, which Numba's cache uses, in this and in a fresh process."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from streams.numeric import outputs
from streams.numeric.outputs import outputs_type


@pytest.mark.parametrize("topics", [("signals",), ("md.quotes", "md.bars", "md.marks"), ("md.book_tickers", "orders.requests"), ()])
def test_the_same_topics_are_the_same_class_with_a_field_each(topics: tuple[str, ...]) -> None:
    made = outputs_type(topics)
    assert made is outputs_type(topics)
    assert made._fields == tuple(topic.replace(".", "_") for topic in topics)


def test_a_stored_reference_is_read_back_in_a_process_that_never_made_the_class() -> None:
    stored = pickle.dumps(outputs_type(("md.quotes", "md.bars")))
    code = f"import pickle; print(pickle.loads({stored!r})._fields)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "('md_quotes', 'md_bars')"


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError):
        _ = outputs.Nothing
