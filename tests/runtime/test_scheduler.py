"""The compiled scheduler does what is done record by record in plain Python.

Oracle: ``readable_scheduler.py``. Journals hold the digests of every batch's outputs and of every
stage's state, so equal journals are equal records and equal states.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from readable_scheduler import ReadableScheduler
from test_overlap import journal_of

from streams.runtime.schedule import driver, engine, rows
from tests.scenario import backtest, digests, records_in

EVERY = 2500
EAGER = f"{Path(__file__).with_name('eager.py')}:Eager"
BUSY = f"{Path(__file__).with_name('busy.py')}:Busy"
CASES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "little money": {
        "set": {"fast": "5", "slow": "12", "cooldown": "0", "size": "1000"},
        "cash": "1300USDT",
        "leverage": 125,
        "risk": {"price_collar_bp": "20"},
    },
    "liquidated": {
        "set": {"cooldown": "0", "size": "1000"},
        "cash": "500USDT",
        "leverage": 125,
        "risk": {"maintenance_margin": {"TESTUSDT": "0.0095"}, "price_collar_bp": "5"},
    },
    "a warm-up and an end": {"set": {"cooldown": "0"}, "warmup": "1m", "to": "2024-01-01T00:05:00"},
    "free and at once": {
        "set": {"cooldown": "0"},
        "fees": "maker=0,taker=0",
        "latency": "feed=0,entry=0,response=0",
    },
    "reports after later signals": {
        "set": {"fast": "2", "slow": "3", "cooldown": "0"},
        "latency": "feed=1ms,entry=300ms,response=900ms",
    },
    "partial fills": {
        "set": {"cooldown": "0", "size": "40000"},
        "cash": "90000000USDT",
        "leverage": 100,
    },
    "denied at a limit": {
        "set": {"fast": "2", "slow": "3", "cooldown": "0", "size": "3"},
        "latency": "feed=1ms,entry=300ms,response=900ms",
        "risk": {"max_position": "0.003"},
    },
    "old marks": {"set": {"cooldown": "0"}, "risk": {"mark_age_max": "600000000"}},
    "no shorts": {"set": {"cooldown": "0"}, "short": "off"},
    "a cool-down of sizing": {"set": {"cooldown": "0"}, "sizing": {"cooldown": 3_000_000_000}},
    "a rebate": {"set": {"cooldown": "0"}, "fees": "maker=-1bp,taker=-2bp"},
    "signals of Python": {"strategy": "ema-cross-python", "set": {"cooldown": "0"}},
    "orders of Python": {"strategy": EAGER, "set": {"what": "mt"}},
    "orders and signals of Python": {"strategy": EAGER, "set": {"what": "ms"}},
    "limit orders of Python between": {"strategy": EAGER, "set": {"what": "mmmmmml"}},
    "orders of every kind of Python between": {
        "strategy": EAGER,
        "set": {"what": "mmmmtlcx"},
        "routing": {"closed_orders": 5},
    },
    "ids asked for twice": {
        "strategy": EAGER,
        "set": {"what": "mmmmmmmd"},
        "routing": {"closed_orders": 3},
        "risk": {"recent_orders": 2},
    },
    "few closed orders kept": {
        "set": {"cooldown": "0"},
        "routing": {"closed_orders": 3},
        "risk": {"recent_orders": 2},
    },
    "every kind of order, on its own fills": {"strategy": BUSY},
    "every kind of order, behind its fills": {
        "strategy": BUSY,
        "latency": "feed=1ms,entry=300ms,response=900ms",
        "set": {"seed": "5"},
    },
}
MET = {
    "little money": "INSUFFICIENT_MARGIN",
    "liquidated": "LIQUIDATION",
    "denied at a limit": "POSITION_LIMIT",
}
"""What a case is for."""


@pytest.mark.parametrize("name", CASES)
def test_the_scheduler_gives_the_journal_of_the_readable_one(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    options: dict[str, Any] = {"state_digest_records": EVERY, **CASES[name]}
    run = backtest(recording, tmp_path / "run", batch=5000, **options)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "Scheduler", ReadableScheduler)
        readable = backtest(recording, tmp_path / "readable", batch=5000, **options)
    assert digests(run) == digests(readable)
    assert journal_of(run.folder) == journal_of(readable.folder)
    assert run.manifest["topics"]["fills"]["count"] > 0
    if name in MET:
        codes = {each["code"] for each in records_in(tmp_path / "run", "risk.events")}
        assert MET[name] in codes


@pytest.mark.parametrize("name", ["partial fills", "every kind of order, on its own fills"])
def test_tables_that_are_always_full(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Capacities change nothing: with tables of one row everything grows in the middle of what is
    being done, and rows are encoded after every step. Oracle: the same run with the usual ones.
    """
    expected = backtest(recording, tmp_path / "expected", **CASES[name])
    monkeypatch.setattr(driver, "EMISSIONS", 1)
    monkeypatch.setattr(driver, "FRAMES", 1)
    monkeypatch.setattr(rows, "ROWS", 1)
    run = backtest(recording, tmp_path / "run", batch=20_000, **CASES[name])
    assert digests(run) == digests(expected)
