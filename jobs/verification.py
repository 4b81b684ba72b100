"""Verification of a run folder: its files against ``run.json``, its journal executed again, and what both say of the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.configuration import journal_id
from jobs.pipeline import feeds_of
from jobs.runs import COPIED, MANIFEST, configuration_of, execution_for, genesis_facts, open_input, open_run, topics_of
from jobs.strategies import strategy_sources, user_digests
from schemas.errors import CorruptLog, ShrivenError, WrongUse
from streams.log.local import LocalLog
from streams.log.manifest import read_manifest
from streams.log.verify import verify_files
from streams.runtime.code import code_digest, source_digests
from streams.runtime.made_by import check_version
from streams.runtime.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.task import JOURNAL
from streams.runtime.verify import Finding, Verdict, Verifier


def verify_run(folder: Path, recording: Path | None = None, on_progress: Callable[[int, int], None] | None = None) -> Verdict:
    """Verify a run.

    Raises:
        WrongUse: the folder is no run, or its input is missing.
    """
    manifest: dict[str, Any] = {}
    if (folder / MANIFEST).is_file():
        try:
            manifest = read_manifest(folder / MANIFEST)
            findings = [Finding("file", str(finding)) for finding in verify_files(folder, manifest)]
        except ShrivenError as problem:
            findings = [Finding("file", str(problem))]
        if findings:
            return Verdict(findings=findings)
    try:
        log, facts = open_run(folder)
    except CorruptLog as problem:
        return Verdict(findings=[Finding("file", str(problem))])
    check_version(facts, str(folder))
    if isinstance(facts.get("inputs"), list):  # a live topology's genesis lists its inputs; a backtest's has their digests in its identity
        from jobs.live.proof import verify_pulled

        with log:
            return verify_pulled(log, facts, lambda records: on_progress(records, 0) if on_progress is not None else None)
    with log, open_input(facts, recording) as source:
        try:
            return _verify(log, facts, source, manifest, on_progress)
        except CorruptLog as problem:
            return Verdict(findings=[Finding("file", str(problem))])


def _verify(log: LocalLog, facts: dict[str, Any], source: LocalLog, manifest: dict[str, Any], on_progress: Any) -> Verdict:
    sources = {**source_digests(), **user_digests(strategy_sources(configuration_of(log.path, facts)))}
    verifier = Verifier(log, lambda genesis: execution_for(log.path, genesis, source), sources, on_progress, is_finished=bool(manifest))
    verdict = verifier.verify()
    verdict.findings += _other_identity(log, facts, source, is_explained=bool(verdict.findings))
    if manifest and not verdict.findings:
        verdict.findings += _other_manifest(log, facts, manifest, verdict)
    return verdict


def _other_identity(log: LocalLog, facts: dict[str, Any], source: LocalLog, is_explained: bool) -> list[Finding]:
    """What the genesis record says of the run that its recording, its strategy and itself do not bear out."""
    findings: list[Finding] = []
    try:
        configuration = configuration_of(log.path, facts)
        now = genesis_facts(configuration, source.path, source, feeds_of(source, configuration))["identity"]
    except (CorruptLog, WrongUse) as problem:
        return [] if is_explained else [Finding("input", str(problem))]
    then = facts["identity"]
    differing = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    for key in differing:
        if key == "inputs":
            topics = sorted(topic for topic in then[key].keys() | now[key].keys() if then[key].get(topic) != now[key].get(topic))
            if not is_explained:
                findings.append(Finding("input", f"{', '.join(topics)} of the recording is not what it was when the run was made"))
        elif key == "instruments":
            findings.append(Finding("input", "the instruments of the recording are not those the run was made with"))
        elif key == "strategy_files":
            before, after = then.get(key, {}), now.get(key, {})
            names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
            findings.append(Finding("code", f"{', '.join(names)} of the strategy kept in the run folder is not what the run was made with"))
        elif key == "strategy":
            findings.append(Finding("code", f"the strategy kept in the run folder is {now[key]}, the run was made with {then.get(key)}"))
        else:
            findings.append(Finding("journal", f"the genesis record says {key} is {then.get(key)}, its configuration says {now.get(key)}"))
    if journal_id(then) != facts["journal_id"] or code_digest(facts["sources"]) != facts["code"]:
        findings.append(Finding("journal", "the genesis record's journal id or code digest is not made from what it says"))
    return findings


def _other_manifest(log: LocalLog, facts: dict[str, Any], manifest: dict[str, Any], verdict: Verdict) -> list[Finding]:
    """What ``run.json`` says of the run that its journal and its topics do not."""
    expected = {**facts, "status": "finished", "batches": verdict.batches, "records": verdict.records, "clock_end": verdict.clock}
    topics: dict[str, Any] = {**verdict.topics, **topics_of(log, (JOURNAL, SNAPSHOTS, *COPIED))}
    findings = [
        Finding("file", f"{MANIFEST} says {key} is {str(manifest.get(key))[:60]}, the journal says {str(value)[:60]}")
        for key, value in expected.items()
        if manifest.get(key) != value
    ]
    listed = manifest.get("topics", {})
    findings += [
        Finding("file", f"{MANIFEST} says {listed.get(topic)} of {topic}, it holds {topics.get(topic)}")
        for topic in sorted(listed.keys() | topics.keys())
        if listed.get(topic) != topics.get(topic)
    ]
    findings += [
        Finding("output", f"{topic} in the run folder is not a copy of the recording's")
        for topic in COPIED
        if topics[topic]["digest"] != facts["identity"]["inputs"].get(topic)
    ]
    return findings
