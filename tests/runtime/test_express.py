"""The compiled common case of the order side gives what the ledgers give. Oracle: the ledgers, which do everything when sessions are off.

Journals hold the digests of every batch's outputs and of every stage's state, so equal journals are equal records and equal states.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_overlap import journal_of

from streams.express import session
from streams.numeric import express, fixed
from tests.scenario import backtest, digests, records_in

EVERY = 2500
EAGER = f"{Path(__file__).with_name('eager.py')}:Eager"
CASES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "little money": {"set": {"fast": "5", "slow": "12", "cooldown": "0", "size": "1000"},
                     "cash": "1300USDT", "leverage": 125, "risk": {"price_collar_bp": "20"}},
    "liquidated": {
        "set": {"cooldown": "0", "size": "1000"},
        "cash": "500USDT",
        "leverage": 125,
        "risk": {"maintenance_margin": {"TESTUSDT": "0.0095"}, "price_collar_bp": "5"},
    },
    "a warm-up and an end": {"set": {"cooldown": "0"}, "warmup": "1m", "to": "2024-01-01T00:05:00"},
    "free and at once": {"set": {"cooldown": "0"}, "fees": "maker=0,taker=0", "latency": "feed=0,entry=0,response=0"},
    "reports after later signals": {"set": {"fast": "2", "slow": "3", "cooldown": "0"}, "latency": "feed=1ms,entry=300ms,response=900ms"},
    "partial fills": {"set": {"cooldown": "0", "size": "40000"}, "cash": "90000000USDT", "leverage": 100},
    "denied at a limit": {"set": {"fast": "2", "slow": "3", "cooldown": "0", "size": "3"}, "latency": "feed=1ms,entry=300ms,response=900ms",
                          "risk": {"max_position": "0.003"}},
    "old marks": {"set": {"cooldown": "0"}, "risk": {"mark_age_max": "600000000"}},
    "no shorts": {"set": {"cooldown": "0"}, "short": "off"},
    "a cool-down of sizing": {"set": {"cooldown": "0"}, "sizing": {"cooldown": 3_000_000_000}},
    "a rebate": {"set": {"cooldown": "0"}, "fees": "maker=-1bp,taker=-2bp"},
    "signals of Python": {"strategy": "ema-cross-python", "set": {"cooldown": "0"}},
    "orders of Python": {"strategy": EAGER, "set": {"what": "mt"}},
    "orders and signals of Python": {"strategy": EAGER, "set": {"what": "ms"}},
    "limit orders of Python between": {"strategy": EAGER, "set": {"what": "mmmmmml"}},
    "orders of every kind of Python between": {"strategy": EAGER, "set": {"what": "mmmmtlcx"}, "routing": {"closed_orders": 5}},
    "ids asked for twice": {"strategy": EAGER, "set": {"what": "mmmmmmmd"}, "routing": {"closed_orders": 3}, "risk": {"recent_orders": 2}},
    "few closed orders kept": {"set": {"cooldown": "0"}, "routing": {"closed_orders": 3}, "risk": {"recent_orders": 2}},
}
MET = {"little money": "INSUFFICIENT_MARGIN", "liquidated": "LIQUIDATION", "denied at a limit": "POSITION_LIMIT"}
"""What a case is for."""


@pytest.mark.parametrize("name", CASES)
def test_runs_of_the_twins_and_of_the_ledgers_have_the_same_journal(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ridden: list[int], name: str
) -> None:
    monkeypatch.setattr(session, "RECORDS_MIN", 1 << 40)
    ledgers = backtest(recording, tmp_path / "ledgers", batch=5000, state_digest_records=EVERY, **CASES[name])
    assert ridden == [0]
    monkeypatch.setattr(session, "RECORDS_MIN", 1)
    monkeypatch.setattr(session, "PATIENCE", 1)
    twins = backtest(recording, tmp_path / "twins", batch=5000, state_digest_records=EVERY, **CASES[name])
    assert ridden[0] > 0, "no event was done by the twins: nothing was compared"
    assert digests(twins) == digests(ledgers)
    assert journal_of(twins.folder) == journal_of(ledgers.folder)
    assert twins.manifest["topics"]["fills"]["count"] > 0
    if name in MET:
        assert MET[name] in {each["code"] for each in records_in(tmp_path / "twins", "risk.events")}


@pytest.mark.parametrize("name", ["partial fills", "orders of every kind of Python between"])
def test_every_report_of_the_venue_is_done_by_the_twins(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Cancelled remainders, limit orders and cancels among them. Oracle: the entry's own word on why
    it stopped, which is never that a report is the ledgers'.
    """
    outcomes: list[int] = []
    rode = session.Session.rode

    def noted(self: Any, events: int) -> None:
        outcomes.append(int(self.lane["outcome"]))
        rode(self, events)

    monkeypatch.setattr(session.Session, "rode", noted)
    monkeypatch.setattr(session, "RECORDS_MIN", 1)
    monkeypatch.setattr(session, "PATIENCE", 1)
    backtest(recording, tmp_path / "run", batch=5000, **CASES[name])
    assert outcomes and session.REPORTS not in outcomes
    kinds = {each["kind"] for each in records_in(tmp_path / "run", "venue.reports")}
    assert {"ACCEPTED", "FILL", "CANCELLED"} <= kinds


def test_a_full_log_of_requests_goes_back_to_the_ledgers(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the ledgers. With room for little more than one call's reports the states go back and forth all the time."""
    options: dict[str, Any] = CASES["free and at once"]
    expected = backtest(recording, tmp_path / "expected", batch=100, **options)
    monkeypatch.setattr(session, "RECORDS_MIN", 1)
    monkeypatch.setattr(session, "REQUESTS_MAX", 130)
    assert digests(backtest(recording, tmp_path / "run", batch=20_000, **options)) == digests(expected)


def test_half_even_is_the_ledgers_rounding() -> None:
    """Oracle: ``fixed.divide_half_even``, Python's unbounded integers."""
    draw = np.random.Generator(np.random.Philox(5))
    for _ in range(2000):
        numerator, denominator = int(draw.integers(-(10**6), 10**6)), int(draw.integers(1, 200))
        assert express.divide_half_even(np.int64(numerator), np.int64(denominator)) == fixed.divide_half_even(numerator, denominator)


def test_products_that_leave_64_bits_are_the_ledgers() -> None:
    assert express.fits(np.int64(1 << 29), np.int64(1 << 30))
    assert not express.fits(np.int64(1 << 31), np.int64(1 << 30))
    assert not express.fits(np.int64(-(1 << 62)), np.int64(1 << 62))
