"""A corpus of forgeries: runs in which one thing was changed, and every checksum, digest, chain and
seal around it made again.

Oracle: the fault that was planted. Each is found, called by its kind, and named. Outside is only
who writes inputs, journal and outputs anew together (``docs/proof.md``); ``test_verify_order.py``
has the forgers who run the stages themselves, ``test_verify_faults.py`` single bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from forgery import STRATEGY, forge_recording, forge_run, kinds, replaced, text

from jobs.runs import Backtest, Run
from jobs.verification import verify_run
from streams.log.local import LocalLog
from streams.runtime.journal.journal import BATCH, CLOSE, InputEntry, JournalEntry, OutputEntry
from streams.runtime.journal.snapshot import CHUNK_BYTES, Snapshot, read_snapshots
from streams.runtime.order.merge import ELEMENT
from tests.scenario import configuration
from tests.turns import long_but_every


def batches(entries: list[JournalEntry]) -> list[JournalEntry]:
    return [entry for entry in entries if entry.kind == BATCH]


def _set(
    name: str, value: Callable[[JournalEntry], Any], place: int = 1
) -> Callable[[list[JournalEntry]], list[JournalEntry]]:
    def change(entries: list[JournalEntry]) -> list[JournalEntry]:
        entry = batches(entries)[place]
        setattr(entry, name, value(entry))
        return entries

    return change


def _output(**changes: Callable[[OutputEntry], Any]) -> Callable[[JournalEntry], list[OutputEntry]]:
    def change(entry: JournalEntry) -> list[OutputEntry]:
        item = entry.outputs[0]
        return [
            OutputEntry(
                *(
                    changes.get(f, lambda i, f=f: getattr(i, f))(item)
                    for f in item.__struct_fields__
                )
            ),
            *entry.outputs[1:],
        ]

    return change


def _input(**changes: Callable[[InputEntry], Any]) -> Callable[[JournalEntry], list[InputEntry]]:
    def change(entry: JournalEntry) -> list[InputEntry]:
        item = entry.inputs[0]
        return [
            InputEntry(
                *(
                    changes.get(f, lambda i, f=f: getattr(i, f))(item)
                    for f in item.__struct_fields__
                )
            ),
            *entry.inputs[1:],
        ]

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
    """Counts whose sum is right and whose parts are not: the order was written out past the end of
    its array (E8, SIGSEGV).
    """
    elements["count"][0] += 9000
    elements["count"][1] -= 9000


def _close_first(entries: list[JournalEntry]) -> list[JournalEntry]:
    return [
        *entries[:-2],
        JournalEntry(sequence=0, kind=CLOSE, input_sequence=entries[-3].input_sequence),
    ]


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
    "an element's count": (
        _set("elements", _elements(lambda e: e["count"].__setitem__(0, -3))),
        "journal",
    ),
    "an element's input": (
        _set("elements", _elements(lambda e: e["input"].__setitem__(0, 40))),
        "journal",
    ),
    "an element's offset": (
        _set("elements", _elements(lambda e: e["first_offset"].__setitem__(0, 10**9))),
        "journal",
    ),
    "counts that cancel out": (_set("elements", _elements(_cancelling)), "journal"),
    "a huge count": (
        _set("elements", _elements(lambda e: e["count"].__setitem__(0, 2**62))),
        "journal",
    ),
    "elements that overlap": (
        _set("elements", lambda e: np.concatenate([e.elements[:1], e.elements])),
        "journal",
    ),
    "a negative offset": (
        _set("elements", _elements(lambda e: e["first_offset"].__setitem__(0, -(2**63)))),
        "journal",
    ),
    "the wall's clock": (
        _set(
            "elements", lambda e: np.concatenate([np.array([(-2, 1, 1, 1)], ELEMENT), e.elements])
        ),
        "journal",
    ),
    "no elements": (_set("elements", lambda e: e.elements[:0]), "journal"),
    "an input's count": (_set("inputs", _input(count=lambda _: -(2**40))), "journal"),
    "an input's short digest": (_set("inputs", _input(digest=lambda _: b"\7")), "journal"),
    "a state's number": (
        _set("states", lambda e: [(n + 1, d) for n, d in e.states], -1),
        "journal",
    ),
    "an element left out": (_set("elements", lambda e: e.elements[1:]), "input"),
    "end of inputs early": (
        _set("elements", _elements(lambda e: e["input"].__setitem__(-1, -1))),
        "journal",
    ),
    "close: clock": (lambda entries: setattr(entries[-1], "clock", 9) or entries, "journal"),
    "close: a fact": (lambda entries: entries[-1].facts.update(profit=9) or entries, "journal"),
    "close left out": (lambda entries: entries[:-1], "journal"),
    "last batch left out": (_close_first, "journal"),
    "a batch left out": (lambda entries: [*entries[:2], *entries[3:]], "input"),
    "a batch after close": (lambda entries: [*entries, entries[-2]], "file"),
    "two closes": (lambda entries: [*entries, entries[-1]], "file"),
    "no genesis": (lambda entries: entries[1:], "file"),
}


class Source(NamedTuple):
    """What forgers start from: a run with its recording, and a run of a user's strategy."""

    run: Path
    market: Path
    users: Path


class Forgery(NamedTuple):
    """A forgery.

    Attributes:
        make: writes it into a folder; returns the run folder, and the recording where that is
            another than the run's own.
        kind: what verify must call it.
        named: what it must name.
    """

    make: Callable[[Source, Path], tuple[Path, Path | None]]
    kind: str
    named: str


def run_with(kind: str, named: str, **changes: Any) -> Forgery:
    """A run folder with these changes, see ``forge_run``."""
    return Forgery(lambda source, out: (forge_run(source.run, out, **changes), None), kind, named)


def manifest_with(
    named: str, change: Callable[[dict[str, Any]], object], kind: str = "file"
) -> Forgery:
    """A run whose ``run.json`` says something else."""
    return run_with(kind, named, manifest=lambda facts: change(facts) and None)


def facts_with(
    named: str,
    change: Callable[[dict[str, Any]], object],
    kind: str = "journal",
    of: Callable[..., Forgery] = run_with,
) -> Forgery:
    """A run whose genesis record says something else, and ``run.json`` with it."""

    def changed(entries: list[JournalEntry]) -> list[JournalEntry]:
        change(entries[0].facts)
        return entries

    return of(kind, named, journal=changed, manifest=lambda facts: change(facts) and None)


def users_with(kind: str, named: str, **changes: Any) -> Forgery:
    """A run of a user's strategy with these changes."""
    return Forgery(lambda source, out: (forge_run(source.users, out, **changes), None), kind, named)


def recording_with(topic: str, edit: Callable[[list[Any]], list[Any]]) -> Forgery:
    """A recording with other records, consistent in itself, under the run of the honest one."""
    return Forgery(
        lambda source, out: (source.run, forge_recording(source.market, out, topic, edit)),
        "input",
        topic,
    )


def beside(named: str, place: str, content: bytes = b"x", kind: str = "file") -> Forgery:
    """A run with a file more than its manifest lists."""

    def make(source: Source, out: Path) -> tuple[Path, None]:
        shutil.copytree(source.run, out)
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).write_bytes(content)
        return out, None

    return Forgery(make, kind, named)


def without(named: str, place: str) -> Forgery:
    """A run with a file less."""

    def make(source: Source, out: Path) -> tuple[Path, None]:
        shutil.copytree(source.run, out)
        (out / place).unlink()
        return out, None

    return Forgery(make, "file", named)


def snapshot_with(change: Callable[[Snapshot], Snapshot]) -> Forgery:
    """A run whose first snapshot says something else, whole and with its own digest."""

    def make(source: Source, out: Path) -> tuple[Path, None]:
        with LocalLog.open(source.run) as log:
            honest = read_snapshots(log)[0][-1]
        payload = msgspec.msgpack.encode(change(honest))
        digest, pieces = hashlib.sha256(payload).digest(), range(0, len(payload), CHUNK_BYTES)

        def edit(records: list[Any]) -> list[Any]:
            chunk = records[0]
            if chunk.sequence != honest.sequence:
                return records
            assert (len(records), chunk.chunks) == (1, len(pieces))
            start = pieces[chunk.number]
            return [
                replaced(
                    chunk, payload=payload[start : start + CHUNK_BYTES], snapshot_digest=digest
                )
            ]

        return forge_run(source.run, out, edits={"pipeline.snapshots": edit}), None

    return Forgery(
        make, "file", "pipeline.snapshots holds a snapshot that is not the run's state behind batch"
    )


def _at(place: int, **changes: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    """Changes one record of each block."""

    def edit(records: list[Any]) -> list[Any]:
        new = replaced(
            records[place], **{name: change(records[place]) for name, change in changes.items()}
        )
        return [*records[:place], new, *records[place:][1:]]

    return edit


def _in_json(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        model = json.loads(content)
        change(model)
        return (json.dumps(model, indent=2, ensure_ascii=False) + "\n").encode()

    return changed


def _first_row(content: bytes) -> bytes:
    """A row of a CSV file with another last figure."""
    lines = content.split(b"\n")
    lines[1] += b"9"
    return b"\n".join(lines)


def _later(states: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {**states, name: states[name][:-1] + bytes([states[name][-1] ^ 1])}


Change = Callable[[list[JournalEntry]], list[JournalEntry]]
CORPUS: dict[str, Forgery] = {
    f"journal: {name}": run_with(kind, "", journal=change)
    for name, (change, kind) in JOURNALS.items()
}
CORPUS |= {
    "genesis: identity's cash": facts_with(
        "cash", lambda facts: facts["identity"].__setitem__("cash", "7USDT")
    ),
    "genesis: a parameter": facts_with(
        "parameters", lambda facts: facts["identity"]["parameters"].__setitem__("fast", "6")
    ),
    "genesis: configuration's cash": facts_with(
        "", lambda facts: facts["configuration"].__setitem__("cash", "7"), "code"
    ),
    "genesis: fees": facts_with(
        "", lambda facts: facts["configuration"].__setitem__("taker_rate", 0), "code"
    ),
    "genesis: journal id": facts_with("", lambda facts: facts.__setitem__("journal_id", 5), "code"),
    "genesis: code digest": facts_with(
        "code digest", lambda facts: facts.__setitem__("code", "0" * 64)
    ),
    "genesis: a source's digest": facts_with(
        "code digest", lambda facts: facts["sources"].__setitem__("streams/risk/stage.py", "0" * 16)
    ),
    "genesis: clock": facts_with("clock", lambda facts: facts.__setitem__("clock", "wall")),
    "genesis: shard": facts_with("shard", lambda facts: facts.__setitem__("shard", 3)),
    "genesis: inputs": facts_with(
        "md.trades",
        lambda facts: facts["identity"]["inputs"].__setitem__("md.trades", "0" * 64),
        "input",
    ),
    "genesis: no identity": facts_with("identity", lambda facts: facts.pop("identity"), "file"),
    "genesis: no configuration": facts_with(
        "configuration", lambda facts: facts.pop("configuration"), "file"
    ),
    "run.json: records": manifest_with("records", lambda facts: facts.__setitem__("records", 9)),
    "run.json: batches": manifest_with("batches", lambda facts: facts.__setitem__("batches", 9)),
    "run.json: clock_end": manifest_with(
        "clock_end", lambda facts: facts.__setitem__("clock_end", 9)
    ),
    "run.json: status": manifest_with("status", lambda facts: facts.__setitem__("status", "great")),
    "run.json: command": manifest_with(
        "command", lambda facts: facts.__setitem__("command", "sq live")
    ),
    "run.json: a claim of its own": manifest_with(
        "sharpe", lambda facts: facts.__setitem__("sharpe", "9.9")
    ),
    "run.json: identity": manifest_with(
        "identity", lambda facts: facts["identity"].__setitem__("cash", "7USDT")
    ),
    "run.json: configuration": manifest_with(
        "configuration", lambda facts: facts["configuration"].__setitem__("cash", "7")
    ),
    "run.json: versions": manifest_with(
        "versions", lambda facts: facts["versions"].__setitem__("numpy", "9")
    ),
    "run.json: a topic's digest": manifest_with(
        "fills", lambda facts: facts["topics"]["fills"].__setitem__("digest", "0" * 64)
    ),
    "run.json: a topic's count": manifest_with(
        "ref.instruments", lambda facts: facts["topics"]["ref.instruments"].__setitem__("count", 2)
    ),
    "run.json: a topic less": manifest_with("pnl", lambda facts: facts["topics"].pop("pnl")),
    "run.json: a topic more": manifest_with(
        "md.trades",
        lambda facts: facts["topics"].__setitem__("md.trades", {"count": 0, "digest": ""}),
    ),
    "run.json: taken away": without("there is no run.json", "run.json"),
    "run.json: another run's": run_with(
        "file", "run.json", files={"run.json": lambda _: b"{}"}, is_sealed=False
    ),
    "report.json: profit": run_with(
        "file",
        "report.json is not what the run's records make",
        files={"report.json": _in_json(lambda model: model.__setitem__("capital", "9"))},
    ),
    "report.json: one metric": run_with(
        "file",
        "report.json is not",
        files={
            "report.json": _in_json(lambda model: model["metrics"][0].__setitem__("value", "9"))
        },
    ),
    "report.json: other spelling": run_with(
        "file", "report.json is not", files={"report.json": lambda content: content + b" "}
    ),
    "report.html": run_with(
        "file",
        "report.html is not",
        files={"report.html": lambda content: content.replace(b"</html>", b"<b>up</b></html>")},
    ),
    "report.json: taken away": run_with(
        "file", "report.json is missing", files={"report.json": lambda _: None}
    ),
    "report.pdf": run_with(
        "file", "report.pdf is no report", files={"report.pdf": lambda _: b"up only"}
    ),
    "a partition more": run_with(
        "file",
        "fills/1/",
        files={
            f"fills/1/{0:020d}.avro": lambda _: b"won",
            f"fills/1/{0:020d}.index": lambda _: b"",
        },
    ),
    "a partition by another name": run_with(
        "file", "fills/00/", files={f"fills/00/{0:020d}.avro": lambda _: b"won"}
    ),
    "a page of another name": run_with(
        "file", "tearsheet.html is no report", files={"tearsheet.html": lambda _: b"won 1,000,000"}
    ),
    "a page in capitals": run_with(
        "file",
        "Report.html is no report",
        files={
            "Report.html": lambda _: b"won",
            "report.html": lambda _: None,
            "report.json": lambda _: None,
        },
    ),
    "a listed file in a topic's folder": run_with(
        "file", "fills/0/extra.parquet", files={"fills/0/extra.parquet": lambda _: b"won"}
    ),
    "code of nobody": run_with(
        "file", "code/evil.py is no report", files={"code/evil.py": lambda _: b"won"}
    ),
    "code of nobody beside a strategy's": users_with(
        "file", "code/evil.py is no report", files={"code/evil.py": lambda _: b"won"}
    ),
    "a strategy's run.json without an identity": users_with(
        "file", "identity", manifest=lambda facts: facts.pop("identity") and None
    ),
    "a strategy's run.json without a configuration": users_with(
        "file", "configuration", manifest=lambda facts: facts.pop("configuration") and None
    ),
    "reports of a run that is not finished": run_with(
        "file", "report.html, report.json", journal=lambda entries: entries[:-1], is_sealed=False
    ),
    "genesis: configuration's batch": facts_with(
        "has at most 1", lambda facts: facts["configuration"].__setitem__("batch", 1)
    ),
    "genesis: no batch": facts_with(
        "batch", lambda facts: facts["configuration"].pop("batch"), "file"
    ),
    "genesis: a strategy of another folder": facts_with(
        "/official/mine.py",
        lambda facts: facts["configuration"].__setitem__("strategy", "/official/mine.py:Mine"),
        of=users_with,
    ),
    "genesis: the end of trading": facts_with(
        "trade_to", lambda facts: facts.__setitem__("trade_to", facts["identity"]["to"] or 1)
    ),
    "run.json: the report's version": manifest_with(
        "which is no version", lambda facts: facts.__setitem__("report", "official")
    ),
    "run.json: no version of the report": manifest_with(
        "which is no version", lambda facts: facts.pop("report")
    ),
    "genesis: a signature": facts_with(
        "signed_by", lambda facts: facts.__setitem__("signed_by", "auditor")
    ),
    "genesis: outputs": facts_with("outputs", lambda facts: facts.__setitem__("outputs", ["x"])),
    "genesis: recordings": facts_with(
        "merged",
        lambda facts: facts.__setitem__(
            "recordings", [{"folder": "official", "topics": {"md.trades": "0" * 64}}]
        ),
        "input",
    ),
    "fills.csv": run_with("file", "fills.csv is not", files={"fills.csv": _first_row}),
    "equity.csv": run_with("file", "equity.csv is not", files={"equity.csv": _first_row}),
    "a file in a topic's folder": beside("fills/0/note.txt", "fills/0/note.txt"),
    "a file in another topic's folder": beside("md.trades/note.txt", "md.trades/note.txt"),
    "a segment more": beside("fills/0", f"fills/0/{7:020d}.avro"),
    "a segment less": without("fills/0", f"fills/0/{0:020d}.avro"),
    "fills: price": run_with(
        "output", "fills offset 0: price", edits={"fills": _at(0, price=lambda r: r.price + 10)}
    ),
    "fills: price, journaled": run_with(
        "code",
        "both rewritten",
        edits={"fills": _at(0, price=lambda r: r.price + 10)},
        is_rejournaled=True,
    ),
    "pnl: cash": run_with(
        "output", "pnl offset 0: cash", edits={"pnl": _at(0, cash=lambda r: r.cash + 1)}
    ),
    "decisions: one less": run_with(
        "output", "orders.decisions", edits={"orders.decisions": lambda records: records[1:]}
    ),
    "marks: flags": run_with(
        "output",
        "md.marks offset 0: flags",
        edits={"md.marks": _at(0, flags=lambda r: r.flags ^ 1)},
    ),
    "ref.instruments of the run": run_with(
        "output", "ref.instruments", edits={"ref.instruments": _at(0, tick_size=lambda _: 20)}
    ),
    "input: a trade's price": recording_with("md.trades", _at(700, price=lambda r: r.price + 10)),
    "input: a trade's receive time": recording_with(
        "md.trades", _at(700, receive_time=lambda r: r.receive_time + 1)
    ),
    "input: a depth update less": recording_with(
        "md.depth", lambda records: [*records[:500], *records[501:]]
    ),
    "input: two trades change places": recording_with(
        "md.trades", lambda records: [records[1], records[0], *records[2:]]
    ),
    "input: the last trade": recording_with("md.trades", lambda records: records[:-1]),
    "snapshot: a position": snapshot_with(
        lambda s: msgspec.structs.replace(s, feeds=[[place[0] + 1, place[1]] for place in s.feeds])
    ),
    "snapshot: a running maximum": snapshot_with(
        lambda s: msgspec.structs.replace(s, feeds=[[place[0], place[1] + 1] for place in s.feeds])
    ),
    "snapshot: counts": snapshot_with(
        lambda s: msgspec.structs.replace(s, counts={**s.counts, "fills": s.counts["fills"] + 1})
    ),
    "snapshot: a state": snapshot_with(
        lambda s: msgspec.structs.replace(s, states=_later(s.states, "portfolio"))
    ),
    "snapshot: what only a cluster's says": snapshot_with(
        lambda s: msgspec.structs.replace(s, code="0" * 64)
    ),
    "snapshot: another batch": snapshot_with(
        lambda s: msgspec.structs.replace(s, journal_sequence=s.journal_sequence + 1)
    ),
    "strategy: another quantity": users_with(
        "code",
        "strategy",
        files={"code/mine.py": lambda content: content.replace(b", 7)", b", 8)")},
    ),
    "strategy: a comment": users_with(
        "code", "strategy", files={"code/mine.py": lambda content: content + b"# harmless\n"}
    ),
}


@pytest.fixture(scope="module")
def source(proof_run: Run, proof_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The honest runs; both verify."""
    folder = tmp_path_factory.mktemp("forgeries")
    (folder / "mine.py").write_text(STRATEGY.format(imports="", quantity=7))
    made = Backtest(
        configuration(f"{folder / 'mine.py'}:Mine", batch=1500, state_digest_records=2000),
        proof_market,
        folder / "users",
    ).run()
    for run in (proof_run, made):
        assert verify_run(run.folder).findings == []
    assert (
        verify_run(proof_run.folder).scope
        == "order: recomputed from the input; reports: derived again"
    )
    assert len(CORPUS) >= 90
    return Source(proof_run.folder, proof_market, made.folder)


@pytest.mark.parametrize("name", long_but_every(2, CORPUS))
def test_a_forgery_is_found_and_named(source: Source, tmp_path: Path, name: str) -> None:
    forgery = CORPUS[name]
    verdict = verify_run(*forgery.make(source, tmp_path / "forged"))
    assert not verdict.is_good
    assert forgery.kind in kinds(verdict), text(verdict)
    assert forgery.named in text(verdict)


def test_what_lies_beside_a_run_is_said_and_no_finding(source: Source, tmp_path: Path) -> None:
    """E10: a file outside the topics' folders is nobody's proof; verify says that it did not look.
    """
    folder, _ = beside("", "notes/mine.txt").make(source, tmp_path / "run")
    verdict = verify_run(folder)
    assert verdict.is_good
    assert "notes/mine.txt is not listed in run.json" in " ".join(verdict.notes)


def test_a_page_of_another_version_of_the_report_is_not_compared(
    source: Source, tmp_path: Path
) -> None:
    """E10: report.json and the CSV files are compared all the same, and a page that this version
    makes too, whatever version it says.
    """
    named = forge_run(
        source.run, tmp_path / "named", manifest=lambda facts: facts.__setitem__("report", "0" * 16)
    )
    assert verify_run(named).scope == "order: recomputed from the input; reports: derived again"
    files = {"report.html": lambda content: content.replace(b"#00629b", b"#10629b")}
    folder = forge_run(
        source.run,
        tmp_path / "run",
        files=files,
        manifest=lambda facts: facts.__setitem__("report", "0" * 16),
    )
    verdict = verify_run(folder)
    assert verdict.is_good
    assert (
        verdict.scope
        == "order: recomputed from the input; reports: derived again, report.html not compared"
    )
    assert "report.html was not compared" in " ".join(verdict.notes)
    forged = forge_run(folder, tmp_path / "forged", files={"fills.csv": _first_row})
    assert "fills.csv" in text(verify_run(forged))
