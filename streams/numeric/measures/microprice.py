"""Stoikov's micro-price (2018, Quantitative Finance 18): where the mid is going (MIC-11).

A state is (bucket of the imbalance qb / (qb + qa), spread in ticks). From the share of steps that
go from state to state without a move of the mid, Q, with a move of k half ticks, R1, and with one
that lands in another state, R2:

    G1 = (I - Q)^-1 R1 K,    B = (I - Q)^-1 R2,    G* = G1 + B G1 + ... + B^5 G1,
    micro = mid + G*(state)

Data are made symmetric (the mirrored imbalance with the negated move), without which B^i G1 would
not go to 0. The table is made from history, once; the step only looks it up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from schemas.errors import WrongUse
from streams.numeric.measures.solving import solve
from streams.numeric.shared import shared_step

NAN = math.nan
TERMS = 6
MOVE_MAX = 2
"""Half ticks: a larger move of the mid in one step counts as this."""


class NoMicroprice(WrongUse):
    """History from which no table can be made."""

    code = "no_microprice"


def adjustments(
    stays: Sequence[Sequence[float]], moves: Sequence[float], lands: Sequence[Sequence[float]]
) -> list[float]:
    """G* of each state.

    Args:
        stays: Q. moves: R1 K, the mean move of a step from each state. lands: R2.

    Raises:
        NoMicroprice: a state is never left.
    """
    size = len(moves)
    matrix = [
        [(row == column) - stays[row][column] for column in range(size)] for row in range(size)
    ]
    right = [[moves[row], *lands[row]] for row in range(size)]
    if not solve(matrix, right, size):
        raise NoMicroprice(
            "a state that the mid never moved from; give more history or fewer states"
        )
    term = [row[0] for row in right]
    found = [0.0] * size
    for _ in range(TERMS):
        found = [total + more for total, more in zip(found, term, strict=True)]
        term = [sum(b * g for b, g in zip(row[1:], term, strict=True)) for row in right]
    return found


def state_of(bid: int, bid_quantity: int, ask: int, ask_quantity: int, buckets: int, spreads: int,
             tick: int) -> int:  # fmt: skip
    """Number of the state, -1 for a spread that has none."""
    return int(_state(bid, bid_quantity, ask, ask_quantity, buckets, spreads, tick))


def microprice_table(
    quotes: Iterable[tuple[int, int, int, int]], buckets: int, spreads: int, tick: int
) -> list[float]:
    """G* in ticks of each state from (bid, quantity, ask, quantity) in order. Raises NoMicroprice.

    A state counts as seen where its mirror was.
    """
    size = buckets * spreads
    counts = [0.0] * size
    stays = [[0.0] * size for _ in range(size)]
    lands = [[0.0] * size for _ in range(size)]
    moves = [0.0] * size
    before: tuple[int, int] | None = None
    for quote in quotes:
        state, mid = state_of(*quote, buckets, spreads, tick), quote[0] + quote[2]
        if before is not None and before[0] >= 0 and state >= 0:
            halves = min(max((mid - before[1]) // tick, -MOVE_MAX), MOVE_MAX)
            for origin, end, move in (
                (before[0], state, halves),
                (_mirror(before[0], buckets), _mirror(state, buckets), -halves),
            ):
                counts[origin] += 1.0
                (lands if move else stays)[origin][end] += 1.0
                moves[origin] += 0.5 * move
        before = (state, mid)
    if not all(counts):
        raise NoMicroprice(
            f"{counts.count(0.0)} of {size} states never came; give more history or fewer states"
        )
    for row in range(size):
        stays[row] = [each / counts[row] for each in stays[row]]
        lands[row] = [each / counts[row] for each in lands[row]]
        moves[row] /= counts[row]
    return adjustments(stays, moves, lands)


def _mirror(state: int, buckets: int) -> int:
    """The state of the same spread and the mirrored imbalance."""
    return state - state % buckets + buckets - 1 - state % buckets


@shared_step
def _state(
    bid: Any, bid_quantity: Any, ask: Any, ask_quantity: Any, buckets: Any, spreads: Any, tick: Any
) -> Any:
    ticks = (ask - bid) // tick
    if bid_quantity <= 0 or ask_quantity <= 0 or not 1 <= ticks <= spreads:
        return -1
    share = float(bid_quantity) / (float(bid_quantity) + float(ask_quantity))
    return (ticks - 1) * buckets + min(math.floor(share * buckets), buckets - 1)


@shared_step
def microprice(
    bid: Any, bid_quantity: Any, ask: Any, ask_quantity: Any, table: Any, spreads: Any, tick: Any
) -> Any:
    """The micro-price in the price's unit; nan for a one-sided book or a spread without a state."""
    state = _state(bid, bid_quantity, ask, ask_quantity, len(table) // spreads, spreads, tick)
    return 0.5 * float(bid + ask) + table[state] * float(tick) if state >= 0 else NAN
