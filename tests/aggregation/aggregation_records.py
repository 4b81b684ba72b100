"""Records and runs for the aggregation tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recordings import plain_instrument

from schemas.records import Bar, DepthUpdate, Mark, Quote, Trade
from schemas.vocabulary import DepthKind, Flag, Side
from streams.aggregation import stage
from streams.signals import kit
from streams.signals.kit_kernel import KernelDriver

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
START = 1_723_161_240 * SECOND  # a whole minute
WHOLE_SNAPSHOT = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)


def trade(
    time: int,
    price: int = 100,
    quantity: int = 1,
    *,
    identity: int = 0,
    side: int = Side.BUY,
    flags: int = 0,
    number: int = 1,
) -> Trade:
    return Trade(number, time, 0, identity or time, 1, price, quantity, int(side), int(flags))


def snapshot(
    time: int,
    last: int,
    bids: Sequence[tuple[int, int]],
    asks: Sequence[tuple[int, int]],
    *,
    flags: int = 0,
    number: int = 1,
) -> DepthUpdate:
    return DepthUpdate(
        number,
        time,
        0,
        last,
        last,
        -1,
        int(DepthKind.SNAPSHOT),
        WHOLE_SNAPSHOT | int(flags),
        list(bids),
        list(asks),
    )


def delta(
    time: int,
    first: int,
    final: int,
    bids: Sequence[tuple[int, int]] = (),
    asks: Sequence[tuple[int, int]] = (),
    *,
    flags: int = 0,
    number: int = 1,
) -> DepthUpdate:
    return DepthUpdate(
        number, time, 0, first, final, -1, int(DepthKind.DELTA), int(flags), list(bids), list(asks)
    )


def run(records: Sequence[Any], instruments: int = 1, **settings: Any) -> list[Any]:
    table = [plain_instrument(number) for number in range(1, instruments + 1)]
    return [item.record for item in kit.drive(stage, stage.Settings(**settings), records, table)]


def bars_of(records: Sequence[Any], instruments: int = 1, **settings: Any) -> list[Bar]:
    return [record for record in run(records, instruments, **settings) if isinstance(record, Bar)]


def quotes_of(records: Sequence[Any]) -> list[Quote]:
    return [record for record in run(records) if isinstance(record, Quote)]


def marks_of(records: Sequence[Any], instruments: int = 1, **settings: Any) -> list[Mark]:
    return [record for record in run(records, instruments, **settings) if isinstance(record, Mark)]


def driver(instruments: int = 1, **settings: Any) -> tuple[KernelDriver, kit.TestContext]:
    """A stage whose clock the test sets."""
    context = kit.TestContext()
    table = [plain_instrument(number) for number in range(1, instruments + 1)]
    return KernelDriver(stage, table, stage.Settings(**settings), context), context
