"""Named timers and the log of a compiled strategy in the kit. Oracle: by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import CapacityExceeded
from schemas.records import LogLine, Quote, Signal
from streams.signals import kit
from streams.signals.strategy import BadStrategy


def test_named_timers_of_a_compiled_strategy_wake_in_the_kit_too(tmp_path: Path) -> None:
    """Those of one instant in the order in which they were set, each once."""
    file = tmp_path / "timed.py"
    file.write_text(TIMED)
    quotes = [Quote(1, at, 7, 100, 5, 101, 6, 0) for at in (1_000, 1_150, 1_400)]
    found = kit.run(str(file), quotes)
    lines = [each for each in found if isinstance(each, LogLine)]
    assert [(each.event_time, each.sequence, each.text) for each in lines] == [
        (1_100, 1, "TEST1 wakes 1"), (1_100, 1, "TEST1 wakes 0"), (1_300, 2, "TEST1 wakes 2"),
    ]  # fmt: skip
    seen = [(each.sequence, each.event_time) for each in found if isinstance(each, Signal)]
    assert seen == [(1, 1_100), (0, 1_100), (2, 1_300)]
    file.write_text(TIMED.replace('"signals": 2', '"signals": 1'))
    with pytest.raises(CapacityExceeded, match="more than 1 records of signals in one call"):
        kit.run(str(file), quotes)  # both timers of one instant are one call, as in a run
    wrong = "set_timer(out, 3, 9_999)"
    file.write_text(TIMED.replace("set_timer(out, 2, state.clock[0] + 200)", wrong))
    with pytest.raises(BadStrategy, match="sets timer 3 to 9999 at 1100; give a number of one of"):
        kit.run(str(file), quotes)


TIMED = """
from typing import Any, NamedTuple

import msgspec
import numpy as np

from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.strategy_log import log
from streams.numeric.timers import cancel_timer, set_timer

NAME, INPUTS, OUTPUTS = "timed", ("md.quotes",), ("signals",)
RESERVE = {"signals": 2, "strategy.log": 5}
STATE_VERSION = 1
TIMERS = ("a", "b", "c")
LOGS = ("{symbol} wakes {}",)


class Settings(msgspec.Struct, frozen=True):
    pass


class State(NamedTuple):
    clock: Any
    timer: Any
    fault: Any
    count: Any


def new_state(instruments: Any, settings: Any) -> State:
    return State(*(np.zeros(size, np.int64) for size in (1, 1, 4, 1)))


@borrowing_kernel
def on_quote(state: Any, quote: Any, out: Any) -> None:
    if state.count[0] == 0:
        set_timer(out, 0, 1_050)
        set_timer(out, 1, 1_100)
        set_timer(out, 2, 1_100)
        set_timer(out, 0, 1_100)
        cancel_timer(out, 2)
    state.count[0] += 1


@borrowing_kernel
def on_timer(state: Any, timer: Any, out: Any) -> None:
    log(out, 0, 1, timer)
    rows, count = out.signals
    row = rows[count[0]]
    row.instrument = 1
    row.event_time = state.clock[0]
    row.sequence = timer
    row.strategy = 1
    row.direction = 1
    row.strength = 1.0
    row.size = 0
    row.fast = 0.0
    row.slow = 0.0
    row.flags = 0
    count[0] += 1
    if timer == 1:
        set_timer(out, 2, state.clock[0] + 200)
"""
