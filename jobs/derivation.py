"""The reports of a run, derived again from its topics and compared with the files in its folder."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

from jobs.reports import contents_of, report_of
from jobs.runs import report_version
from streams.log.local import LocalLog
from streams.runtime.journal.divergence import Divergence, Kind
from streams.runtime.verify.verify import Verdict

PAGE = "report.html"
VERSION = re.compile("[0-9a-f]{16}")
REPORTS = (
    PAGE, "report.json", "equity.csv", "fills.csv", "instruments.csv", "metrics.csv", "orders.csv",
    "returns.csv", "rolling.csv",
    "round_trips.csv",
)  # fmt: skip
"""All that a run may have beside its topics."""


def check_reports(folder: LocalLog, manifest: dict[str, Any], verdict: Verdict) -> None:
    """Derive the reports again; what differs is found, and the verdict says what was compared.

    Args:
        folder: the run.
        manifest: its ``run.json``, whose facts are known to be the journal's.
        verdict: without findings so far.
    """
    held = {path.name for path in (*folder.path.glob("report.*"), *folder.path.glob("*.csv"))}
    if not held:
        verdict.reports = "none"
        return
    made = contents_of(report_of(folder, manifest))
    by = manifest.get("report")
    if not (isinstance(by, str) and VERSION.fullmatch(by)):
        verdict.findings.append(
            Divergence(
                Kind.FILE,
                f"run.json says that version {_short(by)} of the report made the page, which is no "
                "version",
            )
        )
    is_same_version = (
        by == report_version()
        or PAGE not in held
        or (folder.path / PAGE).read_bytes() == made[PAGE]
    )
    for name in sorted(held | made.keys()):
        if name not in made:
            verdict.findings.append(Divergence(Kind.FILE, f"{name} is no report of this run"))
        elif name not in held:
            verdict.findings.append(
                Divergence(Kind.FILE, f"{name} is missing; 'sq report' writes it again")
            )
        elif (name != PAGE or is_same_version) and made[name] != (folder.path / name).read_bytes():
            what = difference((folder.path / name).read_bytes(), made[name], name)
            verdict.findings.append(
                Divergence(
                    Kind.FILE,
                    f"{name} is not what the run's records make: {what}; 'sq report' writes it "
                    "again",
                )
            )
    verdict.reports = "derived again" if is_same_version else f"derived again, {PAGE} not compared"
    if not is_same_version:
        what = (
            "it is not the page that this version of the report makes, and run.json says that "
            f"version {by} made it, this is {report_version()}"
        )
        verdict.notes.append(
            f"{PAGE} was not compared: {what}; compare it by eye with what 'sq report --out' writes"
        )


def difference(held: bytes, made: bytes, name: str) -> str:
    """The first line in which two texts differ, or the first value of two JSON documents."""
    if Path(name).suffix == ".json":
        try:
            found = _in_values(json.loads(held), json.loads(made), "")
        except (ValueError, RecursionError):
            return "it is no JSON"
        if found:
            return found
    lines = itertools.zip_longest(held.split(b"\n"), made.split(b"\n"))
    number, (one, other) = next(
        (number, pair) for number, pair in enumerate(lines, 1) if pair[0] != pair[1]
    )
    return f"line {number} is {_short(one)}, made now {_short(other)}"


def _in_values(held: Any, made: Any, place: str) -> str:
    """The first value that differs, by its place; empty if all are equal."""
    if isinstance(held, dict) and isinstance(made, dict):
        names = sorted(held.keys() | made.keys())
        pairs = [
            (f"{place}.{name}" if place else name, held.get(name), made.get(name)) for name in names
        ]
    elif isinstance(held, list) and isinstance(made, list):
        pairs = [
            (f"{place}[{number}]", one, other)
            for number, (one, other) in enumerate(itertools.zip_longest(held, made))
        ]
    else:
        return (
            ""
            if type(held) is type(made) and held == made
            else f"{place} is {_short(held)}, made now {_short(made)}"
        )
    return next(
        (found for where, one, other in pairs if (found := _in_values(one, other, where))), ""
    )


def _short(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
