"""A compiled strategy acts as the same rule in Python does.

Oracles: twins in plain Python (``acting_twin.py``), whose targets, modified orders and timers
``test_acting.py`` compares with the run's topics; the readable scheduler; a run that is not
interrupted. ``acting_kernel.py`` mixes what comes of its acts into what it does next.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from compiled_runs import (
    SLOW,
    check_batches,
    check_refused,
    check_resumed,
    check_scheduler,
    topics_of,
)

from schemas.errors import CapacityExceeded, ShrivenError
from streams.numeric import strategy_outputs
from streams.runtime.schedule.topology import BadTopology
from streams.signals import replacing, view_stage
from streams.signals.strategy import BadStrategy
from tests.digests.found import Recordings
from tests.test_documents import blocks

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "strategies.md"
ACTING = HERE / "acting_kernel.py"
TWIN = f"{HERE / 'acting_twin.py'}:ActingTwin"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "a perpetual": ("perpetual", {}),
    "slow, over a gap": ("gap", {"latency": SLOW, "set": {"seed": "2", "rate": "60"}}),
    "spot": ("spot", {"cash": "100000USDT", "set": {"seed": "5"}}),
    "denied": ("perpetual", {"risk": {"max_position": "0.1"}, "set": {"seed": "8", "rate": "40"}}),
    "three instruments": ("three", {"set": {"seed": "3", "rate": "10", "unit": "50000"}}),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("acts"), Path())


@pytest.mark.parametrize("name", CASES)
def test_it_does_what_its_twin_in_python_does(
    recordings: Recordings, tmp_path: Path, name: str
) -> None:
    recording, options = CASES[name]
    place = recordings.path(recording)
    found = topics_of(place, tmp_path / "compiled", str(ACTING), 1000, options)
    assert found == topics_of(place, tmp_path / "python", TWIN, 777, options)
    assert found["orders.requests"]["count"] > 100 and found["strategy.log"]["count"] > 100
    assert found["fills"]["count"] > 5


EXAMPLES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "targets": ("rebalance_compiled.py", "rebalance.py:Rebalance", "two", {}),
    "a modified order": ("requote_compiled.py", "requote.py:Requote", "two",
    {"set": {"away": "1"}}),
    "a modified order, slow": (
        "requote_compiled.py", "requote.py:Requote", "gap",
        {"latency": SLOW, "set": {"away": "1"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_page_do_the_same_in_both_kinds(
    recordings: Recordings, tmp_path: Path, name: str
) -> None:
    compiled, python, recording, options = EXAMPLES[name]
    for block in blocks(PAGE, "python"):
        for file in (compiled, python.partition(":")[0]):
            if block.startswith(f"# {file}\n"):
                (tmp_path / file).write_text(block)
    place = recordings.path(recording)
    found = topics_of(place, tmp_path / "compiled", str(tmp_path / compiled), 1000, options)
    expected = topics_of(place, tmp_path / "python", f"{tmp_path}/{python}", 777, options)
    assert found == expected
    assert found["orders.requests"]["count"] > 2 and found["fills"]["count"] > 1


@pytest.mark.parametrize("batch", [1, 13, 65_536])
def test_batches_change_nothing(proof_market: Path, tmp_path: Path, batch: int) -> None:
    check_batches(proof_market, tmp_path, str(ACTING), batch)


def test_it_goes_on_from_a_snapshot_and_verifies(recording: Path, tmp_path: Path) -> None:
    check_resumed(recording, tmp_path, str(ACTING))


def test_the_scheduler_calls_it_as_the_readable_one_does(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = dict.fromkeys(("instruments", "bars", "orders"), 1)
    tables = (
        (view_stage.ViewState, "LENGTHS", lengths),
        (strategy_outputs, "LINES", 1),
        (replacing.ReplacingState, "LENGTHS", {"orders": 1, "requests": 1}),
    )
    check_scheduler(recording, tmp_path, monkeypatch, str(ACTING), tables)


# -- what is refused

WRONG: dict[str, tuple[tuple[str, str], type[ShrivenError], str]] = {
    "a share that is none": (
        ("size / 300.0", "size * 1e8"), BadStrategy,
        "acting asks for a share of its equity that is none; give a number of at most 1,000,000",
    ),
    "an order that is not open": (
        ("modify(out, order.order_high, order.order_low,", "modify(out, order.order_high, 5,"),
        BadStrategy, "acting modifies '[0-9A-V]{19}5', which is no limit order that is open",
    ),
    "a timer that there is none of": (
        ("set_timer(out, timer, at)", "set_timer(out, timer + 4, at)"), BadStrategy,
        r"acting sets timer \d to \d+ at \d+; give a number of one of its TIMERS \(a, b, c, d, e\)",
    ),
    "a time that has passed": (
        ("set_timer(out, timer, at)", "set_timer(out, timer, state.clock[0])"), BadStrategy,
        "acting sets timer .*, and a time after the clock",
    ),
    "timers that have no names": (
        ('TIMERS = ("a", "b", "c", "d", "e")', "TIMERS = 5"), BadTopology,
        "acting has TIMERS = 5; give a tuple of different names, 1024 at most",
    ),
    "timers that wake nothing": (
        ("def on_timer(", "def off_timer("), BadTopology, "acting has TIMERS and no on_timer",
    ),
    "a line that there is none of": (
        ("log(out, WOKEN)", "log(out, WOKEN + 4)"), BadStrategy,
        "acting logs line 4 with 0 values; its LOGS has 4 lines, from 0",
    ),
    "a line with other values": (
        ("log(out, WOKEN)", "log(out, AIMED, fill.quantity)"), BadStrategy,
        "acting logs line 1 with 1 values; '.*symbol.*' takes 4",
    ),
    "more lines than reserved": (
        ('"strategy.log": 9', '"strategy.log": 0'), CapacityExceeded,
        r"acting logs more than 0 lines in one call; raise RESERVE\['strategy.log'\] in its file",
    ),
    "a template that is none": (
        ('"woken",', '"woken {:x}",'), BadStrategy,
        "acting has 'woken {:x}' in LOGS; give a text with {}, {symbol} or {order} for at most 8",
    ),
    "terms that are none": (
        ("quantity, price, False)", "-quantity - 1, price, False)"),
        BadStrategy, "acting modifies an order to -.* at .*; give more than 0, or 0 to leave it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(proof_market: Path, tmp_path: Path, what: str) -> None:
    (old, new), kind, said = WRONG[what]
    text = ACTING.read_text()
    assert old in text
    check_refused(proof_market, tmp_path / "acting.py", text.replace(old, new), kind, said)
