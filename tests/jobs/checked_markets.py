"""Recordings with planted faults, for tests of ``sq check``: a generated market whose rows a test
changes, and the document that the command prints of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectors.blocks import TopicBlocks, close_log
from jobs.sq import main
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.log.local import LocalLog

Rows = Any
Change = Callable[[Rows], Rows]
SECOND = 10**9
MIDDLE = 1000
"""Place of a planted fault."""


def rows_of(folder: Path, topic: str) -> tuple[Rows, Rows]:
    """(rows, levels) of a whole topic; of topics without levels an empty table."""
    form = codec(topic_of(topic).record)
    rows, levels, base = [], [], 0
    with LocalLog.open(folder) as log:
        for block in log.reader(topic).blocks():
            found, table, _ = form.decode_with_ends(block.body, block.count)
            if form.has_levels:
                found["first_level"] += base
                base += len(table)
            rows.append(found)
            levels.append(table)
    return np.concatenate(rows), np.concatenate(levels)


def planted(source: Path, out: Path, changes: Mapping[str, Change | None]) -> Path:
    """The recording with changed topics; None leaves a topic out."""
    with LocalLog.open(source) as log:
        topics = [topic for topic in log.topics() if log.reader(topic).count]
        made = LocalLog.create(out)
        written = []
        for topic in topics:
            if topic in changes and changes[topic] is None:
                continue
            blocks = TopicBlocks(made, topic)
            written.append(blocks)
            form = codec(topic_of(topic).record)
            if form.dtype is None:
                for block in log.reader(topic).blocks():
                    for record in form.decode_records(block.body, block.count):
                        blocks.add(record)
                continue
            rows, levels = rows_of(source, topic)
            change = changes.get(topic)
            if change is not None:
                rows = change((rows, levels)) if form.has_levels else change(rows)
            if form.has_levels:
                rows, levels = packed(*(rows if isinstance(rows, tuple) else (rows, levels)))
            blocks.add_rows(rows, levels if form.has_levels else None)
        close_log(made, written, {"provenance": "test"})
    return out


def packed(rows: Rows, levels: Rows) -> tuple[Rows, Rows]:
    """Depth rows with a table in which the levels of each follow those of the row before."""
    sizes = rows["bid_count"].astype(np.int64) + rows["ask_count"]
    parts = [levels[at : at + size] for at, size in zip(rows["first_level"], sizes, strict=True)]
    rows = rows.copy()
    rows["first_level"] = np.cumsum(sizes) - sizes
    return rows, np.concatenate([*parts, levels[:0]])


def checked(
    capsys: pytest.CaptureFixture[str], folder: Path, *options: str, code: int | None = None
) -> dict[str, Any]:
    """The document that ``sq check --json`` prints."""
    capsys.readouterr()
    found = main(["check", str(folder), "--json", *options])
    said = capsys.readouterr()
    assert said.out, said.err
    document: dict[str, Any] = json.loads(said.out)
    if code is not None:
        assert found == code, document["findings"]
    return document


def counts(document: Mapping[str, Any], severities: str = "error warning note") -> dict[str, int]:
    """Findings by ``topic code``, and how often each."""
    return {
        f"{each['topic']} {each['code']}": each["count"]
        for each in document["findings"]
        if each["severity"] in severities.split()
    }


def row(name: str, value: Callable[[Any], Any], at: int = MIDDLE) -> Callable[[Rows], Rows]:
    """Change a field of one row."""

    def change(found: Rows) -> Rows:
        rows = found[0] if isinstance(found, tuple) else found
        rows[name][at] = value(rows[name][at])
        return found

    return change


def without(first: int, count: int) -> Callable[[Rows], Rows]:
    """Leave rows out."""

    def change(found: Rows) -> Rows:
        if isinstance(found, tuple):
            return np.delete(found[0], slice(first, first + count)), found[1]
        return np.delete(found, slice(first, first + count))

    return change


def again(at: int) -> Callable[[Rows], Rows]:
    """A row twice."""

    def change(found: Rows) -> Rows:
        rows = found[0] if isinstance(found, tuple) else found
        rows = np.insert(rows, at + 1, rows[at])
        return (rows, found[1]) if isinstance(found, tuple) else rows

    return change
