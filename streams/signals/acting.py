"""What a strategy does by its context besides ``self.order`` and ``self.cancel``: targets, modified
orders, named timers.

``StrategyServices`` has these methods in the process of the stages, and a stranger's strategy in
its own process, where what they read comes from the other one.
"""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import OrderStatus
from streams.numeric.bounds import INT64_MAX
from streams.numeric.log_lines import NO_EQUITY, NO_LOT, NO_PRICE, REFUSALS, render
from streams.numeric.targets import (
    SHARE_MAX,
    SHARE_UNIT,
    entry_price,
    is_share,
    missing_quantity,
    part_of,
    quantity_worth,
)
from streams.signals.exact import exact_order_id
from streams.signals.named_timers import NamedTimers
from streams.signals.strategy import BUY, SELL, BadStrategy, exact_float, exact_int

PENDING_CANCEL = int(OrderStatus.PENDING_CANCEL)


class Acting(NamedTimers):
    """For one strategy. Subclasses know what is read: position, equity, last_mark, instrument,
    working, open_orders.
    """

    _strategy: Any
    _context: Any
    _name: str

    # -- targets

    def order_target(
        self, instrument: int, quantity: int, *, price: int = 0, post_only: bool = False
    ) -> str:
        """Order what is missing to hold ``quantity`` (signed), rounded to the lot towards zero;
        returns the order's id, "" for nothing.

        What works already counts as if it were filled. A market order, or a limit order where
        ``price`` is given.
        """
        read: Any = self
        lot_size = read.instrument(instrument).lot_size
        held = read.position(instrument).quantity
        target = exact_int("quantity", quantity)
        size = int(missing_quantity(target, held, read.working(instrument), lot_size))
        if not size:
            return ""
        side = BUY if size > 0 else SELL
        order_id: str = self._strategy.order(
            self._context, instrument, side, abs(size), price=price, post_only=post_only
        )
        return order_id

    def order_target_value(
        self, instrument: int, value: int, *, price: int = 0, post_only: bool = False
    ) -> str:
        """The same for a position worth ``value`` (signed, in units of 10^-amount_precision) at the
        touch that it would be traded at.

        At ``price`` where one is given. Without a price nothing is ordered, and the log says so.
        """
        read: Any = self
        value = exact_int("value", value)
        specification = read.instrument(instrument)
        if not value:
            return self.order_target(instrument, 0, price=price, post_only=post_only)
        mark = read.last_mark(instrument)
        at = price or (0 if mark is None else int(entry_price(value, mark)))
        if at <= 0:
            return self._refused(instrument, NO_PRICE)
        finer = (
            read.amount_precision - specification.price_precision - specification.quantity_precision
        )
        target = quantity_worth(value, at, finer, specification)
        if not target:
            return self._refused(instrument, NO_LOT, abs(value), at)
        return self.order_target(instrument, target, price=price, post_only=post_only)

    def order_target_percent(
        self, instrument: int, share: float, *, price: int = 0, post_only: bool = False
    ) -> str:
        """The same for a share of the account's equity: 0.5 is half of it, -0.5 as much short;
        taken to nine decimals.
        """
        read: Any = self
        equity = read.equity
        if equity is None:
            return self._refused(instrument, NO_EQUITY)
        part = exact_float("share", share)
        if not is_share(part):
            what = f"{self._name} asks for a share of {part} of its equity"
            raise BadStrategy(f"{what}; give a number of at most {SHARE_MAX:,.0f} either way")
        parts = round(part * SHARE_UNIT)
        return self.order_target_value(
            instrument, part_of(equity, parts), price=price, post_only=post_only
        )

    def _refused(self, instrument: int, why: int, *values: int) -> str:
        read: Any = self
        symbol = read.instrument(instrument).symbol
        if type(self._strategy).LOGS:
            read.log(render(REFUSALS[why], (instrument, *values), {instrument: symbol}))
        return ""

    # -- modified orders

    def modify(
        self, order_id: str, *, quantity: int = 0, price: int = 0, post_only: bool = False
    ) -> str:
        """Cancel a limit order and send it again with another quantity or price (0: as it is);
        returns the id of the new one.

        See replacing.py for what happens if it fills in between.
        """
        read: Any = self
        order_id = exact_order_id(order_id)
        quantity, price = exact_int("quantity", quantity), exact_int("price", price)
        if not 0 <= quantity <= INT64_MAX or not 0 <= price <= INT64_MAX:
            raise BadStrategy(
                f"{self._name} modifies an order to {quantity} at {price}; "
                "give more than 0 and at most 2^63 - 1, or leave it out"
            )
        known: str | None = read.amend(order_id, quantity, price, post_only)
        if known:
            return known
        order = next((each for each in read.open_orders() if each.order_id == order_id), None)
        if order is None or not order.price:
            what = "is a market order" if order is not None else "is not among its open orders"
            raise BadStrategy(
                f"{self._name} modifies {order_id!r}, which {what}; "
                "modify a limit order of context.open_orders()"
            )
        new_id: str = self._context.order_id()
        if order.status != PENDING_CANCEL:
            self._strategy.cancel(self._context, order_id, order.instrument, order.side)
        read.replace(
            order_id,
            new_id,
            order.instrument,
            order.side,
            quantity or order.quantity,
            price or order.price,
            post_only,
        )
        return new_id
