"""The catalogue of topics: which record a topic holds, how it is keyed, what class it is of, who
writes it, how long a cluster keeps it.

``TOPICS`` has the topics by name, those of the topology called ``pipeline`` among them. Any other
topology has a journal, snapshots and dead letters of its own, found by :func:`topic` and listed by
:func:`cluster_topics`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from schemas.errors import WrongUse


class UnknownTopic(WrongUse):
    """A topic that is not in the catalogue."""

    code = "unknown_topic"


class Topic(NamedTuple):
    """One topic.

    ``kind``: external (from outside), derived (market data computed from external), order (order
    side), loop (comes back from the venue), runtime (written by the runner). ``merge_rank`` orders
    records of equal time in a merge: control, ref, trades, depth, book tickers, then catalogue
    order. ``is_sharded``: it has one partition for each shard on a cluster; else one for ever.
    ``retention_days``: how long a cluster keeps its records by the time they were written; None is
    for ever. No topic is compacted: a journal points into it.
    """

    name: str
    record: str
    key: str
    kind: str
    merge_rank: int
    owner: str
    is_sharded: bool
    retention_days: int | None

    @property
    def redrive(self) -> str:
        """``commutative``: a dead letter of this input may be written to it again, late, and the
        result is that of a clean run. ``halt``: its records mean what they mean in their order
        only; they can be inspected and discarded.
        """
        return "commutative" if self.name in COMMUTATIVE or self.name.startswith("ref.") else "halt"


class BadTopologyName(WrongUse):
    """A name that no topology can have."""

    code = "bad_topology_name"


COMMUTATIVE = ("control",)
"""Inputs besides ``ref.*`` whose records apply at the present clock, wherever they lie."""

_ROWS = (
    ("control", "ControlCommand", "", "external", "operator"),
    ("ref.instruments", "Instrument", "instrument", "external", "connectors"),
    ("md.trades", "Trade", "instrument", "external", "connectors"),
    ("md.depth", "DepthUpdate", "instrument", "external", "connectors"),
    ("md.book_tickers", "BookTicker", "instrument", "external", "connectors"),
    ("md.imported_bars", "Bar", "instrument", "external", "connectors"),
    ("md.quotes", "Quote", "instrument", "derived", "aggregation"),
    ("md.bars", "Bar", "instrument", "derived", "aggregation"),
    ("md.marks", "Mark", "instrument", "derived", "aggregation"),
    ("md.features", "MarketFeatures", "instrument", "derived", "toxicity"),
    ("md.toxicity", "Toxicity", "instrument", "derived", "toxicity"),
    ("md.microstructure", "Microstructure", "instrument", "derived", "microstructure"),
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
    ("strategy.log", "LogLine", "account", "order", "signals"),
    ("sim.truth", "SimulationTruth", "instrument", "external", "simulators"),
    ("import.dlq", "DeadLetter", "", "external", "connectors"),
    ("pipeline.journal", "JournalRecord", "", "runtime", "runner"),
    ("pipeline.snapshots", "SnapshotChunk", "", "runtime", "runner"),
    ("pipeline.dlq", "DeadLetter", "", "runtime", "runner"),
    ("topologies", "TopologyClaim", "", "runtime", "runner"),
    ("pipeline.dlq.decisions", "DeadLetterDecision", "", "runtime", "operator"),
)
_SINGLE = ("control", "ref.instruments", "topologies", "import.dlq", "pipeline.dlq.decisions")
_FOR_EVER = ("control", "ref.instruments", "topologies")
_RETENTION_DAYS = {"external": 30, "derived": 7, "order": None, "loop": None, "runtime": None}
"""By class. What can be computed again goes first; orders, journals and snapshots stay until
someone archives them.
"""

LOCAL_ONLY = ("import.dlq", "sim.truth", "md.imported_bars")
"""Topics of recordings: no cluster has them."""
STORED_AS = {"md.imported_bars": "md.bars"}
"""Inputs of a run that a recording holds under another name: imported bars. A run on bars alone
reads them when they open, for the simulated venue, and publishes them as ``md.bars`` when they
close.
"""
DEFAULT_TOPOLOGY = "pipeline"
RUNTIME = ("journal", "snapshots", "dlq", "dlq.decisions")
_TOPOLOGY = re.compile(r"([a-z][a-z0-9-]{0,62})\.(journal|snapshots|dlq|dlq\.decisions)")


def _entry(rank: int, name: str, record: str, key: str, kind: str, owner: str) -> Topic:
    days = None if name in _FOR_EVER else _RETENTION_DAYS[kind]
    return Topic(name, record, key, kind, rank, owner, name not in _SINGLE, days)


TOPICS: dict[str, Topic] = {row[0]: _entry(rank, *row) for rank, row in enumerate(_ROWS)}

_BY_RECORD: dict[str, Topic] = {
    entry.record: entry
    for entry in TOPICS.values()
    if entry.record != "DeadLetter" and entry.name not in STORED_AS
}


def topic(name: str) -> Topic:
    """The catalogue's entry; ``<topology>.journal`` and so on for any topology. Raises
    UnknownTopic, naming near matches.
    """
    entry = TOPICS.get(name)
    if entry is None and (match := _TOPOLOGY.fullmatch(name)):
        return TOPICS[f"{DEFAULT_TOPOLOGY}.{match.group(2)}"]._replace(name=name)
    if entry is None and name.startswith("user."):
        what = f"topic {name!r} is a user's own, and nothing that was given declares it"
        raise UnknownTopic(
            f"{what}; name its stage with --stage FILE.py:CLASS or in [stages], or a folder that "
            "holds it"
        )
    if entry is None:
        near = difflib.get_close_matches(name, TOPICS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"topics are {', '.join(TOPICS)}"
        raise UnknownTopic(f"topic {name!r} is not in the catalogue; {hint}")
    return entry


def topic_of_record(record: str) -> Topic:
    """The topic that holds records of this name (dead letters, which have two topics, are refused).
    Raises UnknownTopic.
    """
    entry = _BY_RECORD.get(record)
    if entry is None:
        raise UnknownTopic(
            f"no single topic holds records named {record!r}; records are {', '.join(_BY_RECORD)}"
        )
    return entry


def cluster_topics(topologies: Sequence[str] = (DEFAULT_TOPOLOGY,)) -> list[Topic]:
    """Every topic that a cluster with these topologies has, in catalogue order. Raises
    BadTopologyName.
    """
    own = [f"{DEFAULT_TOPOLOGY}.{suffix}" for suffix in RUNTIME]
    shared = [entry for name, entry in TOPICS.items() if name not in LOCAL_ONLY and name not in own]
    return [
        *shared,
        *(
            topic(name)
            for topology in dict.fromkeys(topologies)
            for name in topology_topics(topology)
        ),
    ]


def topology_topics(topology: str) -> list[str]:
    """Names of a topology's journal, snapshots, dead letters and decisions on them. Raises
    BadTopologyName.
    """
    names = [f"{topology}.{suffix}" for suffix in RUNTIME]
    if not _TOPOLOGY.fullmatch(names[0]) or any(name in LOCAL_ONLY for name in names):
        raise BadTopologyName(
            f"{topology!r} cannot name a topology; use lower-case letters, digits and hyphens, for "
            "example market-eu"
        )
    return names
