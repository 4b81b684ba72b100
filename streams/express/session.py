"""Lending the ledgers' states to their twins and taking them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import Packed, codec
from schemas.errors import ShrivenError
from streams.express import text
from streams.express.steps import FAULT, FULL, LANE, LEFT, REPORTS, TIMER
from streams.numeric.express import COLUMNS, HIGH, LOW, ORDERS_MAX, REQUESTS_MAX
from streams.numeric.id_source import IdSource
from streams.numeric.identity import texts, to_halves
from streams.numeric.table import Table
from streams.portfolio.records import NO_TIMER
from streams.portfolio.stage import Portfolio
from streams.reporting.records import REPORTING
from streams.reporting.stage import Reporting
from streams.risk import express as risk
from streams.risk.stage import Risk
from streams.routing.stage import Routing
from streams.signals.sizing import Sizing
from streams.signals.sizing import records as sizing_records
from streams.venue import stage as venue

__all__ = ["FAULT", "FULL", "LEFT", "RECORDS_MIN", "REPORTS", "TIMER", "Session", "session_of"]

RECORDS_MIN = 4096
"""Slices with fewer records are left to the ledgers: lending and taking back would cost more than it saves."""
PATIENCE = 16
"""Events that the ledgers do after a session that was not worth lending for; after several in a row up to ``PATIENCE_MAX``."""
PATIENCE_MAX = 1024
SHORT = 4
"""Events of such a session."""

STAGES = (Sizing, Risk, Routing, Portfolio, Reporting)
NEEDED = {Risk, Routing, Portfolio}
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
MADE = {"requests": "orders.requests", "decisions": "orders.decisions", "reports": "venue.reports"}
ROUTED = {"commands": "venue.commands", "events": "orders.events", "fills": "fills"}
"""Arrays of rows and their topics: the entry's own, and those that routing writes."""


def session_of(topology: Any) -> Session | None:
    """A session for the topology, None if its order side is not wired as ``READERS`` says, or trades more than one instrument."""
    ledgers = {type(stage.ledger): stage.ledger for stage in topology.late}
    if not NEEDED <= set(ledgers) <= set(STAGES) or len(topology.late) != len(ledgers) or len(topology.instruments) != 1:
        return None
    ahead = {topic for stage in topology.ahead for topic in stage.module.OUTPUTS}
    if [stage.module for stage in topology.stepped] != [venue] or "md.marks" not in ahead or not ("signals" in ahead or topology.early):
        return None
    for topic, kinds in READERS.items():
        if tuple(type(ledger) for ledger in topology.late_readers(topic)) != tuple(kind for kind in kinds if kind in ledgers):
            return None
    return Session(ledgers)


class Session:
    """The twins' rows, and whether the ledgers' states are in them.

    Attributes:
        arrays: what the express entry works on, by the name it has there.
        lane: the entry's own row.
        is_lent: True while the rows hold the states.
        rest: events that the ledgers do before it is tried again.
    """

    topics = ("signals", "orders.requests", "md.marks")
    FAULT, FULL, REPORTS, TIMER = FAULT, FULL, REPORTS, TIMER

    def __init__(self, ledgers: dict[type, Any]) -> None:
        self._sizing: Any = ledgers.get(Sizing)
        self._reporting: Any = ledgers.get(Reporting)
        self._risk, self._routing, self._portfolio = ledgers[Risk], ledgers[Routing], ledgers[Portfolio]
        rows = {"lane": LANE, "risk": risk.STATE}
        self.arrays: dict[str, np.ndarray[Any, Any]] = {f"express_{name}": np.zeros(1, dtype) for name, dtype in rows.items()}
        self.lane = self.arrays["express_lane"][0]
        self._rows = {name: self.arrays[f"express_{name}"][0] for name in rows}
        self._orders = self.arrays["express_orders"] = np.zeros((ORDERS_MAX, COLUMNS), np.int64)
        for name, topic in MADE.items():
            most = REQUESTS_MAX * (4 if name == "reports" else 2)
            rows_made = Table(codec(topic_of(topic).record).dtype, most)
            self.arrays[f"express_{name}"] = rows_made.rows
            if name == "requests":
                self._lay_out_sizing(rows_made)
        for name, topic in zip(("signals", "asked", "marks"), self.topics, strict=True):
            self.arrays[f"express_{name}"] = np.zeros(0, codec(topic_of(topic).record).dtype)
        self.arrays["express_portfolio"], self.arrays["express_portfolio_out"] = self._portfolio.state.header, self._portfolio.state.outputs
        self.arrays["express_reporting"] = np.zeros(1, REPORTING) if self._reporting is None else self._reporting.state.header
        self.arrays["express_routing"], self.arrays["express_routing_out"] = self._routing.state.header, self._routing.state.outputs
        for name in ROUTED:
            self._routing.grow(name, REQUESTS_MAX * (4 if name == "events" else 2))
        self._portfolio.state.grow("positions", 4 * REQUESTS_MAX)
        self._marks: Any = None
        self.is_lent = False
        self._owner = (0, 0, 0)
        self._ridden = 0
        self.rest, self._patience = 0, PATIENCE

    def _lay_out_sizing(self, requests: Table) -> None:
        """What the handlers of sizing work on: its own records, and our table of requests."""
        self._ids = IdSource()
        self.arrays["express_ids"] = self._ids.rows
        state = None if self._sizing is None else self._sizing.state
        self.arrays["express_sizing"] = (
            np.zeros(1, sizing_records.SIZING) if state is None else state.header
        )
        self.arrays["express_sizing_out"] = out = np.zeros(1, sizing_records.OUTPUTS)
        self._requests = requests
        out["requests"] = requests.address

    def begin(self, marks: Any) -> None:
        """A slice begins, with rows of marks."""
        self._marks = marks
        self.rest, self._patience = 0, PATIENCE

    def rows_of(self, emitted: dict[str, list[Any]], events: Any, number: int) -> dict[str, Any] | None:
        """Rows, by array, of what early ledgers emitted in a window; None if there is a record that its schema does not allow.

        Args:
            emitted: records by topic.
            events: the window's; the row of a request whose id is known already becomes negative, the ledgers say what that means.
            number: of requests among them.
        """
        found: dict[str, Any] = {}
        for name, topic in (("signals", "signals"), ("asked", "orders.requests")):
            made = emitted.get(topic)
            if not made:
                continue
            coder = codec(topic_of(topic).record)
            try:
                packed = coder.pack_trusted(made)
                found[name] = coder.decode_rows(packed.body() if isinstance(packed, Packed) else packed, len(made))
            except ShrivenError:
                return None
            if name == "asked":
                known = self._known(made)
                if known:
                    places = np.flatnonzero(events["topic"] == number)
                    events["row"][places[known]] = -1
        return found

    def _known(self, requests: list[Any]) -> list[int]:
        """Places of requests whose id risk has seen, or comes twice; those that routing knows the entry finds."""
        kept = self._risk.state.recent, self._risk.state.orders
        ids = [request.order_id for request in requests]
        if len(set(ids)) == len(ids) and all(known.keys().isdisjoint(ids) for known in kept):  # most
            return []
        before: set[str] = set()
        places: list[int] = []
        for place, order_id in enumerate(ids):
            if order_id in before or any(order_id in known for known in kept):
                places.append(place)
            before.add(order_id)
        return places

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
        if self.rest:
            self.rest -= 1
            return False
        self._ridden = 0
        self.is_lent = self._lend(context)
        if not self.is_lent:
            self._wait_longer()
        return self.is_lent

    def _wait_longer(self) -> None:
        """Lending was not worth it: the longer in a row, the more events the ledgers do before it is tried again."""
        self.rest, self._patience = self._patience, min(2 * self._patience, PATIENCE_MAX)

    def _whose(self) -> tuple[int, int, int] | None:
        """(account, strategy, instrument) of all orders there can be: of sizing's only strategy
        position, or without sizing of the only holding; None if of several.
        """
        account = self._risk.settings.account
        if self._sizing is not None:
            pairs = self._sizing.positions()
            is_sole = len(pairs) == 1 and self._sizing.settings.account == account
            return (account, *pairs[0]) if is_sole else None
        held = self._portfolio.holdings(account)
        return (account, *held[0]) if len(held) == 1 else None

    def _lend(self, context: Any) -> bool:
        owner = self._whose()
        if owner is None:
            return False
        self._owner = owner
        rows, orders, strategy = self._rows, self._orders, owner[1]
        ids = list(self._risk.state.orders)
        if len(ids) > ORDERS_MAX:
            return False
        self._routing.state.reserve("orders", REQUESTS_MAX)
        self._routing.state.reserve("trades", REQUESTS_MAX)
        if not risk.lend(self._risk, rows["risk"], orders, strategy):
            return False
        if self._portfolio.state.timer == NO_TIMER:
            return False
        for place, order_id in enumerate(ids):
            orders[place, HIGH], orders[place, LOW] = to_halves(order_id)
        lane = self.lane
        lane["account"], lane["strategy"], lane["instrument"] = owner
        lane["is_sized"], lane["is_reported"] = self._sizing is not None, self._reporting is not None
        lane["open"], lane["last_mark"] = len(ids), -1
        for name in MADE:
            lane[name] = 0
        self._ids.take(context)
        return True

    @property
    def has_ridden(self) -> bool:
        """True if events were done since the states were lent."""
        return self._ridden > 0

    def rode(self, events: int) -> None:
        """So many events were done without the ledgers."""
        self._ridden += events
        if self._sizing is not None:
            self._sizing.state.timer = int(self._sizing.state.row["timer"])

    def take_back(self, context: Any) -> list[tuple[str, Any, int]]:
        """Give the ledgers their states back; returns (topic, body, count) of the records made meanwhile."""
        if not self.is_lent:
            return []
        self.is_lent = False
        if self._ridden < SHORT:
            self._wait_longer()
        else:
            self._patience = PATIENCE
        lane, rows, orders = self.lane, self._rows, self._orders
        open_count, approved_count = int(lane["open"]), int(lane["requests"])
        requests = self.arrays["express_requests"][:approved_count]
        approved = texts(requests["order_id_high"], requests["order_id_low"])
        ids = texts(orders[:open_count, HIGH], orders[:open_count, LOW])
        last_mark = int(lane["last_mark"])
        mark = codec("Mark").row_to_record(self._marks, last_mark) if last_mark >= 0 else None
        risk.take_back(self._risk, rows["risk"], orders, ids, approved, mark, self._owner[1])
        self._ids.give(context)
        made: list[tuple[str, Any, int]] = []
        for name, topic in MADE.items():
            count = int(lane[name])
            if count:
                made.append((topic, codec(topic_of(topic).record).encode_rows(self.arrays[f"express_{name}"], count), count))
        written = {topic: self._routing.take_rows(name) for name, topic in ROUTED.items()} | {"positions": self._portfolio.take_positions()}
        for topic, rows_of_topic in written.items():
            if len(rows_of_topic):
                made.append((topic, codec(topic_of(topic).record).encode_rows(rows_of_topic, len(rows_of_topic)), len(rows_of_topic)))
        return made
