"""The compiled entry of the order side gives what the stages give that Python calls one by one.

Oracle: the stages alone, which do everything when sessions are off.

Journals hold the digests of every batch's outputs and of every stage's state, so equal journals are equal records and equal states.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_overlap import journal_of

from schemas.errors import AmountTooLarge
from streams.express import session
from streams.numeric.stage_records import AMOUNT_TOO_LARGE
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
def test_runs_of_the_entry_and_of_the_stages_alone_have_the_same_journal(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ridden: list[int], name: str
) -> None:
    monkeypatch.setattr(session, "RECORDS_MIN", 1 << 40)
    ledgers = backtest(recording, tmp_path / "ledgers", batch=5000, state_digest_records=EVERY, **CASES[name])
    assert ridden == [0]
    monkeypatch.setattr(session, "RECORDS_MIN", 1)
    monkeypatch.setattr(session, "PATIENCE", 1)
    entry = backtest(recording, tmp_path / "entry", batch=5000, state_digest_records=EVERY, **CASES[name])
    assert ridden[0] > 0, "no event was done by the entry: nothing was compared"
    assert digests(entry) == digests(ledgers)
    assert journal_of(entry.folder) == journal_of(ledgers.folder)
    assert entry.manifest["topics"]["fills"]["count"] > 0
    if name in MET:
        assert MET[name] in {each["code"] for each in records_in(tmp_path / "entry", "risk.events")}


@pytest.mark.parametrize("name", ["partial fills", "orders of every kind of Python between"])
def test_every_report_of_the_venue_is_done_by_the_entry(
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


def test_a_fault_that_an_order_s_end_leaves_should_end_the_run(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry clears what a request or a fill leaves, for Python to find again; not this. Oracle:
    a fault put into risk's state, as an order's end leaves it.
    """
    is_ready, ready = session.Session.is_ready, []

    def at_fault(self: Any, context: Any) -> bool:
        is_open = is_ready(self, context)
        if is_open and not ready:
            self._risk.state.row["fault"]["code"] = AMOUNT_TOO_LARGE
            ready.append(True)
        return is_open

    monkeypatch.setattr(session.Session, "is_ready", at_fault)
    monkeypatch.setattr(session, "RECORDS_MIN", 1)
    with pytest.raises(AmountTooLarge):
        backtest(recording, tmp_path / "run", batch=5000, **CASES["as it comes"])
    assert ready
