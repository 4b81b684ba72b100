# mypy: ignore-errors
"""The generated market as one kernel: who arrives, the limit order book they meet in, and what a
recorder would have seen.

Time is a grid of 1 ms slots; in a slot at most one thing happens, with a fixed probability: a limit
order, a cancel, a market order (a Poisson process, thinned to the grid). Every 100 ms the fair
price takes a step and the levels that changed become one depth update, as on a venue's diff stream.

- *Makers* place limit orders: behind the best price of their side at a skewed distance, or inside a
  wide spread. They cancel at random, the more the more orders rest, and pull quotes that the fair
  price has passed.
- *Noise* takers buy or sell at random, through at most three levels.
- *Informed* takers know the fair price: they take every order better than it, and stay away while
  it lies inside the spread.
- The fair price is a random walk with a drift that changes about every 30 s and three regimes of
  volatility.

Matching is by price, then time. Prices are indices of ticks in a window around the start; the fair
price is in thousandths of a tick and turned back before it reaches the window's edge. All
arithmetic is on integers: the same seed gives the same market on every machine.

Everything compiled is in this one file, so that a change of it is always compiled anew.
"""

from typing import NamedTuple

import numpy as np

from schemas.codec import LEVEL
from schemas.compiled.book_ticker import DTYPE as TICKER
from schemas.compiled.depth_update import DTYPE as DEPTH
from schemas.compiled.simulation_truth import DTYPE as TRUTH
from schemas.compiled.trade import DTYPE as TRADE
from schemas.kernel import kernel
from schemas.vocabulary import DepthKind, Flag, Side

SLOT = 1_000_000
STEP_SLOTS = 100
"""Slots between steps of the fair price and between depth updates."""
WINDOW = 1 << 16
MIDDLE = WINDOW // 2
FAIR_MARGIN = 4096
"""Ticks from the window's edges at which the fair price turns back."""
ORDERS_MAX = 2048
LIVE_TARGET = 160
"""Resting orders around which cancels balance arrivals."""
CHANGED_MAX = 1024
"""Levels that may change between two depth updates."""

LIMIT_ODDS = 14
CANCEL_ODDS = 11
"""Arrivals a second; cancels at the target number of resting orders."""
TAKER_ODDS = 3
STEP_SIZE = 350
"""Largest of the four uniform parts of a step of the fair price, in thousandths of a tick, at
volatility 1 in the calm regime.
"""
DRIFT_MAX = 80

BUY, SELL = int(Side.BUY), int(Side.SELL)
DELTA, SNAPSHOT = int(DepthKind.DELTA), int(DepthKind.SNAPSHOT)
SIMULATED = int(Flag.SIMULATED)
WHOLE_SNAPSHOT = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)

EVENT, KIND, SIDE, DISTANCE, SIZE, VICTIM, FAIR, DRIFT, REGIME, LATENCY, OFFSET = range(1, 12)
"""What a draw is for: the entity of its key."""

SCALARS = np.dtype(
    [
        (name, "i8")
        for name in (
            "slot",
            "fair",
            "drift",
            "regime",
            "live",
            "free",
            "changed",
            "trade_id",
            "update_id",
            "told_id",
            "best_bid",
            "best_ask",
            "bid_told",
            "bid_quantity_told",
            "ask_told",
            "ask_quantity_told",
        )
    ],
    align=True,
)
ORDER = np.dtype(
    [
        ("price", "i8"),
        ("quantity", "i8"),
        ("side", "i8"),
        ("next", "i8"),
        ("before", "i8"),
        ("place", "i8"),
    ],
    align=True,
)
PARAMETERS = np.dtype(
    [
        (name, "i8")
        for name in ("seed", "informed", "volatility", "start", "instrument", "tick", "lowest")
    ],
    align=True,
)
"""seed; informed share and volatility in thousandths; start time ns; instrument id; tick size;
price of index 0 in ticks.
"""


class Market(NamedTuple):
    """The market's state: scalars, orders by number, numbers of resting and of free orders, and per
    side and level its queue.
    """

    scalars: np.ndarray
    orders: np.ndarray
    live: np.ndarray
    free: np.ndarray
    head: np.ndarray
    tail: np.ndarray
    quantity: np.ndarray
    marked: np.ndarray
    changed: np.ndarray


class Output(NamedTuple):
    """What a recorder saw: rows, and their counts (trades, depth, levels, tickers)."""

    trades: np.ndarray
    truths: np.ndarray
    depth: np.ndarray
    levels: np.ndarray
    tickers: np.ndarray
    counts: np.ndarray


def new_market() -> Market:
    """An empty book; side 0 is bids, 1 asks."""
    scalars = np.zeros(1, SCALARS)
    scalars["fair"], scalars["regime"], scalars["free"] = MIDDLE * 1000, 1, ORDERS_MAX
    scalars["best_bid"] = -1
    scalars["best_ask"] = WINDOW
    free = np.arange(ORDERS_MAX - 1, -1, -1, dtype=np.int64)
    empty = np.full((2, WINDOW), -1, np.int64)
    return Market(
        scalars,
        np.zeros(ORDERS_MAX, ORDER),
        np.zeros(ORDERS_MAX, np.int64),
        free,
        empty,
        empty.copy(),
        np.zeros((2, WINDOW), np.int64),
        np.zeros((2, WINDOW), np.uint8),
        np.zeros(CHANGED_MAX, np.int64),
    )


def new_output(slots: int) -> Output:
    """Room for what ``slots`` slots can bring at most: an event a slot, of which a market order can
    take every resting order.
    """
    events = slots // 4 + ORDERS_MAX
    updates = slots // STEP_SLOTS + 2
    return Output(
        np.zeros(events, TRADE),
        np.zeros(events, TRUTH),
        np.zeros(updates, DEPTH),
        np.zeros(updates * 128 + CHANGED_MAX, LEVEL),
        np.zeros(events, TICKER),
        np.zeros(4, np.int64),
    )


@kernel
def draw(seed, entity, ordinal):
    """31 random bits, a function of its key alone (COR-7): two rounds of the SplitMix64 finaliser
    over (seed, entity), then ordinal.
    """
    key = np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.uint64(entity) * np.uint64(
        0x9E3779B97F4A7C15
    )
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    key = (key ^ (key >> np.uint64(31))) + np.uint64(ordinal) * np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((key ^ (key >> np.uint64(31))) >> np.uint64(33))


@kernel
def below(seed, entity, ordinal, limit):
    """A draw from 0 to ``limit`` - 1."""
    return (draw(seed, entity, ordinal) * limit) >> 31


@kernel
def skewed(seed, entity, ordinal, unit):
    """A draw with a long tail: uniform below ``unit``, doubled with odds 1 in 2, up to five times:
    mean about 1.7 ``unit``.
    """
    bits = draw(seed, entity, ordinal)
    scale = 0
    while scale < 5 and bits & 1:
        bits >>= 1
        scale += 1
    return (((bits >> 1) & 0xFFFFF) * (unit << scale)) >> 20


@kernel
def mark(market, side, price):
    """Note that a level changed since the last depth update."""
    scalars = market.scalars[0]
    if market.marked[side, price] == 0 and scalars.changed < CHANGED_MAX:
        market.marked[side, price] = 1
        market.changed[scalars.changed] = price * 2 + side
        scalars.changed += 1


@kernel
def place(market, side, price, quantity):
    """Rest an order at the end of its level's queue; nothing happens where there is no room."""
    scalars = market.scalars[0]
    if scalars.free == 0:
        return
    scalars.free -= 1
    number = market.free[scalars.free]
    order = market.orders[number]
    order.price, order.quantity, order.side, order.next = price, quantity, side, -1
    order.before = market.tail[side, price]
    order.place = scalars.live
    market.live[scalars.live] = number
    scalars.live += 1
    if order.before < 0:
        market.head[side, price] = number
    else:
        market.orders[order.before].next = number
    market.tail[side, price] = number
    market.quantity[side, price] += quantity
    mark(market, side, price)
    scalars.update_id += 1
    if side == 0 and price > scalars.best_bid:
        scalars.best_bid = price
    if side == 1 and price < scalars.best_ask:
        scalars.best_ask = price


@kernel
def remove(market, number):
    """Take an order out of its queue and move the best price on where its level is empty now."""
    scalars = market.scalars[0]
    order = market.orders[number]
    side, price = order.side, order.price
    if order.before < 0:
        market.head[side, price] = order.next
    else:
        market.orders[order.before].next = order.next
    if order.next < 0:
        market.tail[side, price] = order.before
    else:
        market.orders[order.next].before = order.before
    market.quantity[side, price] -= order.quantity
    mark(market, side, price)
    scalars.live -= 1
    moved = market.live[scalars.live]
    market.live[order.place] = moved
    market.orders[moved].place = order.place
    market.free[scalars.free] = number
    scalars.free += 1
    if side == 0:
        while scalars.best_bid >= 0 and market.head[0, scalars.best_bid] < 0:
            scalars.best_bid -= 1
    else:
        while scalars.best_ask < WINDOW and market.head[1, scalars.best_ask] < 0:
            scalars.best_ask += 1


@kernel
def take(market, parameters, output, side, limit, quantity, informed, time):
    """A taker on ``side`` (0 buys) takes resting orders, best price first, then oldest, up to the
    price index ``limit``.
    """
    scalars = market.scalars[0]
    other = 1 - side
    while quantity > 0:
        best = scalars.best_ask if side == 0 else scalars.best_bid
        if (
            best < 0
            or best >= WINDOW
            or (side == 0 and best > limit)
            or (side == 1 and best < limit)
        ):
            return
        number = market.head[other, best]
        order = market.orders[number]
        done = min(quantity, order.quantity)
        i = output.counts[0]
        output.counts[0] = i + 1
        scalars.trade_id += 1
        trade = output.trades[i]
        trade.instrument, trade.event_time, trade.trade_id, trade.trade_count = (
            parameters.instrument,
            time,
            scalars.trade_id,
            1,
        )
        trade.receive_time = time + SLOT + below(parameters.seed, LATENCY, scalars.trade_id, SLOT)
        trade.price, trade.quantity = (parameters.lowest + best) * parameters.tick, done
        trade.aggressor_side = BUY if side == 0 else SELL
        trade.flags = SIMULATED
        truth = output.truths[i]
        truth.instrument, truth.event_time, truth.trade_id, truth.informed = (
            parameters.instrument,
            time,
            scalars.trade_id,
            informed,
        )
        truth.fair_price = (parameters.lowest * 1000 + scalars.fair) * parameters.tick // 1000
        quantity -= done
        scalars.update_id += 1
        if done == order.quantity:
            remove(market, number)
        else:
            order.quantity -= done
            market.quantity[other, best] -= done
            mark(market, other, best)


@kernel
def arrive_limit(market, parameters):
    """A maker: inside a wide spread one time in three, else behind the best price of its side."""
    scalars = market.scalars[0]
    seed, slot = parameters.seed, scalars.slot
    side = draw(seed, SIDE, slot) & 1
    fair = scalars.fair // 1000
    bid = scalars.best_bid if scalars.best_bid >= 0 else min(fair, scalars.best_ask) - 1
    ask = scalars.best_ask if scalars.best_ask < WINDOW else max(fair, bid) + 1
    room = ask - bid - 1
    inside = room > 0 and draw(seed, KIND, slot) % 3 == 0
    away = 1 + below(seed, DISTANCE, slot, room) if inside else -skewed(seed, DISTANCE, slot, 8)
    price = bid + away if side == 0 else ask - away
    if 0 < price < WINDOW - 1:
        place(market, side, price, 1 + skewed(seed, SIZE, slot, 250))


@kernel
def arrive_cancel(market, parameters):
    """A cancel: one time in two the oldest order at a best price that the fair price has passed,
    else any resting order.
    """
    scalars = market.scalars[0]
    seed, slot = parameters.seed, scalars.slot
    victim = market.live[below(seed, VICTIM, slot, scalars.live)]
    if draw(seed, KIND, slot) & 1:
        if scalars.best_ask < WINDOW and scalars.fair > scalars.best_ask * 1000:
            victim = market.head[1, scalars.best_ask]
        elif scalars.best_bid >= 0 and scalars.fair < scalars.best_bid * 1000:
            victim = market.head[0, scalars.best_bid]
    remove(market, victim)
    scalars.update_id += 1


@kernel
def arrive_taker(market, parameters, output, time):
    """A taker: informed ones take what is better than the fair price, others through three levels
    at a random side.
    """
    scalars = market.scalars[0]
    seed, slot = parameters.seed, scalars.slot
    quantity = 1 + skewed(seed, SIZE, slot, 120)
    if below(seed, KIND, slot, 1000) < parameters.informed:
        fair = scalars.fair
        if fair > scalars.best_ask * 1000:
            take(market, parameters, output, 0, fair // 1000, quantity * 16, True, time)
        elif fair < scalars.best_bid * 1000:
            take(market, parameters, output, 1, -(-fair // 1000), quantity * 16, True, time)
    elif draw(seed, SIDE, slot) & 1:
        take(market, parameters, output, 0, scalars.best_ask + 2, quantity, False, time)
    else:
        take(market, parameters, output, 1, scalars.best_bid - 2, quantity, False, time)


@kernel
def move_fair(market, parameters):
    """One step of the fair price: four uniform parts, scaled by regime, plus the drift."""
    scalars = market.scalars[0]
    seed, step = parameters.seed, scalars.slot // STEP_SLOTS
    if below(seed, REGIME, step, 600) == 0:
        scalars.regime = 1 + draw(seed, REGIME, -step) % 3
    if below(seed, DRIFT, step, 300) == 0:
        scalars.drift = below(seed, DRIFT, -step, 2 * DRIFT_MAX + 1) - DRIFT_MAX
    size = STEP_SIZE * parameters.volatility // 1000
    move = 0
    for part in range(4):
        move += below(seed, FAIR, 4 * step + part, 2 * size + 1) - size
    scalars.fair += move * scalars.regime // 2 + scalars.drift * parameters.volatility // 1000
    low, high = FAIR_MARGIN * 1000, (WINDOW - FAIR_MARGIN) * 1000
    if scalars.fair < low:
        scalars.fair, scalars.drift = low, abs(scalars.drift)
    elif scalars.fair > high:
        scalars.fair, scalars.drift = high, -abs(scalars.drift)


@kernel
def publish_top(market, parameters, output, time):
    """A book ticker, if the best prices or quantities are others than told last."""
    scalars = market.scalars[0]
    bid, ask = scalars.best_bid, scalars.best_ask
    bid_quantity = market.quantity[0, bid] if bid >= 0 else 0
    ask_quantity = market.quantity[1, ask] if ask < WINDOW else 0
    is_bid_told = bid == scalars.bid_told and bid_quantity == scalars.bid_quantity_told
    if is_bid_told and ask == scalars.ask_told and ask_quantity == scalars.ask_quantity_told:
        return
    scalars.bid_told, scalars.bid_quantity_told, scalars.ask_told, scalars.ask_quantity_told = (
        bid,
        bid_quantity,
        ask,
        ask_quantity,
    )
    i = output.counts[3]
    output.counts[3] = i + 1
    ticker = output.tickers[i]
    ticker.instrument, ticker.event_time, ticker.update_id, ticker.flags = (
        parameters.instrument,
        time,
        scalars.update_id,
        SIMULATED,
    )
    ticker.receive_time = time + SLOT + below(parameters.seed, LATENCY, -scalars.update_id, SLOT)
    ticker.bid_price = (parameters.lowest + bid) * parameters.tick if bid_quantity else 0
    ticker.ask_price = (parameters.lowest + ask) * parameters.tick if ask_quantity else 0
    ticker.bid_quantity, ticker.ask_quantity = bid_quantity, ask_quantity


@kernel
def in_order(values):
    """Sort a few numbers where they lie."""
    for i in range(1, len(values)):
        value = values[i]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


@kernel
def publish_depth(market, parameters, output, time):
    """The levels that changed since the last update, bids from the best down, asks from the best
    up; the first update is a snapshot.
    """
    scalars = market.scalars[0]
    if scalars.changed == 0:
        return
    changed = market.changed[: scalars.changed]
    in_order(changed)
    i = output.counts[1]
    output.counts[1] = i + 1
    row = output.depth[i]
    first_level = output.counts[2]
    count = 0
    for side in range(2):
        before = count
        for k in range(len(changed)):
            entry = changed[len(changed) - 1 - k] if side == 0 else changed[k]
            if entry & 1 != side:
                continue
            price = entry >> 1
            market.marked[side, price] = 0
            level = output.levels[first_level + count]
            level.price, level.quantity = (
                (parameters.lowest + price) * parameters.tick,
                market.quantity[side, price],
            )
            count += 1
        if side == 0:
            row.bid_count = count
        else:
            row.ask_count = count - before
    output.counts[2] = first_level + count
    row.first_level = first_level
    row.instrument, row.event_time = parameters.instrument, time
    row.receive_time = time + SLOT + below(parameters.seed, LATENCY, -scalars.update_id, SLOT)
    row.kind = DELTA if scalars.told_id else SNAPSHOT
    row.flags = SIMULATED if scalars.told_id else SIMULATED | WHOLE_SNAPSHOT
    row.first_update_id = scalars.told_id + 1 if scalars.told_id else scalars.update_id
    row.final_update_id = scalars.update_id
    row.previous_update_id = scalars.told_id if scalars.told_id else -1
    scalars.told_id = scalars.update_id
    scalars.changed = 0


@kernel
def open_market(market, parameters, output):
    """The book before the first slot: makers only, then the snapshot."""
    scalars = market.scalars[0]
    for order in range(LIVE_TARGET):
        side = order & 1
        away = 1 + order // 16 + skewed(parameters.seed, DISTANCE, -1 - order, 12)
        price = MIDDLE - away if side == 0 else MIDDLE + away
        place(market, side, price, 1 + skewed(parameters.seed, SIZE, -1 - order, 250))
    publish_depth(market, parameters, output, parameters.start)
    publish_top(market, parameters, output, parameters.start)
    scalars.slot = 1


@kernel
def run(market, parameters, output, end):
    """Simulate up to slot ``end``. The book's levels stay within what ``new_output`` has room for.
    """
    scalars = market.scalars[0]
    if scalars.slot == 0:
        open_market(market, parameters, output)
    while scalars.slot < end:
        slot = scalars.slot
        seed = parameters.seed
        time = parameters.start + slot * SLOT
        chance = below(seed, EVENT, slot, 1_000_000)
        cancels = CANCEL_ODDS * 1000 * scalars.live // LIVE_TARGET
        if chance < (LIMIT_ODDS + TAKER_ODDS) * 1000 + cancels:
            at = time - below(seed, OFFSET, slot, SLOT)
            if chance < LIMIT_ODDS * 1000:
                arrive_limit(market, parameters)
            elif chance < (LIMIT_ODDS + TAKER_ODDS) * 1000:
                arrive_taker(market, parameters, output, at)
            else:
                arrive_cancel(market, parameters)
            publish_top(market, parameters, output, at)
        if slot % STEP_SLOTS == 0:
            publish_depth(market, parameters, output, time)
            move_fair(market, parameters)
        scalars.slot = slot + 1
