"""The catalogue of topics: which record a topic holds, how it is keyed, what class it is of, who writes it."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from schemas.errors import WrongUse


class UnknownTopic(WrongUse):
    """A topic that is not in the catalogue."""

    code = "unknown_topic"


class Topic(NamedTuple):
    """One topic.

    ``kind``: external (from outside), derived (market data computed from external), order (order side), loop (comes back from the venue),
    runtime (written by the runner). ``merge_rank`` orders records of equal time in a merge: control, ref, trades, depth, book tickers,
    then catalogue order.
    """

    name: str
    record: str
    key: str
    kind: str
    merge_rank: int
    owner: str

    @property
    def redrive(self) -> str:
        """``commutative``: a dead letter of this input may be written to it again, late, and the result is that of a clean run. ``halt``: its
        records mean what they mean in their order only; they can be inspected and discarded.
        """
        return "commutative" if self.name in COMMUTATIVE or self.name.startswith("ref.") else "halt"


COMMUTATIVE = ("control",)
"""Inputs besides ``ref.*`` whose records apply at the present clock, wherever they lie."""

_ROWS = (
    ("control", "ControlCommand", "", "external", "operator"),
    ("ref.instruments", "Instrument", "instrument", "external", "connectors"),
    ("md.trades", "Trade", "instrument", "external", "connectors"),
    ("md.depth", "DepthUpdate", "instrument", "external", "connectors"),
    ("md.book_tickers", "BookTicker", "instrument", "external", "connectors"),
    ("md.quotes", "Quote", "instrument", "derived", "aggregation"),
    ("md.bars", "Bar", "instrument", "derived", "aggregation"),
    ("md.marks", "Mark", "instrument", "derived", "aggregation"),
    ("md.features", "MarketFeatures", "instrument", "derived", "toxicity"),
    ("md.toxicity", "Toxicity", "instrument", "derived", "toxicity"),
    ("signals", "Signal", "strategy", "order", "signals"),
    ("orders.requests", "OrderRequest", "account", "order", "signals"),
    ("orders.decisions", "RiskDecision", "account", "order", "risk"),
    ("orders.events", "OrderEvent", "account", "order", "routing"),
    ("venue.commands", "VenueCommand", "instrument", "order", "routing"),
    ("venue.reports", "ExecutionReport", "instrument", "loop", "venue"),
    ("fills", "Fill", "account", "order", "routing"),
    ("positions", "Position", "account", "order", "portfolio"),
    ("pnl", "PnL", "account", "order", "portfolio"),
    ("risk.events", "RiskEvent", "account", "order", "risk"),
    ("reports", "PerformanceReport", "account", "order", "reporting"),
    ("sim.truth", "SimulationTruth", "instrument", "external", "simulators"),
    ("import.dlq", "DeadLetter", "", "external", "connectors"),
    ("pipeline.journal", "JournalRecord", "", "runtime", "runner"),
    ("pipeline.snapshots", "SnapshotChunk", "", "runtime", "runner"),
    ("pipeline.dlq", "DeadLetter", "", "runtime", "runner"),
    ("pipeline.dlq.decisions", "DeadLetterDecision", "", "runtime", "operator"),
)

TOPICS: dict[str, Topic] = {name: Topic(name, record, key, kind, rank, owner) for rank, (name, record, key, kind, owner) in enumerate(_ROWS)}

_BY_RECORD: dict[str, Topic] = {entry.record: entry for entry in TOPICS.values() if entry.record != "DeadLetter"}


def topic(name: str) -> Topic:
    """The catalogue's entry. Raises UnknownTopic, naming near matches."""
    entry = TOPICS.get(name)
    if entry is None:
        near = difflib.get_close_matches(name, TOPICS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"topics are {', '.join(TOPICS)}"
        raise UnknownTopic(f"topic {name!r} is not in the catalogue; {hint}")
    return entry


def topic_of_record(record: str) -> Topic:
    """The topic that holds records of this name (dead letters, which have two topics, are refused). Raises UnknownTopic."""
    entry = _BY_RECORD.get(record)
    if entry is None:
        raise UnknownTopic(f"no single topic holds records named {record!r}; records are {', '.join(_BY_RECORD)}")
    return entry
