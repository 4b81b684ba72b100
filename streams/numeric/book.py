"""The fast L2 book: one update in, best bid and ask kept, any level answered. Start here; memory and invariants are in book_state.py.

Semantics (reference_book.py says the same in plain Python):

- Quantities are absolute; 0 removes a level, and removing an unknown one is normal. Levels a snapshot did not reach are unknown, not empty.
- sync.py decides which record is applied. A book that is not ``synced`` keeps its last levels after a gap but must not be published.
- A record with a negative quantity or a price below 1 is refused whole, and changes nothing: the next record shows the gap.
- Crossed books: the venue is believed (policy *keep and flag*): nothing is dropped or resolved, ``top_flags`` says CROSSED, and whoever
  trades on quotes refuses flagged ones. Auctions cross for minutes, and resolving would invent a book the venue never had.
- Order is the update ids', never the event times': a record with an older time and the right ids is applied.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.kernel import kernel
from schemas.vocabulary import Flag, Side
from streams.numeric import sync, tail, window
from streams.numeric.book_state import INSTRUMENTS_MAX, TAIL_CAPACITY_FAULT, Books, new_books

__all__ = [
    "APPLIED", "BECAME_STALE", "BECAME_SYNCED", "IGNORED", "MALFORMED", "TOP_CHANGED", "Books",
    "apply", "clear", "depth", "new_books", "next_level", "quantity_at", "slot_of", "top_flags",
]  # fmt: skip

APPLIED = 1
TOP_CHANGED = 2
"""Best price or quantity of a side differs from before."""
BECAME_STALE = 4
BECAME_SYNCED = 8
IGNORED = 16
"""Old, or waiting for a snapshot."""
MALFORMED = 32
"""Refused: changes nothing."""

BUY = int(Side.BUY)
SELL = int(Side.SELL)
STALE_FLAG = int(Flag.STALE)
CROSSED_FLAG = int(Flag.CROSSED)
ONE_SIDED_FLAG = int(Flag.ONE_SIDED)


@kernel
def apply(books: Any, slot: Any, update: Any, levels: Any) -> Any:
    """Take one depth record: returns a set of the bits above.

    ``update``: a row of the DepthUpdate dtype; its levels are rows ``first_level`` on of ``levels``, bids then asks. An unknown slot is
    MALFORMED. A full tail sets ``books.fault`` and leaves the book unsynced.
    """
    if slot < 0 or slot >= books.phase.shape[0]:
        return MALFORMED
    before = np.int64(books.phase[slot])
    verdict, phase = sync.step(
        before, books.sequence[slot], update.kind, update.flags, update.first_update_id, update.final_update_id, update.previous_update_id
    )
    if verdict == sync.IGNORE:
        return IGNORED
    applies = verdict == sync.APPLY or verdict == sync.RESET
    if verdict == sync.REFUSE or (applies and not well_formed(update, levels)):
        return MALFORMED
    result = 0
    if verdict == sync.RESET or verdict == sync.DROP:
        _empty(books, slot)
    if applies:
        first = np.int64(update.first_level)
        middle = first + update.bid_count
        fits = _apply_side(books, 2 * slot, 1, books.tick[slot], levels, first, middle)
        fits &= _apply_side(books, 2 * slot + 1, -1, books.tick[slot], levels, middle, middle + update.ask_count)
        books.sequence[slot] = update.final_update_id
        books.time[slot] = update.event_time
        if not fits:
            phase = sync.UNSYNCED
            _report_full_tail(books, slot)
        result = APPLIED
    books.phase[slot] = phase
    books.synced[slot] = 1 if phase >= sync.AWAITING else 0
    if phase >= sync.AWAITING or verdict != sync.GAP:
        result |= _keep_top(books, slot, phase)
    if before >= sync.AWAITING and phase < sync.AWAITING:
        result |= BECAME_STALE
    if before < sync.AWAITING and phase >= sync.AWAITING:
        result |= BECAME_SYNCED
    return result


@kernel
def well_formed(update: Any, levels: Any) -> Any:
    """True if all levels of the record exist and have a price of at least 1 and no negative quantity."""
    first = np.int64(update.first_level)
    end = first + update.bid_count + update.ask_count
    if first < 0 or update.bid_count < 0 or update.ask_count < 0 or end > levels.shape[0]:
        return False
    signs = np.int64(0)
    for row in range(first, end):
        price = levels[row].price
        signs |= price | (price - 1) | levels[row].quantity
    return signs >= 0


@kernel
def _apply_side(books: Any, side: Any, sign: Any, tick: Any, levels: Any, first: Any, end: Any) -> Any:
    """Write levels ``first`` to ``end`` into one side. False: the tail is full.

    The loop only writes; ``high`` bounds the highest occupied place from above, and one bitmap scan at the end makes it exact.
    """
    fits = True
    size = books.quantity.shape[1]
    base = books.base[side]
    high = books.top[side]
    quantities = books.quantity[side]
    occupied = books.occupied[side]
    for row in range(first, end):
        price = levels[row].price
        quantity = levels[row].quantity
        unit = price if tick == 1 else price // tick
        place = sign * unit - base
        if 0 <= place < size and unit * tick == price:
            quantities[place] = quantity
            bit = window.ONE << np.uint64(place & 63)
            if quantity != 0:
                occupied[place >> 6] |= bit
                high = max(high, place)
            else:
                occupied[place >> 6] &= ~bit
        elif unit * tick != price:
            fits &= _put_off_tick(books, side, sign, tick, price, quantity)
        elif quantity == 0:
            if place < 0:
                tail.remove(books, side, price)
        elif place < 0 and high >= 0:
            fits &= tail.put(books, side, price, quantity) >= 0
        else:
            fits &= window.move(books, side, sign, tick, sign * unit)
            base = books.base[side]
            high = window.home_place(books)
            window.occupy(books, side, high, quantity)
    return _settle(books, side, sign, tick, high) and fits


@kernel
def _settle(books: Any, side: Any, sign: Any, tick: Any, high: Any) -> Any:
    """Find the top, and re-centre when it left the window or came within a quarter of its lower edge. False: the tail is full."""
    top = window.highest_from(books.occupied[side], high)
    key = books.base[side] + top
    if top < 0 and books.tail_count[side] > books.off_tick_count[side]:
        key = _best_on_tick(books, side, sign, tick)
    elif top < 0 or 4 * top >= books.quantity.shape[1]:
        books.top[side] = top
        return True
    fits = window.move(books, side, sign, tick, key)
    books.top[side] = window.home_place(books)
    return fits


@kernel
def _best_on_tick(books: Any, side: Any, sign: Any, tick: Any) -> Any:
    """Key of the best on-tick tail level; one exists."""
    limit = np.int64(0)
    while True:
        limit = tail.best_after(books, side, sign, limit, tick, False)
        if limit % tick == 0:
            return sign * (limit // tick)


@kernel
def _put_off_tick(books: Any, side: Any, sign: Any, tick: Any, price: Any, quantity: Any) -> Any:
    """Set or remove a level off the tick, keeping their count and best. False: the tail is full."""
    best = books.off_tick_best[side]
    if quantity != 0:
        added = tail.put(books, side, price, quantity)
        if added > 0:
            books.off_tick_count[side] += 1
            if best == 0 or sign * price > sign * best:
                books.off_tick_best[side] = price
        return added >= 0
    if tail.remove(books, side, price):
        books.off_tick_count[side] -= 1
        if price == best:
            books.off_tick_best[side] = tail.best_after(books, side, sign, 0, tick, True)
    return True


@kernel
def _best(books: Any, side: Any, sign: Any, tick: Any) -> Any:
    """Best level of a side: (price, quantity), (0, 0) for none."""
    price = np.int64(0)
    quantity = np.int64(0)
    top = books.top[side]
    if top >= 0:
        price = sign * (books.base[side] + top) * tick
        quantity = books.quantity[side, top]
    off = books.off_tick_best[side]
    if off != 0 and (price == 0 or sign * off > sign * price):
        price = off
        quantity = tail.quantity_in_tail(books, side, off)
    return price, quantity


@kernel
def _keep_top(books: Any, slot: Any, phase: Any) -> Any:
    """Store the best levels, none while a snapshot is loading. Returns TOP_CHANGED or 0."""
    bid_price = bid_quantity = ask_price = ask_quantity = np.int64(0)
    if phase >= sync.AWAITING:
        bid_price, bid_quantity = _best(books, 2 * slot, 1, books.tick[slot])
        ask_price, ask_quantity = _best(books, 2 * slot + 1, -1, books.tick[slot])
    difference = bid_price ^ books.bid_price[slot]
    difference |= bid_quantity ^ books.bid_quantity[slot]
    difference |= ask_price ^ books.ask_price[slot]
    difference |= ask_quantity ^ books.ask_quantity[slot]
    if difference == 0:
        return 0
    books.bid_price[slot] = bid_price
    books.bid_quantity[slot] = bid_quantity
    books.ask_price[slot] = ask_price
    books.ask_quantity[slot] = ask_quantity
    return TOP_CHANGED


@kernel
def _report_full_tail(books: Any, slot: Any) -> None:
    if books.fault[0] == 0:
        books.fault[0] = TAIL_CAPACITY_FAULT
        books.fault[1] = books.instrument[slot]
        books.fault[2] = max(books.tail_count[2 * slot], books.tail_count[2 * slot + 1]) + 1
        books.fault[3] = books.tail_price.shape[1]


@kernel
def _empty(books: Any, slot: Any) -> None:
    for side in range(2 * slot, 2 * slot + 2):
        window.clear_window(books, side)
        tail.clear_tail(books, side)
        books.off_tick_count[side] = 0
        books.off_tick_best[side] = 0


@kernel
def clear(books: Any, slot: Any) -> None:
    """Forget everything about a slot: no levels, unsynced, waiting for a snapshot."""
    _empty(books, slot)
    books.phase[slot] = sync.UNSYNCED
    books.synced[slot] = 0
    books.sequence[slot] = 0
    books.time[slot] = 0
    _keep_top(books, slot, sync.UNSYNCED)


@kernel
def slot_of(books: Any, instrument: Any) -> Any:
    """Slot of an instrument id, -1 for an unknown or impossible one."""
    if instrument < 0 or instrument >= INSTRUMENTS_MAX:
        return np.int64(-1)
    return np.int64(books.slots[instrument])


@kernel
def quantity_at(books: Any, slot: Any, side: Any, price: Any) -> Any:
    """Displayed quantity at a price, 0 for none. ``side``: BUY reads bids, SELL asks."""
    row = 2 * slot + (side == SELL)
    sign = -1 if side == SELL else 1
    tick = books.tick[slot]
    if price < 1:
        return np.int64(0)
    place = sign * (price // tick) - books.base[row]
    if 0 <= place < books.quantity.shape[1] and price % tick == 0:
        return books.quantity[row, place]
    return tail.quantity_in_tail(books, row, price)


@kernel
def next_level(books: Any, slot: Any, side: Any, price: Any) -> Any:
    """Price of the next worse level than ``price`` (0: the best one), 0 for none. Cheap inside the window; a scan of the tail beyond it."""
    row = 2 * slot + (side == SELL)
    sign = -1 if side == SELL else 1
    tick = books.tick[slot]
    if price < 1:
        return _best(books, row, sign, tick)[0]
    unit = price // tick
    if sign < 0 or unit * tick == price:
        start = sign * unit - books.base[row] - 1
    else:
        start = unit - books.base[row]
    place = window.highest_from(books.occupied[row], min(start, books.top[row]))
    on_tick = sign * (books.base[row] + place) * tick if place >= 0 else np.int64(0)
    if place >= 0 and books.off_tick_count[row] == 0:
        return on_tick
    other = tail.best_after(books, row, sign, price, tick, place >= 0)
    if on_tick == 0 or (other != 0 and sign * other > sign * on_tick):
        return other
    return on_tick


@kernel
def depth(books: Any, slot: Any, side: Any, count: Any) -> Any:
    """Sum of the quantities of the best ``count`` levels of a side, for imbalance over N levels; exact below 2^63."""
    total = np.int64(0)
    price = next_level(books, slot, side, 0)
    while price != 0 and count > 0:
        total += quantity_at(books, slot, side, price)
        price = next_level(books, slot, side, price)
        count -= 1
    return total


@kernel
def top_flags(books: Any, slot: Any) -> Any:
    """Quality flags of the top: STALE if not synced, ONE_SIDED if a side is empty, CROSSED if bid >= ask (locked included)."""
    flags = 0 if books.synced[slot] else STALE_FLAG
    bid, ask = books.bid_price[slot], books.ask_price[slot]
    if bid == 0 or ask == 0:
        return flags | ONE_SIDED_FLAG
    return flags | CROSSED_FLAG if bid >= ask else flags
