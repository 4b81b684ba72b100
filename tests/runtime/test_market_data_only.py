"""Strategies that read market data only run over a window before the order side; nothing but time
may show it.

Oracle: the scheduler, record by record, with the rule switched off; only the ordinals of ids differ
then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.pipeline import build_execution
from jobs.runs import Run, open_recording
from jobs.verification import verify_run
from schemas.errors import ShrivenError
from streams.numeric import identity
from streams.runtime.schedule.topology import Topology
from tests.scenario import backtest, configuration, digests, records_in

EAGER = f"{Path(__file__).with_name('eager.py')}:Eager"
BUSY = f"{Path(__file__).with_name('busy.py')}:Busy"
TOPICS = (
    "orders.requests", "orders.decisions", "orders.events", "venue.commands", "venue.reports",
    "fills", "positions", "signals", "pnl", "risk.events",
)  # fmt: skip
WHATS = ("mlcdxst", "m", "mt", "s", "sm", "mmmmmmmmd", "l")


def market_data_only(recording: Path, strategy: str) -> list[str]:
    """Names of such strategies."""
    log = open_recording(recording)
    execution = build_execution(configuration(strategy), log, 1)
    log.close()
    return [stage.name for stage in execution.topology.early]


def rows(run: Run, topic: str) -> list[dict[str, Any]]:
    """A topic's records, ids without their ordinals."""
    found = records_in(run.folder, topic)
    for record in found:
        if "order_id" in record:
            record["order_id"] = identity.parse_id(record["order_id"]).sequence
    return found


def test_which_strategies_they_are(proof_market: Path) -> None:
    assert market_data_only(proof_market, EAGER) == ["eager"]
    assert market_data_only(proof_market, "ema-cross-python") == ["ema-cross-python"]
    assert market_data_only(proof_market, BUSY) == []
    assert market_data_only(proof_market, "ema-cross") == []


@pytest.mark.parametrize("what", WHATS)
def test_it_does_what_is_done_record_by_record(
    proof_market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    run = backtest(proof_market, tmp_path / "early", EAGER, set={"what": what})
    with monkeypatch.context() as patch:
        patch.setattr(Topology, "_early", lambda self: [])
        expected = backtest(proof_market, tmp_path / "turns", EAGER, set={"what": what})
    asked = run.manifest["topics"]["orders.requests"]["count"]
    assert asked > 50
    for topic in TOPICS:
        assert rows(run, topic) == rows(expected, topic), topic
    assert verify_run(run.folder).is_good


@pytest.mark.parametrize("what", WHATS)
def test_batches_change_nothing(proof_market: Path, tmp_path: Path, what: str) -> None:
    options: dict[str, Any] = {"set": {"what": what, "seed": "4"}, "state_digest_records": 997}
    expected = backtest(proof_market, tmp_path / "expected", EAGER, batch=37, **options)
    for batch in (640, 65_536):
        run = backtest(proof_market, tmp_path / f"run{batch}", EAGER, batch=batch, **options)
        assert digests(run) == digests(expected)
        assert verify_run(run.folder).is_good
    decisions = records_in(expected.folder, "orders.decisions")
    approved = [
        identity.parse_id(each["order_id"])
        for each in decisions
        if (each["outcome"], each["kind"]) == ("APPROVED", "NEW")
    ]
    assert len(set(approved)) == len(approved)


BROKEN = """
from streams.signals.strategy import Strategy, StrategyState
from schemas.records import Mark, OrderRequest, RiskDecision

class Broken(Strategy):
    NAME = "broken"
    WAKES = ("quotes",)

    class State(StrategyState):
        quotes: int = 0

    def on_quote(self, quote, context):
        self.state.quotes += 1
        if self.state.quotes == 1000:
            {fault}
"""


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("context.emit('a text')", "'a text', which is not its to write"),
        ("context.emit(Mark(1, 0, 0, 0, 0, 0, 0, 0, 0, 0))", "which is not its to write"),
        ("context.emit(RiskDecision('0' * 20, *[1] * 16))", "which is not its to write"),
        ("self.order(context, 1, 1, 1.5)", "quantity is 1.5, a float; give a whole number"),
        (
            "context.emit(OrderRequest(context.order_id(), 1, 1, 1, 0, 1, 1, 1, 1, False, 1.5, 0))",
            "a stage emitted OrderRequest",
        ),
    ],
)
@pytest.mark.parametrize("batch", [7, 640, 65_536])
def test_a_fault_names_the_input_record(
    proof_market: Path,
    tmp_path: Path,
    fault: str,
    words: str,
    batch: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The place is the same for every batch size; no lint stands before the engine here."""
    monkeypatch.setattr("jobs.strategies.require_allowed", lambda *_: None)
    (tmp_path / "broken.py").write_text(BROKEN.format(fault=fault))
    with pytest.raises(ShrivenError) as caught:
        backtest(proof_market, tmp_path / "run", f"{tmp_path / 'broken.py'}:Broken", batch=batch)
    assert words in caught.value.text
    if "OrderRequest" not in words:
        assert "at md.depth offset 9" in caught.value.text, caught.value.text
