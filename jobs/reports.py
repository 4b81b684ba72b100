"""Reports of a run folder: its topics read into the document, written as one page, JSON and CSV."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jobs.facts import check_run_manifest
from jobs.granularity import BOOK, data_of, fill_rule
from jobs.pipeline import read_instruments
from jobs.runs import MANIFEST, open_run
from jobs.ticker import rule_of
from jobs.venue_models import named
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import CorruptLog, ShrivenError, WrongUse
from schemas.version import BEFORE_VERSIONS
from schemas.vocabulary import RiskCode, Severity
from streams.log.digest import TopicDigest, add_block
from streams.log.local import Block, LocalLog
from streams.log.manifest import read_manifest
from streams.reporting.around_fills import AroundFills, FillsObserver
from streams.reporting.document import (
    QuoteSeries,
    Report,
    ReportInput,
    ToxicitySeries,
    build_report,
)
from streams.reporting.markouts import QUOTES
from streams.risk.codes import DENIALS
from streams.runtime.journal.made_by import version_of

DEPTH = "md.depth"

NO_ORDER = "0" * 20
Columns = dict[str, np.ndarray[Any, Any]]


def open_finished(folder: Path) -> tuple[LocalLog, dict[str, Any]]:
    """A finished run opened for reading, and its ``run.json``. The caller closes the log.

    Raises:
        NotARun: the folder is no run.
        WrongUse: the run is not finished.
    """
    log, _ = open_run(folder)
    try:
        if not (folder / MANIFEST).is_file():
            again = "finish it with the same 'sq backtest' command first"
            raise WrongUse(f"{folder} is not a finished run; {again}")
        manifest = read_manifest(folder / MANIFEST)
        check_run_manifest(manifest, str(folder / MANIFEST))
    except ShrivenError:
        log.close()
        raise
    return log, manifest


def write_reports(
    folder: LocalLog, manifest: dict[str, Any], out: Path | None = None
) -> list[Path]:
    """Write report.html, report.json and the CSV files into ``out`` (the run folder by default);
    returns their paths.
    """
    return write_files(report_of(folder, manifest), folder.path if out is None else out)


def report_of(folder: LocalLog, manifest: dict[str, Any]) -> Report:
    """The report of a run."""
    return build_report(read_records(folder, manifest))


def contents_of(report: Report) -> dict[str, bytes]:
    """The report's files by name."""
    return {"report.html": report.to_html(), "report.json": report.to_json(), **report.to_csv()}


def write_files(report: Report, target: Path) -> list[Path]:
    """Write the report's files, each by rename; returns their paths."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in contents_of(report).items():
        draft = target / f".{name}.draft"
        draft.write_bytes(content)
        os.replace(draft, target / name)
        written.append(target / name)
    return written


def read_records(folder: LocalLog, manifest: dict[str, Any]) -> ReportInput:
    """What the report is made from.

    Raises:
        CorruptLog: the records of a topic are not those of the digest in the manifest.
    """
    topics = Topics(folder, manifest)
    for _ in topics.blocks("ref.instruments"):
        pass
    instruments = read_instruments(folder)
    marks = _columns(
        topics, "md.marks", ("instrument", "event_time", "bid_price", "ask_price", "flags")
    )
    toxicity = _columns(topics, "md.toxicity", ("instrument", "event_time", "vpin", "vpin_null"))
    identity = manifest["identity"]
    inputs = identity.get("inputs", {})  # a pulled folder's are among its topics
    accounts = manifest["configuration"].get("accounts")
    fills = _records(topics, "fills")
    data = data_of(manifest["configuration"]["stages"])
    charges = manifest["configuration"]["stages"].get("venue", {}).get("charges")
    is_simulated = bool(len(marks["flags"])) and bool((marks["flags"] & 1024).any())
    return ReportInput(
        instruments=instruments,
        quotes={each.instrument: _quotes(marks, each.instrument) for each in instruments},
        bars=_records(topics, "md.bars"),
        toxicity={each.instrument: _toxicity(toxicity, each.instrument) for each in instruments},
        fills=fills,
        order_events=_records(topics, "orders.events"),
        decisions=_records(topics, "orders.decisions"),
        positions=_records(topics, "positions"),
        pnl=_records(topics, "pnl"),
        reports=_records(topics, "reports"),
        around=_around(topics, fills, manifest["clock_end"]),
        denials=DENIALS,
        facts={
            "strategy": identity["strategy"].partition("@")[0],
            "parameters": identity["parameters"],
            "account": accounts[manifest["shard"]] if accounts else None,
            "cash": manifest["configuration"]["cash"],
            "currency": manifest["configuration"]["currency"],
            "fees": charges or identity["fees"],
            "latency": identity["latency"],
            "short": identity["short"],
            "account_events": _account_events(topics),
            "leverage": manifest["configuration"].get("leverage", 1),
            "symbols": [each.symbol for each in instruments],
            "inputs": sorted(inputs),
            "has_depth": _has_depth(inputs, manifest["topics"]),
            "journal_id": f"{manifest['journal_id']:06x}",
            "batches": manifest["batches"],
            "records": manifest["records"],
            "topic_digests": {
                name: facts["digest"]
                for name, facts in manifest["topics"].items()
                if not name.endswith((".journal", ".snapshots"))
            },
            "input_digests": inputs,
            "code_digest": manifest["code"],
            "versions": manifest["versions"],
            "from": identity["from"],
            "to": identity["to"],
            "warmup": None if identity["warmup"] == "0" else identity["warmup"],
            "warmup_ns": manifest["configuration"]["warmup"],
            "trade_to": manifest.get("trade_to"),
            "data": data,
            "fill_rule": fill_rule(manifest["configuration"]["stages"]),
            "ticker": None if data != BOOK else rule_of(manifest["configuration"]["stages"]),
            **named(manifest["configuration"]["stages"]),
            "made_before": BEFORE_VERSIONS if version_of(manifest) == BEFORE_VERSIONS else None,
            "end_time": manifest["clock_end"],
            "provenance": "simulated" if is_simulated else "recorded",
        },
    )


def _has_depth(inputs: dict[str, str], topics: dict[str, Any]) -> bool:
    """True if records of depth were read; a pulled folder's are among its topics."""
    if DEPTH in topics:
        return bool(topics[DEPTH]["count"])
    empty = TopicDigest(codec(topic_of(DEPTH).record).fingerprint).digest().hex()
    return inputs.get(DEPTH, empty) != empty


class Topics:
    """A run's topics, digested as they are read: a page is made from the records that ``run.json``
    speaks of, or not at all.
    """

    def __init__(self, folder: LocalLog, manifest: dict[str, Any]) -> None:
        self._folder = folder
        self._listed = manifest["topics"]

    def blocks(self, topic: str) -> Iterator[Block]:
        """Blocks of a topic, none where the run has no such topic. Raises CorruptLog behind the
        last one.
        """
        if topic not in self._folder.topics() and topic not in self._listed:
            return
        coder = codec(topic_of(topic).record)
        digest = TopicDigest(coder.fingerprint)
        for block in self._folder.reader(topic).blocks():
            digest = add_block(digest, block, coder)
            yield block
        if digest.digest().hex() != self._listed.get(topic, {}).get("digest"):
            what = (
                f"the records of {topic} in {self._folder.path} are not those that run.json "
                "speaks of"
            )
            raise CorruptLog(f"{what}; 'sq verify' says more, restore the folder from a copy")


def _account_events(topics: Topics) -> list[dict[str, Any]]:
    """Liquidations and ruin: `code`, `severity`, `time` (ns), as `risk.events` has them."""
    codes = (RiskCode.LIQUIDATION, RiskCode.ACCOUNT_HALTED)
    return [
        {
            "code": RiskCode(event.code).name,
            "severity": Severity(event.severity).name,
            "time": event.event_time,
        }
        for event in _records(topics, "risk.events")
        if event.code in codes and event.order_id == NO_ORDER
    ]


def _records(topics: Topics, topic: str) -> list[Any]:
    decoder = codec(topic_of(topic).record)
    found: list[Any] = []
    for block in topics.blocks(topic):
        found.extend(decoder.decode_records(block.body, block.count))
    return found


def _around(topics: Topics, fills: list[Any], ended: int) -> AroundFills | None:
    """What the quotes say of the fills, a block of quotes in memory at a time.

    Null where the folder has none, or nothing was filled.
    """
    observer = FillsObserver(fills, ended)
    names = ("instrument", "event_time", "bid_price", "ask_price", "flags")
    decoder, count = codec(topic_of(QUOTES).record), 0
    for block in topics.blocks(QUOTES) if fills else ():
        count += block.count
        found = decoder.integer_columns(block.body, block.count, names)
        for instrument in np.unique(found["instrument"]).tolist():
            mine = found["instrument"] == instrument
            observer.add(instrument, *(found[name][mine] for name in names[1:]))
    return observer.finish(QUOTES) if count else None


def _columns(topics: Topics, topic: str, names: tuple[str, ...]) -> Columns:
    """Columns of a topic, a block in memory at a time besides them."""
    decoder = codec(topic_of(topic).record)
    are_integers = decoder.has_integers(names)
    parts: list[Columns] = []
    for block in topics.blocks(topic):
        if are_integers:
            parts.append(decoder.integer_columns(block.body, block.count, names))
        else:
            rows = decoder.decode_rows(block.body, block.count)
            parts.append({name: rows[name].copy() for name in names})
    if not parts:
        return {name: np.zeros(0, decoder.dtype[name]) for name in names}
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _quotes(columns: Columns, instrument: int) -> QuoteSeries:
    mine = columns["instrument"] == instrument
    times, bids, asks, flags = (
        columns[name][mine].astype(np.int64)
        for name in ("event_time", "bid_price", "ask_price", "flags")
    )
    return QuoteSeries(times, bids, asks, flags)


def _toxicity(columns: Columns, instrument: int) -> ToxicitySeries:
    mine = columns["instrument"] == instrument
    return ToxicitySeries(
        columns["event_time"][mine].astype(np.int64),
        columns["vpin"][mine],
        columns["vpin_null"][mine],
    )
