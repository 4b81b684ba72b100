"""Verifiers of run folders, broken on purpose: the corpus of forgeries turns red with each.

The verifiers and runners of live topologies are broken in ``tests/simulation/mutations.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from forgery import kinds
from test_forgeries import CORPUS, Source, source  # noqa: F401 (a fixture)

from jobs import verification
from jobs.verification import verify_run
from streams.runtime.journal.journal import JournalEntry
from streams.runtime.verify.run_evidence import RunEvidence
from streams.runtime.verify.verify import Verifier


class Broken(NamedTuple):
    """One way to break the verifier.

    ``name`` of ``owner`` is replaced; ``missed`` is the forgery of the corpus that it does not
    find, or that only another layer finds, by another name.
    """

    owner: Any
    name: str
    replacement: Callable[..., Any]
    missed: str


COMPARE = Verifier._compare_outputs


def merged_unasked(evidence: RunEvidence, entry: JournalEntry) -> None:
    """The inputs are merged, and the journal's order is not compared with it."""
    evidence.execution.merged(int(entry.elements["count"].sum()))


BROKEN = {
    "places-not-compared": Broken(
        Verifier,
        "_compare_outputs",
        lambda *args: (COMPARE(*args)[0], ""),
        "journal: output checksum",
    ),
    "clock-believed": Broken(Verifier, "_contradiction", lambda *_: "", "journal: clock"),
    "due-states-not-asked": Broken(
        RunEvidence, "contradiction", lambda *_: "", "journal: states left out"
    ),
    "order-believed": Broken(
        RunEvidence, "_other_order", merged_unasked, "journal: order of inputs"
    ),
    "snapshots-believed": Broken(
        RunEvidence, "_other_snapshots", lambda _: [], "snapshot: a state"
    ),
    "reports-believed": Broken(verification, "check_reports", lambda *_: None, "fills.csv"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_verifier_misses_a_forgery(
    source: Source,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    broken = BROKEN[name]
    forgery = CORPUS[broken.missed]
    forged = forgery.make(source, tmp_path / "forged")
    monkeypatch.setattr(broken.owner, broken.name, broken.replacement)
    assert forgery.kind not in kinds(verify_run(*forged)), "the test of the corpus would not see it"
