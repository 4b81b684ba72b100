"""Compiled strategies of strangers are compiled and called in a process of their own.

Oracle: the verdict of the same run where its user verifies it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs.isolation import host
from jobs.isolation.framing import StrategyStopped
from schemas.errors import WrongUse
from schemas.records import Quote
from streams.runtime.schedule.context import StageContext
from streams.signals.kit import made_up_instruments
from streams.signals.sources import sources_of
from tests.scenario import records_in
from tests.test_documents import blocks

ROOT = Path(__file__).resolve().parents[2]


def kernel_of(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    """The built-in compiled strategy as a user's own file, a line changed."""
    source = ROOT / "streams/signals/ema_cross.py"
    text = source.read_text().replace('NAME = "ema-cross"', 'NAME = "my-cross"')
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "cross.py"
    file.write_text(text)
    return file


def test_a_compiled_strategy_of_a_stranger_is_compiled_and_called_in_a_process_of_its_own(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the digests of its author's run, those of its state among them; and what its author
    sees with a file that is not the run's.
    """
    file = kernel_of(tmp_path)
    run = tmp_path / "run"
    parameters = ("--set", "fast=3", "--set", "slow=8", "--batch", 1000)
    assert sq("backtest", toy, "--strategy", file, *parameters, "--out", run).code == 0
    assert len(records_in(run, "signals")) > 10
    monkeypatch.setenv("SQ_HOME", str(tmp_path / "another"))
    refused = sq("verify", run)
    assert refused.code == 2
    assert "--run-strategy" in refused.err
    ended = sq("verify", run, "--run-strategy")
    assert ended.code == 0, ended.err
    assert "executed in a process of its own" in ended.err
    loaded = [str(getattr(module, "__file__", "")) for module in list(sys.modules.values())]
    assert not [path for path in loaded if path.startswith(str(run))], "compared where it is loaded"


FLOWS = {
    block.splitlines()[0].removeprefix("# "): block
    for block in blocks(ROOT / "docs" / "microstructure.md", "python")
}


@pytest.mark.parametrize("name", FLOWS)
def test_a_strangers_strategy_wakes_on_a_topic_that_its_job_switched_on(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Oracle: as above. One in Python, one compiled."""
    (tmp_path / name).write_text(FLOWS[name])
    settings, run = tmp_path / "run.toml", tmp_path / "run"
    settings.write_text("[microstructure]\nwindow = 11\n")
    given = ("--strategy", tmp_path / name, "--config", settings, "--batch", 1000)
    assert sq("backtest", toy, *given, "--out", run).code == 0
    assert len(records_in(run, "signals")) > 10
    monkeypatch.setenv("SQ_HOME", str(tmp_path / "another"))
    ended = sq("verify", run, "--run-strategy")
    assert ended.code == 0, ended.err
    assert "executed in a process of its own" in ended.err


TIMED = """\
from typing import Any, NamedTuple
import msgspec
import numpy as np
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.order_requests import BUY, GTC, cancel_order, limit_order
from streams.numeric.strategy_log import log
from streams.numeric.timers import set_timer

NAME = "timed"
INPUTS = ("md.quotes", "fills")
OUTPUTS = ("orders.requests", "signals")
RESERVE = {"orders.requests": 3, "signals": 1, "strategy.log": 2}
TIMERS = ("ask", "take back")
LOGS = ("{symbol}: asked at {}", "taken back")
STATE_VERSION = 1
STRATEGY = 7

class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass

class State(NamedTuple):
    clock: Any
    timer: Any
    fault: Any
    seen: Any

def new_state(instruments, settings):
    timer = np.full(1, 2**63 - 1, np.int64)
    return State(np.zeros(1, np.int64), timer, np.zeros(4, np.int64), np.zeros(5, np.int64))

@borrowing_kernel
def on_quote(state, quote, out):
    if state.seen[0] == 0:
        set_timer(out, 0, state.clock[0] + 1_000_000_000)
    state.seen[0] = quote.instrument
    state.seen[1] = quote.bid_price

@borrowing_kernel
def on_timer(state, timer, out):
    if timer == 0:
        high, low = limit_order(out, state.seen[0], BUY, 5, state.seen[1], GTC, False)
        state.seen[2], state.seen[3] = high, low
        log(out, 0, state.seen[0], state.seen[1])
        rows, count = out.signals
        row = rows[count[0]]
        row.instrument, row.event_time, row.sequence = state.seen[0], state.clock[0], 1
        row.strategy, row.direction, row.strength, row.size = 7, 0, 1.0, 1
        row.fast, row.slow, row.flags = 0.0, 0.0, 0
        count[0] += 1
        set_timer(out, 0, state.clock[0] + 1_000_000_000)
        set_timer(out, 1, state.clock[0] + 300_000_000)
    else:
        cancel_order(out, state.seen[2], state.seen[3], state.seen[0], BUY)
        log(out, 1)

@borrowing_kernel
def on_fill(state, fill, out):
    state.seen[4] += fill.quantity
    if state.seen[4] % 4 == 1:
        limit_order(out, fill.instrument, BUY, 1, fill.price, GTC, False)

@borrowing_kernel
def on_end(state, out):
    limit_order(out, state.seen[0], BUY, 1, state.seen[1], GTC, False)
"""
QUIET = """\
from typing import Any, NamedTuple
import msgspec
import numpy as np
from streams.numeric.borrowing import borrowing_kernel

NAME = "quiet"
INPUTS = ("md.quotes", "md.bars", "md.marks")
OUTPUTS = ("signals",)
RESERVE = {"signals": 1}
STATE_VERSION = 1
NEVER = 2**63 - 1

class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass

class State(NamedTuple):
    clock: Any
    timer: Any
    fault: Any
    seen: Any

def new_state(instruments, settings):
    timer = np.full(1, NEVER, np.int64)
    return State(np.zeros(1, np.int64), timer, np.zeros(4, np.int64), np.zeros(4, np.int64))

@borrowing_kernel
def say(state, what, out):
    rows, count = out.signals
    row = rows[count[0]]
    row.instrument, row.event_time, row.sequence = 1, state.clock[0], what
    row.strategy, row.direction, row.strength, row.size = 1, what % 3 - 1, 1.0, 1 + what % 5
    row.fast, row.slow, row.flags = 1.0 * state.seen[0], 0.0, 0
    count[0] += 1

@borrowing_kernel
def on_quote(state, quote, out):
    state.seen[0] = quote.bid_price
    if state.timer[0] == NEVER:
        state.timer[0] = (state.clock[0] // 1_000_000_000 + 1) * 1_000_000_000

@borrowing_kernel
def on_bar(state, bar, out):
    state.seen[1] += bar.close
    say(state, state.seen[1] % 1_000, out)

@borrowing_kernel
def on_mark(state, mark, out):
    state.seen[2] += mark.bid_price

@borrowing_kernel
def on_timer(state, deadline, out):
    state.timer[0] = deadline + 1_000_000_000
    say(state, (state.seen[1] + state.seen[2]) % 1_000, out)

@borrowing_kernel
def on_end(state, out):
    state.timer[0] = NEVER
    say(state, 7, out)
"""
BUSY = Path(__file__).resolve().parents[1] / "runtime" / "busy_kernel.py"


@pytest.mark.parametrize(
    "name", [pytest.param("busy", marks=pytest.mark.long), "timed", "quiet"]
)
def test_all_that_a_compiled_strategy_does_comes_from_there(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Orders, cancels, timers of both kinds, the end and the log come from the process that may
    open nothing; one asks for orders by signals alone. Oracle: the digests of its
    author's run, those of its state among them.
    """
    text = {"busy": BUSY.read_text(), "timed": TIMED, "quiet": QUIET}[name]
    file, run = tmp_path / f"{name}.py", tmp_path / "run"
    file.write_text(text)
    assert sq("backtest", toy, "--strategy", file, "--batch", 1500, "--out", run).code == 0
    assert len(records_in(run, "orders.requests")) > 50 and records_in(run, "fills")
    assert name != "timed" or len(records_in(run, "strategy.log")) > 20
    monkeypatch.setenv("SQ_HOME", str(tmp_path / "another"))
    assert sq("verify", run).code == 2
    ended = sq("verify", run, "--run-strategy")
    assert ended.code == 0, ended.err
    assert "executed in a process of its own" in ended.err


COMPILED = {
    "writes a file": (
        ("STRATEGY = 1\n", "STRATEGY = 1\nopen('{mark}', 'w')\n"), "Too many open files",
    ),
    "never returns": (
        ("    means.fast = mid2\n", "    while state.slow[0] >= 0:\n            means.inputs += "
                                    "1\n"),
        "more than 3 s for one call",
    ),
    "is of the order side and views the book": (
        ("STRATEGY = 1\n", "STRATEGY = 1\nREADS = ('quotes',)\nVIEWS = ('book',)\n"),
        r"is compiled, of the order side, and reads VIEWS = \('book',\)",
    ),
    "reads what there is not": (
        ("STRATEGY = 1\n", "STRATEGY = 1\nREADS = ('prices',)\n"),
        r"is compiled and has READS = \('prices',\)",
    ),
    "wakes on what has no rows": (
        ('INPUTS = ("md.quotes",)', 'INPUTS = ("md.quotes", "ref.instruments")'),
        "it is compiled and reads ref.instruments, which has no rows",
    ),
    "leaves a fault": (
        ("    row.direction = direction\n", "    row.direction = direction\n    state.fault[0] = "
                                            "3\n"),
        "fault 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", COMPILED)
def test_what_a_compiled_strategy_of_a_stranger_cannot_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Its module is executed, and its steps run, in the process that may open nothing."""
    if what == "never returns":
        monkeypatch.setattr(host, "CALL_SECONDS", 3.0)
    (old, new), said = COMPILED[what]
    file = kernel_of(tmp_path, (old, new.replace("{mark}", str(tmp_path / "mark"))))
    values = {"instrument": 1, "bid_price": 10, "ask_price": 11, "flags": 0}
    quote = Quote(*(values.get(name, 1) for name in Quote.__struct_fields__))
    with pytest.raises((StrategyStopped, WrongUse), match=said):
        stage, child, _ = host.isolated(sources_of(file), "", {"fast": "1", "slow": "2"})
        try:
            strategy = stage(made_up_instruments([quote]), None)
            for price in (10, 20, 5):
                quote = msgspec.structs.replace(quote, bid_price=price, ask_price=price + 1)
                strategy.on_quote(quote, StageContext(5))  # type: ignore[attr-defined]
        finally:
            child.close()
    assert not (tmp_path / "mark").exists()
