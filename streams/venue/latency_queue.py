"""Latency: commands on their way to the venue and reports on their way back.

How long a message takes, the venue says (``models.py``). What is sent first arrives first, as over
one connection: each way is a ring in order of sending, and the reports of an order are FIFO.
Both rings number what they hold from one running sequence; (due time, sequence) orders everything
that happens at one instant.
"""

from __future__ import annotations

from typing import Any

from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.deadlines import NO_TIMER
from streams.venue.state import FAULT_COMMANDS, FAULT_REPORTS, raise_fault


@inlined_kernel
def _wrapped(place: int, length: int) -> Any:
    """A place of a ring of this length; ``place`` is less than twice of it, so that no division is
    needed.
    """
    return place - length if place >= length else place


@inner_kernel
def post_command(state: Any, command: Any) -> None:
    """Send a command decided at the present clock; due when the venue says, after those before."""
    counters = state.counters[0]
    if counters.commands == len(state.commands):
        raise_fault(
            state, FAULT_COMMANDS, command.instrument, counters.commands, len(state.commands)
        )
        return
    entry = state.commands[
        _wrapped(counters.commands_first + counters.commands, len(state.commands))
    ]
    due = state.clock[0] + state.venue.entry_latency(state, command)
    if not state.venue.CONSTANT_LATENCY and counters.commands != 0:
        last = _wrapped(counters.commands_first + counters.commands - 1, len(state.commands))
        due = max(due, state.commands[last].due)
    entry.due = due
    entry.sequence = counters.sequence
    entry.order_id_high = command.order_id_high
    entry.order_id_low = command.order_id_low
    entry.quantity = command.quantity
    entry.price = command.price
    entry.instrument = command.instrument
    entry.kind = command.kind
    entry.side = command.side
    entry.order_type = command.order_type
    entry.time_in_force = command.time_in_force
    entry.post_only = command.post_only
    counters.sequence += 1
    counters.commands += 1
    state.working[0] += 1


@inner_kernel
def post_report(
    state: Any, order: Any, kind: int, reason: int, trade_id: int, price: int, quantity: int,
    filled: int, leaves: int, liquidity: int,
    fee_high: int, fee_low: int,
) -> None:  # fmt: skip
    """Report on ``order`` (on its way or resting) at the present clock; it is due back after the
    response leg less the feed leg.
    """
    counters = state.counters[0]
    if counters.reports == len(state.reports):
        raise_fault(state, FAULT_REPORTS, order.instrument, counters.reports, len(state.reports))
        return
    at = _wrapped(counters.reports_first + counters.reports, len(state.reports))
    report = state.reports[at]
    report.order_id_high = order.order_id_high
    report.order_id_low = order.order_id_low
    report.instrument = order.instrument
    due = state.clock[0] + state.venue.response_latency(state, order)
    if not state.venue.CONSTANT_LATENCY and counters.reports != 0:
        last = _wrapped(counters.reports_first + counters.reports - 1, len(state.reports))
        due = max(due, state.reports[last].event_time)
    report.event_time = due
    report.venue_time = state.clock[0]
    report.kind = kind
    report.reason = reason
    report.venue_trade_id = trade_id
    report.side = order.side
    report.price = price
    report.quantity = quantity
    report.cumulative_quantity = filled
    report.leaves_quantity = leaves
    report.liquidity = liquidity
    report.fee_high = fee_high
    report.fee_low = fee_low
    state.report_sequence[at] = counters.sequence
    counters.sequence += 1
    counters.reports += 1
    state.working[0] += 1


@inlined_kernel
def command_due(state: Any) -> Any:
    """When the next command reaches the venue, NO_TIMER for none."""
    counters = state.counters[0]
    return state.commands[counters.commands_first].due if counters.commands != 0 else NO_TIMER


@inlined_kernel
def report_due(state: Any) -> Any:
    """When the next report is delivered, NO_TIMER for none."""
    counters = state.counters[0]
    return state.reports[counters.reports_first].event_time if counters.reports != 0 else NO_TIMER


@inlined_kernel
def command_is_next(state: Any) -> Any:
    """True if the next command comes before the next report by (due time, sequence)."""
    counters = state.counters[0]
    arrival, delivery = command_due(state), report_due(state)
    if arrival != delivery:
        return arrival < delivery
    return (
        state.commands[counters.commands_first].sequence
        < state.report_sequence[counters.reports_first]
    )


@inlined_kernel
def drop_command(state: Any) -> None:
    """Take the first command off its ring; an empty ring starts over at its first place, which
    keeps memory warm.
    """
    counters = state.counters[0]
    counters.commands -= 1
    counters.commands_first = (
        0 if counters.commands == 0 else _wrapped(counters.commands_first + 1, len(state.commands))
    )
    state.working[0] -= 1


@inlined_kernel
def drop_report(state: Any) -> None:
    """Take the first report off its ring."""
    counters = state.counters[0]
    counters.reports -= 1
    counters.reports_first = (
        0 if counters.reports == 0 else _wrapped(counters.reports_first + 1, len(state.reports))
    )
    state.working[0] -= 1


@inlined_kernel
def set_timer(state: Any) -> None:
    """The next deadline: of the next arrival, the next delivery and what prices come from."""
    state.timer[0] = min(command_due(state), report_due(state), state.source.due(state))
