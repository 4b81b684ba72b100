"""What the express entry works on: the records of the stages, and the rows that it writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import Packed, codec
from schemas.errors import ShrivenError
from streams.express import text
from streams.express.steps import FAULT, FULL, LANE, LEFT, REPORTS, TIMER
from streams.numeric.id_source import IdSource
from streams.numeric.table import Table
from streams.portfolio.records import NO_TIMER
from streams.portfolio.stage import Portfolio
from streams.reporting.records import REPORTING
from streams.reporting.stage import Reporting
from streams.risk.stage import Risk
from streams.routing.stage import Routing
from streams.signals.sizing import Sizing
from streams.signals.sizing import records as sizing_records
from streams.venue import stage as venue

__all__ = ["FAULT", "FULL", "LEFT", "RECORDS_MIN", "REPORTS", "TIMER", "Session", "session_of"]

REQUESTS_MAX = 4096
"""Orders approved between two times that Python has its turn."""
RECORDS_MIN = 4096
"""Slices with fewer records are left to Python: calling the entry would cost more than it
saves."""
PATIENCE = 16
"""Events that Python does after a session that was not worth opening; after several in a row up to
``PATIENCE_MAX``."""
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
MADE = {"requests": "orders.requests", "reports": "venue.reports"}
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
    """Runs of events that the entry does.

    Attributes:
        arrays: what the express entry works on, by the name it has there.
        lane: the entry's own row.
        is_open: True while there may be rows in the arrays that have no place in the output yet,
            and ids are made by the entry.
        rest: events that Python does before it is tried again.
    """

    topics = ("signals", "orders.requests", "md.marks")
    FAULT, FULL, REPORTS, TIMER = FAULT, FULL, REPORTS, TIMER

    def __init__(self, ledgers: dict[type, Any]) -> None:
        self._sizing: Any = ledgers.get(Sizing)
        self._reporting: Any = ledgers.get(Reporting)
        self._risk, self._routing, self._portfolio = (
            ledgers[Risk], ledgers[Routing], ledgers[Portfolio],
        )  # fmt: skip
        self._ids = IdSource()
        self.arrays: dict[str, np.ndarray[Any, Any]] = {
            "express_lane": np.zeros(1, LANE), "express_ids": self._ids.rows,
        }  # fmt: skip
        self.lane = self.arrays["express_lane"][0]
        for name, topic in zip(("signals", "asked", "marks"), self.topics, strict=True):
            self.arrays[f"express_{name}"] = np.zeros(0, codec(topic_of(topic).record).dtype)
        self._lay_out_outputs()
        self._lay_out_stages()
        self.is_open = False
        self._ridden = 0
        self.rest, self._patience = 0, PATIENCE

    def _lay_out_outputs(self) -> None:
        """Room for what is written while a session is open."""
        for name, topic in MADE.items():
            most = REQUESTS_MAX * (4 if name == "reports" else 2)
            rows = Table(codec(topic_of(topic).record).dtype, most)
            self.arrays[f"express_{name}"] = rows.rows
            if name == "requests":
                self._requests = rows
        for name in ROUTED:
            self._routing.grow(name, REQUESTS_MAX * (4 if name == "events" else 2))
        for name in ("decisions", "sequence"):
            self._risk.state.grow(name, 2 * REQUESTS_MAX)
        self._portfolio.state.grow("positions", 4 * REQUESTS_MAX)

    def _lay_out_stages(self) -> None:
        """The records of the stages and what they write to; sizing writes into our requests."""
        arrays = self.arrays
        for name, stage in (
            ("risk", self._risk), ("routing", self._routing), ("portfolio", self._portfolio),
        ):  # fmt: skip
            arrays[f"express_{name}"] = stage.state.header
            arrays[f"express_{name}_out"] = stage.state.outputs
        sizing, reporting = self._sizing, self._reporting
        arrays["express_sizing"] = (
            np.zeros(1, sizing_records.SIZING) if sizing is None else sizing.state.header
        )
        arrays["express_sizing_out"] = out = np.zeros(1, sizing_records.OUTPUTS)
        out["requests"] = self._requests.address
        arrays["express_reporting"] = (
            np.zeros(1, REPORTING) if reporting is None else reporting.state.header
        )

    def begin(self) -> None:
        """A slice begins."""
        self.rest, self._patience = 0, PATIENCE

    def rows_of(self, emitted: dict[str, list[Any]]) -> dict[str, Any] | None:
        """Rows, by array, of what early ledgers emitted in a window, records by topic; None if
        there is a record that its schema does not allow.
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
        return found

    header = text.HEADER

    @property
    def records_min(self) -> int:
        """The smallest slice that a session is for."""
        return RECORDS_MIN

    def write(self, put: Callable[[int, str], None], names: dict[str, int | str]) -> None:
        """The entry's text, see ``text.write``."""
        text.write(put, names)

    def is_ready(self, context: Any) -> bool:
        """True if a session is open; opens one where that is worth trying."""
        if self.is_open:
            return True
        if self.rest:
            self.rest -= 1
            return False
        self._ridden = 0
        self.is_open = self._open(context)
        if not self.is_open:
            self._wait_longer()
        return self.is_open

    def _wait_longer(self) -> None:
        """A session was not worth it: the longer in a row, the more events Python does before it is
        tried again.
        """
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

    def _open(self, context: Any) -> bool:
        owner = self._whose()
        if owner is None or self._portfolio.state.timer == NO_TIMER:
            return False
        self._routing.state.reserve("orders", REQUESTS_MAX)
        self._routing.state.reserve("trades", REQUESTS_MAX)
        lane = self.lane
        lane["account"], lane["strategy"], lane["instrument"] = owner
        lane["is_sized"] = self._sizing is not None
        lane["is_reported"] = self._reporting is not None
        for name in MADE:
            lane[name] = 0
        self._ids.take(context)
        return True

    @property
    def has_ridden(self) -> bool:
        """True if events were done since the session was opened."""
        return self._ridden > 0

    def rode(self, events: int) -> None:
        """So many events were done by the entry."""
        self._ridden += events
        if self._sizing is not None:
            self._sizing.state.timer = int(self._sizing.state.row["timer"])

    def close(self, context: Any) -> list[tuple[str, Any, int]]:
        """Python makes ids again; returns (topic, body, count) of the records made meanwhile."""
        if not self.is_open:
            return []
        self.is_open = False
        if self._ridden < SHORT:
            self._wait_longer()
        else:
            self._patience = PATIENCE
        self._ids.give(context)
        written = {
            topic: self.arrays[f"express_{name}"][: self.lane[name]] for name, topic in MADE.items()
        }
        written |= {topic: self._routing.take_rows(name) for name, topic in ROUTED.items()}
        written["orders.decisions"] = self._risk.take_decisions()
        written["positions"] = self._portfolio.take_positions()
        return [
            (topic, codec(topic_of(topic).record).encode_rows(rows, len(rows)), len(rows))
            for topic, rows in written.items()
            if len(rows)
        ]
