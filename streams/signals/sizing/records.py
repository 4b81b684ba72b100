"""The state of sizing as records: one header, tables of instruments and of strategy positions, and
a pool of working orders.

Quantities are int64; what is added to one is added in 128 bits first, and what does not fit is a
fault. A row of a table is never removed, so its place is its name; an order's row is given back
when its end is reported. One index finds instruments and strategy positions by their ids.
"""

from __future__ import annotations

import numpy as np

from schemas.compiled.fill import DTYPE as FILL
from schemas.compiled.mark import DTYPE as MARK
from schemas.compiled.order_event import DTYPE as EVENT
from schemas.compiled.order_request import DTYPE as REQUEST
from schemas.compiled.risk_decision import DTYPE as DECISION
from schemas.compiled.risk_event import DTYPE as RISK_EVENT
from schemas.compiled.signal import DTYPE as SIGNAL
from streams.numeric.deadlines import NO_TIMER
from streams.numeric.pool import CHAIN, LINKS, POOL
from streams.numeric.stage_records import FAULT, amounts, words

NEVER = -1
"""A clock that has not come yet."""

SIZING = np.dtype(
    words("timer started awaited instruments_used positions_used")
    + words("account cooldown trade_from warmup")
    + [("threshold", "f8"), ("strength_max", "f8"), ("fault", FAULT)]
    + [("orders", POOL), ("working", CHAIN)]
    + words("instruments positions index")
)
"""The header. Its first five fields are state, then settings. ``started``: clock of the first mark,
NEVER before it; ``awaited``: what marks may still tell: that one, and the bid of each instrument
whose size is not known. ``working``: all orders of the pool, oldest first."""
STATE_FIELDS = SIZING.names[:5] if SIZING.names else ()

INSTRUMENT = np.dtype(
    words("instrument lot_size minimum_quantity maximum_quantity multiplier shortable size")
    + amounts("minimum_notional", "stake")
)
"""What sizing needs of a specification. ``maximum_quantity`` 0: none; ``shortable``: 1 where the
settings allow it too; ``size``: the full unit, 0 until it is known; ``stake``: money of the default
size in units of 10^-(price_precision + quantity_precision), 0 for the smallest."""

STRATEGY_POSITION = np.dtype(
    words("strategy instrument position working target traded_at is_pending")
)
"""One strategy in one instrument; quantities signed. ``working``: leaves of its orders;
``traded_at``: clock of its last order; ``is_pending``: a view waits for the end of the cooldown."""

ORDER = np.dtype(words("order_id_high order_id_low position_place leaves") + LINKS)
"""One of our orders whose end has not been reported; ``leaves`` is signed."""

OUTPUTS = np.dtype(words("requests requests_used decisions decisions_used events events_used ids"))
"""Addresses of the tables that take what is emitted, and how many rows of them are written; of what
ids are made of. In the order of emission a handler's decision comes first, then the risk event,
then requests."""

QUANTITY_TOO_LARGE, NO_IDS = map(np.int64, range(5, 7))
"""The stage's own faults that end the run."""
POSITIONS_FULL, ORDERS_FULL, REQUESTS_FULL, DECISIONS_FULL, EVENTS_FULL = map(
    np.int64, range(13, 18)
)
"""Its own faults after which the owner lets the table grow, to ``value`` rows, and calls again."""

__all__ = [
    "DECISION", "DECISIONS_FULL", "EVENT", "EVENTS_FULL", "FILL", "INSTRUMENT", "MARK", "NEVER",
    "NO_IDS", "NO_TIMER", "ORDER", "ORDERS_FULL", "OUTPUTS", "POSITIONS_FULL",
    "QUANTITY_TOO_LARGE", "REQUEST", "REQUESTS_FULL", "RISK_EVENT", "SIGNAL", "SIZING",
    "STATE_FIELDS", "STRATEGY_POSITION",
]  # fmt: skip
