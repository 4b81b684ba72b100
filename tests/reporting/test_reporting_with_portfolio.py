"""The report on the real portfolio's records: the stages meet only through records, and the books
must agree to the last digit.
"""

from __future__ import annotations

from typing import Any

import pytest
from reporting_demo_market import BTC, PERPETUAL, demo_input

from schemas.records import Mark, PnL, Position
from streams.portfolio.stage import Portfolio
from streams.portfolio.stage import Settings as PortfolioSettings
from streams.reporting.document import build_report


class Context:
    """A clock, and the records the portfolio emits."""

    def __init__(self) -> None:
        self.clock = 0
        self.positions: list[Position] = []
        self.pnl: list[PnL] = []

    def emit(self, record: Any) -> None:
        (self.positions if isinstance(record, Position) else self.pnl).append(record)


@pytest.mark.parametrize("instrument", [BTC, PERPETUAL], ids=["spot", "perpetual"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reports_and_the_portfolio_agree_and_equal_the_demos_own_ledger(instrument, seed):
    """Oracle: the portfolio stage against a ledger of a few lines in the demo market; flips,
    partial fills and fees included.
    """
    records = demo_input(minutes=240, seed=seed, instrument=instrument)
    quotes = records.quotes[instrument.instrument]
    portfolio, context = Portfolio([instrument], PortfolioSettings(cash="1000000")), Context()
    rows: list[Any] = list(records.fills)
    for time, bid, ask in zip(
        quotes.event_time.tolist(),
        quotes.bid_price.tolist(),
        quotes.ask_price.tolist(),
        strict=True,
    ):
        rows.append(Mark(instrument.instrument, time, 0, bid, 1, ask, 1, 0, time, 0))
    for row in sorted(rows, key=lambda row: (row.event_time, isinstance(row, Mark))):
        while portfolio.state.timer <= row.event_time:
            context.clock = portfolio.state.timer
            portfolio.on_timer(context.clock, context)
        context.clock = row.event_time
        (portfolio.on_mark if isinstance(row, Mark) else portfolio.on_fill)(row, context)
    context.clock = records.facts["end_time"]
    portfolio.on_end(context)
    theirs = build_report(records)
    records.positions, records.pnl = context.positions, context.pnl
    ours = build_report(records)
    assert [row["name"] for row in ours.model["checks"] if not row["ok"]] == []
    assert ours.model["trades"] > 3
    assert ours.model["balance"] == theirs.model["balance"]
    assert ours.model["metrics"] == theirs.model["metrics"]
