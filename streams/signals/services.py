"""What the context does for a strategy in plain Python besides time, ids and emitting: reading its
account, the book and the last records.

Everything is as of the record that the strategy handles. A strategy that reads ``account`` or
``book`` is the last stage to take a record, so its own fill is in its position when ``on_fill`` is
called, and a mark in its equity when ``on_mark`` is. What the record does at the venue comes later:
a trade that fills a resting order wakes ``on_trade`` first, ``on_fill`` then.
"""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.records import Bar, Instrument, Mark, MarketFeatures, Quote, Toxicity, Trade
from schemas.vocabulary import Flag
from streams.numeric.log_lines import write_line
from streams.numeric.undeclared_read import UndeclaredRead
from streams.signals.acting import Acting
from streams.signals.exact import exact_order_id
from streams.signals.strategy import CANCEL, BadStrategy
from streams.signals.view import ACCOUNT, BOOK, NAME, QUEUE, OpenOrder

STALE = int(Flag.STALE)


class AccountPosition(msgspec.Struct, frozen=True):
    """The strategy's position in one instrument. Amounts are in units of 10^-(price_precision +
    quantity_precision).
    """

    quantity: int
    """signed, in the instrument's quantity unit"""
    average_price: int
    """of the open position, in the price unit, rounded half to even; 0 where it is flat"""
    cost: int
    """signed and exact: what ``average_price`` is rounded from"""
    realized: int
    """before fees"""
    unrealized: int | None
    """at the last mark: longs at the bid, shorts at the ask; None while there is no price"""
    fees: int


class Book(msgspec.Struct, frozen=True):
    """An instrument's order book: (price, quantity) best first. Out of sync it has no levels and
    the flag STALE.
    """

    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    flags: int


class StrategyServices(Acting):
    """One strategy's.

    Args:
        strategy: whose class says in READS what may be asked.
        context: the one it is given.
        stages: finds the other stages by name, and reads the book: an engine, or what stands for
            one.
    """

    def __init__(self, strategy: Any, context: Any, stages: Any) -> None:
        self._strategy = strategy
        self._context = context
        self._name = type(strategy).__name__
        self._reads = type(strategy).READS
        self._logs = type(strategy).LOGS
        self._number = type(strategy).STRATEGY
        self._stages = stages
        self._write = stages.line_writer(context)
        self._view: Any = stages.stage(NAME)
        self._portfolio: Any = stages.stage("portfolio")
        self._replacements: Any = stages.stage("replacements")
        self.noted_before = 0
        """Requests that :meth:`note` has seen, and that are emitted again: those of a strategy in a
        process of its own.
        """

    @property
    def notes_requests(self) -> bool:
        """True if the strategy's requests are to be told to :meth:`note`."""
        return ACCOUNT in self._reads

    def note(self, request: Any) -> None:
        """The strategy asks for an order or a cancel."""
        if self.noted_before:
            self.noted_before -= 1
            return
        self._seen(ACCOUNT, "note").note(request)
        if request.kind == CANCEL:
            self._replacements.drop(request.order_id)

    def log(self, text: str) -> None:
        """Write a line with the clock to the topic ``strategy.log``: at most LINE_MAX characters,
        LINES_MAX lines a run.
        """
        view = self._view
        if not self._logs or view is None:
            raise UndeclaredRead(
                f"{self._name} calls context.log, which it does not declare; "
                f"write LOGS = True in {self._name}"
            )
        if not isinstance(text, str):
            raise BadStrategy(
                f"{self._name} logs {text!r:.100}, a {type(text).__name__}; "
                'give a text: context.log(f"{value}")'
            )
        context = self._context
        place = (context.account, self._number, context.clock, context.sequence)
        write_line(view, self._write, place, text)

    def position(self, instrument: int) -> AccountPosition:
        """The strategy's position in an instrument."""
        self._instrument(self._seen(ACCOUNT, "position"), instrument)
        account, number = self._context.account, self._number
        return AccountPosition(*self._portfolio.position(account, number, instrument))

    @property
    def cash(self) -> int:
        """Cash of the account, in units of 10^-amount_precision."""
        self._seen(ACCOUNT, "cash")
        return int(self._portfolio.cash(self._context.account))

    @property
    def equity(self) -> int | None:
        """Cash and market value at the last marks, in units of 10^-amount_precision; None while a
        position has no price.
        """
        self._seen(ACCOUNT, "equity")
        equity: int | None = self._portfolio.equity(self._context.account)
        return equity

    @property
    def amount_precision(self) -> int:
        """Decimals of cash and equity."""
        self._seen(ACCOUNT, "amount_precision")
        return int(self._portfolio.amount_precision)

    def open_orders(self, instrument: int | None = None) -> tuple[OpenOrder, ...]:
        """The strategy's orders that may still fill, oldest first; those of its present handler
        last, with the status NEW.
        """
        found: tuple[OpenOrder, ...] = self._seen(ACCOUNT, "open_orders").open_orders(instrument)
        return found

    def queue_estimate(self, order_id: str) -> int | None:
        """An estimate of how much stands ahead of an open order in the queue of its level, in the
        instrument's quantity unit: by the risk-averse rule, from the book, the trades and the
        order's own events. None for an order that does not rest at the venue, as far as the
        strategy knows, and before there is a book.
        """
        view = self._seen(QUEUE, "queue_estimate")
        found: int | None = view.queue_estimate(exact_order_id(order_id))
        return found

    def instrument(self, instrument: int) -> Instrument:
        """The specification of an instrument as it is now."""
        return self._instrument(self._seen(ACCOUNT, "instrument"), instrument)

    def working(self, instrument: int) -> int:
        """Signed quantity that the strategy's open orders may still fill; of one that is being
        modified, what its replacement asks for.
        """
        view = self._seen(ACCOUNT, "working")
        return int(view.working(instrument, self._replacements))

    def amend(self, order_id: str, quantity: int, price: int, post_only: bool) -> str | None:
        """Change the terms of a replacement that is not sent yet; its id, None if there is none for
        this order.
        """
        self._seen(ACCOUNT, "modify")
        new_id: str | None = self._replacements.amend(order_id, quantity, price, post_only)
        return new_id

    def replace(
        self,
        order_id: str,
        new_id: str,
        instrument: int,
        side: int,
        quantity: int,
        price: int,
        post_only: bool,
    ) -> None:
        """Send another order once this one has been cancelled."""
        terms = (instrument, side, quantity, price, bool(post_only))
        self._replacements.replace(order_id, new_id, *terms)

    def book(self, instrument: int, depth: int | None = 10) -> Book:
        """The order book after the present record, at most ``depth`` levels a side, all of them for
        None.
        """
        view = self._seen(BOOK, "book")
        self._instrument(view, instrument)
        if depth is not None and depth < 1:
            raise BadStrategy(
                f"{self._name} asks for {depth} levels of the book; give 1 or more, or None for all"
            )
        bids, asks, flags = self._stages.read_book(instrument, depth)
        return Book((), (), flags) if flags & STALE else Book(bids, asks, flags)

    def last_trade(self, instrument: int) -> Trade | None:
        """The last trade, None before the first."""
        return self._last("trades", "last_trade", instrument)  # type: ignore[no-any-return]

    def last_quote(self, instrument: int) -> Quote | None:
        """The last quote, None before the first."""
        return self._last("quotes", "last_quote", instrument)  # type: ignore[no-any-return]

    def last_mark(self, instrument: int) -> Mark | None:
        """The last mark, None before the first."""
        return self._last("marks", "last_mark", instrument)  # type: ignore[no-any-return]

    def features(self, instrument: int) -> MarketFeatures | None:
        """The last features, None before the first."""
        return self._last("features", "features", instrument)  # type: ignore[no-any-return]

    def toxicity(self, instrument: int) -> Toxicity | None:
        """The last toxicity, None before the first."""
        return self._last("toxicity", "toxicity", instrument)  # type: ignore[no-any-return]

    def last_bar(self, instrument: int, interval: int | None = None) -> Bar | None:
        """The last bar of so many ns, of the shortest interval there is for None; None before the
        first.
        """
        view = self._seen("bars", "last_bar")
        self._instrument(view, instrument)
        found: Bar | None = view.last_bar(instrument, interval)
        return found

    def _last(self, read: str, name: str, instrument: int) -> Any:
        view = self._seen(read, name)
        self._instrument(view, instrument)
        return view.last(read, instrument)

    def _seen(self, read: str, name: str) -> Any:
        """The view, if the strategy declares that it reads this. Raises UndeclaredRead."""
        is_known = read in self._reads or (read == "marks" and ACCOUNT in self._reads)
        if not is_known or self._view is None:
            reads = ", ".join(f'"{each}"' for each in (*self._reads, read))
            what = f"{self._name} reads context.{name}, which its READS does not name"
            raise UndeclaredRead(f"{what}; write READS = ({reads},) in {self._name}")
        return self._view

    def _instrument(self, view: Any, instrument: int) -> Instrument:
        found: Instrument | None = view.instruments.get(instrument)
        if found is None:
            known = ", ".join(map(str, view.instruments))
            raise BadStrategy(
                f"{self._name} asks for instrument {instrument!r}; it is given: {known}"
            )
        return found
