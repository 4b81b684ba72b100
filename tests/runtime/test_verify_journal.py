"""Forged journals, genesis records and manifests, every digest around them made again. Oracle: the fault that was planted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forgery import forge_run, kinds, replaced, text

from jobs.runs import Run
from jobs.verification import verify_run
from streams.runtime.journal import BATCH, CLOSE, InputEntry, JournalEntry, OutputEntry
from streams.runtime.merge import ELEMENT


def batches(entries: list[JournalEntry]) -> list[JournalEntry]:
    return [entry for entry in entries if entry.kind == BATCH]


def _set(name: str, value: Callable[[JournalEntry], Any], place: int = 1) -> Callable[[list[JournalEntry]], list[JournalEntry]]:
    def change(entries: list[JournalEntry]) -> list[JournalEntry]:
        entry = batches(entries)[place]
        setattr(entry, name, value(entry))
        return entries

    return change


def _output(**changes: Callable[[OutputEntry], Any]) -> Callable[[JournalEntry], list[OutputEntry]]:
    def change(entry: JournalEntry) -> list[OutputEntry]:
        item = entry.outputs[0]
        return [OutputEntry(*(changes.get(f, lambda i, f=f: getattr(i, f))(item) for f in item.__struct_fields__)), *entry.outputs[1:]]

    return change


def _input(**changes: Callable[[InputEntry], Any]) -> Callable[[JournalEntry], list[InputEntry]]:
    def change(entry: JournalEntry) -> list[InputEntry]:
        item = entry.inputs[0]
        return [InputEntry(*(changes.get(f, lambda i, f=f: getattr(i, f))(item) for f in item.__struct_fields__)), *entry.inputs[1:]]

    return change


def _elements(change: Callable[[Any], None]) -> Callable[[JournalEntry], Any]:
    def changed(entry: JournalEntry) -> Any:
        elements = entry.elements.copy()
        change(elements)
        return elements

    return changed


def _sort(elements: Any) -> None:
    """One input after the other: another order of the same records."""
    elements[:] = elements[np.argsort(elements["input"], kind="stable")]


def _cancelling(elements: Any) -> None:
    """Counts whose sum is right and whose parts are not: the order was written out past the end of its array (E8, SIGSEGV)."""
    elements["count"][0] += 9000
    elements["count"][1] -= 9000


def _close_first(entries: list[JournalEntry]) -> list[JournalEntry]:
    return [*entries[:-2], JournalEntry(sequence=0, kind=CLOSE, input_sequence=entries[-3].input_sequence)]


JOURNALS: dict[str, tuple[Callable[[list[JournalEntry]], list[JournalEntry]], str]] = {
    "clock": (_set("clock", lambda e: e.clock + 1), "journal"),
    "input sequence": (_set("input_sequence", lambda e: e.input_sequence - 1), "journal"),
    "output digest": (_set("outputs", _output(digest=lambda _: b"\7" * 32)), "journal"),
    "output checksum": (_set("outputs", _output(checksum=lambda _: b"\7" * 16)), "journal"),
    "output end": (_set("outputs", _output(end_position=lambda i: i.end_position + 1)), "journal"),
    "output previous": (_set("outputs", _output(previous_offset=lambda _: 3)), "journal"),
    "output count": (_set("outputs", _output(count=lambda i: i.count - 1)), "code"),
    "output number": (_set("outputs", _output(output=lambda _: 99)), "journal"),
    "output number below": (_set("outputs", _output(output=lambda _: -1)), "journal"),
    "output left out": (_set("outputs", lambda e: e.outputs[1:]), "code"),
    "output twice": (_set("outputs", lambda e: [e.outputs[0], *e.outputs]), "journal"),
    "input digest": (_set("inputs", _input(digest=lambda _: b"\7" * 32)), "input"),
    "input count": (_set("inputs", _input(count=lambda i: i.count + 1)), "input"),
    "input number": (_set("inputs", _input(input=lambda _: 50)), "journal"),
    "input left out": (_set("inputs", lambda e: e.inputs[1:]), "journal"),
    "state digest": (_set("states", lambda e: [(n, b"\7" * 32) for n, _ in e.states], -1), "code"),
    "states left out": (_set("states", lambda _: [], -1), "journal"),
    "a state left out": (_set("states", lambda e: e.states[:-1], -1), "code"),
    "order of inputs": (_set("elements", _elements(_sort)), "journal"),
    "an element's count": (_set("elements", _elements(lambda e: e["count"].__setitem__(0, -3))), "journal"),
    "an element's input": (_set("elements", _elements(lambda e: e["input"].__setitem__(0, 40))), "journal"),
    "an element's offset": (_set("elements", _elements(lambda e: e["first_offset"].__setitem__(0, 10**9))), "journal"),
    "counts that cancel out": (_set("elements", _elements(_cancelling)), "journal"),
    "a huge count": (_set("elements", _elements(lambda e: e["count"].__setitem__(0, 2**62))), "journal"),
    "elements that overlap": (_set("elements", lambda e: np.concatenate([e.elements[:1], e.elements])), "journal"),
    "a negative offset": (_set("elements", _elements(lambda e: e["first_offset"].__setitem__(0, -(2**63)))), "journal"),
    "the wall's clock": (_set("elements", lambda e: np.concatenate([np.array([(-2, 1, 1, 1)], ELEMENT), e.elements])), "journal"),
    "no elements": (_set("elements", lambda e: e.elements[:0]), "journal"),
    "an input's count": (_set("inputs", _input(count=lambda _: -(2**40))), "journal"),
    "an input's short digest": (_set("inputs", _input(digest=lambda _: b"\7")), "journal"),
    "a state's number": (_set("states", lambda e: [(n + 1, d) for n, d in e.states], -1), "journal"),
    "an element left out": (_set("elements", lambda e: e.elements[1:]), "input"),
    "end of inputs early": (_set("elements", _elements(lambda e: e["input"].__setitem__(-1, -1))), "journal"),
    "close left out": (lambda entries: entries[:-1], "journal"),
    "last batch left out": (_close_first, "journal"),
    "a batch left out": (lambda entries: [*entries[:2], *entries[3:]], "input"),
    "a batch after close": (lambda entries: [*entries, entries[-2]], "file"),
    "two closes": (lambda entries: [*entries, entries[-1]], "file"),
    "no genesis": (lambda entries: entries[1:], "file"),
}


@pytest.mark.parametrize("what", JOURNALS)
def test_a_changed_journal_is_found_though_it_is_chained_again(proof_run: Run, tmp_path: Path, what: str) -> None:
    change, kind = JOURNALS[what]
    verdict = verify_run(forge_run(proof_run.folder, tmp_path / "forged", journal=change))
    assert not verdict.is_good
    assert kind in kinds(verdict), text(verdict)


def _facts(change: Callable[[dict[str, Any]], None]) -> Callable[[list[JournalEntry]], list[JournalEntry]]:
    def changed(entries: list[JournalEntry]) -> list[JournalEntry]:
        change(entries[0].facts)
        return entries

    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts["identity"].__setitem__("cash", "7USDT"),
        lambda facts: facts["identity"]["parameters"].__setitem__("fast", "6"),
        lambda facts: facts["configuration"].__setitem__("cash", "7"),
        lambda facts: facts["configuration"].__setitem__("taker_rate", 0),
        lambda facts: facts.__setitem__("journal_id", 5),
        lambda facts: facts.__setitem__("code", "0" * 64),
        lambda facts: facts["sources"].__setitem__("streams/signals/ema_cross.py", "0" * 16),
    ],
)
def test_a_changed_genesis_record_is_found(proof_run: Run, tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    def both(facts: dict[str, Any]) -> None:
        change(facts)

    forged = forge_run(proof_run.folder, tmp_path / "forged", journal=_facts(change), manifest=both)
    verdict = verify_run(forged)
    assert not verdict.is_good


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda facts: facts.__setitem__("records", 9), "records"),
        (lambda facts: facts.__setitem__("batches", 9), "batches"),
        (lambda facts: facts.__setitem__("clock_end", 9), "clock_end"),
        (lambda facts: facts.__setitem__("status", "great"), "status"),
        (lambda facts: facts["identity"].__setitem__("cash", "7USDT"), "identity"),
        (lambda facts: facts["configuration"].__setitem__("cash", "7"), "configuration"),
        (lambda facts: facts["topics"]["fills"].__setitem__("digest", "0" * 64), "fills"),
        (lambda facts: facts["topics"]["ref.instruments"].__setitem__("count", 2), "ref.instruments"),
        (lambda facts: facts["topics"].pop("pnl"), "pnl"),
        (lambda facts: facts["topics"].__setitem__("md.trades", {"count": 0, "digest": ""}), "md.trades"),
    ],
)
def test_what_run_json_says_is_checked(proof_run: Run, tmp_path: Path, change: Callable[[dict[str, Any]], None], named: str) -> None:
    verdict = verify_run(forge_run(proof_run.folder, tmp_path / "forged", manifest=change))
    assert kinds(verdict) == ["file"]
    assert named in text(verdict)


def test_the_run_s_copy_of_the_instruments_is_checked(proof_run: Run, tmp_path: Path) -> None:
    verdict = verify_run(forge_run(proof_run.folder, tmp_path / "forged", {"ref.instruments": lambda r: [replaced(r[0], tick_size=20)]}))
    assert kinds(verdict) == ["output"]
    assert "ref.instruments" in text(verdict)
