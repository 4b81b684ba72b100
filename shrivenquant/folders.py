"""Recordings and runs as objects: their topics as frames, a run's report, tear sheet and proof."""

from __future__ import annotations

import html
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import polars as pl

from jobs.reports import contents_of, open_finished, report_of
from jobs.runs import open_recording
from schemas.errors import WrongUse
from schemas.user_topics import scope
from shrivenquant.calls import call, options_of, path_text
from shrivenquant.frames import read_topic
from streams.log.local import LocalLog


class Folder:
    """A folder of topics."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def topics(self) -> dict[str, int]:
        """Records in each topic, by name."""
        with scope(), LocalLog.open(self.folder) as log:
            return {name: log.reader(name).count for name in log.topics()}

    def read(self, topic: str, decimal: bool = False) -> pl.DataFrame:
        """A topic as a frame, one row a record, enums as text.

        Args:
            decimal: prices, quantities and amounts as exact decimals in whole units, times as UTC
                datetimes; else the integers of the log, at the instrument's precision and in ns.

        Raises:
            WrongUse: there is no such topic here.
        """
        with scope(), LocalLog.open(self.folder) as log:
            return read_topic(log, topic, decimal)

    def __fspath__(self) -> str:
        return str(self.folder)


class Recording(Folder):
    """A closed recording. `damages`: what an import could not read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.damages: list[dict[str, Any]] = []
        open_recording(folder).close()

    @classmethod
    def imported(cls, folder: Path, summary: str) -> Recording:
        """From the summary that ``sq import --json`` printed."""
        found = cls(folder)
        found.damages = json.loads(summary).get("damages", [])
        return found

    def __repr__(self) -> str:
        topics = ", ".join(f"{count:,} {name}" for name, count in self.topics.items())
        return f"Recording({str(self.folder)!r}: {topics})"


class Verdict(msgspec.Struct, frozen=True):
    """What ``sq verify`` found; true in a condition where nothing was. docs/proof.md says more."""

    batches: int
    records: int
    closed: bool
    order: str
    reports: str
    findings: list[dict[str, Any]]
    notes: list[str]

    def __bool__(self) -> bool:
        return not self.findings


class TearSheet:
    """A tear sheet that a notebook displays, in a frame of its own."""

    def __init__(self, page: str, height: int) -> None:
        self.page = page
        self.height = height

    def _repr_html_(self) -> str:
        style = f"width:100%;height:{self.height}px;border:0"
        return f'<iframe srcdoc="{html.escape(self.page, quote=True)}" style="{style}"></iframe>'

    def save(self, path: str | Path) -> Path:
        """Write the page to a file."""
        Path(path).write_text(self.page, encoding="utf-8")
        return Path(path)


class Run(Folder):
    """A finished run. `manifest` is its ``run.json``; its folder may go away with this object."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        super().__init__(folder)
        self.manifest = manifest
        self.kept: TemporaryDirectory[str] | None = None
        self._files: dict[str, bytes] = {}

    @property
    def report(self) -> dict[str, Any]:
        """``report.json``: every number of the tear sheet."""
        found: dict[str, Any] = json.loads(self._file("report.json"))
        return found

    @property
    def equity(self) -> pl.DataFrame:
        """The equity curve as floats, for plotting: by the minute, in short runs by the second.

        Columns: time, equity, drawdown, buy_and_hold. `read("pnl", decimal=True)` is exact.
        """
        frame = pl.read_csv(io.BytesIO(self._file("equity.csv")), infer_schema_length=None)
        names = ("equity", "drawdown", "buy_and_hold")
        time = pl.col("event_time").cast(pl.Int64).cast(pl.Datetime("ns", "UTC")).alias("time")
        return frame.select(time, *(pl.col(name).cast(pl.Float64) for name in names))

    def show(self, height: int = 900) -> TearSheet:
        """The tear sheet, for a notebook to display: the last value of a cell, or display(...)."""
        return TearSheet(self._file("report.html").decode(), height)

    def verify(self, **options: Any) -> Verdict:
        """Execute the run again and compare every byte: ``sq verify``.

        Args:
            options: ``input`` where the recording has moved, ``run_strategy`` for a strategy that
                you have not run before.
        """
        given = options_of("verify", options)
        printed = call("verify", path_text(self.folder), *given, "--json", good=(0, 1))
        return msgspec.json.decode(printed, type=Verdict)

    def _file(self, name: str) -> bytes:
        """A file of the report, made from the run's records by this version."""
        if not self._files:
            log, manifest = open_finished(self.folder)
            with log:
                self._files = contents_of(report_of(log, manifest))
        return self._files[name]

    def _repr_html_(self) -> str:
        return self.show()._repr_html_()

    def __repr__(self) -> str:
        report = self.report
        name, net = report["strategy"], report["balance"]["net"]
        return f"Run({str(self.folder)!r}: {name}, net {net} {report['currency']})"


def read_run(folder: Path) -> Run:
    """A finished run.

    Raises:
        NotARun: the folder is no run.
        WrongUse: the run is not finished.
    """
    if not folder.exists():
        raise WrongUse(f"{folder} is not there; give the folder of a run")
    log, manifest = open_finished(folder)
    log.close()
    return Run(folder, manifest)
