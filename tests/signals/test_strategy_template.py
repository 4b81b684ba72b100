"""The template strategy: scenarios worked out by hand, to copy together with
streams/signals/template.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from schemas.records import Bar, Toxicity
from schemas.vocabulary import Flag, NullReason
from streams.signals import kit

MINUTE = 60_000_000_000


def bar(at: int, close: int, *, flags: int = 0, version: int = 1) -> Bar:
    return Bar(
        1,
        1,
        MINUTE,
        at * MINUTE,
        (at + 1) * MINUTE,
        version,
        close,
        close,
        close,
        close,
        10,
        10 * close,
        1,
        5,
        5 * close,
        flags,
    )


def toxicity(at: int, excess: float | None) -> Toxicity:
    return Toxicity(
        1, at * MINUTE, 0, 10, 5, 5, 1, 0, 0.5, 0.2, excess, 0, 1, 1, 0, int(NullReason.NONE), 0
    )


def directions(records: list[Any], **parameters: str) -> list[int]:
    return [signal.direction for signal in kit.run("template", records, parameters)]


def closes(*prices: int) -> list[Bar]:
    return [bar(at, price) for at, price in enumerate(prices)]


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ((100, 99, 98, 97), [1]),
        ((100, 101, 102, 103), [-1]),
        ((100, 99, 98, 99, 98), []),
        ((100, 99, 98, 97, 96, 95), [1]),
        ((100, 99, 98, 97, 98, 99, 100), [1, -1]),
        ((100, 99, 98, 98, 97), [1]),  # an equal close neither counts nor breaks the run
    ],
)
def test_it_fades_a_run_of_closes(prices: tuple[int, ...], expected: list[int]) -> None:
    assert directions(closes(*prices)) == expected


def test_the_length_of_the_run_is_a_parameter() -> None:
    assert directions(closes(100, 99), bars="1") == [1]


@pytest.mark.parametrize(
    "unfit",
    [bar(2, 98, flags=Flag.PARTIAL), bar(2, 98, flags=Flag.SYNTHETIC), bar(2, 98, version=2)],
)
def test_a_bar_that_is_not_whole_or_not_new_is_left_out(unfit: Bar) -> None:
    assert directions([*closes(100, 99), unfit, bar(3, 97)]) == []


def test_it_steps_aside_when_flow_is_toxic() -> None:
    assert directions([*closes(100, 99, 98, 97), toxicity(5, 0.5), bar(5, 96)]) == [1, 0]


@pytest.mark.parametrize("excess", [None, 0.0, 0.3])
def test_it_stays_while_toxicity_is_unknown_or_low(excess: float | None) -> None:
    assert directions([*closes(100, 99, 98, 97), toxicity(5, excess)]) == [1]


def test_it_does_not_look_ahead() -> None:
    assert kit.look_ahead("template", closes(*[100 - at % 7 for at in range(80)])) == []
