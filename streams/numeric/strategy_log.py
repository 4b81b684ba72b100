"""The log of a compiled strategy: what its handlers call.

    LOGS = ("{symbol}: {} held", "{order} works")       # beside INPUTS; RESERVE has "strategy.log"
    HELD = 0
    WORKS = 1
    log(out, HELD, quote.instrument, held.quantity)
    log(out, WORKS, order_high, order_low)

Values are whole numbers, wide ones among them. The text is made outside of the kernel, of the
template and its values (``log_lines.py``); the line has the clock of the call.
"""

from __future__ import annotations

from typing import Any

from numba import literal_unroll

from streams.numeric.borrowing import inner_kernel
from streams.numeric.int128 import high, low, wide
from streams.numeric.log_lines import REFUSALS
from streams.numeric.strategy_outputs import BAD_LINE, TOO_MANY_LINES, WHOLE, refuse

_BUILT_IN = len(REFUSALS)


@inner_kernel
def log(out: Any, line: Any, *values: Any) -> None:
    """Write the line with this place in LOGS, with its values."""
    number = WHOLE | line
    if number < 0 or number >= len(out.line_values) - _BUILT_IN:
        refuse(out, BAD_LINE, number, len(values))
        return
    _write(out, number, values)


@inner_kernel
def log_refusal(out: Any, why: Any, *values: Any) -> None:
    """Say why a target leads to no order, if the strategy declares LOGS."""
    if len(out.line_values) > _BUILT_IN:
        _write(out, len(out.line_values) - _BUILT_IN + why, values)


@inner_kernel
def _write(out: Any, number: Any, values: Any) -> None:
    """The row of a line."""
    orders = out.orders[0]
    if out.line_values[number] != len(values):
        refuse(out, BAD_LINE, number, len(values))
        return
    if orders.logged == orders.most_lines:
        refuse(out, TOO_MANY_LINES, number, orders.most_lines)
        return
    orders.logged += 1
    row = out.lines[out.line_count[0]]
    out.line_count[0] += 1
    row.line = number
    row.clock = orders.clock
    row.sequence = out.ids[0].sequence
    place = 0
    for value in literal_unroll(values + (WHOLE,)):  # none at all does not compile
        amount = wide(value)
        row.high[place] = high(amount)
        row.low[place] = low(amount)
        place += 1  # noqa: SIM113  (the loop is unrolled)


# -- what the entry of the strategy asks


@inner_kernel
def has_room_to_log(out: Any) -> Any:
    """True if all lines of a call have room."""
    return out.line_count[0] + out.orders[0].most_lines <= len(out.lines)
