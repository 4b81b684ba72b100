"""The portfolio stage: the P&L identity after every event, valuation, null reasons, the minute
timer, restarts.
"""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_context import (
    Pipeline,
    StageContext,
    fill,
    instrument,
    mark,
    perpetual,
    restored,
    state_bytes,
    toy,
)

from schemas.errors import ShrivenError
from schemas.records import PnL, Position
from schemas.vocabulary import Flag, NullReason, Side
from streams.portfolio.stage import (
    QUIET_INTERVALS_MAX,
    IdOutOfRange,
    Portfolio,
    PrecisionChanged,
    Settings,
    UnknownInstrument,
)

BUY, SELL = int(Side.BUY), int(Side.SELL)
MINUTE = 60_000_000_000


def value(stage: Portfolio, account: int = 1) -> PnL:
    return stage.value(account, 0)


EVENT = st.one_of(
    st.tuples(
        st.just("fill"),
        st.sampled_from([1, 2, 3]),
        st.sampled_from([BUY, SELL]),
        st.integers(1, 10**6),
        st.integers(1, 10**8),
        st.integers(-500, 500),
    ),
    st.tuples(
        st.just("mark"), st.sampled_from([1, 2, 3]), st.integers(1, 10**8), st.integers(0, 500)
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=40))
def test_should_hold_the_profit_identity_after_every_event(events: list[tuple]) -> None:  # type: ignore[type-arg]
    """Property over random histories of a spot, a perpetual and a toy instrument. Oracle: the cash
    flows themselves, in exact fractions.
    """
    instruments = [instrument(1), perpetual(2), toy(3)]
    precision = {1: 10, 2: 4, 3: 0}
    stage = Portfolio(instruments, Settings(cash="1000000"))
    start = 1_000_000 * 10**10
    context = StageContext()
    flow = dict.fromkeys((1, 2, 3), 0)
    held = dict.fromkeys((1, 2, 3), 0)
    touch: dict[int, tuple[int, int]] = {}
    for number in (1, 2, 3):
        touch[number] = (100, 101)
        stage.on_mark(mark(100, 101, number=number), context)
    fees = Fraction(0)
    for event in events:
        number = event[1]
        if event[0] == "mark":
            touch[number] = (event[2], event[2] + event[3])
            stage.on_mark(mark(*touch[number], number=number), context)
        else:
            _, _, side, quantity, price, fee = event
            signed = quantity if side == BUY else -quantity
            held[number] += signed
            flow[number] -= signed * price
            fees += Fraction(fee, 10 ** precision[number])
            stage.on_fill(fill(side, quantity, price, fee, number=number), context)
        pnl = value(stage)
        assert pnl.unrealized is not None and pnl.equity is not None
        parts = [stage.unrealized(1, 1, each) * 10 ** (10 - precision[each]) for each in held]  # type: ignore[operator]
        assert sum(parts) == pnl.unrealized
        assert pnl.realized + pnl.unrealized - pnl.fees == pnl.equity - start
        profit = (
            sum(
                Fraction(flow[n] + held[n] * touch[n][held[n] < 0], 10 ** precision[n])
                for n in held
            )
            - fees
        )
        assert Fraction(pnl.equity - start, 10**10) == profit


def test_should_move_the_whole_notional_through_spot_cash() -> None:
    """Oracle: by hand. 2 @ 100, fee 3: cash falls by 203; worth 2 x 110 at the bid."""
    stage = Portfolio([toy()], Settings(cash="1000"))
    stage.on_mark(mark(110, 111), StageContext())
    stage.on_fill(fill(BUY, 2, 100, 3), StageContext())
    pnl = value(stage)
    assert (pnl.cash, pnl.realized, pnl.unrealized, pnl.fees, pnl.equity) == (797, 0, 20, 3, 1017)


def test_should_move_only_profit_and_fees_through_a_perpetuals_cash() -> None:
    """Oracle: by hand, in 0.0001 USDT: long 2 x 0.001 at 10.0, closed half at 11.0, fee 5 each."""
    stage = Portfolio([perpetual(2)], Settings(cash="1"))
    context = StageContext()
    stage.on_mark(mark(120, 121, number=2), context)
    stage.on_fill(fill(BUY, 2, 100, 5, number=2), context)
    assert value(stage).cash == 10_000 - 5
    stage.on_fill(fill(SELL, 1, 110, 5, number=2), context)
    pnl = value(stage)
    assert (pnl.cash, pnl.realized, pnl.unrealized, pnl.equity) == (10_000, 10, 20, 10_020)


@pytest.mark.parametrize(
    ("side", "unrealized"), [(BUY, 10 * (104 - 100)), (SELL, -10 * (106 - 100))]
)
def test_should_value_longs_at_the_bid_and_shorts_at_the_ask(side: int, unrealized: int) -> None:
    """Oracle: by hand (PFL-5)."""
    stage = Portfolio([toy()], Settings())
    stage.on_mark(mark(104, 106), StageContext())
    stage.on_fill(fill(side, 10, 100), StageContext())
    assert value(stage).unrealized == unrealized


NULLS = [
    ("no mark yet", None, BUY, NullReason.NO_MARK),
    ("a stale book", mark(100, 101, flags=int(Flag.STALE)), BUY, NullReason.STALE_BOOK),
    ("a gapped book", mark(100, 101, flags=int(Flag.GAP)), BUY, NullReason.STALE_BOOK),
    ("no bid under a long", mark(0, 101, flags=int(Flag.ONE_SIDED)), BUY, NullReason.NO_MARK),
    ("no ask over a short", mark(100, 0, flags=int(Flag.ONE_SIDED)), SELL, NullReason.NO_MARK),
]


@pytest.mark.parametrize(
    ("name", "last", "side", "reason"), NULLS, ids=[each[0].replace(" ", "_") for each in NULLS]
)
def test_should_say_why_there_is_no_value(
    name: str, last: object, side: int, reason: NullReason
) -> None:
    """A missing price is null with a reason, never zero; realized, fees and cash are still told.
    Oracle: the table above.
    """
    stage = Portfolio([toy()], Settings(cash="500"))
    if last is not None:
        stage.on_mark(last, StageContext())  # type: ignore[arg-type]
    stage.on_fill(fill(side, 1, 100, 2), StageContext())
    pnl = value(stage)
    assert (pnl.unrealized, pnl.equity, pnl.reason) == (None, None, reason)
    assert (pnl.fees, pnl.cash) == (2, 398 if side == BUY else 598)


def test_should_need_no_mark_for_a_flat_position() -> None:
    """Oracle: by hand: bought at 100, sold at 105."""
    stage = Portfolio([toy()], Settings(cash="500"))
    for each in (fill(BUY, 1, 100), fill(SELL, 1, 105)):
        stage.on_fill(each, StageContext())
    pnl = value(stage)
    assert (pnl.realized, pnl.unrealized, pnl.equity, pnl.reason) == (5, 0, 505, NullReason.NONE)


def test_a_one_sided_book_should_still_value_the_side_it_has() -> None:
    """Oracle: by hand: a long needs only the bid."""
    stage = Portfolio([toy()], Settings())
    stage.on_mark(mark(90, 0, flags=int(Flag.ONE_SIDED)), StageContext())
    stage.on_fill(fill(BUY, 1, 100), StageContext())
    pnl = value(stage)
    assert (pnl.unrealized, pnl.flags) == (-10, int(Flag.ONE_SIDED))


def test_should_split_the_fee_of_a_flip_and_balance_at_each_entry() -> None:
    """Two ledger entries (PFL-3): long 5 @ 80, then sell 8 @ 90 with a fee of 9. Oracle: by hand: 9
    x 5/8 = 5.625 rounds to 6, 3 stay.
    """
    stage = Portfolio([toy()], Settings())
    context = StageContext()
    stage.on_fill(fill(BUY, 5, 80), context)
    stage.on_fill(fill(SELL, 8, 90, 9), context)
    entries = [
        (each.quantity, each.cost, each.realized, each.fees) for each in context.take(Position)
    ]
    assert entries == [(5, 400, 0, 0), (0, 0, 50, 6), (-3, -270, 50, 9)]
    assert stage.cash(1) == -400 + 8 * 90 - 9


def test_should_subtract_fees_and_add_rebates() -> None:
    """A fee is positive, a rebate negative (design 4). Oracle: by hand."""
    stage = Portfolio([toy()], Settings(cash="1000"))
    stage.on_fill(fill(BUY, 1, 100, 7), StageContext())
    stage.on_fill(fill(SELL, 1, 100, -3), StageContext())
    pnl = value(stage)
    assert (pnl.realized, pnl.fees, pnl.cash, pnl.equity) == (0, 4, 996, 996)


def test_should_answer_who_reads_it() -> None:
    """Oracle: by hand: 5 @ 80 for a fee of 2 and 1 @ 90 back for 1; the bid is 85, and later gone.
    """
    stage = Portfolio([toy()], Settings(cash="1000"))
    context = StageContext()
    stage.on_mark(mark(85, 86), context)
    stage.on_fill(fill(BUY, 5, 80, 2), context)
    stage.on_fill(fill(SELL, 1, 90, 1), context)
    assert stage.holding(1, 1, 1) == (4, 320, 10, 3)
    assert (
        stage.holding(1, 2, 1) == stage.holding(1, 1, 2) == stage.holding(2, 1, 1) == (0, 0, 0, 0)
    )
    assert (stage.accounts(), stage.cash(1), stage.cash(2)) == ((1,), 1000 - 400 + 90 - 3, 0)
    assert (stage.equity(1), stage.equity(2), stage.amount_precision) == (687 + 4 * 85, 0, 0)
    assert (stage.unrealized(1, 1, 1), stage.unrealized(1, 2, 1)) == (4 * 85 - 320, 0)
    stage.on_mark(mark(0, 86), context)
    assert stage.equity(1) is None and stage.unrealized(1, 1, 1) is None


def test_should_keep_strategies_apart_and_the_account_together() -> None:
    """Positions per account, strategy and instrument (PFL-1). Oracle: by hand."""
    stage = Portfolio([toy()], Settings())
    context = StageContext()
    stage.on_mark(mark(100, 101), context)
    stage.on_fill(fill(BUY, 3, 100, strategy=1), context)
    stage.on_fill(fill(SELL, 2, 100, strategy=2), context)
    assert [(each.strategy, each.quantity) for each in context.take(Position)] == [(1, 3), (2, -2)]
    assert value(stage).unrealized == 0 - 2


def test_should_keep_another_account_with_its_own_cash() -> None:
    """Oracle: by hand; no account pays for another."""
    stage = Portfolio([toy()], Settings(cash="1000"))
    stage.on_fill(fill(BUY, 1, 100, account=2), StageContext())
    assert (value(stage, 1).cash, value(stage, 2).cash) == (1000, -100)


def test_partial_fills_should_add_up_to_the_whole() -> None:
    """Oracle: one fill of the same quantity and price; every partial is booked, none dropped
    (PFL-6).
    """
    whole, parts = Portfolio([toy()], Settings()), Portfolio([toy()], Settings())
    whole.on_fill(fill(BUY, 10, 100, 5), StageContext())
    for number in range(5):
        parts.on_fill(fill(BUY, 2, 100, 1, trade_id=number), StageContext())
    assert value(whole) == value(parts) and state_bytes(whole) == state_bytes(parts)


@pytest.mark.parametrize("seed", range(5))
def test_permuted_fills_should_end_at_the_same_quantity_and_equity(seed: int) -> None:
    """Property: average cost depends on the order of fills, total P&L does not."""
    generator = random.Random(seed)
    fills = [
        fill(generator.choice([BUY, SELL]), generator.randint(1, 9), generator.randint(90, 110), 1)
        for _ in range(50)
    ]
    results = []
    for _ in range(4):
        stage = Portfolio([toy()], Settings())
        stage.on_mark(mark(100, 102), StageContext())
        for each in fills:
            stage.on_fill(each, StageContext())
        results.append((value(stage).equity, value(stage).cash, stage.holding(1, 1, 1).quantity))
        generator.shuffle(fills)
    assert len(set(results)) == 1


@pytest.mark.parametrize("interval", [4, 20, 9])
def test_should_report_on_multiples_of_the_interval_each_minute_and_at_the_end(
    interval: int,
) -> None:
    """Oracle: by hand: first mark at 0:30, clock moved to 3:10, end there. A longer interval leaves
    no minute out (issue 12, A5).
    """
    stage = Portfolio([toy()], Settings(cash="7", pnl_interval=interval * MINUTE // 4))
    pipeline = Pipeline([stage], clock=MINUTE // 2)
    pipeline.send(mark(100, 101))
    pipeline.at(3 * MINUTE + 10)
    pipeline.send(fill(BUY, 1, 100))
    pipeline.end()
    expected = [MINUTE // 2, MINUTE, 2 * MINUTE, 3 * MINUTE, 3 * MINUTE + 10]
    assert [each.event_time for each in pipeline.of(PnL)] == (
        sorted([*expected, MINUTE * 9 // 4]) if interval == 9 else expected
    )
    assert [bool(each.flags & Flag.PARTIAL) for each in pipeline.of(PnL)][:2] == [True, False]


def test_a_fill_on_the_minute_should_belong_to_the_next_one() -> None:
    """Timers due at t fire before the record at t (design 5). Oracle: by hand."""
    pipeline = Pipeline([Portfolio([toy()], Settings())], clock=1)
    pipeline.send(mark(100, 101))
    pipeline.at(MINUTE)
    pipeline.send(fill(BUY, 1, 100))
    assert [each.cash for each in pipeline.of(PnL)] == [0, 0]
    pipeline.end()
    assert [each.cash for each in pipeline.of(PnL)] == [0, 0, -100]


def test_the_end_should_not_repeat_the_minute_where_nothing_happened_since() -> None:
    """Oracle: by hand: one record at the opening and one at the minute, none at the end on the same
    instant.
    """
    pipeline = Pipeline([Portfolio([toy()], Settings())], clock=1)
    pipeline.send(mark(100, 101))
    pipeline.at(MINUTE)
    pipeline.end()
    assert len(pipeline.of(PnL)) == 2


def test_a_clock_that_jumps_over_years_should_not_be_walked_minute_by_minute() -> None:
    """E4: 271 MB of P&L. Oracle: a week of minutes that say the same, and the next one at the
    minute after the next mark.
    """
    pipeline = Pipeline([Portfolio([toy()], Settings())], clock=1)
    pipeline.send(mark(100, 101))
    later = 14 * 365 * 1_440 * MINUTE
    pipeline.at(later)
    assert len(pipeline.of(PnL)) == 2 + QUIET_INTERVALS_MAX, (
        "the opening, the first minute, and those that repeat it"
    )
    pipeline.send(mark(110, 111))
    pipeline.at(later + 2 * MINUTE)
    assert [each.event_time for each in pipeline.of(PnL)[-2:]] == [
        later + MINUTE,
        later + 2 * MINUTE,
    ]


def test_should_wait_for_the_first_mark_or_fill_before_reporting() -> None:
    """Before any data the clock means nothing: no timer is set."""
    assert Portfolio([toy()], Settings()).state.timer == 2**63 - 1


def test_should_keep_amounts_beyond_64_bits_exact_through_a_restart() -> None:
    """Oracle: Python integers. Price and quantity at the int64 edge: their product needs 126 bits,
    which no msgpack integer holds.
    """
    edge = 2**63 - 1
    stage = Portfolio([toy()], Settings(cash="92000000000"))
    context = StageContext()
    stage.on_fill(fill(BUY, edge, edge), context)
    restored(stage)
    stage.on_fill(fill(SELL, edge - 1, edge - 5), context)
    last = context.take(Position)[-1]
    released = round(Fraction(edge * edge * (edge - 1), edge))
    assert last.cost == edge * edge - released
    assert last.realized == (edge - 1) * (edge - 5) - released
    assert value(stage).cash == 92000000000 - edge * edge + (edge - 1) * (edge - 5)


def test_a_restart_should_change_nothing() -> None:
    """Oracle: the uninterrupted stage; snapshot and restore between any two events."""
    steps = [
        mark(100, 101),
        fill(BUY, 5, 100, 1),
        mark(90, 95),
        fill(SELL, 9, 92, 2),
        fill(BUY, 1, 95),
    ]
    straight, interrupted = Portfolio([toy()], Settings()), Portfolio([toy()], Settings())
    one, other = StageContext(), StageContext()
    for step in steps:
        for stage, context in ((straight, one), (interrupted, other)):
            getattr(stage, "on_mark" if type(step).__name__ == "Mark" else "on_fill")(step, context)
        restored(interrupted)
    assert one.emitted == other.emitted and state_bytes(straight) == state_bytes(interrupted)


def test_a_finer_instrument_should_rescale_cash_exactly() -> None:
    """Oracle: a stage that knew both instruments from the start."""
    later, early = (
        Portfolio([toy(1)], Settings(cash="12")),
        Portfolio([toy(1), perpetual(2)], Settings(cash="12")),
    )
    for stage in (later, early):
        stage.on_mark(mark(100, 101), StageContext())
        stage.on_fill(fill(BUY, 1, 100), StageContext())
    later.on_instrument(perpetual(2), StageContext())
    assert value(later) == value(early)


def test_a_changed_precision_should_be_refused_under_an_open_book() -> None:
    """The integers booked before would change their meaning."""
    stage = Portfolio([toy(1)], Settings())
    with pytest.raises(PrecisionChanged, match="precision"):
        stage.on_instrument(toy(1, price_precision=2), StageContext())


def test_should_name_an_unknown_instrument() -> None:
    """A fill that cannot be valued halts, with the instrument named."""
    with pytest.raises(UnknownInstrument, match="instrument 9"):
        Portfolio([toy()], Settings()).on_fill(fill(BUY, 1, 1, number=9), StageContext())
    with pytest.raises(UnknownInstrument, match="instrument 9"):
        Portfolio([toy()], Settings()).on_mark(mark(1, 2, number=9), StageContext())


def test_should_refuse_numbers_that_do_not_fit_the_key_of_a_holding() -> None:
    """Two holdings must never share a key."""
    with pytest.raises(IdOutOfRange):
        Portfolio([toy()], Settings()).on_fill(fill(BUY, 1, 1, strategy=1 << 20), StageContext())
    with pytest.raises(IdOutOfRange):
        Portfolio([toy(4096)], Settings())


@pytest.mark.parametrize("interval", [0, 999_999, 86_400_000_000_001])
def test_should_refuse_an_interval_out_of_range(interval: int) -> None:
    """The text names the range."""
    with pytest.raises(ValueError, match="1 ms"):
        Settings(pnl_interval=interval)


def test_should_refuse_cash_that_is_no_number() -> None:
    """A typed error, no traceback for the user."""
    with pytest.raises((ShrivenError, ValueError)):
        Portfolio([toy()], Settings(cash="lots"))
