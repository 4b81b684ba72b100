"""Records and runs for the toxicity tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recordings import plain_instrument

from schemas.records import DepthUpdate, MarketFeatures, Quote, Toxicity, Trade
from schemas.vocabulary import DepthKind, Flag, Side
from streams.signals import kit
from streams.toxicity import stage

SECOND = 1_000_000_000
START = 1_723_161_240 * SECOND
WHOLE_SNAPSHOT = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)


def trade(
    time: int,
    price: int = 100,
    quantity: int = 1,
    side: int = Side.BUY,
    *,
    flags: int = 0,
    count: int = 1,
    number: int = 1,
) -> Trade:
    return Trade(number, START + time, 0, time, count, price, quantity, int(side), int(flags))


def quote(
    time: int,
    bid: int,
    bid_quantity: int,
    ask: int,
    ask_quantity: int,
    *,
    flags: int = 0,
    sequence: int = 0,
    number: int = 1,
) -> Quote:
    return Quote(number, START + time, sequence, bid, bid_quantity, ask, ask_quantity, int(flags))


def snapshot(
    time: int,
    bids: Sequence[tuple[int, int]],
    asks: Sequence[tuple[int, int]],
    last: int = 10,
    *,
    number: int = 1,
) -> DepthUpdate:
    return DepthUpdate(
        number,
        START + time,
        0,
        last,
        last,
        -1,
        int(DepthKind.SNAPSHOT),
        WHOLE_SNAPSHOT,
        list(bids),
        list(asks),
    )


def run(records: Sequence[Any], instruments: int = 1, **settings: Any) -> list[Any]:
    """All the stage publishes; quantities have three decimals, so a bucket volume of "0.010" is ten
    units.
    """
    table = [plain_instrument(number) for number in range(1, instruments + 1)]
    return [item.record for item in kit.drive(stage, stage.Settings(**settings), records, table)]


def features_of(
    records: Sequence[Any], instruments: int = 1, **settings: Any
) -> list[MarketFeatures]:
    return [
        record
        for record in run(records, instruments, **settings)
        if isinstance(record, MarketFeatures)
    ]


def toxicity_of(records: Sequence[Any], instruments: int = 1, **settings: Any) -> list[Toxicity]:
    return [
        record for record in run(records, instruments, **settings) if isinstance(record, Toxicity)
    ]
