"""Findings as one document, plain data: what ``--json`` prints and a certificate holds."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jobs.checking.counting import count
from jobs.checking.kinds import ERROR, KINDS, SEVERITIES
from jobs.checking.reading import TopicReading
from schemas.records import Instrument
from schemas.sources import PACKAGES, ROOT, source_closure
from streams.numeric.checking.codes import Code
from streams.numeric.checking.tally import BUCKETS, lower_bound
from streams.runtime.tools.code import code_digest, file_digests

VERSION = 1
SECOND = 10**9
SILENCE_MIN = 10 * SECOND
SILENCE_MEDIANS = 100
END_MEANS = 10
"""A topic with few records begins and ends some of its mean gaps within the recording."""
GAPS_MIN = 32
"""Fewer gaps have no median to judge by."""
DIFFERS_PER_THOUSAND = 1
SUMMED = (
    Code.TRADE_GAP, Code.DEPTH_GAP, Code.SILENCE, Code.CROSSED, Code.LOCKED, Code.ONE_SIDED,
    Code.EMPTY_BOOK, Code.UNSYNCED, Code.BAR_MISSING, Code.OFF_TICK, Code.OFF_LOT,
)  # fmt: skip
"""Kinds whose sum says something: ids that are missing, time that was spent so."""
STREAMS = ("md.trades", "md.depth", "md.book_tickers")
"""Topics that a recorder receives beside each other."""
EDGES = [lower_bound(bucket) for bucket in range(BUCKETS)]
"""Bounds of the buckets in which gaps are counted, ns."""


class Subject(NamedTuple):
    """A topic and all that was counted of it."""

    topic: str
    checks: Any


def document(
    subjects: Sequence[Subject],
    readings: Mapping[str, TopicReading],
    instruments: Sequence[Instrument],
    limits: Mapping[str, int],
    listed: Mapping[str, Any] | None,
    reasons: Mapping[str, int],
    hours: Mapping[str, bool],
) -> dict[str, Any]:
    """The document.

    Args:
        listed: topics as the manifest lists them; None without one.
        reasons: dead letters of the import by reason.
        hours: venues whose hours were asked for, and whether they are known.
    """
    names = [f"{each.venue}:{each.symbol}" for each in instruments] + ["unknown"]
    medians = {}
    for subject in subjects:
        for slot in _present(subject):
            medians[subject.topic, slot] = _settle(subject, slot, limits["silence"])
    _ends(subjects, medians)
    findings = [
        _finding(subject, slot, names[slot], code, medians[subject.topic, slot])
        for subject in subjects
        for slot in _present(subject)
        for code in Code
        if subject.checks.tallies[slot, int(code)]["count"]
    ]
    findings += _of_folder(readings, listed, reasons)
    rank = {name: place for place, name in enumerate(reversed(SEVERITIES))}
    findings.sort(key=lambda each: (rank[each["severity"]], each["topic"], each["instrument"]))
    return {
        "version": VERSION,
        "command": "check",
        "code": own_code_digest(),
        "limits": dict(limits),
        "hours": dict(sorted(hours.items())),
        "topics": {
            name: {"count": reading.count, "digest": reading.digest}
            for name, reading in sorted(readings.items())
        },
        "counts": {
            name: sum(each["severity"] == name for each in findings) for name in SEVERITIES
        },
        "subjects": [
            _subject(subject, slot, names[slot], medians[subject.topic, slot])
            for subject in subjects
            for slot in _present(subject)
        ],
        "findings": findings,
    }


class Medians(NamedTuple):
    """ns, None where there are too few; ``limit``: what a silence is; ``end``: how much later than
    the recording a topic may begin, or earlier end.
    """

    gap: int | None
    delay: int | None
    limit: int
    end: int


def _present(subject: Subject) -> list[int]:
    return [int(slot) for slot in np.flatnonzero(subject.checks.streams["rows"])]


def _settle(subject: Subject, slot: int, silence: int) -> Medians:
    """What only the whole topic shows: medians, and what is judged by them."""
    checks, stream = subject.checks, subject.checks.streams[slot]
    tallies = checks.tallies[slot]
    gaps = checks.gaps[slot]
    total = int(gaps["count"].sum())
    gap = _median(gaps) if total >= GAPS_MIN else None
    limit = silence or _edge_from(max(SILENCE_MIN, SILENCE_MEDIANS * (gap or 0)))
    if not silence and gap is not None:
        _silences(tallies, gaps, limit)
    delays = checks.delays[slot].copy()
    delays["total"][:BUCKETS] *= -1
    delay = _median(delays) if stream["delayed_rows"] else None
    negative = tallies[int(Code.NEGATIVE_LATENCY)]
    if 2 * int(negative["count"]) > int(stream["delayed_rows"]):
        tallies[int(Code.RECORDER_CLOCK_BEHIND)] = negative
        tallies[int(Code.NEGATIVE_LATENCY)] = 0
    differs = tallies[int(Code.TICKER_DIFFERS)]
    if 1000 * int(differs["count"]) > DIFFERS_PER_THOUSAND * int(stream["compared"]):
        tallies[int(Code.TICKER_DIFFERS_OFTEN)] = differs
        tallies[int(Code.TICKER_DIFFERS)] = 0
    if subject.topic.startswith("md.depth") and not stream["was_synced"]:
        offset, time = int(stream["last_offset"]), int(stream["last_time"])
        if slot < len(checks.streams) - 1:
            count(checks, slot, Code.NEVER_SYNCED, offset, time)
    mean = int(gaps["total"].sum()) // total if total else 0
    return Medians(gap, delay, limit, silence or max(limit, END_MEANS * mean))


def _edge_from(limit: int) -> int:
    """The least bound of a bucket that is not below the limit: gaps from there on are counted."""
    place = bisect.bisect_left(EDGES, limit)
    return EDGES[place] if place < len(EDGES) else limit


def _silences(tallies: Any, gaps: Any, limit: int) -> None:
    """The silences are the gaps in the buckets from the limit on."""
    tally = tallies[int(Code.SILENCE)]
    for bucket in np.flatnonzero(gaps["count"]).tolist():
        if lower_bound(bucket) < limit:
            continue
        found = gaps[bucket]
        if not tally["count"] or found["first_offset"] < tally["first_offset"]:
            tally["first_offset"], tally["first_time"] = found["first_offset"], found["first_time"]
        if not tally["count"] or found["last_offset"] > tally["last_offset"]:
            tally["last_offset"], tally["last_time"] = found["last_offset"], found["last_time"]
        tally["count"] += found["count"]
        tally["total"] += found["total"]
        tally["worst"] = max(tally["worst"], found["worst"])


def _median(sizes: Any) -> int:
    """The median of values in buckets: the mean of the bucket that it falls into."""
    reached = np.cumsum(sizes["count"])
    found = sizes[int(np.searchsorted(reached, (int(reached[-1]) + 1) // 2))]
    return int(found["total"]) // int(found["count"])


def _ends(subjects: Sequence[Subject], medians: Mapping[Any, Medians]) -> None:
    """Topics of an instrument that begin late or end early, beside its others."""
    beside = [each for each in subjects if each.topic.partition("/")[0] in STREAMS]
    spans: dict[int, tuple[int, int]] = {}
    for subject in beside:
        for slot in _present(subject):
            stream = subject.checks.streams[slot]
            first, last = int(stream["first_time"]), int(stream["last_time"])
            low, high = spans.get(slot, (first, last))
            spans[slot] = min(low, first), max(high, last)
    for subject in beside:
        for slot in _present(subject):
            stream, (low, high) = subject.checks.streams[slot], spans[slot]
            limit = medians[subject.topic, slot].end
            first, last = int(stream["first_time"]), int(stream["last_time"])
            if slot == len(subject.checks.streams) - 1:
                continue
            if first - low > limit:
                offset = int(stream["first_offset"])
                count(subject.checks, slot, Code.STARTS_LATE, offset, first, first - low)
            if high - last > limit:
                offset = int(stream["last_offset"])
                count(subject.checks, slot, Code.ENDS_EARLY, offset, last, high - last)


def _finding(
    subject: Subject, slot: int, name: str, code: Code, medians: Medians
) -> dict[str, Any]:
    tally = subject.checks.tallies[slot, int(code)]
    extra: dict[str, int | None] = {}
    if KINDS[code].measure:
        extra = {"greatest": int(tally["worst"])}
    if code in SUMMED:
        extra |= {"total": int(tally["total"])}
    if code == Code.SILENCE:
        extra |= {"median": medians.gap, "limit": medians.limit}
    if code == Code.RECORDER_CLOCK_BEHIND:
        extra |= {"median": medians.delay}
    if code in (Code.TICKER_DIFFERS, Code.TICKER_DIFFERS_OFTEN, Code.BAR_DIFFERS):
        extra |= {"compared": int(subject.checks.streams[slot]["compared"])}
    places = {
        which: {"offset": int(tally[f"{which}_offset"]), "time": int(tally[f"{which}_time"])}
        for which in ("first", "last")
    }
    return _plain(code, subject.topic, name, int(tally["count"]), places, extra)


def _plain(
    code: Code,
    topic: str,
    instrument: str,
    times: int,
    places: Mapping[str, Any],
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    kind = KINDS[code]
    return {
        "code": code.name.lower(),
        "severity": kind.severity,
        "topic": topic,
        "instrument": instrument,
        "count": times,
        **places,
        "measure": kind.measure,
        **extra,
        "meaning": kind.meaning,
        "action": kind.action,
    }


def _of_folder(
    readings: Mapping[str, TopicReading],
    listed: Mapping[str, Any] | None,
    reasons: Mapping[str, int],
) -> list[dict[str, Any]]:
    """Findings of the folder and its files."""
    found = []
    for name, reading in sorted(readings.items()):
        place = {"offset": reading.next_offset, "time": reading.time}
        places = {"first": place, "last": place}
        if reading.problem:
            extra = {"detail": reading.problem}
            found.append(_plain(Code.UNREADABLE, name, "", 1, places, extra))
        elif listed is not None and name in listed and "/" not in name:
            says = {"count": reading.count, "digest": reading.digest}
            if any(listed[name][key] != value for key, value in says.items()):
                extra = {"detail": f"the manifest says {listed[name]}, it holds {says}"}
                found.append(_plain(Code.DIGEST_DIFFERS, name, "", 1, places, extra))
    for name in sorted(set(listed or ()) - set(readings)):
        if listed is not None and listed[name]["count"]:
            extra = {"detail": f"the manifest lists {listed[name]['count']} records, none is there"}
            found.append(_plain(Code.DIGEST_DIFFERS, name, "", 1, {}, extra))
    if listed is None:
        found.append(_plain(Code.NOT_CLOSED, "", "", 1, {}, {}))
    for reason, times in sorted(reasons.items()):
        found.append(_plain(Code.REFUSED_LINES, "import.dlq", "", times, {}, {"detail": reason}))
    return found


def _subject(subject: Subject, slot: int, name: str, medians: Medians) -> dict[str, Any]:
    stream = subject.checks.streams[slot]
    return {
        "topic": subject.topic,
        "instrument": name,
        **{key: int(stream[key]) for key in ("rows", "first_time", "last_time")},
        "median_gap": medians.gap,
        "median_delay": medians.delay,
        **({key: int(stream[key]) for key in ("compared", "equal")} if stream["compared"] else {}),
    }


def own_sources() -> list[Path]:
    """The sources of the check and of all that they import.

    Of ``jobs/pipeline.py`` the check takes the reading of instruments; the stages that it imports
    have no part in what is found, but for aggregation, which the check imports itself.
    """
    here, pipeline = ROOT / "jobs" / "checking", ROOT / "jobs" / "pipeline.py"
    starts = [(path, "jobs.checking") for path in sorted(here.glob("*.py"))]
    closure = source_closure(starts, (*PACKAGES, "connectors", "jobs"), {pipeline})
    return [
        *closure,
        pipeline,
        *sorted((ROOT / "schemas").glob("*.avsc")),
        *sorted((ROOT / "schemas" / "compiled").glob("*.py")),
    ]


@functools.cache
def own_code_digest() -> str:
    """SHA-256 over these sources, in hex."""
    files = {path.relative_to(ROOT).as_posix(): path for path in own_sources()}
    return code_digest(file_digests(files))


def has_errors(found: Mapping[str, Any], is_strict: bool = False) -> bool:
    """True if the check says no: errors, or with ``is_strict`` warnings."""
    counts = found["counts"]
    return bool(counts[ERROR] or (is_strict and counts["warning"]))
