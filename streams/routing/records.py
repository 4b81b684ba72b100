"""The state of routing as records: one header, a pool of orders and one of their fills.

An order is in one of two chains: of the live ones, or of the closed ones that are still known, each
in the order they came. A closed order is kept for a while so that a late fill finds it and a
repeated id or trade id is known; the oldest is forgotten where as many are kept as the setting
says, so that the state does not grow with the number of orders ever sent.

Quantities and prices are in units of the instrument's precision. Every field has eight bytes.
"""

from __future__ import annotations

import numpy as np

from schemas.compiled.execution_report import DTYPE as REPORT
from schemas.compiled.fill import DTYPE as FILL
from schemas.compiled.order_event import DTYPE as EVENT
from schemas.compiled.risk_decision import DTYPE as DECISION
from schemas.compiled.venue_command import DTYPE as COMMAND
from streams.numeric.deadlines import NO_TIMER
from streams.numeric.pool import CHAIN, LINKS, POOL
from streams.numeric.stage_records import FAULT, words

ROUTING = np.dtype(
    [
        *words("closed_orders"),
        *(("orders", POOL), ("live", CHAIN), ("closed", CHAIN), ("trades", POOL), ("fault", FAULT)),
    ]
)
"""The header. ``closed_orders``: the setting; ``live`` and ``closed`` are chains of ``orders``."""

ORDER = np.dtype(
    words("order_id_high order_id_low account strategy instrument side order_type time_in_force")
    + words("quantity price status filled_quantity accepted cancel_reason")
    + [("trades", CHAIN), *LINKS]
)
"""One order as the venue's reports have left it. ``accepted``: 1 once the venue said that it has
it; ``cancel_reason``: why its cancel was asked for (an OrderReason), 0 while none is under way;
``trades``: its fills, a chain of the pool of that name."""

TRADE = np.dtype(words("order_place venue_trade_id quantity") + LINKS)
"""One fill of an order; the place of its order and the venue's trade id are its key."""

KILL = np.dtype(words("scope account strategy instrument"))
"""What routing reads of a kill switch; records of ``control`` have text in them and so no rows."""

OUTPUTS = np.dtype(
    words("commands commands_used events events_used fills fills_used"),
)
"""Addresses of the tables that take what is emitted, and how many rows of them are written. Every
event goes out behind the command or the fill of the same handler that goes with it, if one does."""

ORDERS_FULL, TRADES_FULL, COMMANDS_FULL, EVENTS_FULL, FILLS_FULL = map(np.int64, range(13, 18))
"""Faults after which the owner lets the table grow and calls again; there are no others."""

__all__ = [
    "COMMAND", "COMMANDS_FULL", "DECISION", "EVENT", "EVENTS_FULL", "FILL", "FILLS_FULL", "KILL",
    "NO_TIMER", "ORDER", "ORDERS_FULL", "OUTPUTS", "REPORT", "ROUTING", "TRADE", "TRADES_FULL",
]  # fmt: skip
