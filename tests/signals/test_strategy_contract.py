"""The contract of a strategy in plain Python: what wakes it, what it may remember, what it may
emit. Oracle: the rules of strategy.py.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.records import OrderRequest, Quote, Signal
from schemas.vocabulary import OrderType, RequestKind, Side, TimeInForce
from streams.signals import kit
from streams.signals.strategy import (
    NO_TIMER,
    WAKE_TOPICS,
    BadStrategy,
    NoSettings,
    Strategy,
    StrategyState,
    UndeclaredState,
)

QUOTE = Quote(1, 1_000, 7, 100, 5, 101, 6, 0)


def make(**body: Any) -> Any:
    """A strategy class that wakes on quotes unless the body says otherwise."""
    body.setdefault("WAKES", ("quotes",))
    body.setdefault("on_quote", lambda self, quote, context: None)
    return type("Made", (Strategy,), body)


def started(**body: Any) -> Any:
    return make(**body)((), NoSettings())


def test_inputs_should_follow_from_what_wakes_the_strategy() -> None:
    made = make(
        WAKES=("quotes", "fills", "timer"),
        on_fill=lambda s, f, c: None,
        on_timer=lambda s, d, c: None,
    )
    assert made.INPUTS == ("md.quotes", "fills")


@pytest.mark.parametrize("wake", sorted(WAKE_TOPICS))
def test_a_wake_without_its_handler_is_refused(wake: str) -> None:
    with pytest.raises(BadStrategy, match=WAKE_TOPICS[wake][1]):
        type("Made", (Strategy,), {"WAKES": (wake,)})


@pytest.mark.parametrize("wake", sorted(WAKE_TOPICS))
def test_a_handler_that_nothing_wakes_is_refused(wake: str) -> None:
    with pytest.raises(BadStrategy, match="never be called"):
        type("Made", (Strategy,), {"WAKES": (), WAKE_TOPICS[wake][1]: lambda s, r, c: None})


def test_an_unknown_wake_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(BadStrategy, match="order_events"):
        make(WAKES=("quotes", "ticks"))


def test_timer_needs_a_handler() -> None:
    with pytest.raises(BadStrategy, match="on_timer"):
        make(WAKES=("quotes", "timer"))


def test_an_undeclared_attribute_written_after_start_is_a_typed_error() -> None:
    def on_quote(self: Any, quote: Quote, context: Any) -> None:
        self.count = 1

    with pytest.raises(UndeclaredState, match="declare count in Made.State"):
        kit.run(make(on_quote=on_quote), [QUOTE])


@pytest.mark.parametrize("act", ["write", "read"])
def test_an_undeclared_state_attribute_is_a_typed_error(act: str) -> None:
    def on_quote(self: Any, quote: Quote, context: Any) -> None:
        if act == "write":
            self.state.count = 1
        else:
            _ = self.state.count

    with pytest.raises(UndeclaredState, match="add count to Made.State"):
        kit.run(make(on_quote=on_quote), [QUOTE])


def test_another_attribute_error_of_a_strategy_is_left_as_it_is() -> None:
    def on_quote(self: Any, quote: Any, context: Any) -> None:
        _ = quote.middle

    with pytest.raises(AttributeError, match="middle"):
        kit.run(make(on_quote=on_quote), [QUOTE])


def test_settings_cannot_be_replaced_after_start() -> None:
    with pytest.raises(UndeclaredState):
        started().settings = NoSettings()


def test_the_state_can_be_replaced_because_a_snapshot_restores_it() -> None:
    strategy = started()
    strategy.state = StrategyState(timer=5)
    assert strategy.state.timer == 5


@pytest.mark.parametrize("value", [[], {}, set(), bytearray(), (1, [])])
def test_a_changeable_attribute_made_in_the_constructor_is_refused(value: Any) -> None:
    def constructor(self: Any, instruments: Any, settings: Any) -> None:
        Strategy.__init__(self, instruments, settings)
        self.cache = value

    with pytest.raises(UndeclaredState, match="cache"):
        started(__init__=constructor)


@pytest.mark.parametrize("value", [1, 0.5, "x", b"y", None, True, (1, ("a", 2.0)), QUOTE])
def test_an_unchanging_attribute_made_in_the_constructor_is_allowed(value: Any) -> None:
    def constructor(self: Any, instruments: Any, settings: Any) -> None:
        Strategy.__init__(self, instruments, settings)
        self.constant = value

    assert started(__init__=constructor).constant == value


def test_a_state_that_is_no_declared_struct_is_refused() -> None:
    with pytest.raises(BadStrategy, match="StrategyState"):
        make(State=dict)


def test_settings_that_can_change_are_refused() -> None:
    with pytest.raises(BadStrategy, match="frozen"):
        make(Settings=msgspec.defstruct("Loose", [("size", int, 1)]))


def test_state_survives_the_snapshot_round_trip() -> None:
    """The snapshot of a ledger is its state as MessagePack."""

    class Counting(StrategyState):
        seen: dict[int, int] = {}

    strategy = started(State=Counting)
    strategy.state.seen[4] = 2
    assert (
        msgspec.msgpack.decode(msgspec.msgpack.encode(strategy.state), type=Counting)
        == strategy.state
    )


def test_a_signal_carries_the_clock_and_the_strategy_number() -> None:
    def on_quote(self: Any, quote: Quote, context: Any) -> None:
        self.signal(context, quote.instrument, -1, size=9, sequence=quote.sequence)

    assert kit.run(make(on_quote=on_quote), [QUOTE]) == [
        Signal(1, 1_000, 7, 1, -1, 1.0, 9, 0.0, 0.0, 0)
    ]


def test_a_signal_of_an_impossible_direction_is_refused() -> None:
    with pytest.raises(BadStrategy, match="direction"):
        kit.run(make(on_quote=lambda self, quote, context: self.signal(context, 1, 2)), [QUOTE])


@pytest.mark.parametrize(
    ("price", "life", "order_type", "expected_life"),
    [
        (0, TimeInForce.GTC, OrderType.MARKET, TimeInForce.IOC),
        (99, TimeInForce.GTC, OrderType.LIMIT, TimeInForce.GTC),
        (99, TimeInForce.IOC, OrderType.LIMIT, TimeInForce.IOC),
    ],
)
def test_an_order_is_limit_when_it_has_a_price(
    price: int, life: int, order_type: int, expected_life: int
) -> None:
    def on_quote(self: Any, quote: Quote, context: Any) -> None:
        self.order(context, 1, int(Side.BUY), 3, price=price, time_in_force=int(life))

    (order,) = kit.run(make(on_quote=on_quote), [QUOTE])
    assert isinstance(order, OrderRequest)
    assert (order.kind, order.order_type, order.time_in_force, order.quantity, order.price) == (
        RequestKind.NEW,
        order_type,
        expected_life,
        3,
        price,
    )
    assert len(order.order_id) == 20


def test_a_cancel_names_the_order() -> None:
    def on_quote(self: Any, quote: Quote, context: Any) -> None:
        self.cancel(
            context, self.order(context, 1, int(Side.SELL), 3, price=101), 1, int(Side.SELL)
        )

    order, cancel = kit.run(make(on_quote=on_quote), [QUOTE])
    assert (cancel.kind, cancel.order_id) == (RequestKind.CANCEL, order.order_id)


def test_timers_fire_at_their_deadline_before_the_record_that_passes_it() -> None:
    def on_quote(self: Any, quote: Quote, context: Any) -> None:
        self.signal(context, 1, 0, sequence=context.clock)
        if self.state.timer == NO_TIMER:
            self.state.timer = context.clock + 10

    def on_timer(self: Any, deadline: int, context: Any) -> None:
        assert context.clock == deadline
        self.signal(context, 1, 1, sequence=deadline)
        self.state.timer = deadline + 10 if deadline < 40 else NO_TIMER

    made = make(WAKES=("quotes", "timer"), on_quote=on_quote, on_timer=on_timer)
    quotes = [msgspec.structs.replace(QUOTE, event_time=time) for time in (5, 15, 16, 50)]
    assert [signal.sequence for signal in kit.run(made, quotes)] == [5, 15, 15, 16, 25, 35, 45, 50]


def test_a_timer_that_does_not_move_on_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "KIT_TIMERS_MAX", 10)

    def on_quote(self: Any, quote: Quote, context: Any) -> None:
        self.state.timer = context.clock

    made = make(
        WAKES=("quotes", "timer"), on_quote=on_quote, on_timer=lambda self, deadline, context: None
    )
    with pytest.raises(UndeclaredState, match="did not move the timer"):
        kit.run(made, [QUOTE, QUOTE])
