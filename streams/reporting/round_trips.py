"""Round trips: the fills of one account, strategy and instrument from flat to flat.

The profit of a round trip is exact and the same under every cost method: what the sells brought,
minus what the buys cost, minus the fees. A fill that crosses zero closes one round trip and opens
the next; its fee is split by quantity, half-even, the rest to the new one (as the portfolio books
it). ``follow`` is the rule, for the compiled stage and for the pages that list round trips.
"""

from __future__ import annotations

import msgspec

from schemas.records import Fill
from schemas.vocabulary import Side
from streams.numeric.int128 import share, wide
from streams.numeric.shared import shared_step

BUY = int(Side.BUY)


class OpenTrip(msgspec.Struct, array_like=True):
    """A round trip under way; amounts in units of 10^-(price_precision + quantity_precision)."""

    opened: int
    position: int
    """signed, in units of 10^-quantity_precision"""
    entered: int
    """total quantity that added to the position"""
    entry_notional: int
    exit_notional: int
    fees: int
    fills: int


class RoundTrip(msgspec.Struct, frozen=True):
    """A closed round trip; amounts in units of 10^-(price_precision + quantity_precision)."""

    account: int
    strategy: int
    instrument: int
    long: bool
    opened: int
    closed: int
    quantity: int
    entry_notional: int
    exit_notional: int
    fees: int
    fills: int

    @property
    def gross(self) -> int:
        """Profit before fees."""
        return (
            self.exit_notional - self.entry_notional
            if self.long
            else self.entry_notional - self.exit_notional
        )

    @property
    def net(self) -> int:
        """Profit after fees."""
        return self.gross - self.fees


@shared_step
def follow(
    position: int,
    entered: int,
    entry_notional: int,
    exit_notional: int,
    fees: int,
    signed: int,
    unit_price: int,
    fee: int,
) -> tuple[bool, int, int, int, int, int, int, int]:
    """A round trip after a fill of `signed` quantity; zeros where none is open.

    Returns whether the fill closed it, then exit notional and fees of the closed one; then position
    (0: flat), entered quantity, entry and exit notional and fees of the one that is open now.
    """
    held, quantity = abs(position), abs(signed)
    notional = unit_price * quantity
    if position == 0 or (position > 0) == (signed > 0):
        entry_notional, entered = entry_notional + notional, entered + quantity
    elif quantity < held:
        exit_notional = exit_notional + notional
    else:
        closing_fee = share(fee, held, quantity)
        rest = quantity - held
        closed_exit, closed_fees = exit_notional + unit_price * held, fees + closing_fee
        opened_notional = unit_price * rest
        left_fee = fee - closing_fee
        return (
            True,
            closed_exit,
            closed_fees,
            position + signed,
            rest,
            opened_notional,
            wide(0),
            left_fee,
        )
    return (
        False,
        wide(0),
        wide(0),
        position + signed,
        entered,
        entry_notional,
        exit_notional,
        fees + fee,
    )


def book(
    trip: OpenTrip | None, fill: Fill, multiplier: int
) -> tuple[OpenTrip | None, RoundTrip | None]:
    """The round trip after `fill` (null when flat), and the one it closed, if it did."""
    before = trip or OpenTrip(fill.event_time, 0, 0, 0, 0, 0, 0)
    amounts = (
        before.position,
        before.entered,
        before.entry_notional,
        before.exit_notional,
        before.fees,
    )
    signed = fill.quantity if fill.side == BUY else -fill.quantity
    is_closed, exit_notional, fees, position, *after = follow(
        *amounts, signed, fill.price * multiplier, fill.fee
    )
    opened, fills = (fill.event_time, 1) if is_closed else (before.opened, before.fills + 1)
    entered, entry, brought, paid = after
    now = OpenTrip(opened, position, entered, entry, brought, paid, fills) if position else None
    if not is_closed:
        return now, None
    closed = RoundTrip(
        fill.account, fill.strategy, fill.instrument, before.position > 0, before.opened,
        fill.event_time, before.entered, before.entry_notional, exit_notional, fees,
        before.fills + 1,
    )  # fmt: skip
    return now, closed
