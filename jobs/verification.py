"""Verification of a run folder: its files against ``run.json``, its journal executed again, and
what both say of the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.configuration import journal_id
from jobs.contradictions import differing, other_code, other_manifest, other_strategy, other_value
from jobs.derivation import REPORTS, check_reports
from jobs.facts import check_run_manifest, configuration_in, is_live
from jobs.pipeline import feeds_of
from jobs.runs import (
    COPIED,
    MANIFEST,
    configuration_of,
    execution_for,
    genesis_facts,
    open_input,
    open_run,
)
from jobs.strangers import judging
from jobs.topic_facts import topics_of
from jobs.user_files import CODE, all_digests, has_strange, names_of_kept
from schemas.catalogue import TOPICS
from schemas.errors import CorruptLog, ShrivenError, WrongUse
from schemas.user_topics import scope
from streams.log.local import LOCK, LocalLog
from streams.log.manifest import read_manifest
from streams.log.verify import files_listed, unlisted_files, verify_files
from streams.runtime.journal.divergence import Divergence, Kind
from streams.runtime.journal.journal import JOURNAL
from streams.runtime.journal.made_by import check_version
from streams.runtime.journal.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.tools.code import changed_sources, source_digests
from streams.runtime.verify.run_evidence import RunEvidence
from streams.runtime.verify.verify import Verdict, Verifier

COMMANDS = ("backtest", "replay")
"""What closes a local run."""


def verify_run(
    folder: Path,
    recording: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    run_strategy: bool = False,
) -> Verdict:
    """Verify a run.

    Args:
        run_strategy: execute a strategy that this user has not run, in a process of its own.

    Raises:
        WrongUse: the folder is no run, or its input is missing.
        StrangersStrategy: its strategy is a stranger's, and ``run_strategy`` is not given.
    """
    with judging(run_strategy) as judgement, scope():
        verdict = _verdict(folder, recording, on_progress)
        verdict.notes = [*verdict.notes, *judgement.notes]
        return verdict


def _verdict(
    folder: Path, recording: Path | None, on_progress: Callable[[int, int], None] | None
) -> Verdict:
    manifest: dict[str, Any] = {}
    notes: list[str] = []
    if (folder / MANIFEST).exists():
        try:
            manifest = read_manifest(folder / MANIFEST)
            findings, notes = _check_files(folder, manifest)
        except ShrivenError as problem:
            findings = [Divergence(Kind.FILE, str(problem))]
        if findings:
            return Verdict(findings=findings, notes=notes)
    verdict = _verdict_on(folder, manifest, recording, on_progress)
    verdict.notes = [*notes, *verdict.notes]
    return verdict


def _check_files(folder: Path, manifest: dict[str, Any]) -> tuple[list[Divergence], list[str]]:
    """What of the files is not as ``run.json`` lists them, and what lies beside them that it does
    not speak of.
    """
    found = verify_files(folder, manifest)
    findings, notes, known = (
        [Divergence(Kind.FILE, str(each)) for each in found],
        [],
        {each.path for each in found},
    )
    segment, others = _may_be_listed(manifest)
    findings += [
        Divergence(Kind.FILE, f"{name} is no report and no part of a run, and {MANIFEST} lists it")
        for name in sorted(files_listed(manifest))
        if name not in others
        and not ((part := segment.fullmatch(name)) and part[1] in manifest.get("topics", ()))
    ]
    topics = {*TOPICS, *manifest.get("topics", ())}
    for name in unlisted_files(folder, manifest):
        if name in known or name in (MANIFEST, LOCK):
            continue
        if name.partition("/")[0] in topics:
            findings.append(
                Divergence(
                    Kind.FILE, f"{name} lies in a topic's folder and {MANIFEST} does not list it"
                )
            )
        else:
            notes.append(f"{name} is not listed in {MANIFEST}; it is no part of what is verified")
    return findings, notes


def _may_be_listed(manifest: dict[str, Any]) -> tuple[re.Pattern[str], set[str]]:
    """What a run consists of: the pattern of a topic's segment, the topic its first group; and
    reports and the files of its strategy.
    """
    is_local = manifest.get("environment") == "local"
    segment = re.compile(
        rf"([^/]+)/{'0' if is_local else '[0-9]+'}/[0-9]{{20}}\.(?:avro|index|runs)"
    )
    others = set(REPORTS)
    if is_local and any(name.startswith(f"{CODE}/") for name in files_listed(manifest)):
        check_run_manifest(manifest, MANIFEST)
        others |= names_of_kept(configuration_in(manifest), manifest["identity"])
    return segment, others


def _verdict_on(
    folder: Path,
    manifest: dict[str, Any],
    recording: Path | None,
    on_progress: Callable[[int, int], None] | None,
) -> Verdict:
    """The verdict on a run folder whose files are those of its manifest, if it has one."""
    try:
        log, facts = open_run(folder)
    except CorruptLog as problem:
        return Verdict(findings=[Divergence(Kind.FILE, str(problem))])
    check_version(facts, str(folder))
    if is_live(facts):
        from jobs.live.proof import verify_pulled

        with log:
            return verify_pulled(
                log,
                facts,
                manifest,
                lambda records: on_progress(records, 0) if on_progress is not None else None,
            )
    with log, open_input(facts, recording) as source:
        try:
            return _verify(log, facts, source, manifest, on_progress)
        except CorruptLog as problem:
            return Verdict(findings=[Divergence(Kind.FILE, str(problem))])


def _verify(
    log: LocalLog,
    facts: dict[str, Any],
    source: LocalLog,
    manifest: dict[str, Any],
    on_progress: Any,
) -> Verdict:
    configuration = configuration_of(log.path, facts)
    if has_strange(configuration):  # files that are not the run's are executed nowhere
        others = [
            finding
            for finding in _other_identity(log, facts, source, is_explained=False)
            if finding.kind == "code"
        ]
        if others:
            return Verdict(findings=others)
    sources = {**source_digests(), **all_digests(configuration)}
    evidence = RunEvidence(
        log, lambda genesis: execution_for(log.path, genesis, source), sources, bool(manifest)
    )
    verdict = Verifier(evidence, on_progress).verify()
    verdict.findings += _other_identity(log, facts, source, is_explained=bool(verdict.findings))
    if manifest and not verdict.findings:
        verdict.findings += _other_manifest(log, facts, manifest, verdict)
    if manifest and not verdict.findings:
        check_reports(log, manifest, verdict)
    if not manifest and verdict.closed:
        what = (
            f"the journal is closed and there is no {MANIFEST}: the run was killed at its very "
            "end, or the file was taken away"
        )
        verdict.findings.append(
            Divergence(Kind.FILE, f"{what}; the same 'sq backtest' command writes it")
        )
    elif not manifest and any((log.path / name).exists() for name in REPORTS):
        made = ", ".join(name for name in REPORTS if (log.path / name).exists())
        verdict.findings.append(
            Divergence(
                Kind.FILE,
                f"{made} lie in the folder of a run that is not finished: it did not make them; "
                "delete them",
            )
        )
    elif not manifest:
        verdict.notes.append(
            f"there is no {MANIFEST}: the run is not finished, and its reports are not made"
        )
    changed = changed_sources(facts.get("sources", {}), sources)
    if changed and not verdict.findings:
        verdict.notes.append(
            f"this code differs from the run's in {', '.join(changed[:5])}; what was verified is "
            "as it was"
        )
    return verdict


def _other_identity(
    log: LocalLog, facts: dict[str, Any], source: LocalLog, is_explained: bool
) -> list[Divergence]:
    """What the genesis record says of the run that its recording, its strategy and itself do not
    bear out.
    """
    findings: list[Divergence] = []
    try:
        configuration = configuration_of(log.path, facts)
        made = genesis_facts(configuration, source.path, source, feeds_of(source, configuration))
    except (CorruptLog, WrongUse) as problem:
        return [] if is_explained else [Divergence(Kind.INPUT, str(problem))]
    then, now = facts["identity"], made["identity"]
    for key in differing(then, now):
        if key == "inputs":
            if not is_explained:
                topics = ", ".join(differing(then[key], now[key]))
                findings.append(
                    Divergence(
                        Kind.INPUT,
                        f"{topics} of the recording is not what it was when the run was made",
                    )
                )
        elif key == "instruments":
            findings.append(
                Divergence(
                    Kind.INPUT,
                    "the instruments of the recording are not those the run was made with",
                )
            )
        elif key == "strategy_files":
            names = differing(then.get(key, {}), now.get(key, {}))
            findings.append(
                Divergence(
                    Kind.CODE,
                    f"{', '.join(names)} of the strategy kept in the run folder is not what the "
                    "run was made with",
                )
            )
        elif key == "user_stages":
            others = ", ".join(differing(then.get(key, {}), now.get(key, {})))
            what = f"the stage {others} kept in the run folder"
            findings.append(Divergence(Kind.CODE, f"{what} is not what the run was made with"))
        elif key == "strategy":
            findings.append(
                Divergence(
                    Kind.CODE,
                    f"the strategy kept in the run folder is {now[key]}, the run was made with "
                    f"{then.get(key)}",
                )
            )
        else:
            findings.append(other_value(key, then.get(key), now.get(key)))
    findings += [
        Divergence(
            Kind.JOURNAL,
            f"the genesis record says {key} is {facts.get(key)}, a local run has {made.get(key)}",
        )
        for key in ("environment", "topology", "shard", "clock", "trade_to")
        if facts.get(key) != made.get(key)
    ]
    findings += other_strategy(facts, made)
    if facts.get("recordings") != made.get("recordings"):
        findings.append(
            Divergence(
                Kind.INPUT,
                "the genesis record says the recording was merged from others than it says itself",
            )
        )
    unknown = sorted(facts.keys() - made.keys() - {"trade_to", "recordings"})  # compared above
    if unknown:
        findings.append(
            Divergence(
                Kind.JOURNAL,
                f"the genesis record says {', '.join(unknown)}, which nothing in a run bears out",
            )
        )
    return findings + other_code(facts, journal_id(then))


def _other_manifest(
    log: LocalLog, facts: dict[str, Any], manifest: dict[str, Any], verdict: Verdict
) -> list[Divergence]:
    """What ``run.json`` says of the run that its journal and its topics do not."""
    expected = {
        **facts,
        "status": "finished",
        "batches": verdict.batches,
        "records": verdict.records,
        "clock_end": verdict.clock,
    }
    topics: dict[str, Any] = {**verdict.topics, **topics_of(log, (JOURNAL, SNAPSHOTS, *COPIED))}
    findings = other_manifest(manifest, expected, topics, COMMANDS, unproven=("report",))
    findings += [
        Divergence(Kind.OUTPUT, f"{topic} in the run folder is not a copy of the recording's")
        for topic in COPIED
        if topics[topic]["digest"] != facts["identity"]["inputs"].get(topic)
    ]
    return findings
