"""The compiled sizing and the readable one, one clock for both, compared after every event."""

from __future__ import annotations

from typing import Any

import pytest
from readable_sizing import Beyond, ReadableSizing
from stage_context import fill, mark, perpetual, restored, signal, toy

from schemas.records import OrderEvent, OrderRequest
from schemas.vocabulary import Side
from streams.runtime.schedule.context import StageContext
from streams.signals.sizing import QuantityTooLarge, Settings, Sizing

SECOND = 10**9
TINY = {"instruments": 1, "positions": 1, "orders": 1, "requests": 0, "decisions": 0, "events": 0}
UNKNOWN_ID = "V" * 20
KINDS = {
    1: toy(1),
    2: perpetual(2, lot_size=4, minimum_quantity=9),
    3: toy(3, shortable=False, lot_size=3, maximum_quantity=100),
    4095: perpetual(
        4095, price_precision=8, quantity_precision=8, multiplier=1000, maximum_quantity=0,
        minimum_notional=10**38 - 1,
    ),
    9: toy(9, lot_size=2**61, minimum_quantity=2**62 + 1, maximum_quantity=0),
}  # fmt: skip


class Twins:
    """Both stages and one with more room, a clock for all, and what each has emitted."""

    def __init__(self, listed: list[int], changes: dict[str, Any]) -> None:
        instruments = [KINDS[number] for number in listed]
        if any(number in (2, 4095, 9) for number in listed):
            changes = changes | {"size": ""}  # 12 is no multiple of their lots
        chosen = Settings(**changes)
        self.stage = Sizing(instruments, chosen, dict(TINY))
        self.roomy = Sizing(instruments, chosen)
        self.oracle = ReadableSizing(instruments, chosen)
        self.mine, self.theirs, self.other = (StageContext(77, 3) for _ in range(3))
        self.both = ((self.stage, self.mine), (self.roomy, self.other))
        self.requests = self.drops = self.fired = 0

    def take(self, step: tuple[Any, ...]) -> None:
        """One event to all."""
        kind, *rest = step
        for context in (self.mine, self.theirs, self.other):
            context.sequence += 1
        if kind == "wait":
            self.wait(rest[0])
        elif kind == "restart":
            restored(self.stage)
        elif kind == "list":
            if not self.stage.settings.size:
                self.oracle.on_instrument(KINDS[rest[0]])
                for stage, context in self.both:
                    stage.on_instrument(KINDS[rest[0]], context)
        else:
            self.deliver(kind, rest)

    def deliver(self, kind: str, rest: list[Any]) -> None:
        working = list(self.oracle.orders)
        if kind == "view":
            number, strategy, direction, strength, size = rest
            if number in self.oracle.lines:
                record = signal(direction, size, strength, number, strategy)
                self.both_sides("on_signal", record, self.theirs)
        elif kind == "mark":
            self.both_sides("on_mark", mark(rest[1], rest[1] + 1, number=rest[0]), self.theirs)
        elif kind == "other fill":
            at, number, strategy, side, quantity = rest
            order_id = working[at] if at < len(working) else UNKNOWN_ID
            record = fill(side, quantity, 5, order_id=order_id, number=number, strategy=strategy)
            self.both_sides("on_fill", record)
        elif rest[0] < len(working):
            order_id = working[rest[0]]
            (strategy, number), leaves = self.oracle.orders[order_id]
            if kind == "fill":
                side = int(Side.BUY if leaves > 0 else Side.SELL)
                quantity = min(rest[1], abs(leaves)) or 1
                record = fill(
                    side, quantity, 5, order_id=order_id, number=number, strategy=strategy
                )
                self.both_sides("on_fill", record)
            else:
                event = OrderEvent(
                    order_id, 1, strategy, number, 0, rest[1], 0, 1, 1, 0, 0, rest[2]
                )
                self.both_sides("on_order_event", event)

    def both_sides(self, handler: str, record: Any, *context: Any) -> None:
        """The oracle first: where it is Beyond, so are the others."""
        try:
            getattr(self.oracle, handler)(record, *context)
        except Beyond:
            for stage, own in self.both:
                before = stage.encoded_state()
                with pytest.raises(QuantityTooLarge, match="64 bits"):
                    getattr(stage, handler)(record, own)
                assert stage.encoded_state() == before, "a handler at fault changed something"
            raise
        for stage, own in self.both:
            getattr(stage, handler)(record, own)

    def wait(self, time: int) -> None:
        """The clock moves on; timers fire at their deadlines."""
        now = self.mine.clock + time
        while self.oracle.timer <= now:
            self.fired += 1
            deadline = self.oracle.timer
            assert self.stage.state.timer == deadline
            for context in (self.mine, self.theirs, self.other):
                context.clock = deadline
            self.oracle.on_timer(deadline, self.theirs)
            for stage, context in self.both:
                stage.on_timer(deadline, context)
        for context in (self.mine, self.theirs, self.other):
            context.clock = now

    def compare(self) -> None:
        """Emitted records, timers, and what the reading interface says."""
        stage, oracle = self.stage, self.oracle
        assert self.mine.pending == self.theirs.pending == self.other.pending
        requests = sum(type(each) is OrderRequest for each in self.mine.pending)
        self.requests += requests
        self.drops += len(self.mine.pending) - requests
        for context in (self.mine, self.theirs, self.other):
            context.pending.clear()
        timer = oracle.timer if oracle.timer < 2**62 else stage.state.timer
        assert stage.state.timer == self.roomy.state.timer == timer
        assert (self.mine.last_sequence, self.mine.ordinal) == (
            self.theirs.last_sequence,
            self.theirs.ordinal,
        )
        assert stage.positions() == tuple(oracle.positions)
        assert stage.working_orders() == tuple(oracle.orders)
        for key, each in oracle.positions.items():
            assert stage.position(*key) == (each.position, each.working, each.target)


def run(listed: list[int], changes: dict[str, Any], steps: list[Any]) -> Twins:
    """All steps, compared after each."""
    twins = Twins(listed, changes)
    for step in steps:
        twins.take(step)
        twins.compare()
    return twins
