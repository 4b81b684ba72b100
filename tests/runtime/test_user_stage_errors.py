"""Users' own stages that fail or cannot be: what is said of them, and when.

Oracle: the line of the file that is wrong, counted by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.errors import ShrivenError, WrongUse
from tests.runtime.user_stages import FILES, spread_with, with_stage
from tests.scenario import backtest

QUOTES = "quote.ask_price - quote.bid_price"

MISUSES = {
    "raises": (QUOTES, "1 // 0", "ZeroDivisionError", "mine.py:26"),
    "wrong value": ("spread=spread", "spread=spread / 2", "UserSpread.spread", "mine.py:31"),
    "missing field": ("spread=spread, ", "", "needs spread", "mine.py:31"),
    "unknown field": (
        "spread=spread",
        "spreads=spread, spread=spread",
        "no field spreads",
        "mine.py:31",
    ),
    "too large": (
        "instrument=number",
        "instrument=number + 2**31",
        "out of range of int",
        "mine.py:31",
    ),
    "foreign record": (
        "self.publish(context, instrument=number, spread=spread, middle=middle, mean=mean)",
        "context.emit(Signal(number, 1, 1, 1, 1, 1.0, 0, 0.0, 0.0, 0))",
        "not its to write",
        "mine.py:32",
    ),
}


@pytest.mark.parametrize("what", MISUSES)
def test_a_stage_that_fails_is_named_with_its_line_and_record(
    stage_market: Path, stage_files: Path, what: str
) -> None:
    old, new, words, line = MISUSES[what]
    with pytest.raises(ShrivenError) as failed:
        text = spread_with(old, new)
        with_stage(
            stage_market,
            Path("run"),
            text.replace("\n", "\nfrom streams.signals.strategy import Signal\n", 1)
            if "Signal" in text
            else text,
        )
    text = str(failed.value)
    assert words in text and line in text and "on Quote(" in text and "md.depth offset" in text


REFUSED = {
    "reserved": ({"risk": "spread.py"}, "", "", "reserved"),
    "two writers": (
        {"spread": "spread.py", "mine": "mine.py"},
        "",
        "",
        "mine and spread both write user.spread",
    ),
    "its own topic": (
        {"mine": "mine.py"},
        '("quotes",)',
        '("quotes", "user.spread")',
        "which it writes itself",
    ),
    "circle": ({"spread": "spread.py", "mine": "mine.py"}, "", "", "circle"),
    "nobody writes": ({"mine": "mine.py"}, '("quotes",)', '("quotes", "user.other")', "user.other"),
    "foreign topic": ({"mine": "mine.py"}, '"user.spread"', '"md.quotes"', "user.spread"),
    "unknown type": ({"mine": "mine.py"}, '("long", "10', '("float", "10', "float is not one of"),
    "no unit": (
        {"mine": "mine.py"},
        '"id", "Instrument',
        '"", "Instrument',
        "instrument: has no unit",
    ),
    "computed": ({"mine": "mine.py"}, '"user.spread"', '"user." + "spread"', "written out"),
    "no handler": ({"mine": "mine.py"}, '("quotes",)', '("quotes", "fills")', "no on_fill"),
    "reads the clock": (
        {"mine": "mine.py"},
        "spread, number =",
        "import time; spread, number =",
        "import",
    ),
    "undeclared state": (
        {"mine": "mine.py"},
        "self.state.count[number] = ",
        "self.state.seen = ",
        "seen is declared nowhere",
    ),
    "hands a record on": (
        {"mine": "mine.py"},
        "mean = self",
        "context.emit(quote); mean = self",
        "context.emit(quote)",
    ),
    "parameter": ({"mine": "mine.py"}, "", "", "has no parameter"),
    "missing": ({"mine": "none.py"}, "", "", "none.py"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_use_is_refused_before_the_run_begins(
    stage_market: Path, stage_files: Path, what: str
) -> None:
    names, old, new, words = REFUSED[what]
    text = spread_with(old, new) if old else FILES["spread.py"]
    if what == "circle":
        reads = '("quotes", "user.{}")'
        handler = "\n    def on_user_{0}(self, record, context):\n"
        handler += "        self.state.total[0] = record.{1}\n"
        Path("spread.py").write_text(
            spread_with('("quotes",)', reads.format("other")) + handler.format("other", "spread")
        )
        text = text.replace('"user.spread"', '"user.other"').replace(
            '("quotes",)', reads.format("spread")
        ) + handler.format("spread", "spread")
    if what == "nobody writes":
        text += "\n    def on_user_other(self, record, context):\n        self.state.total[0] = 1\n"
    if what == "its own topic":
        text += (
            "\n    def on_user_spread(self, record, context):\n        self.state.total[0] = 1\n"
        )
    Path("mine.py").write_text(text)
    stages: dict[str, Any] = {name: {"file": file} for name, file in names.items()}
    if what == "parameter":
        stages["mine"]["set"] = {"window": 3}
    with pytest.raises((WrongUse, ShrivenError)) as refused:
        backtest(stage_market, Path("run"), "noop-python", stages=stages)
    assert words in str(refused.value) and not Path("run").exists()
