"""A stranger's strategy is executed only when asked, in a process of its own, and never in the one
that compares digests (E5).

Oracle: the verdict of the same run where its user verifies it; what a hostile strategy tries leaves
a mark, which must not be there.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.isolation import host
from jobs.isolation.framing import StrategyStopped
from jobs.isolation.reading import value_of
from jobs.verification import verify_run
from schemas.records import Mark
from streams.runtime.schedule.context import StageContext
from streams.signals.kit import made_up_instruments
from streams.signals.sources import sources_of
from tests.scenario import records_in

STRATEGY = """\
import sizes
from schemas.records import Signal
from streams.signals.strategy import NO_TIMER, Strategy, StrategyState

class Mine(Strategy):
    NAME = "mine"
    WAKES = {wakes}
    ARTEFACTS = {{"weights": "weights.npy"}}

    class State(StrategyState):
        marks: int = 0
        orders: list[str] = []

    def on_mark(self, mark, context):
        self.state.marks += 1
        if self.state.marks % 20 == 0 and mark.bid_price:
            size = sizes.scaled(int(context.artefact("weights")[1]))
            side = 1 + self.state.marks // 20 % 2
            self.state.orders.append(self.order(context, mark.instrument, side, size))
            {act}
        elif self.state.marks % 20 == 7:
            self.signal(context, mark.instrument, 1, size=3)
{more}"""
ANSWERS = """
    def on_fill(self, fill, context):
        self.state.timer = context.clock + 1_000_000_000

    def on_timer(self, deadline, context):
        self.state.timer = NO_TIMER
        if self.state.orders:
            self.cancel(context, self.state.orders[-1], 1, 1)
"""
EARLY = {"wakes": '("marks",)', "more": ""}
LATE = {"wakes": '("marks", "fills", "timer")', "more": ANSWERS}
HOSTILE = {
    "replaces what compares": "import jobs.verification as v; v.Verdict.is_good = True; "
    "v.Verifier.verify = None; 1 / 0",
    "writes a file": "open({mark!r}, 'w').write('x')",
    "never returns": "[0 for _ in iter(int, 1)]",
}
"""Through the command, where a run costs seconds."""
MORE_HOSTILE = {
    "reads a file": ("open('/etc/passwd').read()", "Too many open files"),
    "opens a socket": ("import socket; socket.socket()", "Too many open files"),
    "starts a process": ("import os; os.fork() or open({mark!r}, 'w')", "BlockingIOError"),
    "ends its process": ("import os; os._exit(3)", "exit code 3"),
    "breaks its process": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "ends what compares": (
        "import os; os.kill(os.getppid(), 9); 1 / 0",
        "process ended|ProcessLookupError|ZeroDivisionError|PermissionError",
    ),
    "writes into the pipe": (
        "import os; [os.write(n, b'x' * 64) for n in (3, 4)]",
        "Bad file descriptor|no answer|process ended",
    ),
    "publishes a fill": ("context.emit(mark)", "neither a signal nor a request"),
    "asks under an id of its own": (
        "from schemas.records import OrderRequest; context.emit(OrderRequest('x', 1, 1, 1, 1, 1, "
        "1, 1, 2, False, 5, 0))",
        r"BadEmission: a stage emitted .*order_id = 'x' is not an id .*\(mine.py:20\)",
    ),
    "publishes text for a number": (
        "context.pending.append(Signal(1, 1, 1, 1, 'x', 1.0, 1, 1.0, 1.0, 1))",
        "a record that is none",
    ),
}


def write(folder: Path, text: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(text)
    (folder / "sizes.py").write_text("def scaled(weight):\n    return weight * 1000\n")
    np.save(folder / "weights.npy", np.array([5, 6]))
    return f"{folder / 'mine.py'}:Mine"


@pytest.fixture
def made(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """A run of a strategy, judged afterwards by a user who has not run it."""

    def make(text: str) -> Path:
        run = tmp_path / "run"
        ended = sq("backtest", toy, "--strategy", write(tmp_path / "own", text), "--out", run)
        assert ended.code == 0, ended.err
        monkeypatch.setenv("SQ_HOME", str(tmp_path / "another"))
        return run

    return make


@pytest.mark.parametrize("kind", ["early", "late"])
def test_a_stranger_s_strategy_is_refused_then_isolated_and_proved(
    sq: Callable[..., Any], made: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    run = made(STRATEGY.format(act="pass", **(EARLY if kind == "early" else LATE)))
    assert {each["quantity"] for each in records_in(run, "orders.requests")} >= {6000}
    for command in (("verify", run), ("replay", run, "--out", tmp_path / "again")):
        refused = sq(*command)
        assert refused.code == 2, "a stranger's strategy was executed unasked"
        assert "--run-strategy" in refused.err
        assert str(tmp_path / "another") in refused.err
        assert not (tmp_path / "again").exists()
        ended = sq(*command, "--run-strategy")
        assert ended.code == 0, ended.err
        assert "executed in a process of its own" in ended.err
    loaded = [str(getattr(module, "__file__", "")) for module in list(sys.modules.values())]
    assert not [path for path in loaded if path.startswith(str(run))], (
        "the process that compares loaded the strategy"
    )


LIBRARY = """\
import msgspec
from streams.numeric.elementary import exp, log, pow
from streams.numeric.error_function import erfc
from streams.numeric.normal import normal_cdf
from streams.numeric.session import CRYPTO, in_session
from streams.signals.indicators import Ema
from streams.signals.strategy import Strategy, StrategyState

class Mine(Strategy):
    NAME = "mine"
    WAKES = ("quotes",)

    class State(StrategyState):
        mean: Ema = msgspec.field(default_factory=lambda: Ema(5))

    def on_quote(self, quote, context):
        away = self.state.mean.update(quote.bid_price) - quote.bid_price
        if in_session(CRYPTO, context.clock) and away != 0.0 and away == away:
            size = exp(-away * away) + log(2 + away * away) + pow(2, -away * away) + erfc(away)
            way = 1 if away > 0 else -1
            self.signal(context, quote.instrument, way, fast=size, slow=normal_cdf(away))
"""


def test_the_library_of_indicators_and_functions_works_in_a_process_without_files(
    sq: Callable[..., Any], made: Callable[..., Path]
) -> None:
    """Compiled functions are loaded before the process leaves its files. Oracle: the digests of its
    author's run.
    """
    run = made(LIBRARY)
    assert len(records_in(run, "signals")) > 10
    ended = sq("verify", run, "--run-strategy")
    assert ended.code == 0, ended.err


READING = """\
from streams.signals.strategy import Strategy

class Mine(Strategy):
    NAME = "mine"
    WAKES = ("marks", "fills", "order_events")
    READS = ("account", "queue", "book", "trades", "bars", "features", "toxicity", "quotes")
    LOGS = True

    def on_mark(self, mark, context):
        number = mark.instrument
        if mark.bid_price and len(context.open_orders(number)) < 3:
            side = 1 + mark.event_time // 1000000000 % 2
            self.order(context, number, side, 1000, price=mark.bid_price)
        self.show(number, context)

    def on_fill(self, fill, context):
        self.show(fill.instrument, context)

    def on_order_event(self, event, context):
        self.show(event.instrument, context)

    def show(self, number, context):
        last = (context.last_trade(number), context.last_bar(number),
                context.features(number), context.toxicity(number))
        seen = (context.position(number), context.cash, context.equity,
                context.amount_precision, context.last_quote(number))
        queues = [context.queue_estimate(order.order_id) for order in context.open_orders()]
        context.log(f"{queues}")
        book = context.book(number, 4), context.book(number, None).flags
        context.log(f"{(seen, context.open_orders(), *book, last)}"[:900])
"""


def test_what_a_stranger_s_strategy_reads_and_logs_is_that_of_its_author_s_run(
    sq: Callable[..., Any], made: Callable[..., Path]
) -> None:
    """Its process asks the one that verifies. Oracle: the digests of its author's run, those of its
    lines among them.
    """
    run = made(READING)
    lines = records_in(run, "strategy.log")
    assert len(lines) > 100 and any(
        "OpenOrder" in line["text"] and "status=1)" in line["text"] for line in lines
    )
    assert any("quantity=1000" in line["text"] for line in lines)
    ended = sq("verify", run, "--run-strategy")
    assert ended.code == 0, ended.err


def test_what_a_stranger_s_strategy_does_by_its_context_is_that_of_its_author_s_run(
    sq: Callable[..., Any], made: Callable[..., Path]
) -> None:
    """Targets, modified orders and named timers. Oracle: the digests of its author's run."""
    text = (Path(__file__).resolve().parents[1] / "runtime" / "trader.py").read_text()
    run = made(
        text.replace("class Trader", "class Mine").replace("rate: int = 4", "rate: int = 10")
    )
    lines = [line["text"] for line in records_in(run, "strategy.log")]
    assert all(
        any(f"'{what}'" in line for line in lines) for what in ("modify", "timer", "target", "fill")
    )
    ended = sq("verify", run, "--run-strategy")
    assert ended.code == 0, ended.err


def test_a_stranger_s_strategy_asks_for_nothing_else(tmp_path: Path) -> None:
    """Names that no context has, and arguments that are none, are refused where they arrive."""
    for name, arguments in (
        ("note", "[1]"),
        ("__class__", "[]"),
        ("position", '[{"a": 1}]'),
        ("cash", "{"),
        ("log", "[1.5]"),
    ):
        with pytest.raises(StrategyStopped, match="what no context has"):
            value_of(object(), name, arguments)


def test_one_who_ran_a_strategy_verifies_it_as_before(
    sq: Callable[..., Any], made: Callable[..., Path], toy: Path, tmp_path: Path
) -> None:
    """The digest is over all files: with another helper it is another strategy."""
    text = STRATEGY.format(act="pass", **EARLY)
    run = made(text)
    assert (
        sq(
            "backtest",
            toy,
            "--strategy",
            write(tmp_path / "mine", text),
            "--out",
            tmp_path / "mine_run",
        ).code
        == 0
    )
    assert sq("verify", run).code == 0
    shutil.copytree(run, tmp_path / "other")
    (tmp_path / "other/code/sizes.py").write_text("def scaled(weight):\n    return weight * 999\n")
    (tmp_path / "other/run.json").unlink()
    found = sq("verify", tmp_path / "other", "--run-strategy")
    assert found.code == 1
    assert (
        "sizes.py of the strategy kept in the run folder is not what the run was made with"
        in found.err
    )
    assert "process of its own" not in found.err, (
        "files that are not the run's are executed nowhere"
    )


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_strategy_changes_no_verdict(
    made: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """It is honest where its author runs it, and hostile where its files are not its author's; no
    lint stands before it here.
    """
    monkeypatch.setattr("jobs.strategies.require_allowed", lambda *_: None)
    monkeypatch.setattr(host, "CALL_SECONDS", 3.0)
    mark = tmp_path / "mark"
    act = f"if '{tmp_path / 'own'}' not in __file__: {HOSTILE[what].format(mark=str(mark))}"
    verdict = verify_run(made(STRATEGY.format(act=act, **EARLY)), run_strategy=True)
    assert not mark.exists()
    assert [finding.kind for finding in verdict.findings] == ["code"]
    assert not verdict.is_good


@pytest.mark.parametrize("what", MORE_HOSTILE)
def test_a_hostile_strategy_reaches_nothing(tmp_path: Path, what: str) -> None:
    act, said = MORE_HOSTILE[what]
    mark = tmp_path / "mark"
    text = STRATEGY.format(act=act.format(mark=str(mark)), **EARLY).replace("% 20", "% 1")
    stage, child, _ = host.isolated(
        sources_of(Path(write(tmp_path / "own", text).removesuffix(":Mine"))), "Mine", {}
    )
    try:
        record = Mark(*[1] * len(Mark.__struct_fields__))
        with pytest.raises(StrategyStopped, match=said):
            stage(made_up_instruments([record]), None).on_mark(record, StageContext(5))  # type: ignore[attr-defined]
    finally:
        child.close()
    assert not mark.exists()
