"""The canary: marked ticks of an instrument that does not exist, which show from outside that a
running topology still consumes and commits.

Its instrument is a constant and never lies in ``ref.instruments``: there is nothing to register,
and no topology has to be built anew for it. Where orders are made, its ticks are consumed,
journaled and committed like any record and given to no stage (the status ``NOT_SELECTED``): they
can alter no position, no book, no clock, and no order of other records. A topology that trades
nothing takes it as an instrument more, and quotes it.
"""

from __future__ import annotations

import msgspec

from schemas.records import DepthUpdate, Trade
from schemas.vocabulary import DepthKind, Flag, Side
from streams.runtime.order.sample_instrument import MADE_UP

CANARY_ID = 4095
"""Reserved: the last id of the books' slot table."""
BACKDATED = 10_000_000_000
"""ns: its event time lies so far before its writing, so that in a partition it never runs ahead of
a real record.
"""
PRICE = 10_000
MARKS = int(Flag.SYNTHETIC | Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
_HEAD = b"\xfe\x3f"
"""4095 as Avro writes it, at the beginning of every body."""
_FRAMING = 5

CANARY = msgspec.structs.replace(
    MADE_UP,
    instrument=CANARY_ID,
    venue="canary",
    symbol="CANARY",
    base="CANARY",
    quote="CANARY",
    shortable=False,
    flags=int(Flag.SYNTHETIC),
)


def is_canary(value: bytes) -> bool:
    """True if a framed market-data record is one of the canary's."""
    return value[_FRAMING : _FRAMING + 2] == _HEAD


def depth_tick(number: int) -> DepthUpdate:
    """A whole book of one level a side; ``number``, ns UTC of its writing, is its update id and so
    the ``sequence`` of its quote.
    """
    quantity = 1 + number % 999_983
    return DepthUpdate(
        CANARY_ID,
        number - BACKDATED,
        number,
        number,
        number,
        -1,
        int(DepthKind.SNAPSHOT),
        MARKS,
        [(PRICE, quantity)],
        [(PRICE + 1, quantity)],
    )


def trade_tick(number: int) -> Trade:
    """A print of the smallest quantity; ``number`` as in :func:`depth_tick`."""
    return Trade(
        CANARY_ID,
        number - BACKDATED,
        number,
        number,
        1,
        PRICE,
        1,
        int(Side.BUY),
        int(Flag.SYNTHETIC),
    )
