"""Run folders: begin or resume a backtest, close it with ``run.json``, open one again to verify or
replay it.
"""

from __future__ import annotations

import functools
import json
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import llvmlite
import msgspec
import numba
import numpy as np

from jobs.configuration import Configuration, journal_id
from jobs.facts import check_facts, check_run_manifest, configuration_in, merged_from
from jobs.granularity import BOOK, answered, data_of
from jobs.indian_charges import with_charges
from jobs.pipeline import build_execution, feeds_of, read_instruments, traded_to
from jobs.run_folders import delete_run, other_files_of
from jobs.run_progress import Progress, RunProgress
from jobs.ticker import holds_tickers, settled
from jobs.topic_facts import topics_of
from jobs.user_files import (
    CODE,
    all_digests,
    keep_files,
    remember_all,
    whole_identity,
    with_copies,
)
from jobs.window import empty_window
from schemas.catalogue import STORED_AS
from schemas.errors import CorruptLog, ShrivenError, WrongUse
from schemas.sources import ROOT
from schemas.user_topics import scope
from schemas.version import VERSION
from streams.log.local import LocalLog
from streams.log.manifest import read_manifest
from streams.runtime.failures import InputChanged, OtherIdentity
from streams.runtime.journal.journal import BATCH, GENESIS, JOURNAL, JournalEntry
from streams.runtime.journal.made_by import version_of
from streams.runtime.recovery.execution import Execution
from streams.runtime.recovery.run_folder import RunFolder, check_identity
from streams.runtime.recovery.task import Task
from streams.runtime.recovery.task_inputs import RecordedInputs
from streams.runtime.tools.code import code_digest, file_digests, source_digests
from streams.runtime.verify.verify import genesis_of, read_journal

MANIFEST = "run.json"
SOURCE_MANIFEST = "log.json"
COPIED = ("ref.instruments",)


REPORT_SOURCES = ("jobs/reports.py", "streams/reporting/*.py")
"""What a page is made by. Another colour is another version of the report, and not of the run."""


class MissingInput(WrongUse):
    """The recording a run was made from is not where it was."""

    code = "missing_input"


class NotARun(WrongUse):
    """The folder is no run."""

    code = "not_a_run"


class Run(msgspec.Struct):
    """A finished run: its manifest, and how it came about."""

    folder: Path
    manifest: dict[str, Any]
    was_finished: bool = False
    resumed_at: int | None = None
    reports: list[str] = []


def versions() -> dict[str, str]:
    """Versions that are recorded, not enforced."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "fastavro": fastavro.__version__,
        "msgspec": msgspec.__version__,
    }


@functools.cache
def report_version() -> str:
    """Names the sources that make reports: 16 hexadecimal digits."""
    paths = [path for name in REPORT_SOURCES for path in sorted(ROOT.glob(name))]
    return code_digest(file_digests({path.relative_to(ROOT).as_posix(): path for path in paths}))[
        :16
    ]


def open_recording(path: Path) -> LocalLog:
    """Open a closed input log.

    Raises:
        WrongUse: missing, foreign, or not closed by ``log.json``.
    """
    log = LocalLog.open(path)
    if not (path / SOURCE_MANIFEST).is_file():
        log.close()
        if JOURNAL in log.topics():
            raise WrongUse(
                f"{path} is a run, not a recording; give a folder that 'sq import' or 'sq "
                "generate' wrote"
            )
        raise WrongUse(
            f"{path} has no {SOURCE_MANIFEST}: its import was not finished; import it again into a "
            "new folder"
        )
    return log


def input_digests(path: Path, topics: list[str]) -> dict[str, str]:
    """Topic digests of the inputs, as the recording's manifest has them."""
    manifest = read_manifest(path / SOURCE_MANIFEST)
    known = manifest.get("topics", {})
    missing = [topic for topic in topics if STORED_AS.get(topic, topic) not in known]
    if missing:
        raise CorruptLog(
            f"{path / SOURCE_MANIFEST} does not name {', '.join(missing)}; import the recording "
            "again"
        )
    return {topic: known[STORED_AS.get(topic, topic)]["digest"] for topic in topics}


def genesis_facts(
    configuration: Configuration, recording: Path, log: LocalLog, feeds: list[str]
) -> dict[str, Any]:
    """Facts of record 0: identity, code, and what is needed to run it again."""
    sources = {**source_digests(), **all_digests(configuration)}
    instruments = [msgspec.to_builtins(each) for each in read_instruments(log)]
    identity = whole_identity(configuration, instruments, input_digests(recording, feeds))
    ended = traded_to(configuration, log)
    return {
        "identity": identity,
        "journal_id": journal_id(identity),
        "environment": "local",
        "topology": "pipeline",
        "shard": 0,
        "clock": "event",
        "code": code_digest(sources),
        "sources": sources,
        "version": VERSION,
        "versions": versions(),
        "configuration": configuration.facts(),
        "input_path": str(recording.resolve()),
        **merged_from(read_manifest(recording / SOURCE_MANIFEST), str(recording / SOURCE_MANIFEST)),
        **({} if ended is None else {"trade_to": ended}),
    }


class Backtest:
    """A backtest into a run folder.

    Args:
        configuration: what to run.
        recording: closed input log.
        folder: run folder; an unfinished run of the same identity goes on.
        on_step: fault tests' hook, called at every step of the batch loop.
        script_of: run folder whose journal's order is repeated (exact replay).
        on_resume: called with the number of batches committed before, when an unfinished run goes
            on.
        fresh: delete the run folder first, once everything else is known to be right.
    """

    def __init__(
        self,
        configuration: Configuration,
        recording: Path,
        folder: Path,
        on_progress: Callable[[Progress], None] = lambda _: None,
        on_step: Callable[[str], None] = lambda _: None,
        script_of: Path | None = None,
        fresh: bool = False,
        on_resume: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.configuration = configuration
        self.recording = recording
        self.folder = folder
        self.on_progress = on_progress
        self.on_step = on_step
        self.script_of = script_of
        self.fresh = fresh
        self.on_resume = on_resume
        self._kept: list[str] = []

    def run(
        self, finish: Callable[[LocalLog, dict[str, Any]], object] = lambda _log, _manifest: None
    ) -> Run:
        """Run to the end, or find it finished; ``finish`` writes the reports before ``run.json``
        closes the folder.

        Raises:
            OtherIdentity: the folder holds another run.
            ShrivenError: anything else that stops it, with what to do.
        """
        with scope():  # what a user's stages declare is forgotten at the end
            return self._run_in_scope(finish)

    def _run_in_scope(self, finish: Callable[[LocalLog, dict[str, Any]], object]) -> Run:
        source = open_recording(self.recording)
        try:
            begun = self._begun()
            self.configuration = answered(self.configuration, source, begun)
            self.configuration = with_charges(self.configuration, source)
            has_tickers = data_of(self.configuration.stages) == BOOK and holds_tickers(source)
            self.configuration = settled(self.configuration, has_tickers, begun)
            if (self.folder / MANIFEST).is_file() and not self.fresh:
                return self._finished(source)
            facts = self._facts(source)
            if empty := empty_window(self.configuration, source):
                self._kept.append(empty)
            if self.script_of is not None:
                self._check_script(facts)
            if begun is not None:
                self._go_on_as_begun(begun, facts)
            execution = build_execution(self.configuration, source, facts["journal_id"])
            remember_all(self.configuration)
            if self.fresh:
                delete_run(self.folder)
            sync = self.configuration.sync
            folder = (
                LocalLog.open(self.folder, writable=True, sync=sync)
                if self.folder.exists()
                else LocalLog.create(self.folder, sync=sync)
            )
            try:
                return self._run(source, folder, facts, execution, finish)
            finally:
                folder.close()
        finally:
            source.close()

    def _begun(self) -> dict[str, Any] | None:
        """The genesis facts of what the folder holds already; None: nothing is begun, or what is
        there says what is wrong later.
        """
        if self.fresh:
            return None
        try:
            log, facts = open_run(self.folder)
        except ShrivenError:
            return None
        log.close()
        return facts

    def _go_on_as_begun(self, before: dict[str, Any], facts: dict[str, Any]) -> None:
        """What an unfinished run's journal was begun with binds its resumption: ``sq verify``
        executes it with nothing else.

        When batches are synced shows nowhere in what is verified, and may change; so may how large
        they are, up to what the journal says.

        Raises:
            OtherIdentity: the folder holds another run.
        """
        check_identity(before, facts)
        begun, wanted = configuration_in(before), self.configuration
        batch = min(wanted.batch, begun.batch)
        self.configuration = msgspec.structs.replace(
            begun,
            strategy=wanted.strategy,
            user_stages=wanted.user_stages,
            batch=batch,
            sync=wanted.sync,
        )
        for name in begun.__struct_fields__:
            was, now = getattr(self.configuration, name), getattr(wanted, name)
            if was != now:
                self._kept.append(
                    f"{name} is {was}, with which the run was begun, and not {now}; --fresh starts "
                    "over with that"
                )

    def _facts(self, source: LocalLog) -> dict[str, Any]:
        return genesis_facts(
            self.configuration, self.recording, source, feeds_of(source, self.configuration)
        )

    def _check_script(self, facts: dict[str, Any]) -> None:
        """The order of a journal can be repeated over the same inputs only. Raises InputChanged."""
        assert self.script_of is not None
        log, before = open_run(self.script_of)
        log.close()
        old, new = before["identity"]["inputs"], facts["identity"]["inputs"]
        differing = sorted(
            topic for topic in old.keys() | new.keys() if old.get(topic) != new.get(topic)
        )
        if differing:
            raise InputChanged(
                f"input changed: {', '.join(differing)} in {self.recording} is not what the run "
                "consumed; give its recording with --input, or merge anew with --mode merge"
            )

    def _finished(self, source: LocalLog) -> Run:
        manifest = read_manifest(self.folder / MANIFEST)
        facts = self._facts(source)
        # another version's may say other things, and is refused by its version
        if version_of(manifest) == version_of(facts):
            check_run_manifest(manifest, str(self.folder / MANIFEST))
        check_identity(manifest, facts)
        return Run(self.folder, manifest, was_finished=True)

    def _run(
        self,
        source: LocalLog,
        folder: LocalLog,
        facts: dict[str, Any],
        execution: Execution,
        finish: Callable[[LocalLog, dict[str, Any]], object],
    ) -> Run:
        keep_files(self.configuration, folder.path)
        script = self._script()
        total = sum(feed.end_offset - feed.offset for feed in execution.feeds)
        progress = RunProgress(total, self.on_progress, self.on_resume)
        log = RunFolder(folder, execution, facts, self.on_step)
        every = self.configuration.state_digest_records
        inputs = RecordedInputs(execution, self.configuration.batch, every, self.on_step, script)
        task = Task(log, inputs, every, self.on_step, progress)
        task.prepare()
        if script is not None and progress.resumed_at:
            for _ in range(progress.resumed_at):
                next(script)
        task.run()
        self.on_step("closed")
        for topic in COPIED:
            folder.copy_topic(source, topic)
        manifest = json.loads(json.dumps(self._manifest(folder, task, log), sort_keys=True))
        finish(folder, manifest)
        self.on_step("reports written")
        sealed = folder.seal(MANIFEST, manifest, other_files_of(folder.path))
        reports = [*map(str, folder.reports), *log.reports, *self._kept]
        return Run(self.folder, sealed, resumed_at=progress.resumed_at, reports=reports)

    def _script(self) -> Iterator[JournalEntry] | None:
        if self.script_of is None:
            return None
        log = LocalLog.open(self.script_of)
        return (entry for entry in read_journal(log) if entry.kind == BATCH)

    def _manifest(self, folder: LocalLog, task: Task, log: RunFolder) -> dict[str, Any]:
        return {
            **task.genesis,
            "command": "replay" if self.script_of is not None else "backtest",
            "status": "finished",
            "batches": task.sequence - 1,
            "records": task.records,
            "clock_end": task.clock,
            "report": report_version(),
            "topics": {
                **log.topics(task.counts),
                **topics_of(
                    folder, [topic for topic in folder.topics() if topic not in task.counts]
                ),
            },
        }


def open_run(path: Path) -> tuple[LocalLog, dict[str, Any]]:
    """A run folder opened for reading, and its genesis facts.

    Raises:
        NotARun: the folder has no journal.
    """
    if not path.is_dir():
        raise NotARun(f"{path} is no folder; give one that 'sq backtest' wrote")
    log = LocalLog.open(path)
    if JOURNAL not in log.topics():
        log.close()
        raise NotARun(f"{path} holds no journal; give a run folder that 'sq backtest' wrote")
    try:
        first = genesis_of(log)
        if first.kind != GENESIS:
            raise CorruptLog(
                f"{path}: the journal does not begin with a genesis record; restore the folder, or "
                "run the backtest again"
            )
        check_facts(first.facts, str(path))
        return log, first.facts
    except StopIteration:
        log.close()
        raise NotARun(f"{path}: the journal is empty; run the backtest again") from None
    except ShrivenError:
        log.close()
        raise


def configuration_of(folder: Path, facts: dict[str, Any]) -> Configuration:
    """The run's configuration, the user's files taken from the run folder's own copies."""
    configuration, missing = with_copies(configuration_in(facts), folder / CODE)
    for each in missing:
        what = f"{each} is missing: the run's strategy or stage cannot be executed again"
        raise NotARun(f"{what}; restore the folder from a copy")
    return configuration


def open_input(facts: dict[str, Any], given: Path | None) -> LocalLog:
    """The recording a run was made from.

    Raises:
        MissingInput: it is not where it was, and no other place was given.
    """
    path = given if given is not None else Path(facts["input_path"])
    if not path.is_dir():
        names = " ".join(each["folder"] for each in facts.get("recordings", ()))
        again = (
            f"; it is {names} merged: 'sq merge {names} --out FOLDER' makes it anew"
            if names
            else ""
        )
        raise MissingInput(f"the recording {path} is not there; give its place with --input{again}")
    return LocalLog.open(path)


def execution_for(folder: Path, facts: dict[str, Any], source: LocalLog) -> Execution:
    """The execution that the genesis facts describe, over the recording."""
    return build_execution(configuration_of(folder, facts), source, facts["journal_id"])


__all__ = [
    "Backtest",
    "OtherIdentity",
    "Run",
    "configuration_of",
    "execution_for",
    "open_input",
    "open_recording",
    "open_run",
]
