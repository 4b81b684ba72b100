"""A plain venue by the same rules, written to be checked by reading: dictionaries, lists, one unit
of volume at a time, no tables, no rings.

It shares no code with ``streams.venue`` but the records and the vocabulary. Deliveries and arrivals
lie in one list and the lowest (due time, sequence) is looked for each time; books are dictionaries;
after every depth update all known prices are compared.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from schemas.records import (
    BookTicker,
    DepthUpdate,
    ExecutionReport,
    Instrument,
    Trade,
    VenueCommand,
)
from schemas.vocabulary import (
    DepthKind,
    Flag,
    Liquidity,
    OrderReason,
    OrderType,
    ReportKind,
    RequestKind,
    Side,
    TimeInForce,
)

NEVER = 2**63 - 1
FINE = OrderReason.NONE


def opposite(side: int) -> int:
    return Side.SELL if side == Side.BUY else Side.BUY


def half_even(value: Fraction) -> int:
    """Nearest integer, ties to the even one (what Python's ``round`` does for fractions)."""
    return round(value)


class Book:
    """Displayed sizes by side and price, and the spot chain: a delta continues if it covers ``last
    + 1``.
    """

    def __init__(self) -> None:
        self.sizes: dict[int, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self.synced = False
        self.last = 0

    def apply(self, update: DepthUpdate) -> bool:
        """True if the update's levels went into the book."""
        if update.kind == DepthKind.SNAPSHOT:
            if update.flags & Flag.FIRST_OF_SNAPSHOT:
                self.sizes = {Side.BUY: {}, Side.SELL: {}}
            self.synced = bool(update.flags & Flag.LAST_OF_SNAPSHOT)
        elif not self.synced or update.final_update_id <= self.last:
            return False
        elif update.first_update_id > self.last + 1:
            self.synced = False
            return False
        self.last = update.final_update_id
        for side, rows in ((Side.BUY, update.bids), (Side.SELL, update.asks)):
            for price, quantity in rows:
                self.sizes[side].pop(price, None)
                if quantity:
                    self.sizes[side][price] = quantity
        return True

    def prices(self, side: int) -> list[int]:
        """Best first."""
        return sorted(self.sizes[side], reverse=side == Side.BUY)


class Order:
    """A resting order: ``ahead`` are units of others before it, ``traded`` what printed at its
    price since it joined or the size changed.
    """

    def __init__(self, command: VenueCommand, filled: int, ahead: int) -> None:
        self.command = command
        self.filled = filled
        self.ahead = ahead
        self.traded = 0

    @property
    def leaves(self) -> int:
        return self.command.quantity - self.filled


class ReferenceVenue:
    """``clock`` is set by the caller before each call; ``due()`` says when ``step()`` has something
    to do.
    """

    def __init__(self, instruments: list[Instrument], settings: Any) -> None:
        self.instruments = {item.instrument: item for item in instruments}
        self.settings = settings
        self.clock = 0
        self.sequence = 0
        self.trade_id = 0
        self.mail: list[tuple[int, int, Any]] = []
        self.books = {item.instrument: Book() for item in instruments}
        self.resting: list[Order] = []  # in order of arrival
        self.closed: list[str] = []
        # (instrument, displayed side, price): taken since the size last changed
        self.taken: dict[tuple[int, int, int], int] = {}
        # the same: printed since the level's last update
        self.printed: dict[tuple[int, int, int], int] = {}
        self.tickers: dict[int, BookTicker] = {}
        self.known: dict[tuple[int, int, int], int] = {}  # sizes when the book was last in sync

    def due(self) -> int:
        return min((time for time, _, _ in self.mail), default=NEVER)

    def send(self, delay: int, item: Any) -> None:
        self.mail.append((self.clock + delay, self.sequence, item))
        self.sequence += 1

    def step(self) -> ExecutionReport | None:
        """Do the one thing that is due first; a report if it was a delivery."""
        first = min(self.mail, key=lambda entry: entry[:2])
        self.mail.remove(first)
        if isinstance(first[2], ExecutionReport):
            return first[2]
        self.arrive(first[2])
        return None

    def on_venue_command(self, command: VenueCommand) -> None:
        self.send(self.settings.feed_latency + self.settings.entry_latency, command)

    def report(
        self,
        command: VenueCommand,
        kind: int,
        reason: int,
        filled: int = 0,
        leaves: int = 0,
        fill: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0),
    ) -> None:
        """``fill``: trade id, price, quantity, liquidity, fee."""
        trade_id, price, quantity, liquidity, fee = fill
        delay = self.settings.response_latency - self.settings.feed_latency
        self.send(
            delay,
            ExecutionReport(
                command.order_id, command.instrument, self.clock + delay, self.clock, int(kind),
                int(reason), trade_id, command.side,
                price, quantity, filled, leaves, int(liquidity), fee,
            ),
        )  # fmt: skip

    def fill(
        self, command: VenueCommand, price: int, quantity: int, filled: int, liquidity: int
    ) -> None:
        self.trade_id += 1
        rate = (
            self.settings.maker_rate if liquidity == Liquidity.MAKER else self.settings.taker_rate
        )
        fee = half_even(Fraction(price * quantity * rate, 10**8))
        self.report(
            command,
            ReportKind.FILL,
            FINE,
            filled,
            command.quantity - filled,
            (self.trade_id, price, quantity, liquidity, fee),
        )

    # arrivals

    def arrive(self, command: VenueCommand) -> None:
        resting = [order for order in self.resting if order.command.order_id == command.order_id]
        if command.kind != RequestKind.NEW:
            self.cancel(command, resting)
        elif resting or command.order_id in self.closed:
            self.report(command, ReportKind.REJECTED, OrderReason.DUPLICATE_ORDER)
        else:
            self.new_order(command)

    def cancel(self, command: VenueCommand, resting: list[Order]) -> None:
        if not resting:
            reason = (
                OrderReason.ORDER_CLOSED
                if command.order_id in self.closed
                else OrderReason.UNKNOWN_ORDER
            )
            self.report(command, ReportKind.CANCEL_REJECTED, reason)
        elif resting[0].command.instrument != command.instrument:
            self.report(command, ReportKind.CANCEL_REJECTED, OrderReason.WRONG_INSTRUMENT)
        else:
            self.report(
                resting[0].command, ReportKind.CANCELLED, OrderReason.USER_CANCEL, resting[0].filled
            )
            self.close(resting[0])

    def close(self, order: Order) -> None:
        self.resting.remove(order)
        self.remember(order.command.order_id)

    def remember(self, order_id: str) -> None:
        self.closed = [*self.closed, order_id][-self.settings.closed_max :]

    def new_order(self, command: VenueCommand) -> None:
        refusal = self.refusal(command)
        if refusal != FINE:
            self.report(command, ReportKind.REJECTED, refusal)
            self.remember(command.order_id)
            return
        self.report(command, ReportKind.ACCEPTED, FINE, 0, command.quantity)
        filled = 0
        passive = opposite(command.side)
        for price, quantity in self.takeable(command.instrument, passive):
            if not self.within(command, price) or filled == command.quantity:
                break
            taken = min(quantity, command.quantity - filled)
            filled += taken
            self.fill(command, price, taken, filled, Liquidity.TAKER)
            key = (command.instrument, passive, price)
            self.taken[key] = self.taken.get(key, 0) + taken
        if filled == command.quantity:
            self.remember(command.order_id)
        elif command.order_type == OrderType.MARKET:
            is_beyond = command.price and self.takeable(command.instrument, passive)
            self.report(
                command,
                ReportKind.CANCELLED,
                OrderReason.PROTECTION_PRICE if is_beyond else OrderReason.NO_LIQUIDITY,
                filled,
            )
            self.remember(command.order_id)
        elif command.time_in_force == TimeInForce.IOC:
            self.report(command, ReportKind.CANCELLED, OrderReason.IOC_REMAINDER, filled)
            self.remember(command.order_id)
        else:
            displayed = self.books[command.instrument].sizes[command.side].get(command.price, 0)
            self.resting.append(Order(command, filled, displayed))

    def refusal(self, command: VenueCommand) -> int:
        rules = self.instruments.get(command.instrument)
        market = command.order_type == OrderType.MARKET
        if (
            rules is None
            or command.side not in (Side.BUY, Side.SELL)
            or command.order_type not in (OrderType.MARKET, OrderType.LIMIT)
        ):
            return OrderReason.INVALID_ORDER
        if (
            command.quantity <= 0
            or command.quantity % rules.lot_size
            or command.quantity < rules.minimum_quantity
        ):
            return OrderReason.INVALID_ORDER
        if 0 < rules.maximum_quantity < command.quantity or (market and command.post_only):
            return OrderReason.INVALID_ORDER
        if not market:
            if (
                command.price <= 0
                or command.price % rules.tick_size
                or command.price * command.quantity < rules.minimum_notional
            ):
                return OrderReason.INVALID_ORDER
            if command.time_in_force not in (TimeInForce.GTC, TimeInForce.IOC) or (
                command.post_only and command.time_in_force == TimeInForce.IOC
            ):
                return OrderReason.INVALID_ORDER
        if not self.books[command.instrument].synced:
            return OrderReason.BOOK_NOT_SYNCED
        best = self.takeable(command.instrument, opposite(command.side))[:1]
        if market and best and best[0][0] * command.quantity < rules.minimum_notional:
            return OrderReason.INVALID_ORDER
        if command.post_only and best and self.within(command, best[0][0]):
            return OrderReason.POST_ONLY_WOULD_CROSS
        return FINE

    def within(self, command: VenueCommand, price: int) -> bool:
        if command.order_type == OrderType.MARKET and command.price == 0:
            return True
        return price <= command.price if command.side == Side.BUY else price >= command.price

    def takeable(self, instrument: int, side: int) -> list[tuple[int, int]]:
        """(price, quantity not yet taken by the tape or by us) of the levels that have any, best
        first.
        """
        book = self.books[instrument]
        levels = []
        for price in book.prices(side):
            key = (instrument, side, price)
            quantity = min(
                book.sizes[side][price] - self.printed.get(key, 0),
                self.shown_by_ticker(instrument, side, price),
            )
            levels.append((price, quantity - self.taken.get(key, 0)))
        return [level for level in levels if level[1] > 0]

    def shown_by_ticker(self, instrument: int, side: int, price: int) -> int:
        """By option, and while the ticker is newer than the book: nothing better than its best, at
        it what it shows.
        """
        ticker = self.tickers.get(instrument)
        if (
            self.settings.ticker == "off"
            or ticker is None
            or ticker.update_id <= self.books[instrument].last
        ):
            return NEVER
        best, size = (
            (ticker.bid_price, ticker.bid_quantity)
            if side == Side.BUY
            else (ticker.ask_price, ticker.ask_quantity)
        )
        if best and (price > best if side == Side.BUY else price < best):
            return 0
        return size if price == best else NEVER

    # the market

    def side_of(self, instrument: int, side: int) -> list[Order]:
        """Resting orders of one side in price-time priority."""
        sign = -1 if side == Side.BUY else 1
        chosen = [
            order
            for order in self.resting
            if order.command.instrument == instrument and order.command.side == side
        ]
        return sorted(chosen, key=lambda order: sign * order.command.price)

    def passive_fill(self, order: Order, quantity: int) -> None:
        order.filled += quantity
        self.fill(order.command, order.command.price, quantity, order.filled, Liquidity.MAKER)
        if order.leaves == 0:
            self.close(order)

    def on_book_ticker(self, ticker: BookTicker) -> None:
        self.tickers[ticker.instrument] = ticker

    def on_trade(self, trade: Trade) -> None:
        self.fill_resting(trade)
        self.take_by_tape(trade)

    def take_by_tape(self, trade: Trade) -> None:
        """The displayed levels better than the print are gone, and its volume at its price; whom it
        hit, where it has no aggressor, the book says.
        """
        book = self.books.get(trade.instrument)
        if book is None or not book.synced or trade.quantity <= 0:
            return
        asks, bids = book.prices(Side.SELL), book.prices(Side.BUY)
        if asks and trade.price >= asks[0] and trade.aggressor_side != Side.SELL:
            side, hit = Side.SELL, [price for price in asks if price <= trade.price]
        elif bids and trade.price <= bids[0] and trade.aggressor_side != Side.BUY:
            side, hit = Side.BUY, [price for price in bids if price >= trade.price]
        else:
            return
        for price in hit:
            key, size = (trade.instrument, int(side), price), book.sizes[side][price]
            self.printed[key] = (
                min(size, self.printed.get(key, 0) + trade.quantity)
                if price == trade.price
                else size
            )

    def fill_resting(self, trade: Trade) -> None:
        if trade.quantity <= 0 or trade.aggressor_side not in (Side.BUY, Side.SELL):
            return
        passive = opposite(trade.aggressor_side)
        orders = self.side_of(trade.instrument, passive)
        left = trade.quantity
        for order in orders:
            if (
                order.command.price > trade.price
                if passive == Side.BUY
                else order.command.price < trade.price
            ):
                order.ahead = 0
                if left:
                    quantity = min(left, order.leaves)
                    left -= quantity
                    self.passive_fill(order, quantity)
        line = [order for order in orders if order.command.price == trade.price]
        won = [0] * len(line)
        for order in line:
            order.traded += trade.quantity
        while left:
            waiting = [index for index, order in enumerate(line) if order.leaves > won[index]]
            if not waiting:
                break
            first = waiting[0]
            part = min(left, line[first].ahead or line[first].leaves - won[first])
            if line[first].ahead > 0:
                for order in line:
                    order.ahead = max(0, order.ahead - part)
            else:
                won[first] += part
            left -= part
        for order, quantity in zip(line, won, strict=True):
            if quantity:
                self.passive_fill(order, quantity)

    def passes_fill(self) -> bool:
        """A book that moves through an order's price fills it."""
        return True

    def on_depth_update(self, update: DepthUpdate) -> None:
        book = self.books.get(update.instrument)
        if book is None:
            return
        applied = book.apply(update)
        if not book.synced:
            return
        if applied:
            named = {
                (int(side), price)
                for side, rows in ((Side.BUY, update.bids), (Side.SELL, update.asks))
                for price, _ in rows
            }
            is_whole = update.kind == DepthKind.SNAPSHOT
            self.printed = {
                key: size
                for key, size in self.printed.items()
                if key[0] != update.instrument or not (is_whole or key[1:] in named)
            }
        now: dict[tuple[int, int, int], int] = {}
        for side in (Side.BUY, Side.SELL):
            now |= {
                (update.instrument, side, price): size for price, size in book.sizes[side].items()
            }
        before = {key: size for key, size in self.known.items() if key[0] == update.instrument}
        for key in list(before | now):
            old, new = before.get(key, 0), now.get(key, 0)
            if old != new:
                self.taken.pop(key, None)
                for order in self.side_of(update.instrument, key[1]):
                    if order.command.price == key[2]:
                        if old - new - order.traded > 0:
                            order.ahead = min(order.ahead, new)
                        order.traded = 0
        self.known = {
            key: size for key, size in self.known.items() if key[0] != update.instrument
        } | now
        for side in (Side.BUY, Side.SELL) if self.passes_fill() else ():
            best = self.takeable(update.instrument, opposite(side))[:1]
            for order in self.side_of(update.instrument, side):
                if best and (
                    order.command.price >= best[0][0]
                    if side == Side.BUY
                    else order.command.price <= best[0][0]
                ):
                    self.passive_fill(order, order.leaves)
