"""The simulated venue as a compiled stage: commands, trades and depth in, execution reports out
when they are due.

Nothing is reported at once: a report waits in the state until its delivery timer, which with zero
latency is due at the present clock. At one instant everything happens in (time, sequence) order. A
timer call delivers reports only until the next arrival, so that what the order side answers to a
report is sent before later arrivals are matched, whatever RESERVE is.
"""

from __future__ import annotations

from typing import Any

from streams.numeric import book
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.venue import latency_queue, matching, resting
from streams.venue.state import FAULTS, NONE, Settings, State, new_state, state_class

__all__ = [
    "FAULTS",
    "INPUTS",
    "NAME",
    "OUTPUTS",
    "OWN_BOOKS",
    "RESERVE",
    "STATE_VERSION",
    "VIEWS",
    "Settings",
    "State",
    "is_untouched",
    "new_state",
    "state_class",
]

NAME = "venue"
INPUTS = ("md.trades", "md.depth", "md.book_tickers", "md.imported_bars", "venue.commands")
OUTPUTS = ("venue.reports",)
STATE_VERSION = 2
RESERVE = {"venue.reports": 64}
VIEWS = ("book",)
OWN_BOOKS = True
"""The books handed to this stage are its own: ``on_depth_update`` applies updates to them."""

_DELIVERIES_MAX = RESERVE["venue.reports"]


@inlined_kernel
def on_trade(state: Any, books: Any, trade: Any, out: Any) -> None:
    """A print, for what prices come from."""
    slot = book.slot_of(books, trade.instrument)
    if slot == NONE or trade.quantity <= 0:
        return
    state.source.on_trade(state, books, slot, trade)
    latency_queue.set_timer(state)


@inlined_kernel
def on_book_ticker(state: Any, books: Any, ticker: Any, out: Any) -> None:
    """The venue's own best bid and ask, for what prices come from."""
    slot = book.slot_of(books, ticker.instrument)
    if slot == NONE:
        return
    state.source.on_book_ticker(state, books, slot, ticker)
    latency_queue.set_timer(state)


@inlined_kernel
def on_bar(state: Any, books: Any, bar: Any, out: Any) -> None:
    """A bar that opens, for what prices come from."""
    slot = book.slot_of(books, bar.instrument)
    if slot == NONE:
        return
    state.source.on_bar(state, books, slot, bar)
    latency_queue.set_timer(state)


@inlined_kernel
def on_depth_update(state: Any, books: Any, update: Any, levels: Any, out: Any) -> None:
    """Apply the update to the venue's book; where we rest at a level, or took from one, follow it.
    """
    slot = book.slot_of(books, update.instrument)
    if slot == NONE:
        return
    result = book.apply(books, slot, update, levels)
    if state.markets[slot].levels != 0:
        resting.follow(state, books, slot, update, levels, result, True)
        latency_queue.set_timer(state)


@inlined_kernel
def on_venue_command(state: Any, books: Any, command: Any, out: Any) -> None:
    """Send the command on its way: it arrives at clock + feed + entry."""
    latency_queue.post_command(state, command)
    latency_queue.set_timer(state)


@inner_kernel
def on_timer(state: Any, books: Any, deadline: int, out: Any) -> None:
    """What prices come from, then arrivals and deliveries due at the clock, in (time, sequence)
    order; what does not fit stays due.
    """
    rows, count = out.venue_reports
    clock = state.clock[0]
    state.source.on_due(state, books)
    delivered = 0
    while (
        state.fault[0] == 0
        and min(latency_queue.command_due(state), latency_queue.report_due(state)) <= clock
    ):
        counters = state.counters[0]
        if latency_queue.command_is_next(state):
            if delivered > 0:
                break
            matching.arrive(state, books, state.commands[counters.commands_first])
            latency_queue.drop_command(state)
        else:
            if delivered == _DELIVERIES_MAX:
                break
            rows[count[0]] = state.reports[counters.reports_first]
            rows[count[0]].event_time = clock
            count[0] += 1
            delivered += 1
            latency_queue.drop_report(state)
    latency_queue.set_timer(state)


def is_untouched(state: State) -> bool:
    """True if a venue with nothing under way is what its books are: nothing of ours rests or was
    taken, and no ticker is kept beside them.
    """
    return bool(state.counters["ticker_caps"][0] == 0 and not state.markets["levels"].any())


@inlined_kernel
def on_end(state: Any, books: Any, out: Any) -> None:
    """Input has ended: what rests, rests, and what is under way stays under way."""
