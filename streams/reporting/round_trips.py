"""Round trips: the fills of one account, strategy and instrument from flat to flat.

The profit of a round trip is exact and the same under every cost method: what the sells brought, minus what the buys cost, minus the fees.
A fill that crosses zero closes one round trip and opens the next; its fee is split by quantity, half-even, the rest to the new one (as the
portfolio books it).
"""

from __future__ import annotations

import msgspec

from schemas.records import Fill
from schemas.vocabulary import Side
from streams.numeric.fixed import divide_half_even
from streams.reporting.equity import pack

BUY = int(Side.BUY)


class OpenTrip(msgspec.Struct, array_like=True):
    """A round trip under way; amounts in units of 10^-(price_precision + quantity_precision)."""

    opened: int
    position: int
    """signed, in units of 10^-quantity_precision"""
    entered: int
    """total quantity that added to the position"""
    entry_notional: int | str
    exit_notional: int | str
    fees: int | str
    fills: int


class RoundTrip(msgspec.Struct, frozen=True):
    """A closed round trip; `gross` and `net` in units of 10^-(price_precision + quantity_precision)."""

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
        return self.exit_notional - self.entry_notional if self.long else self.entry_notional - self.exit_notional

    @property
    def net(self) -> int:
        """Profit after fees."""
        return self.gross - self.fees


def book(trip: OpenTrip | None, fill: Fill, multiplier: int) -> tuple[OpenTrip | None, RoundTrip | None]:
    """The round trip after `fill` (null when flat), and the one it closed, if it did. `trip` is changed in place."""
    quantity = fill.quantity
    signed = quantity if fill.side == BUY else -quantity
    unit_price = fill.price * multiplier
    if trip is None:
        return OpenTrip(fill.event_time, signed, quantity, pack(unit_price * quantity), 0, pack(fill.fee), 1), None
    held = trip.position
    trip.fills += 1
    if (held > 0) == (signed > 0):
        trip.position = held + signed
        trip.entered += quantity
        trip.entry_notional = pack(int(trip.entry_notional) + unit_price * quantity)
        trip.fees = pack(int(trip.fees) + fill.fee)
        return trip, None
    open_quantity = held if held > 0 else -held
    if quantity < open_quantity:
        trip.position = held + signed
        trip.exit_notional = pack(int(trip.exit_notional) + unit_price * quantity)
        trip.fees = pack(int(trip.fees) + fill.fee)
        return trip, None
    closing_fee = fill.fee if quantity == open_quantity else divide_half_even(fill.fee * open_quantity, quantity)
    closed = RoundTrip(
        fill.account, fill.strategy, fill.instrument, held > 0, trip.opened, fill.event_time, trip.entered,
        int(trip.entry_notional), int(trip.exit_notional) + unit_price * open_quantity, int(trip.fees) + closing_fee, trip.fills,
    )  # fmt: skip
    rest = quantity - open_quantity
    if rest == 0:
        return None, closed
    return OpenTrip(fill.event_time, held + signed, rest, pack(unit_price * rest), 0, pack(fill.fee - closing_fee), 1), closed

