"""Verification of a run folder: its files against ``run.json``, then its journal executed again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jobs.pipeline import strategy_source
from jobs.runs import MANIFEST, configuration_of, execution_for, open_input, open_run
from schemas.errors import ShrivenError, WrongUse
from streams.log.manifest import read_manifest
from streams.log.verify import verify_files
from streams.runtime.code import source_digests
from streams.runtime.verify import Finding, Verdict, Verifier


def verify_run(folder: Path, recording: Path | None = None, on_progress: Callable[[int, int], None] | None = None) -> Verdict:
    """Verify a run.

    Raises:
        WrongUse: the folder is no run, or its input is missing.
    """
    findings: list[Finding] = []
    if (folder / MANIFEST).is_file():
        try:
            manifest = read_manifest(folder / MANIFEST)
            findings += [Finding("file", str(finding)) for finding in verify_files(folder, manifest)]
        except ShrivenError as problem:
            findings.append(Finding("file", str(problem)))
    if findings:
        return Verdict(findings=findings)
    log, facts = open_run(folder)
    source = open_input(facts, recording)
    try:
        configuration = configuration_of(folder, facts)
        file = strategy_source(configuration)
        sources = source_digests([file] if file is not None else [])
        verifier = Verifier(log, lambda genesis: execution_for(folder, genesis, source), sources, on_progress)
        return verifier.verify()
    except WrongUse:
        raise
    except ShrivenError as problem:
        return Verdict(findings=[Finding("file", str(problem))])
    finally:
        source.close()
        log.close()
