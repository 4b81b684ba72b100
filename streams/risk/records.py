"""The state of risk as records: one header; tables of instruments (``instruments.py``), holdings
and kill switches; pools of working orders and of ids approved last.

Exposure is conservative on each side by itself: the worst long is position + every working buy, the
worst short is position - every working sell. What an order reserves is its leaves; fills move
leaves into position, and the end of an order releases what is left.

Amounts and sums of quantities are 128-bit integers in two limbs (``streams/numeric/int128.py``).
Notionals are in units of 10^-(price_precision + quantity_precision) of their instrument; money of
the account is in units of 10^-amount_precision, the largest of those over the instruments. Every
field has eight bytes: rows have no padding, and their bytes are the snapshot.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.compiled.fill import DTYPE as FILL
from schemas.compiled.mark import DTYPE as MARK
from schemas.compiled.order_event import DTYPE as ORDER_EVENT
from schemas.compiled.order_request import DTYPE as ORDER_REQUEST
from schemas.compiled.risk_decision import DTYPE as RISK_DECISION
from schemas.compiled.risk_event import DTYPE as RISK_EVENT
from streams.numeric.deadlines import NO_TIMER
from streams.numeric.pool import CHAIN, ID_ROW, LINKS, POOL
from streams.numeric.stage_records import FAULT, amounts, words

OFF = -1
"""A limit that is not set."""

RISK = np.dtype(
    words("amount_precision opens halted negative_ages")
    + amounts("cash", "fees_bound", "ruined_at")
    + words("instruments_used holdings_used switches_used")
    + words("account checks_cash trade_from warmup closes recent_max")
    + [("fault", FAULT), ("working", POOL), ("recent", POOL)]
    + [("open_orders", CHAIN), ("recent_ids", CHAIN)]
    + words("instruments holdings switches bounds index")
)
"""The header. Its first thirteen fields are state, the next six settings.

``opens``: clock from which orders are let through, NO_TIMER while the warm-up waits for the first
mark; ``closes``: from which they are not any more. ``halted``: RiskCode LIQUIDATION or
ACCOUNT_HALTED where orders are denied with it, else 0. ``negative_ages``: requests that saw a mark
younger than the clock. ``cash`` means nothing unless ``checks_cash``; ``fees_bound``: worst fees of
working orders; ``ruined_at``: equity at the ruin.
"""
STATE_FIELDS = RISK.names[:13] if RISK.names else ()

HOLDING = np.dtype(words("strategy instrument_place next_holding quantity") + amounts("cost"))
"""One strategy's part of a position; ``cost``: signed, of a perpetual (``numeric/cost.py``). The
holdings of an instrument are a chain in the order they were first traded."""

WORKING = np.dtype(
    words("order_id_high order_id_low")
    + LINKS
    + words("instrument_place buy leaves worst_price")
    + amounts("fee_bound")
)
"""An approved order whose end was not reported. ``worst_price``: worst price of a fill, 0 where the
order binds no money; ``fee_bound``: worst fee of what is left, notional unit."""

SWITCH = np.dtype(words("key"))
"""A kill switch that is on (``kill_switch.py``), in the order they were thrown."""

BOUND = np.dtype(
    words("is_bound")
    + amounts("working_buy", "working_sell", "margins_buy", "margins_sell")
    + amounts("highest_buy", "highest_sell", "losses")
)
"""What the working orders of an instrument may bind at its present touch (``account.py``): room to
count in, a row for each instrument, no state."""

NEW_ID = np.dtype(words("order_id_high order_id_low"))
OUTPUTS = np.dtype(
    words("decisions decisions_used events events_used sequence sequence_used new_ids new_ids_used")
)
"""Addresses of the tables that take what is emitted, and how many rows are written: ``sequence``
has the topic of each in the order they were emitted. ``new_ids``: ids for orders of risk's own,
that the owner gives."""
SEQUENCE = np.dtype(words("topic"))
DECISION_TOPIC, EVENT_TOPIC = map(np.int64, range(2))

HELD_KEY = np.int64(1 << 42)
"""Second half of a holding's key, with the instrument's place added; the strategy is the first."""

QUANTITY_TOO_LARGE = np.int64(5)
"""The stage's own fault that ends the run."""
(
    HOLDINGS_FULL, WORKING_FULL, RECENT_FULL, DECISIONS_FULL, EVENTS_FULL, SEQUENCE_FULL, IDS_FEW,
) = map(np.int64, range(13, 20))  # fmt: skip
"""Its own faults after which the owner lets the table grow, or gives ids, and calls again."""


def key_of_holding(row: Any) -> tuple[int, int]:
    """Of a holding's row, for the owner."""
    return int(row["strategy"]) & 0xFFFFFFFF, int(HELD_KEY) + int(row["instrument_place"])


def key_of_id(row: Any) -> tuple[int, int]:
    """Of a row with an order id, for the owner."""
    return int(row["order_id_high"]), int(row["order_id_low"])


__all__ = [
    "BOUND", "DECISIONS_FULL", "DECISION_TOPIC", "EVENTS_FULL", "EVENT_TOPIC", "FILL", "HELD_KEY",
    "HOLDING", "HOLDINGS_FULL", "IDS_FEW", "ID_ROW", "MARK", "NEW_ID", "NO_TIMER",
    "OFF", "ORDER_EVENT", "ORDER_REQUEST", "OUTPUTS", "QUANTITY_TOO_LARGE", "RECENT_FULL", "RISK",
    "RISK_DECISION", "RISK_EVENT", "SEQUENCE", "SEQUENCE_FULL", "STATE_FIELDS",
    "SWITCH", "WORKING", "WORKING_FULL", "key_of_holding", "key_of_id",
]  # fmt: skip
