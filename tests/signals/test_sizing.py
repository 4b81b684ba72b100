"""Sizing: targets, thresholds and caps, rounding, working orders, cool-down, warm-up, denials."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_context import (
    StageContext,
    fill,
    instrument,
    mark,
    perpetual,
    restored,
    signal,
    state_bytes,
    toy,
)

from schemas.records import OrderEvent, OrderRequest
from schemas.vocabulary import OrderStatus, OrderType, RequestKind, Side, TimeInForce
from streams.numeric.fixed import OffPrecision
from streams.signals.sizing import BadSize, Settings, Sizing, UnknownInstrument, scaled

BUY, SELL = int(Side.BUY), int(Side.SELL)
SECOND = 1_000_000_000


def stage(spec: Any = None, **changes: Any) -> tuple[Sizing, StageContext]:
    return Sizing([spec or toy()], Settings(**({"size": "10"} | changes))), StageContext(SECOND)


def orders(context: StageContext) -> list[tuple[int, int]]:
    """(side, quantity) of the requests since the last call."""
    return [(each.side, each.quantity) for each in context.take(OrderRequest)]


def end(sizing: Sizing, request: OrderRequest, status: OrderStatus, refused: bool = False) -> None:
    sizing.on_order_event(
        OrderEvent(
            request.order_id,
            1,
            1,
            1,
            0,
            int(status),
            1,
            request.side,
            request.quantity,
            0,
            0,
            refused,
        ),
        StageContext(),
    )


def done(sizing: Sizing, request: OrderRequest) -> None:
    """The order fills completely."""
    sizing.on_fill(
        fill(request.side, request.quantity, 100, order_id=request.order_id), StageContext()
    )
    end(sizing, request, OrderStatus.FILLED)


def test_should_send_a_market_order_with_a_built_id() -> None:
    """Oracle: by hand."""
    sizing, context = stage()
    sizing.on_signal(signal(1), context)
    (request,) = context.take()
    expected = OrderRequest(
        request.order_id,
        1,
        1,
        1,
        SECOND,
        int(RequestKind.NEW),
        BUY,
        int(OrderType.MARKET),
        int(TimeInForce.IOC),
        False,
        10,
        0,
    )
    assert request == expected and len(request.order_id) == 20


STRENGTHS = [
    (0.0, 0),
    (0.5999999999999999, 0),
    (0.6, 6),
    (0.6000000000000001, 6),
    (1.0, 10),
    (1.2499, 12),
    (1.9999999, 19),
    (2.0, 20),
    (2.0000001, 20),
    (1e308, 20),
    (float("inf"), 20),
    (float("nan"), 0),
    (-1.0, 0),
]


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(("strength", "quantity"), STRENGTHS)
def test_should_act_from_the_threshold_and_size_up_to_the_cap(
    direction: int, strength: float, quantity: int
) -> None:
    """SIG-3: at, below and above the threshold and the cap; size is never zero or negative. Oracle:
    10 x strength in fractions, rounded down.
    """
    sizing, context = stage()
    sizing.on_signal(signal(direction, strength=strength), context)
    assert orders(context) == ([(BUY if direction > 0 else SELL, quantity)] if quantity else [])


@given(st.integers(1, 10**15), st.floats(0.6, 2.0))
def test_should_scale_by_the_strength_to_nine_decimals(size: int, strength: float) -> None:
    """Oracle: Fraction: within half a billionth of the size and the rounding down of the exact
    product.
    """
    exact = Fraction(strength) * size
    assert -1 - Fraction(size, 10**9) < scaled(size, strength) - exact <= Fraction(size, 10**9)


@pytest.mark.parametrize("tenths", range(6, 21))
def test_a_strength_in_tenths_should_scale_as_written(tenths: int) -> None:
    """Oracle: integers: 10 x 0.6 is 6, not 5."""
    assert scaled(10, tenths / 10) == tenths


def test_the_signals_own_size_should_win() -> None:
    """Oracle: by hand; a negative size is refused."""
    sizing, context = stage()
    sizing.on_signal(signal(1, size=3), context)
    assert orders(context) == [(BUY, 3)]
    sizing.on_signal(signal(-1, size=-3), context)
    assert orders(context) == []


@pytest.mark.parametrize(
    ("spec", "size", "quantity"),
    [(instrument(), "0.001", 100_000), (perpetual(1), "0.005", 5), (toy(), 7, 7)],
)
def test_the_configured_size_should_be_in_base_units(spec: Any, size: Any, quantity: int) -> None:
    """Oracle: by hand: 0.001 BTC is 100,000 satoshi on spot and one unit of 0.001 on the perpetual.
    """
    sizing, context = stage(spec, size=size)
    sizing.on_signal(signal(1), context)
    assert orders(context) == [(BUY, quantity)]


@pytest.mark.parametrize(
    ("size", "error"),
    [("0", BadSize), ("-1", BadSize), ("0.000001", BadSize), ("0.000000001", OffPrecision)],
)
def test_a_size_that_cannot_be_traded_should_refuse_to_start(
    size: str, error: type[Exception]
) -> None:
    """The lot of spot BTC is 0.00001."""
    with pytest.raises(error):
        stage(instrument(), size=size)


def test_the_default_size_should_be_the_smallest_safely_tradable() -> None:
    """Oracle: by hand: twice 5 USDT at a bid of 60,000.00 is 0.00016667 BTC, rounded up to the lot
    of 0.00001; fixed at the first mark.
    """
    sizing, context = stage(instrument(), size="")
    sizing.on_mark(mark(60_000_00, 60_000_01), context)
    sizing.on_mark(mark(30_000_00, 30_000_01), context)
    sizing.on_signal(signal(1), context)
    assert orders(context) == [(BUY, 17_000)]


def test_without_a_mark_the_default_size_should_be_the_minimum_quantity() -> None:
    """Oracle: the instrument."""
    sizing, context = stage(instrument(), size="")
    sizing.on_signal(signal(1), context)
    assert orders(context) == [(BUY, 1_000)]


def test_a_flip_should_close_and_open_in_one_order() -> None:
    """Oracle: by hand: from +10 to -10 is 20."""
    sizing, context = stage()
    sizing.on_signal(signal(1), context)
    done(sizing, context.take()[0])
    sizing.on_signal(signal(-1), context)
    assert orders(context) == [(SELL, 20)]


def test_a_flat_view_should_close() -> None:
    """Direction 0 is a decision, whatever its strength. Oracle: by hand."""
    sizing, context = stage()
    sizing.on_signal(signal(1), context)
    done(sizing, context.take()[0])
    sizing.on_signal(signal(0, strength=0.0), context)
    assert orders(context) == [(SELL, 10)]


@pytest.mark.parametrize(
    ("spec", "short"),
    [(toy(shortable=False), True), (toy(), False)],
    ids=["not-shortable", "short-off"],
)
def test_a_short_view_should_be_flat_where_shorts_are_not_allowed(spec: Any, short: bool) -> None:
    """Oracle: by hand: nothing from flat, a close from long."""
    sizing, context = stage(spec, short=short)
    sizing.on_signal(signal(-1), context)
    assert orders(context) == []
    sizing.on_signal(signal(1), context)
    done(sizing, context.take()[0])
    sizing.on_signal(signal(-1), context)
    assert orders(context) == [(SELL, 10)]


def test_should_round_down_to_the_lot_and_send_nothing_below_it() -> None:
    """Oracle: by hand: lot 4: 10 becomes 8, the remaining 2 are below a lot."""
    sizing, context = stage(toy(lot_size=4), size="")
    sizing.on_signal(signal(1, size=10), context)
    assert orders(context) == [(BUY, 8)]
    sizing.on_signal(signal(1, size=10), context)
    assert orders(context) == []


def test_a_constant_view_should_give_one_order_in_an_hour() -> None:
    """SIG-9. Oracle: one order, working or filled, however often the view is repeated."""
    sizing, context = stage()
    sent = []
    for second in range(3600):
        context.clock = second * SECOND
        sizing.on_signal(signal(1), context)
        sent += context.take()
        if second == 1800:
            done(sizing, sent[0])
    assert len(sent) == 1


def test_working_orders_should_count() -> None:
    """Oracle: by hand: +10 works, the view turns: the sell covers what works too."""
    sizing, context = stage()
    sizing.on_signal(signal(1), context)
    context.take()
    sizing.on_signal(signal(-1), context)
    assert orders(context) == [(SELL, 20)]


@pytest.mark.parametrize(
    "status", [OrderStatus.DENIED, OrderStatus.REJECTED, OrderStatus.CANCELLED, OrderStatus.EXPIRED]
)
def test_an_order_that_ended_should_not_be_sent_again_until_the_next_view(
    status: OrderStatus,
) -> None:
    """Oracle: by hand: 4 of 10 filled; nothing at the end, 6 at the next signal; a refused event
    ends nothing.
    """
    sizing, context = stage()
    sizing.on_signal(signal(1), context)
    (request,) = context.take()
    sizing.on_fill(fill(BUY, 4, 100, order_id=request.order_id), context)
    end(sizing, request, status, refused=True)
    sizing.on_signal(signal(1), context)
    assert orders(context) == []
    end(sizing, request, status)
    assert orders(context) == []
    sizing.on_signal(signal(1), context)
    assert orders(context) == [(BUY, 6)]


def test_a_late_fill_should_count_once() -> None:
    """Oracle: by hand: cancelled with 10 open, then 4 come late: the next view asks for 6."""
    sizing, context = stage()
    sizing.on_signal(signal(1), context)
    (request,) = context.take()
    end(sizing, request, OrderStatus.CANCELLED)
    sizing.on_fill(fill(BUY, 4, 100, order_id=request.order_id), context)
    sizing.on_signal(signal(1), context)
    assert orders(context) == [(BUY, 6)]


# -- time


def test_views_before_the_start_should_be_noted_and_not_traded() -> None:
    """Oracle: by hand, at, before and after `trade_from`."""
    sizing, context = stage(trade_from=5 * SECOND)
    sent = []
    for clock in (4 * SECOND, 5 * SECOND - 1, 5 * SECOND):
        context.clock = clock
        sizing.on_signal(signal(1), context)
        sent.append(orders(context))
    assert sent == [[], [], [(BUY, 10)]]


def test_the_warm_up_should_count_from_the_first_mark() -> None:
    """Oracle: by hand: marks from second 1, warm-up 10 s: traded from second 11. A view before the
    first mark is noted.
    """
    sizing, context = stage(warmup=10 * SECOND)
    sizing.on_signal(signal(-1), context)
    sizing.on_mark(mark(100, 101), context)
    restored(sizing)
    context.clock = 11 * SECOND - 1
    sizing.on_signal(signal(1), context)
    assert orders(context) == []
    context.clock = 11 * SECOND
    sizing.on_signal(signal(1), context)
    assert orders(context) == [(BUY, 10)]


def test_a_view_in_the_cool_down_should_be_traded_when_it_ends() -> None:
    """Oracle: by hand: order at 1 s, cool-down 3 s, views at 2 s and 3 s; the last one is traded at
    4 s.
    """
    sizing, context = stage(cooldown=3 * SECOND)
    sizing.on_signal(signal(1), context)
    done(sizing, context.take()[0])
    for second, direction in ((2, 0), (3, -1)):
        context.clock = second * SECOND
        sizing.on_signal(signal(direction), context)
        assert orders(context) == []
    restored(sizing)
    assert sizing.state.timer == 4 * SECOND
    context.clock = 4 * SECOND
    sizing.on_timer(4 * SECOND, context)
    assert orders(context) == [(SELL, 20)] and sizing.state.timer == 2**63 - 1


def test_a_view_that_returns_within_the_cool_down_should_cost_nothing() -> None:
    """Oracle: by hand: +1, -1, +1 within the cool-down is no order at its end."""
    sizing, context = stage(cooldown=3 * SECOND)
    sizing.on_signal(signal(1), context)
    done(sizing, context.take()[0])
    for direction in (-1, 1):
        context.clock = 2 * SECOND
        sizing.on_signal(signal(direction), context)
    context.clock = 4 * SECOND
    sizing.on_timer(4 * SECOND, context)
    assert orders(context) == []


def test_strategies_and_instruments_should_cool_down_apart() -> None:
    """Oracle: by hand: two desks, two deadlines."""
    sizing, context = (
        Sizing([toy(1), toy(2)], Settings(size="10", cooldown=3 * SECOND)),
        StageContext(SECOND),
    )
    sizing.on_signal(signal(1, number=1), context)
    context.clock = 2 * SECOND
    sizing.on_signal(signal(1, number=2, strategy=2), context)
    assert orders(context) == [(BUY, 10), (BUY, 10)]
    sizing.on_signal(signal(-1, number=1), context)
    sizing.on_signal(signal(-1, number=2, strategy=2), context)
    context.clock = 4 * SECOND
    sizing.on_timer(4 * SECOND, context)
    assert orders(context) == [(SELL, 20)] and sizing.state.timer == 5 * SECOND


def test_should_name_an_unknown_instrument() -> None:
    """A typed error that says what to do."""
    sizing, context = stage()
    with pytest.raises(UnknownInstrument, match="instrument 9"):
        sizing.on_signal(signal(1, number=9), context)


@pytest.mark.parametrize(
    "changes",
    [{"threshold": -0.1}, {"threshold": 3.0}, {"cooldown": -1}, {"warmup": -1}, {"trade_from": -1}],
)
def test_should_refuse_settings_out_of_range(changes: dict[str, Any]) -> None:
    """The text names the range."""
    with pytest.raises(ValueError, match="give"):
        Settings(**changes)


STEP = st.tuples(
    st.sampled_from(["view", "fill", "cancel", "restart"]), st.integers(-1, 1), st.integers(1, 15)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=50))
def test_position_and_working_should_always_reach_for_the_target(
    steps: list[tuple[str, int, int]],
) -> None:
    """Property: right after a view, position + everything working is the target, whatever filled,
    died or restarted before.

    Oracle: sums kept by the test over the requests it saw.
    """
    sizing, context = stage()
    position, working = 0, {}
    for kind, direction, quantity in steps:
        if kind == "restart":
            restored(sizing)
        elif kind == "view":
            sizing.on_signal(signal(direction), context)
            for request in context.take():
                working[request.order_id] = [
                    request,
                    request.quantity if request.side == BUY else -request.quantity,
                ]
            assert position + sum(leaves for _, leaves in working.values()) == direction * 10
        elif working:
            order_id = next(iter(working))
            request, leaves = working[order_id]
            if kind == "cancel":
                end(sizing, request, OrderStatus.CANCELLED)
                del working[order_id]
                continue
            traded = min(quantity, abs(leaves))
            signed = traded if request.side == BUY else -traded
            position += signed
            working[order_id][1] -= signed
            sizing.on_fill(fill(request.side, traded, 100, order_id=order_id), context)
            if working[order_id][1] == 0:
                end(sizing, request, OrderStatus.FILLED)
                del working[order_id]
    assert set(sizing.working_orders()) == set(working)


def test_the_state_should_not_grow_with_the_orders_sent() -> None:
    """Oracle: snapshot size after 10 and after 1,000 round trips."""
    sizes = []
    for rounds in (10, 1000):
        sizing, context = stage()
        for number in range(rounds):
            sizing.on_signal(signal(1 if number % 2 else -1), context)
            done(sizing, context.take()[0])
        sizes.append(len(state_bytes(sizing)))
    assert sizes[0] == sizes[1]
