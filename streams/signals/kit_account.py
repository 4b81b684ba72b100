"""What stands for the other stages where the kit runs a strategy: they know what the list of
records says.

Positions are those of ``Position`` records, cash and equity those of the last ``PnL``, open orders
those of ``OrderEvent`` records and of what the strategy asked for, the book that of ``DepthUpdate``
records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from schemas.records import DepthUpdate, Instrument, OrderEvent, PnL, Position
from schemas.vocabulary import Flag, Side
from streams.numeric.mark import UNUSABLE, closing_price
from streams.numeric.reference_book import ReferenceBook
from streams.signals.replacing import NAME as REPLACEMENTS
from streams.signals.replacing import Replacements
from streams.signals.view import ACCOUNT, NAME, StrategyView, reads_of, view_of

STALE = int(Flag.STALE)


class Holding(NamedTuple):
    """As the portfolio answers."""

    quantity: int = 0
    cost: int = 0
    realized: int = 0
    fees: int = 0


class ListedStages:
    """The stages a strategy's services ask, as a list of records shows them."""

    def __init__(self, stage: Any, instruments: Sequence[Instrument]) -> None:
        view = view_of(stage)
        self.view: StrategyView | None = view(instruments, None) if view is not None else None
        is_served = ACCOUNT in reads_of(stage)
        self.replacements = Replacements(instruments, None) if is_served else None
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
                record.kind, record.flags, record.first_update_id, record.final_update_id, record.previous_update_id,
                record.event_time, record.bids, record.asks,
            )  # fmt: skip
        if self.view is not None and topic in self.view.INPUTS:
            getattr(self.view, handler)(record, context)

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

    def holding(self, account: int, strategy: int, instrument: int) -> Holding:
        """As the last ``Position`` says."""
        found = self._positions.get((account, strategy, instrument))
        return (
            Holding(found.quantity, found.cost, found.realized, found.fees)
            if found is not None
            else Holding()
        )

    def unrealized(self, account: int, strategy: int, instrument: int) -> int | None:
        """At the last mark: longs at the bid, shorts at the ask; None without one."""
        held = self.holding(account, strategy, instrument)
        marks, specifications = (self.view.state.last[name] for name in ("marks", "instruments"))  # type: ignore[union-attr]
        mark = marks.get(instrument)
        if not held.quantity:
            return 0
        if mark is None or mark.flags & UNUSABLE:
            return None
        price = closing_price(held.quantity, mark.bid_price, mark.ask_price)
        return (
            price * held.quantity * specifications[instrument].multiplier - held.cost
            if price
            else None
        )

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
