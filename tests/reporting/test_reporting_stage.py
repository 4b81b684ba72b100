"""The stage: equity sampled by minute, metrics at the end, a state that survives a snapshot at any
record.
"""

from __future__ import annotations

import msgspec
import pytest
from reporting_demo_market import BTC, MINUTE, PERPETUAL, SECOND, START, demo_input

from schemas.records import Fill, Instrument, PerformanceReport, PnL
from schemas.vocabulary import Flag, NullReason
from streams.reporting.metrics import METRICS
from streams.reporting.stage import Reporting, Settings, UnknownInstrument

UNIT = 10**10


class Context:
    """Collects what the stage emits."""

    def __init__(self) -> None:
        self.clock = 0
        self.emitted: list[PerformanceReport] = []

    def emit(self, record: PerformanceReport) -> None:
        self.emitted.append(record)


def pnl(time: int, equity: int | None, realized: int = 0, fees: int = 0, account: int = 1) -> PnL:
    start = 1000 * UNIT
    unrealized = None if equity is None else equity - start - realized + fees
    return PnL(account, time, 10, realized, unrealized, fees, start, equity, 1, 0)


def finish(stage: Reporting, clock: int) -> dict[str, PerformanceReport]:
    context = Context()
    context.clock = clock
    stage.on_end(context)
    return {each.name: each for each in context.emitted}


def merged(records):
    return sorted(
        [*records.fills, *records.pnl], key=lambda row: (row.event_time, isinstance(row, PnL))
    )


def feed(stage: Reporting, rows) -> None:
    context = Context()
    for row in rows:
        context.clock = row.event_time
        (stage.on_fill if isinstance(row, Fill) else stage.on_pnl)(row, context)
    assert context.emitted == []


def test_should_emit_every_metric_once_at_the_end_in_the_fixed_order():
    records = demo_input(minutes=20)
    stage = Reporting([BTC], Settings())
    feed(stage, merged(records))
    context = Context()
    context.clock = records.facts["end_time"]
    stage.on_end(context)
    assert [each.name for each in context.emitted] == [metric.name for metric in METRICS]
    assert {each.event_time for each in context.emitted} == {context.clock}


@pytest.mark.parametrize("cut", [0, 1, 7, 50, 101])
def test_a_snapshot_after_any_record_gives_the_same_reports(cut):
    """Oracle: the run without a snapshot; the state must survive msgpack bytes."""
    records = demo_input(minutes=100, seed=4)
    rows = merged(records)
    straight, resumed = Reporting([BTC], Settings()), Reporting([BTC], Settings())
    feed(straight, rows)
    feed(resumed, rows[:cut])
    again = Reporting([BTC], Settings())
    again.take_state(resumed.encoded_state())
    feed(again, rows[cut:])
    end = records.facts["end_time"]
    assert finish(again, end) == finish(straight, end)
    assert again.encoded_state() == straight.encoded_state()


def test_a_record_on_the_minute_closes_that_minute():
    """Oracle: by hand. 24 hours of records on each minute are 1440 samples."""
    stage = Reporting([BTC], Settings())
    feed(stage, [pnl(START + at * MINUTE, 1000 * UNIT + at) for at in range(1, 1441)])
    found = finish(stage, START + 1440 * MINUTE)
    assert found["days"].value == 1.0
    assert found["total_return"].samples == 1440
    assert found["total_return"].value == 1440 / (1000 * UNIT)


def test_the_last_record_of_a_minute_is_its_sample():
    stage = Reporting([BTC], Settings())
    feed(stage, [pnl(START + 10 * SECOND, 900 * UNIT), pnl(START + 50 * SECOND, 1100 * UNIT)])
    found = finish(stage, START + 50 * SECOND)
    assert found["total_return"].value == 0.1
    assert found["total_return"].samples == 1
    assert found["maximum_drawdown"].value == 0.0


def test_minutes_without_a_value_repeat_the_sample_before():
    """Oracle: by hand. Minutes 0 and 4 are known, 1 had no price; 2 and 3 have no record, which is
    no lack of a price (issue 12, A5).
    """
    stage = Reporting([BTC], Settings())
    feed(
        stage,
        [
            pnl(START + 1 * MINUTE, 1010 * UNIT),
            pnl(START + 2 * MINUTE, None),
            pnl(START + 5 * MINUTE, 1020 * UNIT),
        ],
    )
    assert finish(stage, START + 5 * MINUTE)["total_return"].samples == 5
    assert stage.account(1).equity.carried == 1
    assert [int(each) // UNIT for each in stage.account(1).equity.samples] == [1010] * 4


def test_the_run_is_sampled_to_its_end():
    stage = Reporting([BTC], Settings())
    feed(stage, [pnl(START + MINUTE, 1000 * UNIT)])
    assert finish(stage, START + 10 * MINUTE)["days"].samples == 10


def test_starting_capital_is_what_equity_was_before_profit_and_fees():
    """Oracle: the identity equity = start + realized + unrealized - fees."""
    stage = Reporting([BTC], Settings())
    feed(stage, [pnl(START + MINUTE, 990 * UNIT, realized=-5 * UNIT, fees=3 * UNIT)])
    assert finish(stage, START + MINUTE)["total_return"].value == -0.01


def test_equity_never_known_is_null_with_no_mark():
    stage = Reporting([BTC], Settings())
    feed(stage, [pnl(START + MINUTE, None)])
    found = finish(stage, START + MINUTE)
    assert found["total_return"].value is None
    assert found["total_return"].reason == NullReason.NO_MARK


def test_accounts_are_reported_apart():
    stage = Reporting([BTC], Settings())
    feed(
        stage,
        [pnl(START + MINUTE, 1100 * UNIT, account=1), pnl(START + MINUTE, 900 * UNIT, account=2)],
    )
    context = Context()
    context.clock = START + MINUTE
    stage.on_end(context)
    assert [
        (each.account, each.value) for each in context.emitted if each.name == "total_return"
    ] == [(1, 0.1), (2, -0.1)]


def test_time_in_the_market_is_the_union_over_instruments():
    """Oracle: by hand. Open 10 s to 30 s in one and 20 s to 40 s in the other: 30 s of 60."""
    second = msgspec.structs.replace(BTC, instrument=2)
    stage = Reporting([BTC, second], Settings())

    def fill(seconds: int, instrument: int, side: int) -> Fill:
        return Fill(
            "0" * 20, 1, 1, instrument, START + seconds * SECOND, side, 100, 10, 2, 0, seconds
        )

    feed(
        stage,
        [
            fill(10, 1, 1),
            fill(20, 2, 1),
            fill(30, 1, 2),
            fill(40, 2, 2),
            pnl(START + MINUTE, 1000 * UNIT),
        ],
    )
    assert finish(stage, START + MINUTE)["exposure"].value == 0.5


def test_instruments_of_different_precision_add_up_in_the_finest_unit():
    """Oracle: by hand. 2 x 3.00 at 10^-2 and 2 x 3.000 at 10^-3, each bought and sold, are 24 of
    volume.
    """
    coarse = msgspec.structs.replace(BTC, instrument=1, price_precision=2, quantity_precision=0)
    fine = msgspec.structs.replace(BTC, instrument=2, price_precision=3, quantity_precision=0)
    for order in ([coarse, fine], [fine, coarse]):
        stage = Reporting(order, Settings())
        for instrument, price in ((1, 300), (2, 3000)):
            feed(
                stage,
                [
                    Fill("0" * 20, 1, 1, instrument, START + side, side, price, 2, 2, 0, 1)
                    for side in (1, 2)
                ],
            )
        assert finish(stage, START + MINUTE)["volume"].value == 24.0


def test_a_finer_instrument_arriving_later_rescales_exactly():
    """Oracle: the same fills with both instruments known from the start."""
    fine = msgspec.structs.replace(BTC, instrument=2, price_precision=5)
    fills = [
        Fill("0" * 20, 1, 1, 1, START + at, side, 300 + at, 7, 2, 5, at)
        for at, side in ((1, 1), (2, 2), (3, 1))
    ]
    late, early = Reporting([BTC], Settings()), Reporting([BTC, fine], Settings())
    feed(late, fills)
    late.on_instrument(fine, Context())
    feed(early, fills)
    assert finish(late, START + MINUTE) == finish(early, START + MINUTE)


def test_an_unknown_instrument_is_a_typed_error_that_says_what_to_do():
    with pytest.raises(UnknownInstrument, match="ref.instruments"):
        Reporting([BTC], Settings()).on_fill(
            Fill("0" * 20, 1, 1, 9, START, 1, 1, 1, 2, 0, 1), Context()
        )


def test_state_does_not_grow_with_orders():
    """Oracle: the encoded state after a hundred and after ten thousand round trips."""

    def size(trips: int, line: Instrument) -> int:
        stage = Reporting([line], Settings())
        feed(
            stage,
            [
                Fill("0" * 20, 1, 1, line.instrument, START + at, 1 + at % 2, 100, 10, 2, 0, at)
                for at in range(trips * 2)
            ],
        )
        return len(stage.encoded_state())

    assert size(10_000, PERPETUAL) - size(100, PERPETUAL) < 60


@pytest.mark.parametrize(("hours", "has_statistics"), [(23, False), (24, True)])
def test_an_untraded_stretch_does_not_pass_the_guard_of_a_day(hours: int, has_statistics: bool):
    """Issue 12, A4. A day of warm-up before the time traded counts for nothing; `trade_to` ends it
    where the data go on.
    """
    began = 24 * 60 * MINUTE + 17
    ended = began + hours * 60 * MINUTE
    stage = Reporting([BTC], Settings(trade_from=START + began, trade_to=START + ended))
    opening = msgspec.structs.replace(pnl(START + 1, 1000 * UNIT), flags=int(Flag.PARTIAL))
    rows = [
        pnl(START + at * MINUTE, (1000 + at % 7 * (at * MINUTE > began)) * UNIT)
        for at in range(1, ended // MINUTE + 1)
    ]
    feed(stage, [opening, *rows])
    found = finish(stage, START + ended - 5)
    assert found["days"].value == hours / 24
    assert found["total_return"].samples == hours * 60 + 1
    assert (found["sharpe"].value is not None) is has_statistics
