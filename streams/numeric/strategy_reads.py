"""What a compiled strategy reads besides the record that wakes it: what its handlers call, with the
names and the values that the context of a strategy in plain Python has (``services.py``).

    READS = ("account", "quotes")                  # beside INPUTS
    held = position(out, quote.instrument).quantity
    place = first_order(out, quote.instrument)     # -1: none
    while place >= 0:
        order = open_order(out, place)
        place = next_order(out, place, quote.instrument)

Fields and values are those of the context; places, and rows of zeros, stand for what is None there.
Amounts are wide integers (``int128.py``), everything else is int64. A read that READS does not
name, or of an instrument that the run does not have, ends the run with an error that names the
strategy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from schemas.vocabulary import Flag, NullReason
from streams.numeric.book_reads import BOOK_READ, READ_LEVELS
from streams.numeric.borrowing import inner_kernel
from streams.numeric.entry_calls import call_stage
from streams.numeric.int128 import join, wide
from streams.numeric.pool import NO_ROW, find_row
from streams.numeric.portfolio_reads import ACCOUNT_READ, POSITION_READ
from streams.numeric.queue_estimates import estimate_at
from streams.numeric.replacements import working_quantity
from streams.numeric.rows import WORD, row_address
from streams.numeric.stage_records import place_in
from streams.numeric.strategy_outputs import READ_BIT, READS, WHOLE
from streams.numeric.strategy_view import (
    BAR,
    FEATURES,
    INSTRUMENT,
    LAST,
    MARK,
    ORDER,
    QUOTE,
    TOXICITY,
    TRADE,
    UNKNOWN,
    VIEW,
    bar_place,
    behind,
    first_of,
    instrument_place,
    open_at,
    status_of,
)
from streams.numeric.table import record_at, table_at

_ACCOUNT, _BOOK, _QUEUE = READ_BIT["account"], READ_BIT["book"], READ_BIT["queue"]
_VALUED = np.int64(NullReason.NONE)
_STALE = np.int64(Flag.STALE)
_POSITION_AT, _WORTH_AT, _BOOK_AT, _INSTRUMENT_AT = (
    np.int64(place_in(READS, name)) for name in ("position", "account", "book", "instrument")
)
_TRADES, _QUOTES, _BARS, _MARKS, _FEATURES, _TOXICITY = (
    (
        READ_BIT[name],
        np.int64(place_in(READS, name)),
        np.int64(place_in(VIEW, name)),
        np.int64(dtype.itemsize),
    )
    for name, dtype in LAST.items()
)
"""Of each kind of last record: its bit, where the row of zeros lies, where the view has the address
of the table, and the bytes of a row."""


class Position(NamedTuple):
    """The strategy's position in one instrument, as ``context.position`` gives it; in a kernel
    the amounts are wide integers. ``unrealized`` is known if ``is_valued`` is 1.
    """

    quantity: Any
    average_price: Any
    cost: Any
    realized: Any
    unrealized: Any
    is_valued: Any
    fees: Any


class OpenOrder(NamedTuple):
    """One of the strategy's orders that may still fill, as ``context.open_orders`` gives it; its id
    is two integers.
    """

    order_high: Any
    order_low: Any
    instrument: Any
    side: Any
    quantity: Any
    remaining: Any
    price: Any
    status: Any


# -- position and money: READS has "account"


@inner_kernel
def position(out: Any, instrument: Any) -> Any:
    """The strategy's position in an instrument, a :class:`Position`."""
    reads = out.reads[0]
    address = reads.address + _POSITION_AT
    read = record_at(address, POSITION_READ)
    if _place(out, _ACCOUNT, WHOLE | instrument) >= 0:
        read.account = out.orders[0].account
        read.strategy = out.orders[0].strategy
        read.instrument = instrument
        _ask(out, reads.portfolio_position, address)
    return Position(
        read.quantity,
        read.average_price,
        join(read.cost_high, read.cost_low),
        join(read.realized_high, read.realized_low),
        join(read.unrealized_high, read.unrealized_low),
        read.is_valued,
        join(read.fees_high, read.fees_low),
    )


@inner_kernel
def cash(out: Any) -> Any:
    """Cash of the account, in units of 10^-amount_precision; wide."""
    worth = _worth(out)
    if worth.is_known == 0:
        return wide(0)
    return join(worth.value.cash_high, worth.value.cash_low)


@inner_kernel
def has_equity(out: Any) -> Any:
    """False while a position of the account has no price."""
    worth = _worth(out)
    return worth.is_known == 0 or worth.value.reason == _VALUED


@inner_kernel
def equity(out: Any) -> Any:
    """Cash and market value at the last marks, in units of 10^-amount_precision; wide. Only where
    :func:`has_equity`.
    """
    worth = _worth(out)
    if worth.is_known == 0:
        return wide(0)
    return join(worth.value.equity_high, worth.value.equity_low)


@inner_kernel
def amount_precision(out: Any) -> Any:
    """Decimals of cash and equity."""
    return _worth(out).amount_precision


@inner_kernel
def _worth(out: Any) -> Any:
    """The ACCOUNT_READ, answered."""
    reads = out.reads[0]
    address = reads.address + _WORTH_AT
    read = record_at(address, ACCOUNT_READ)
    if _declares(out, _ACCOUNT):
        read.account = out.orders[0].account
        _ask(out, reads.portfolio_account, address)
    return read


@inner_kernel
def _ask(out: Any, kind: Any, address: Any) -> None:
    """Have the portfolio answer what lies at an address."""
    reads, clock = out.reads[0], out.orders[0].clock
    code = call_stage(
        reads.portfolio_entry, kind, reads.portfolio, address, clock, reads.portfolio_out
    )
    if code > 0:
        reads.code = code


# -- open orders: READS has "account"


@inner_kernel
def first_order(out: Any, instrument: Any) -> Any:
    """Place of the oldest open order of an instrument, or of all where it is -1; -1 without one.
    Those of the present handler come last, with the status NEW.
    """
    if not _declares(out, _ACCOUNT):
        return NO_ROW
    view = record_at(out.reads[0].view_at, VIEW)
    return open_at(view, first_of(view), WHOLE | instrument)


@inner_kernel
def next_order(out: Any, place: Any, instrument: Any) -> Any:
    """Place of the next one behind this, -1 without one."""
    if place < 0 or not _declares(out, _ACCOUNT):
        return NO_ROW
    view = record_at(out.reads[0].view_at, VIEW)
    orders = table_at(view.orders.rows, ORDER)
    return open_at(view, behind(view, orders, place), WHOLE | instrument)


@inner_kernel
def find_order(out: Any, order_high: Any, order_low: Any) -> Any:
    """Place of the open order with this id, -1 if it is not open."""
    if not _declares(out, _ACCOUNT):
        return NO_ROW
    return find_row(record_at(out.reads[0].view_at, VIEW).orders, order_high, order_low)


@inner_kernel
def open_order(out: Any, place: Any) -> Any:
    """The open order at a place, an :class:`OpenOrder`; zeros where there is none (-1)."""
    if place < 0 or not _declares(out, _ACCOUNT):
        return OpenOrder(WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE)
    order = table_at(record_at(out.reads[0].view_at, VIEW).orders.rows, ORDER)[place]
    return OpenOrder(
        order.order_id_high, order.order_id_low, order.instrument, order.side, order.quantity,
        order.remaining, order.price, status_of(order),
    )  # fmt: skip


@inner_kernel
def queue_estimate(out: Any, place: Any) -> Any:
    """An estimate of how much stands ahead of the open order at a place, as
    ``context.queue_estimate`` gives it; -1 where that is None. READS has "queue" beside "account".
    """
    if not _declares(out, _QUEUE):
        return UNKNOWN
    view = record_at(out.reads[0].view_at, VIEW)
    found = estimate_at(view, WHOLE | place)
    if view.books_code != 0:
        out.reads[0].books_code = view.books_code
    return found


@inner_kernel
def working(out: Any, instrument: Any) -> Any:
    """Signed quantity that the strategy's open orders of an instrument may still fill; of one that
    is being modified, what its replacement asks for.
    """
    if _place(out, _ACCOUNT, WHOLE | instrument) < 0:
        return WHOLE
    reads = out.reads[0]
    return working_quantity(reads.view_at, reads.replacing_at, WHOLE | instrument)


# -- the order book: READS has "book"


class Book(NamedTuple):
    """An instrument's order book, as ``context.book`` gives it: ``bids[0][0]`` is the best price,
    ``bids[0][1]`` its quantity, ``len(bids)`` the number of levels. Out of sync it has no levels
    and the flag STALE. It stays as it is until the call ends.
    """

    bids: Any
    asks: Any
    flags: Any


@inner_kernel
def book(out: Any, instrument: Any, depth: Any) -> Any:
    """The order book after the present record, at most ``depth`` levels a side, 0: all of them."""
    reads = out.reads[0]
    address = reads.address + _BOOK_AT
    read = record_at(address, BOOK_READ)
    read.bids = read.asks = 0
    read.flags = _STALE
    if _place(out, _BOOK, WHOLE | instrument) >= 0:
        read.instrument = instrument
        read.depth = WHOLE | depth
        code = call_stage(reads.books_entry, READ_LEVELS, reads.books, address, WHOLE, WHOLE)
        if code > 0:
            reads.books_code = code
    return Book(
        out.levels[read.bid_place, : read.bids], out.levels[read.ask_place, : read.asks], read.flags
    )


# -- specifications and last records: before the first, a record of zeros


@inner_kernel
def instrument(out: Any, number: Any) -> Any:
    """What orders depend on of an instrument's specification: precisions, ``tick_size``,
    ``lot_size``, ``multiplier``. READS has "account".
    """
    place = _place(out, _ACCOUNT, WHOLE | number)
    if place < 0:
        return record_at(out.reads[0].address + _INSTRUMENT_AT, INSTRUMENT)
    return table_at(record_at(out.reads[0].view_at, VIEW).instruments, INSTRUMENT)[place]


@inner_kernel
def last_trade(out: Any, instrument: Any) -> Any:
    """The last trade; READS has "trades"."""
    return record_at(_last(out, _TRADES, WHOLE | instrument), TRADE)


@inner_kernel
def last_quote(out: Any, instrument: Any) -> Any:
    """The last quote; READS has "quotes"."""
    return record_at(_last(out, _QUOTES, WHOLE | instrument), QUOTE)


@inner_kernel
def last_bar(out: Any, instrument: Any, interval: Any) -> Any:
    """The last bar of an interval (ns; 0: the shortest there is); READS has "bars"."""
    listed = _place(out, _BARS[0], WHOLE | instrument)
    if listed < 0:
        return record_at(_row(out, _BARS, listed), BAR)
    view = record_at(out.reads[0].view_at, VIEW)
    place = table_at(view.instruments, INSTRUMENT)[listed].shortest_bar
    if interval != 0:
        place = max(bar_place(view, WHOLE | instrument, WHOLE | interval), 0)
    return record_at(_row(out, _BARS, place), BAR)


@inner_kernel
def last_mark(out: Any, instrument: Any) -> Any:
    """The last mark; READS has "marks" or "account"."""
    return record_at(_last(out, _MARKS, WHOLE | instrument), MARK)


@inner_kernel
def features(out: Any, instrument: Any) -> Any:
    """The last features; READS has "features"."""
    return record_at(_last(out, _FEATURES, WHOLE | instrument), FEATURES)


@inner_kernel
def toxicity(out: Any, instrument: Any) -> Any:
    """The last toxicity; READS has "toxicity"."""
    return record_at(_last(out, _TOXICITY, WHOLE | instrument), TOXICITY)


@inner_kernel
def _last(out: Any, kind: Any, instrument: Any) -> Any:
    """Address of the last record of a kind."""
    return _row(out, kind, _place(out, kind[0], instrument))


@inner_kernel
def _row(out: Any, kind: Any, place: Any) -> Any:
    """Address of a row of a kind of last records, of the row of zeros for a place of -1."""
    _, zeros_at, rows_at, stride = kind
    reads = out.reads[0]
    if place < 0:
        return reads.address + zeros_at
    return row_address(record_at(reads.view_at + rows_at, WORD).value, place, stride)


# -- what may be read


@inner_kernel
def _declares(out: Any, bit: Any) -> Any:
    """True if the strategy declares this read; the first that it does not is kept for the error."""
    reads = out.reads[0]
    if reads.declared & bit != 0:
        return True
    if reads.undeclared == 0:
        reads.undeclared = bit
    return False


@inner_kernel
def _place(out: Any, bit: Any, instrument: Any) -> Any:
    """Place of an instrument in the view, -1 where this may not be read, or there is no such
    instrument.
    """
    if not _declares(out, bit):
        return NO_ROW
    reads = out.reads[0]
    place = instrument_place(record_at(reads.view_at, VIEW), instrument)
    if place < 0 and reads.is_unlisted == 0:
        reads.is_unlisted = 1
        reads.unlisted = instrument
    return place


@inner_kernel
def is_wrong(out: Any) -> Any:
    """True if one of the reads of the present call may not be, or had no answer."""
    reads = out.reads[0]
    is_undeclared = reads.undeclared != 0 or reads.is_unlisted != 0
    has_no_answer = reads.code != 0 or reads.books_code != 0
    return is_undeclared or reads.is_no_share != 0 or has_no_answer
