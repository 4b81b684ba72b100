"""Orders that are modified: cancelled, and sent again with other terms once the venue has said that
they are cancelled.

``orders.events``  ->  ``orders.requests``

The new order waits for the end of the old one, so both never work at a time. Its quantity is the
whole order's, as in FIX: what the old one had filled by its end is taken off. Where nothing is
left, where the old order was filled, or where the venue refused the cancel, no new order is sent.

A thin shell around the compiled handler (``replacing_handlers.py``) and the steps by which
strategies ask for replacements (``streams/numeric/replacements.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np

from schemas.codec import codec
from schemas.compiled.order_request import DTYPE as REQUEST
from schemas.records import Instrument, OrderEvent
from streams.numeric import replacements as steps
from streams.numeric.conversion import bytes_of, reader, writer
from streams.numeric.deadlines import NO_TIMER
from streams.numeric.identity import BadIdentity, text_of_halves, to_halves
from streams.numeric.pooled_state import PooledState
from streams.numeric.stage_calls import StageCalls, outputs_at
from streams.numeric.stage_shell import StageShell
from streams.signals import replacing_handlers as handlers
from streams.signals.view import NAME as VIEW

NAME = "replacements"
_READ_REQUEST = reader("OrderRequest")
_TERMS = ("instrument", "side", "quantity", "price", "post_only")


class Replacement(msgspec.Struct, array_like=True):
    """What is sent in an order's place, as a snapshot has it."""

    order_id: str
    instrument: int
    side: int
    quantity: int
    """of the whole order, what the old one fills included"""
    price: int
    post_only: bool


class Waiting(msgspec.Struct):
    """A snapshot: replacements by the id of the order that is cancelled for them."""

    timer: int = NO_TIMER
    waiting: dict[str, Replacement] = {}


class ReplacingState(PooledState):
    """Owns the records."""

    NAME = NAME
    HEADER = steps.REPLACING
    STATE_FIELDS = ()
    ROWS: ClassVar[Any] = {}
    LENGTHS: ClassVar[Any] = {"orders": 16, "requests": 1}
    KEYS: ClassVar[Any] = {}
    POOLS: ClassVar[Any] = {"orders": steps.REPLACEMENT}
    CHAINS: ClassVar[Any] = {"waiting": "orders"}
    OUTPUTS = handlers.OUTPUTS
    OUTPUT_ROWS: ClassVar[Any] = {"requests": REQUEST}


class Replacements(StageShell[ReplacingState]):
    """Sends them. It stands behind the strategy, which hears first that its old order has ended."""

    NAME = NAME
    ENTRY = handlers.handle
    INPUTS = ("orders.events",)
    OUTPUTS = ("orders.requests",)
    STATE_VERSION = 1
    ACCOUNT: ClassVar[int] = 1
    STRATEGY: ClassVar[int] = 1

    def __init__(self, instruments: Sequence[Instrument], settings: Any) -> None:
        super().__init__(ReplacingState())
        self.state.row["account"], self.state.row["strategy"] = self.ACCOUNT, self.STRATEGY
        self._view: Any = None
        self._write_event = writer("OrderEvent")
        self._event = np.zeros(1, codec("OrderEvent").dtype)
        self._event_bytes, self._event_address = bytes_of(self._event), self._event.ctypes.data

    @property
    def address(self) -> int:
        """Of the header: it stays where it is."""
        return self._header_address

    def read_from(self, stages: Any) -> None:
        """Know the strategy's view, which counts what is sent among its open orders.

        Args:
            stages: finds the other stages by name.
        """
        self._view = stages.stage(VIEW)
        self.state.row["view_at"] = self._view.address

    # -- the handler

    def calls(self) -> StageCalls:
        """How the scheduler calls it."""
        out = self._out_address
        outputs = outputs_at(handlers.OUTPUTS, out, {"orders.requests": "requests"})
        kinds = {"orders.events": handlers.ON_EVENT}
        return StageCalls(handlers.handle, self._header_address, out, kinds, outputs)

    def settle(self, code: int, kind: int, context: Any) -> None:
        """See to it that the view can count a request; there are no other faults."""
        self.state.take_fault()
        self._view.reserve_requests(1)

    def on_order_event(self, record: OrderEvent, context: Any) -> None:
        """The old order has ended, or works on."""
        self._write_event(record, self._event_bytes)
        self._handle(handlers.ON_EVENT, self._event_address, context.clock, context)
        if self.state.out["requests_used"]:
            self.state.out["requests_used"] = 0
            context.emit(_READ_REQUEST(self.state.tables["requests"].rows, 0))

    # -- what the context of a strategy in plain Python asks for

    def reserve(self, count: int) -> None:
        """See to it that so many orders more can be modified."""
        self.state.reserve("orders", count)

    def amend(self, order_id: str, quantity: int, price: int, post_only: bool) -> str | None:
        """Change the terms of a replacement that is not sent yet; its id, None if there is none for
        this order.
        """
        try:
            halves = to_halves(order_id)
        except BadIdentity:
            return None
        place = steps.replacement_place(self.address, *halves)
        if place < 0:
            return None
        steps.amend(self.address, place, quantity, price, bool(post_only))
        row = self.state.tables["orders"].rows[place]
        return text_of_halves(int(row["new_high"]), int(row["new_low"]))

    def replace(self, order_id: str, new_id: str, *terms: int) -> None:
        """Send another order, of this instrument, side, quantity, price and post_only, once this
        one has been cancelled.
        """
        self.reserve(1)
        steps.replace(self.address, *to_halves(order_id), *to_halves(new_id), *terms)

    def drop(self, order_id: str) -> None:
        """The strategy cancels an order: nothing is sent in its place."""
        steps.drop(self.address, *to_halves(order_id))

    # -- snapshots

    def encoded_state(self) -> bytes:
        """In the order in which they were asked for."""
        found: dict[str, Replacement] = {}
        for row in self.state.chained("waiting"):
            instrument, side, quantity, price, post_only = (int(row[name]) for name in _TERMS)
            new_id = text_of_halves(int(row["new_high"]), int(row["new_low"]))
            old_id = text_of_halves(int(row["order_id_high"]), int(row["order_id_low"]))
            terms = Replacement(new_id, instrument, side, quantity, price, bool(post_only))
            found[old_id] = terms
        return msgspec.msgpack.encode(Waiting(waiting=found))

    def take_state(self, encoded: bytes) -> None:
        """Become what :meth:`encoded_state` gave."""
        waiting = msgspec.msgpack.decode(encoded, type=Waiting).waiting
        rows = np.zeros(len(waiting), steps.REPLACEMENT)
        for row, (old_id, new) in zip(rows, waiting.items(), strict=True):
            row["order_id_high"], row["order_id_low"] = to_halves(old_id)
            row["new_high"], row["new_low"] = to_halves(new.order_id)
            for name in _TERMS:
                row[name] = getattr(new, name)
        self.state.take_rows("orders", {"waiting": rows})
