"""Lending the ledgers' states to their twins and taking them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.express import text
from streams.express.steps import FAULT, FULL, LANE, LEFT, REPORTS
from streams.numeric.express import CLOSED_MAX, COLUMNS, HIGH, LOW, ORDERS_MAX
from streams.numeric.identity import from_halves, to_halves
from streams.portfolio import express as portfolio
from streams.portfolio.stage import Portfolio
from streams.reporting import express as reporting
from streams.reporting.stage import Reporting
from streams.risk import express as risk
from streams.risk.exposure import Working as RiskWorking
from streams.risk.exposure import remember
from streams.risk.stage import Risk
from streams.routing import express as routing
from streams.routing.stage import Routing
from streams.signals import express as sizing
from streams.signals.sizing import INSTRUMENT_IDS, Sizing, Working
from streams.venue import stage as venue

__all__ = ["FAULT", "FULL", "LEFT", "RECORDS_MIN", "REPORTS", "Session", "session_of"]

RECORDS_MIN = 4096
"""Slices with fewer records are left to the ledgers: lending and taking back would cost more than it saves."""
PATIENCE = 16
"""Events that the ledgers do after a session that was not worth lending for."""
SHORT = 4
"""Events of such a session."""

STAGES = (Sizing, Risk, Routing, Portfolio, Reporting)
READERS: dict[str, tuple[type, ...]] = {
    "signals": (Sizing,),
    "md.marks": (Sizing, Risk, Portfolio),
    "orders.requests": (Risk,),
    "orders.decisions": (Routing,),
    "orders.events": (Sizing, Risk),
    "venue.commands": (),
    "venue.reports": (Routing,),
    "fills": (Sizing, Risk, Portfolio, Reporting),
    "positions": (),
}
"""The wiring that ``steps.py`` has compiled in."""
MADE = {
    "requests": "orders.requests", "decisions": "orders.decisions", "commands": "venue.commands", "events": "orders.events",
    "reports": "venue.reports", "fills": "fills", "positions": "positions",
}  # fmt: skip


def session_of(topology: Any) -> Session | None:
    """A session for the topology, None if its order side is not wired as ``READERS`` says, or trades more than one instrument."""
    ledgers = {type(stage.ledger): stage.ledger for stage in topology.ledgers}
    if set(ledgers) != set(STAGES) or len(topology.ledgers) != len(STAGES) or len(topology.instruments) != 1:
        return None
    if [stage.module for stage in topology.stepped] != [venue] or not any("signals" in stage.module.OUTPUTS for stage in topology.ahead):
        return None
    if any(tuple(type(ledger) for ledger in topology.ledger_readers(topic)) != kinds for topic, kinds in READERS.items()):
        return None
    return Session(ledgers)


class Session:
    """The twins' rows, and whether the ledgers' states are in them.

    Attributes:
        arrays: what the express entry works on, by the name it has there.
        lane: the entry's own row.
        is_lent: True while the rows hold the states.
    """

    topics = ("signals", "md.marks")
    FAULT, FULL, REPORTS = FAULT, FULL, REPORTS

    def __init__(self, ledgers: dict[type, Any]) -> None:
        self._sizing, self._risk, self._routing, self._portfolio, self._reporting = (ledgers[kind] for kind in STAGES)
        rows = {"lane": LANE, "sizing": sizing.STATE, "risk": risk.STATE, "portfolio": portfolio.STATE, "reporting": reporting.STATE}
        self.arrays: dict[str, np.ndarray[Any, Any]] = {f"express_{name}": np.zeros(1, dtype) for name, dtype in rows.items()}
        self.lane = self.arrays["express_lane"][0]
        self._rows = {name: self.arrays[f"express_{name}"][0] for name in rows}
        self._orders = self.arrays["express_orders"] = np.zeros((ORDERS_MAX, COLUMNS), np.int64)
        self._closed = self.arrays["express_closed"] = np.zeros((CLOSED_MAX, COLUMNS), np.int64)
        for name, topic in MADE.items():
            most = CLOSED_MAX * (4 if name in ("events", "reports") else 2)
            self.arrays[f"express_{name}"] = np.zeros(most, codec(topic_of(topic).record).dtype)
        for name, topic in (("signals", "signals"), ("marks", "md.marks")):
            self.arrays[f"express_{name}"] = np.zeros(0, codec(topic_of(topic).record).dtype)
        self.is_lent = False
        self._owner = (0, 0, 0)
        self._ridden = 0
        self._wait = 0

    def begin(self) -> None:
        """A slice begins."""
        self._wait = 0

    header = text.HEADER

    @property
    def records_min(self) -> int:
        """The smallest slice that a session is for."""
        return RECORDS_MIN

    def write(self, put: Callable[[int, str], None], names: dict[str, int | str]) -> None:
        """The entry's text, see ``text.write``."""
        text.write(put, names)

    def is_ready(self, context: Any) -> bool:
        """True if the rows hold the states now; lends them where that is worth trying."""
        if self.is_lent:
            return True
        if self._wait:
            self._wait -= 1
            return False
        self._ridden = 0
        self.is_lent = self._lend(context)
        if not self.is_lent:
            self._wait = PATIENCE
        return self.is_lent

    def _lend(self, context: Any) -> bool:
        desks = list(self._sizing.state.desks.values())
        if len(desks) != 1:
            return False
        self._owner = owner = (self._sizing.settings.account, desks[0].strategy, desks[0].instrument)
        account, strategy, instrument = owner
        self._key = strategy * INSTRUMENT_IDS + instrument
        rows, orders = self._rows, self._orders
        ids = routing.lend(self._routing, orders, owner)
        if ids is None or self._risk.settings.account != account:
            return False
        if not (sizing.lend(self._sizing, rows["sizing"], orders, ids) and risk.lend(self._risk, rows["risk"], orders, ids)):
            return False
        if not portfolio.lend(self._portfolio, rows["portfolio"], account, strategy, self._key):
            return False
        if not reporting.lend(self._reporting, rows["reporting"], account, self._key):
            return False
        for place, order_id in enumerate(ids):
            orders[place, HIGH], orders[place, LOW] = to_halves(order_id)
        lane = self.lane
        lane["open"], lane["closed"] = len(ids), 0
        for name in MADE:
            lane[name] = 0
        lane["journal_id"], lane["shard"], lane["last_sequence"], lane["ordinal"] = (
            context.journal_id, context.shard, context.last_sequence, context.ordinal,
        )  # fmt: skip
        return True

    @property
    def has_ridden(self) -> bool:
        """True if events were done since the states were lent."""
        return self._ridden > 0

    def rode(self, events: int) -> None:
        """So many events were done without the ledgers."""
        self._ridden += events

    def take_back(self, context: Any) -> list[tuple[str, Any, int]]:
        """Give the ledgers their states back; returns (topic, body, count) of the records made meanwhile."""
        if not self.is_lent:
            return []
        self.is_lent = False
        if self._ridden < SHORT:
            self._wait = PATIENCE
        lane, rows, orders = self.lane, self._rows, self._orders
        open_count, closed_count, approved_count = int(lane["open"]), int(lane["closed"]), int(lane["requests"])
        requests = self.arrays["express_requests"][:approved_count]
        approved = [from_halves(high, low) for high, low in zip(requests["order_id_high"].tolist(), requests["order_id_low"].tolist(), strict=True)]
        ids = [from_halves(high, low) for high, low in orders[:open_count, [HIGH, LOW]].tolist()]
        closed = self._closed[:closed_count]
        closed_ids = [from_halves(high, low) for high, low in closed[:, [HIGH, LOW]].tolist()]
        routing.take_back(self._routing, orders, ids, closed, closed_ids, self._owner)
        sizing.take_back(self._sizing, rows["sizing"], orders, ids, Working)
        risk.take_back(self._risk, rows["risk"], orders, ids, RiskWorking)
        for order_id in approved:
            remember(self._risk.state, order_id, self._risk.settings.recent_orders)
        portfolio.take_back(self._portfolio, rows["portfolio"], self._owner[0], self._key)
        reporting.take_back(self._reporting, rows["reporting"], self._owner[0], self._key)
        context.last_sequence, context.ordinal = int(lane["last_sequence"]), int(lane["ordinal"])
        made: list[tuple[str, Any, int]] = []
        for name, topic in MADE.items():
            count = int(lane[name])
            if count:
                made.append((topic, codec(topic_of(topic).record).encode_rows(self.arrays[f"express_{name}"], count), count))
        return made
