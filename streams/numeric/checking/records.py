"""What every record of market data has: a time, and a receive time beside it; and what is checked
of trades, of the venue's best bid and ask, and of quotes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.vocabulary import Flag, Side
from streams.numeric.borrowing import borrowing_kernel, inlined_kernel, inner_kernel
from streams.numeric.bounds import COUNT_MAX, add_count
from streams.numeric.checking.codes import Code
from streams.numeric.checking.tally import BUCKETS, bucket_of, count_in, distance, row_of, size_in

SECOND = 1_000_000_000
LATEST = 4_102_444_800 * SECOND
"""2100-01-01."""
LATE_MAX = SECOND
"""A record this far behind its instrument's time is worth a warning."""
LATENCY_JUMP_MIN = 5 * SECOND
"""Delays of neighbours that differ by more are a clock that was set, or a recorder that was held
up.
"""
RECEIVE_BACK_MIN = SECOND // 10
"""Connections beside each other deliver out of order by less."""
UNKNOWN_INSTRUMENT = int(Code.UNKNOWN_INSTRUMENT)
IMPLAUSIBLE_TIME = int(Code.IMPLAUSIBLE_TIME)
LATE = int(Code.LATE)
TIME_BACK = int(Code.TIME_BACK)
ESTIMATED_TIME = int(Code.ESTIMATED_TIME)
SILENCE = int(Code.SILENCE)
NEGATIVE_LATENCY = int(Code.NEGATIVE_LATENCY)
LATENCY_JUMP = int(Code.LATENCY_JUMP)
RECEIVE_TIME_BACK = int(Code.RECEIVE_TIME_BACK)
BAD_PRICE = int(Code.BAD_PRICE)
BAD_QUANTITY = int(Code.BAD_QUANTITY)
OFF_TICK = int(Code.OFF_TICK)
OFF_LOT = int(Code.OFF_LOT)
PRICE_JUMP = int(Code.PRICE_JUMP)
NO_AGGRESSOR = int(Code.NO_AGGRESSOR)
UPDATE_REPEATED = int(Code.UPDATE_REPEATED)
CROSSED = int(Code.CROSSED)
LOCKED = int(Code.LOCKED)
ONE_SIDED = int(Code.ONE_SIDED)
EMPTY_BOOK = int(Code.EMPTY_BOOK)
UNSYNCED = int(Code.UNSYNCED)
SOUND = -1
ESTIMATED = int(Flag.ESTIMATED_TIME)
STALE = int(Flag.STALE)
BUY, SELL = int(Side.BUY), int(Side.SELL)


@inner_kernel
def timed(
    checks: Any, slot: Any, event_time: Any, receive_time: Any, flags: Any, offset: Any
) -> None:
    """One record's times. ``receive_time``: 0 where it has none, or where it tells nothing."""
    stream = checks.streams[slot]
    if stream.rows == 0:
        stream.first_offset = offset
    stream.rows += 1
    stream.last_offset = offset
    if slot == checks.streams.shape[0] - 1:
        count_in(checks.tallies[slot, UNKNOWN_INSTRUMENT], offset, event_time, np.int64(0))
    if event_time <= 0 or event_time > LATEST or receive_time > LATEST:
        count_in(checks.tallies[slot, IMPLAUSIBLE_TIME], offset, event_time, np.int64(0))
        return
    if stream.last_time == 0:
        stream.first_time = stream.last_time = event_time
    gap = event_time - stream.last_time
    if gap < 0:
        stream.first_time = min(stream.first_time, event_time)
        code = LATE if -gap < LATE_MAX else TIME_BACK
        count_in(checks.tallies[slot, code], offset, event_time, -gap)
    else:
        count_in(checks.gaps[slot, bucket_of(gap)], offset, event_time, gap)
        if gap > checks.limits[0].silence:
            count_in(checks.tallies[slot, SILENCE], offset, event_time, gap)
        stream.last_time = event_time
    if flags & ESTIMATED:
        count_in(checks.tallies[slot, ESTIMATED_TIME], offset, event_time, np.int64(0))
    if receive_time > 0:
        _received(checks, slot, event_time, receive_time, flags, offset)


@inlined_kernel
def _received(
    checks: Any, slot: Any, event_time: Any, receive_time: Any, flags: Any, offset: Any
) -> None:
    """The recorder's clock against itself, and against the venue's where the record has its time.
    """
    stream = checks.streams[slot]
    behind = stream.received - receive_time
    if behind > RECEIVE_BACK_MIN:
        count_in(checks.tallies[slot, RECEIVE_TIME_BACK], offset, event_time, behind)
    stream.received = receive_time
    if flags & ESTIMATED:
        return
    delay = receive_time - event_time
    stream.delayed_rows += 1
    if delay < 0:
        size_in(checks.delays[slot, BUCKETS - 1 - bucket_of(-delay)], -delay)
        count_in(checks.tallies[slot, NEGATIVE_LATENCY], offset, event_time, -delay)
    else:
        size_in(checks.delays[slot, BUCKETS + bucket_of(delay)], delay)
    if stream.has_delay == 1 and abs(delay - stream.delay) > LATENCY_JUMP_MIN:
        moved = abs(delay - stream.delay)
        count_in(checks.tallies[slot, LATENCY_JUMP], offset, event_time, moved)
    stream.delay = delay
    stream.has_delay = 1


BREAK = np.dtype([
    ("place", "i8"), ("slot", "i8"),
    ("last_id", "i8"),         # of the trades before it that continued one another, -1 for none
    ("time", "i8"),            # event time that the instrument had reached, ns
])  # fmt: skip
"""A trade whose id does not continue the one before."""
TIMED = np.dtype([("instrument", "i8"), ("event_time", "i8"), ("flags", "i8")])
"""What all topics of market data have."""


@borrowing_kernel
def check_times(checks: Any, rows: Any, offsets: Any) -> None:
    """Rows of a topic of which nothing else is known than instrument, event time and flags."""
    for at in range(len(rows)):
        row = rows[at]
        slot = row_of(checks, row.instrument)
        timed(checks, slot, row.event_time, np.int64(0), row.flags, offsets[at])


@borrowing_kernel
def check_trades(checks: Any, rows: Any, offsets: Any, breaks: Any) -> Any:
    """Rows of md.trades. Those whose id does not continue the one before go to ``breaks``, which
    has room for all; returns how many.
    """
    found = 0
    for at in range(len(rows)):
        row = rows[at]
        slot, offset, time = row_of(checks, row.instrument), offsets[at], row.event_time
        stream = checks.streams[slot]
        reached = stream.last_time
        timed(checks, slot, time, row.receive_time, row.flags, offset)
        # an aggregate has the last id of its trades
        last_id = min(max(row.trade_id, 0), COUNT_MAX)
        first_id = last_id - max(np.int64(row.trade_count), 1) + 1
        if first_id == stream.next_id and stream.rows > 1:
            stream.chained += 1
            stream.is_chained = 1
        else:
            broken = breaks[found]
            broken.place, broken.slot, broken.time = at, slot, reached
            broken.last_id = stream.next_id - 1 if stream.is_chained else -1
            stream.is_chained = 0
            found += 1
        if stream.rows == 1 or last_id >= stream.next_id:
            stream.next_id = last_id + 1
        if row.aggressor_side != BUY and row.aggressor_side != SELL:
            count_in(checks.tallies[slot, NO_AGGRESSOR], offset, time, np.int64(0))
        if row.quantity <= 0:
            count_in(checks.tallies[slot, BAD_QUANTITY], offset, time, np.int64(0))
        elif row.quantity % stream.lot != 0:
            count_in(checks.tallies[slot, OFF_LOT], offset, time, np.int64(1))
        priced(checks, slot, row.price, time, offset)
    return found


@inlined_kernel
def priced(checks: Any, slot: Any, price: Any, time: Any, offset: Any) -> None:
    """The price of a print: positive, on the tick, near the one before. The amount of a jump is in
    millionths of the price before.
    """
    stream = checks.streams[slot]
    if price <= 0:
        count_in(checks.tallies[slot, BAD_PRICE], offset, time, np.int64(0))
        return
    if price % stream.tick != 0:
        count_in(checks.tallies[slot, OFF_TICK], offset, time, np.int64(1))
    before = stream.price
    if before > 0:
        moved = abs(price - before) / before
        if moved > checks.limits[0].jump:
            count_in(
                checks.tallies[slot, PRICE_JUMP], offset, time, np.int64(min(moved, 1e12) * 1e6)
            )
    stream.price = price


@inlined_kernel
def fault_of_top(bid: Any, ask: Any) -> Any:
    """What is wrong with a best bid and ask, prices 0 for none: a code, or SOUND."""
    if bid <= 0 and ask <= 0:
        return EMPTY_BOOK
    if bid <= 0 or ask <= 0:
        return ONE_SIDED
    if bid > ask:
        return CROSSED
    return LOCKED if bid == ask else SOUND


@inlined_kernel
def enter_state(checks: Any, slot: Any, state: Any, offset: Any) -> None:
    """The book or quote is in this state now: a code, or SOUND. Each spell counts once; its length
    is measured in the instrument's event time.
    """
    stream = checks.streams[slot]
    if state == stream.state:
        return
    end_state(checks, slot)
    stream.state = state
    stream.state_since = stream.last_time
    if state != SOUND:
        count_in(checks.tallies[slot, state], offset, stream.last_time, np.int64(0))


@inner_kernel
def end_state(checks: Any, slot: Any) -> None:
    """The present spell ends at the instrument's time."""
    stream = checks.streams[slot]
    if stream.state != SOUND:
        tally = checks.tallies[slot, stream.state]
        lasted = stream.last_time - stream.state_since
        tally.worst = max(tally.worst, lasted)
        tally.total = add_count(tally.total, lasted)
        stream.state = SOUND


@borrowing_kernel
def end_states(checks: Any) -> None:
    """The topic ends."""
    for slot in range(checks.streams.shape[0]):
        end_state(checks, slot)


@borrowing_kernel
def check_tickers(checks: Any, rows: Any, offsets: Any) -> None:
    """Rows of md.book_tickers."""
    for at in range(len(rows)):
        row = rows[at]
        slot, offset, time = row_of(checks, row.instrument), offsets[at], row.event_time
        stream = checks.streams[slot]
        timed(checks, slot, time, row.receive_time, row.flags, offset)
        if stream.last_id >= 0 and row.update_id <= stream.last_id:
            behind = distance(stream.last_id, row.update_id)
            count_in(checks.tallies[slot, UPDATE_REPEATED], offset, time, behind)
        stream.last_id = row.update_id
        enter_state(checks, slot, fault_of_top(row.bid_price, row.ask_price), offset)
        if row.bid_price < 0 or row.ask_price < 0:
            count_in(checks.tallies[slot, BAD_PRICE], offset, time, np.int64(0))
        elif row.bid_price % stream.tick != 0 or row.ask_price % stream.tick != 0:
            count_in(checks.tallies[slot, OFF_TICK], offset, time, np.int64(1))
        if row.bid_quantity < 0 or row.ask_quantity < 0:
            count_in(checks.tallies[slot, BAD_QUANTITY], offset, time, np.int64(0))
        elif row.bid_quantity % stream.lot != 0 or row.ask_quantity % stream.lot != 0:
            count_in(checks.tallies[slot, OFF_LOT], offset, time, np.int64(1))


@borrowing_kernel
def check_quotes(checks: Any, rows: Any, offsets: Any) -> None:
    """Rows of md.quotes: the top of our own book, STALE while it is not in sync."""
    for at in range(len(rows)):
        row = rows[at]
        slot = row_of(checks, row.instrument)
        timed(checks, slot, row.event_time, np.int64(0), row.flags, offsets[at])
        fault = UNSYNCED if row.flags & STALE else fault_of_top(row.bid_price, row.ask_price)
        enter_state(checks, slot, fault, offsets[at])
