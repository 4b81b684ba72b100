"""What stands for the other stages where the kit runs a strategy: they know what the list of
records says.

Positions are those of ``Position`` records, cash and equity those of the last ``PnL``, open orders
those of ``OrderEvent`` records and of what the strategy asked for, the book that of ``DepthUpdate``
records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from schemas.records import DepthUpdate, Instrument, OrderEvent, PnL, Position
from schemas.vocabulary import Flag, Side
from streams.numeric.cost import average_price
from streams.numeric.mark import UNUSABLE, closing_price
from streams.numeric.reference_book import ReferenceBook
from streams.signals.replacing import NAME as REPLACEMENTS
from streams.signals.replacing import Replacements
from streams.signals.view import ACCOUNT, NAME, QUEUE, reads_of, view_of

STALE = int(Flag.STALE)


class ListedStages:
    """The stages a strategy's services ask, as a list of records shows them."""

    def __init__(self, stage: Any, instruments: Sequence[Instrument], account: int) -> None:
        view = view_of(stage, account)
        self.view: Any = view(instruments, None) if view is not None else None
        self._reads = reads_of(stage)
        is_served = ACCOUNT in self._reads
        self.replacements = Replacements(instruments, None) if is_served else None
        if self.replacements is not None:
            self.replacements.read_from(self)
        self._positions: dict[tuple[int, int, int], Position] = {}
        self._accounts: dict[int, PnL] = {}
        self._books: dict[int, ReferenceBook] = {}

    def take(self, record: Any, handler: str, topic: str, context: Any) -> None:
        """One record, before the strategy has it."""
        if isinstance(record, Position):
            self._positions[record.account, record.strategy, record.instrument] = record
        elif isinstance(record, PnL):
            self._accounts[record.account] = record
        elif isinstance(record, DepthUpdate):
            self._books.setdefault(record.instrument, ReferenceBook()).apply(
                record.kind, record.flags, record.first_update_id, record.final_update_id,
                record.previous_update_id,
                record.event_time, record.bids, record.asks,
            )  # fmt: skip
        if self.view is not None and topic in self.view.INPUTS:
            getattr(self.view, handler)(record, context)
            if QUEUE in self._reads:
                self.view.follow_books(self.read_book)

    def stage(self, name: str) -> Any:
        """The view, what sends modified orders, or what answers for the portfolio."""
        return {NAME: self.view, REPLACEMENTS: self.replacements}.get(name, self)

    def end(self, record: Any, context: Any) -> None:
        """One record, after the strategy has had it."""
        if self.replacements is not None and isinstance(record, OrderEvent):
            self.replacements.on_order_event(record, context)

    def line_writer(self, context: Any) -> Callable[[Any], None]:
        """Lines are among what the strategy emits."""
        emit: Callable[[Any], None] = context.emit
        return emit

    def read_book(self, instrument: int, depth: int | None) -> tuple[Any, Any, int]:
        """(bids, asks, flags) of the depth updates so far."""
        book = self._books.get(instrument, ReferenceBook())
        bids, asks = (tuple(book.levels(side)[:depth]) for side in (Side.BUY, Side.SELL))
        return bids, asks, 0 if book.synced else STALE

    def position(self, account: int, strategy: int, instrument: int) -> tuple[Any, ...]:
        """As the last ``Position`` and the last mark say (``Portfolio.position``)."""
        found = self._positions.get((account, strategy, instrument))
        if found is None:
            return 0, 0, 0, 0, 0, 0
        multiplier = self.view.instruments[instrument].multiplier
        average = average_price(found.cost, found.quantity, multiplier)
        profit = self._unrealized(found, multiplier)
        return found.quantity, average, found.cost, found.realized, profit, found.fees

    def _unrealized(self, held: Position, multiplier: int) -> int | None:
        """At the last mark: longs at the bid, shorts at the ask; None without one."""
        if not held.quantity:
            return 0
        mark = self.view.last("marks", held.instrument)
        if mark is None or mark.flags & UNUSABLE:
            return None
        price = int(closing_price(held.quantity, mark.bid_price, mark.ask_price))
        return price * held.quantity * multiplier - held.cost if price else None

    def cash(self, account: int) -> int:
        """As the last ``PnL`` says, 0 before."""
        return self._accounts[account].cash if account in self._accounts else 0

    def equity(self, account: int) -> int | None:
        """As the last ``PnL`` says, 0 before."""
        return self._accounts[account].equity if account in self._accounts else 0

    @property
    def amount_precision(self) -> int:
        """As the last ``PnL`` says, 0 before."""
        return next((each.amount_precision for each in self._accounts.values()), 0)
