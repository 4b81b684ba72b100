"""Recordings made side by side, as one: every instrument's records as they are, in the order of
:mod:`connectors.ordering`.

What cannot be right is refused. An instrument lies in one recording, or in several whose times do
not overlap (days that follow each other): two recordings of one instrument at one time hold every
trade twice. An id stands for one instrument, with one specification. The result does not depend on
the order in which recordings are named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from connectors.blocks import TopicBlocks, close_log, extra_bytes
from connectors.ordering import ORDER, Survey, ordered, survey
from connectors.unfinished import create
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.records import Instrument
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST, canonical_json, read_manifest

COMMAND = "merge"
MARKET_DATA = ("md.trades", "md.depth", "md.book_tickers", "md.bars", "sim.truth")
PLAIN = ("control", "import.dlq")
"""Other topics of a recording: by event time where they have one, else one recording after the
other.
"""
KEPT = ("ref.instruments", *MARKET_DATA, *PLAIN)
Progress = Callable[[int, int], None]


class RecordingsOverlap(WrongUse):
    """Two recordings hold the same instrument at the same time."""

    code = "recordings_overlap"


class InstrumentsDiffer(WrongUse):
    """Two recordings do not mean the same instrument by one id, or not the same id by one symbol.
    """

    code = "instruments_differ"


class Source(msgspec.Struct):
    """One recording: its folder, its manifest, and what the first pass found by topic."""

    path: Path
    log: LocalLog
    manifest: dict[str, Any]
    surveys: dict[str, Survey] = {}

    @property
    def digests(self) -> dict[str, str]:
        """Topic digests, by topic."""
        return {
            topic: facts["digest"]
            for topic, facts in sorted(self.manifest.get("topics", {}).items())
        }


def merge(
    recordings: Sequence[Path | str],
    out: Path | str,
    progress: Progress = lambda _done, _total: None,
) -> dict[str, Any]:
    """Write closed recordings as one into the new folder ``out``; returns its manifest's content.

    Args:
        progress: told records done and records there are.

    Raises:
        RecordingsOverlap, InstrumentsDiffer: nothing is written. WrongUse: one is no closed
            recording, or holds a topic that cannot be merged.
        CorruptLog, LogExists, ForeignFolder, LogFull, LogWriteFailed.
    """
    out = Path(out)
    with ExitStack() as stack:
        sources = [stack.enter_context(_opened(Path(path))) for path in recordings]
        found = sorted(
            (_source(log) for log in sources), key=lambda source: canonical_json(source.digests)
        )
        instruments = instruments_of(found)
        _survey(found)
        log = stack.enter_context(create(out))
        topics = {"ref.instruments": TopicBlocks(log, "ref.instruments")}
        for each in instruments:
            topics["ref.instruments"].add(each, each.event_time)
        total = sum(
            span.count
            for source in found
            for each in source.surveys.values()
            for span in each.spans.values()
        )
        done = 0
        for topic in (*MARKET_DATA, *PLAIN):
            holders = [source for source in found if topic in source.log.topics()]
            if not holders:
                continue
            blocks = topics[topic] = TopicBlocks(log, topic)
            if topic in PLAIN:
                _add_plain(blocks, holders)
                continue
            for rows, levels in ordered(
                [each.log.reader(topic) for each in holders],
                [each.surveys[topic] for each in holders],
            ):
                blocks.add_rows(rows, levels if topic == "md.depth" else None)
                done += len(rows)
                progress(done, total)
        return close_log(log, topics.values(), _facts(found))


def merged_name(recordings: Sequence[Path | str]) -> str:
    """A name for what these recordings become: it depends on their content alone. Raises WrongUse.
    """
    with ExitStack() as stack:
        digests = [_source(stack.enter_context(_opened(Path(path)))).digests for path in recordings]
    facts = {"command": COMMAND, "order": ORDER, "topics": sorted(digests, key=canonical_json)}
    return hashlib.sha256(canonical_json(facts)).hexdigest()[:32]


def _opened(path: Path) -> LocalLog:
    log = LocalLog.open(path)
    if not (path / LOG_MANIFEST).is_file():
        log.close()
        raise WrongUse(
            f"{path} has no {LOG_MANIFEST}: it is a run or an unfinished import; name finished "
            "recordings"
        )
    return log


def _source(log: LocalLog) -> Source:
    manifest = read_manifest(log.path / LOG_MANIFEST)
    foreign = [topic for topic in log.topics() if topic not in KEPT]
    if foreign:
        raise WrongUse(
            f"{log.path} holds {', '.join(foreign)}; a merge takes recordings, which hold "
            f"{', '.join(KEPT)}"
        )
    return Source(log.path, log, manifest)


def _survey(sources: Sequence[Source]) -> None:
    """The first pass, and what cannot be right in it. Raises RecordingsOverlap."""
    for source in sources:
        source.surveys = {
            topic: survey(source.log.reader(topic))
            for topic in MARKET_DATA
            if topic in source.log.topics()
        }
    spans: dict[int, list[tuple[int, int, Path]]] = {}
    for source in sources:
        by_instrument: dict[int, tuple[int, int]] = {}
        for each in source.surveys.values():
            for instrument, span in each.spans.items():
                first, last = by_instrument.get(instrument, (span.first, span.last))
                by_instrument[instrument] = min(first, span.first), max(last, span.last)
        for instrument, (first, last) in by_instrument.items():
            spans.setdefault(instrument, []).append((first, last, source.path))
    for instrument, found in spans.items():
        found.sort()
        for (_, last, one), (first, _, other) in zip(found, found[1:], strict=False):
            if first <= last:
                what = (
                    f"instrument {instrument} is in {one} and in {other}, which begins "
                    f"{(last - first) / 1e9:.3f} s before the first ends"
                )
                raise RecordingsOverlap(
                    f"{what}: its trades would count twice; leave one recording out, or import the "
                    "raw files together"
                )


def instruments_of(sources: Sequence[Source]) -> list[Instrument]:
    """Every specification, in order of the time it is in force from. Raises InstrumentsDiffer."""
    found: dict[tuple[int, int], tuple[Instrument, Path]] = {}
    ids: dict[tuple[str, str], tuple[int, Path]] = {}
    kept: list[Instrument] = []
    for source in sources:
        if "ref.instruments" not in source.log.topics():
            raise WrongUse(
                f"{source.path} holds no ref.instruments; name recordings that 'sq import', 'sq "
                "generate' or 'sq pull' wrote"
            )
        for record in _records(source.log, "ref.instruments"):
            number, path = ids.setdefault(
                (record.venue, record.symbol), (record.instrument, source.path)
            )
            if number != record.instrument:
                what = (
                    f"{record.symbol} is instrument {number} in {path} and {record.instrument} "
                    f"in {source.path}"
                )
                raise InstrumentsDiffer(f"{what}; import both with one table (--instruments)")
            known, path = found.get((record.instrument, record.valid_from), (record, source.path))
            if path != source.path and msgspec.structs.replace(
                record, event_time=0
            ) != msgspec.structs.replace(known, event_time=0):
                what = (
                    f"instrument {record.instrument} is {known.symbol} in {path} and "
                    f"{record.symbol} in {source.path}"
                )
                raise InstrumentsDiffer(
                    f"{what}, or their specifications differ; import both with one table "
                    "(--instruments)"
                )
            if (record.instrument, record.valid_from) in found and path != source.path:
                kept = [
                    each
                    for each in kept
                    if (each.instrument, each.valid_from) != (record.instrument, record.valid_from)
                ]
                record = known if known.event_time <= record.event_time else record
            found[record.instrument, record.valid_from] = record, source.path
            kept.append(record)
    return sorted(kept, key=lambda each: (each.event_time, each.instrument))


def _records(log: LocalLog, topic: str) -> Iterable[Any]:
    form = codec(topic_of(topic).record)
    for block in log.reader(topic).blocks():
        yield from form.decode_records(block.body, block.count)


def _add_plain(blocks: TopicBlocks, holders: Sequence[Source]) -> None:
    """Records that are not market data; their texts bound a record's bytes."""
    records: Iterable[Any] = (
        record for source in holders for record in _records(source.log, blocks.topic)
    )
    if blocks.topic == "control":
        records = sorted(records, key=lambda record: record.event_time)
    for record in records:
        blocks.add(record, getattr(record, "event_time", 0), extra_bytes(record))


def _facts(sources: Sequence[Source]) -> dict[str, Any]:
    """What the manifest says besides topics and files."""
    kinds = sorted({str(source.manifest.get("provenance", "recorded")) for source in sources})
    behind = sum(
        span.behind
        for source in sources
        for each in source.surveys.values()
        for span in each.spans.values()
    )
    return {
        "command": COMMAND,
        "order": ORDER,
        "provenance": "simulated" if "simulated" in kinds else kinds[0],
        "sources": [
            {"folder": source.path.resolve().name, "topics": source.digests} for source in sources
        ],
        "behind": behind,
    }
