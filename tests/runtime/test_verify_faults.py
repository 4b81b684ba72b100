"""Planted faults in finished runs: changed bytes and records are caught, named and located. Oracle:
the fault that was planted.

Whole forgeries are in ``test_forgeries.py``; what it has is not repeated here.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forgery import forge_run, kinds, replaced, text

from jobs.runs import Run
from jobs.verification import verify_run
from streams.log.local import LocalLog

# -- bytes


def test_a_flipped_byte_in_any_file_is_found_and_the_restored_run_verifies(
    proof_run: Run, tmp_path: Path
) -> None:
    """Every file of the folder but the lock, three bytes each: the first, the last and one drawn.
    """
    folder = tmp_path / "run"
    shutil.copytree(proof_run.folder, folder)
    draw = random.Random(5)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "log.lock")
    assert {path.suffix for path in files} == {".avro", ".index", ".json", ".html", ".csv"}
    for path in files:
        content = path.read_bytes()
        places = {0, len(content) - 1, draw.randrange(len(content))} if content else set()
        for place in sorted(places):
            changed = bytearray(content)
            changed[place] ^= 1 << draw.randrange(8)
            path.write_bytes(changed)
            verdict = verify_run(folder)
            assert set(kinds(verdict)) == {"file"}, (path, place)
            assert path.name in text(verdict), (path, place)
        path.write_bytes(content)
    assert verify_run(folder).is_good


@pytest.mark.parametrize("fault", ["cut", "empty", "lengthen", "extra topic"])
def test_a_file_that_is_not_as_long_or_not_there_is_found(
    proof_run: Run, tmp_path: Path, fault: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(proof_run.folder, folder)
    path = folder / "fills" / "0" / f"{0:020d}.avro"
    content = path.read_bytes()
    if fault == "extra topic":
        shutil.copytree(folder / "fills", folder / "md.trades")
        path = folder / "md.trades" / "0" / path.name
    else:
        path.write_bytes({"cut": content[:-20], "empty": b"", "lengthen": content + b"\0"}[fault])
    verdict = verify_run(folder)
    assert "file" in kinds(verdict)
    assert str(path.relative_to(folder)) in text(verdict)


# -- records


def first_where(
    condition: Callable[[Any], bool], **changes: Callable[[Any], Any]
) -> Callable[[list[Any]], list[Any]]:
    """Changes the first record that meets the condition, once."""
    done: list[int] = []

    def edit(records: list[Any]) -> list[Any]:
        for number, record in enumerate(records):
            if not done and condition(record):
                done.append(number)
                return [
                    *records[:number],
                    replaced(record, **{name: change(record) for name, change in changes.items()}),
                    *records[number + 1 :],
                ]
        return records

    return edit


def anything(_: Any) -> bool:
    return True


FORGED = [
    ("orders.requests", "order_id", lambda r: r.order_id[:-1] + "V"),
    ("positions", "quantity", lambda r: r.quantity + 1),
    ("signals", "fast", lambda r: r.fast + 1e-9),
    ("md.quotes", "bid_quantity", lambda r: r.bid_quantity + 1),
    ("venue.reports", "venue_time", lambda r: r.venue_time + 1),
]


@pytest.mark.parametrize(("topic", "field", "change"), FORGED)
def test_a_changed_output_record_is_named(
    proof_run: Run, tmp_path: Path, topic: str, field: str, change: Callable[[Any], Any]
) -> None:
    """Every digest in run.json is made again: only the journal and re-execution can tell."""
    verdict = verify_run(
        forge_run(
            proof_run.folder, tmp_path / "forged", {topic: first_where(anything, **{field: change})}
        )
    )
    assert kinds(verdict) == ["output"]
    assert f"{topic} offset 0: {field} " in text(verdict)
    (found,) = verdict.findings
    assert (found.topic, found.record, found.field) == (topic, 0, field)
    assert f"batch {found.batch}: " in text(verdict)


@pytest.mark.parametrize(("topic", "field", "change"), FORGED[2:4])
def test_a_forger_who_rewrites_the_journal_too_is_found_by_execution(
    proof_run: Run, tmp_path: Path, topic: str, field: str, change: Callable[[Any], Any]
) -> None:
    forged = forge_run(
        proof_run.folder,
        tmp_path / "forged",
        {topic: first_where(anything, **{field: change})},
        is_rejournaled=True,
    )
    verdict = verify_run(forged)
    assert kinds(verdict) == ["code"]
    assert f"{topic} offset 0: {field} " in text(verdict)
    assert "both rewritten" in text(verdict)


def test_the_last_record_of_the_last_batch_counts(proof_run: Run, tmp_path: Path) -> None:
    last = proof_run.manifest["topics"]["pnl"]["count"] - 1
    seen = [0]

    def edit(records: list[Any]) -> list[Any]:
        seen[0] += len(records)
        return (
            [*records[:-1], replaced(records[-1], cash=records[-1].cash + 1)]
            if seen[0] == last + 1
            else records
        )

    verdict = verify_run(forge_run(proof_run.folder, tmp_path / "forged", {"pnl": edit}))
    assert (
        f"batch {proof_run.manifest['batches']}: output changed: pnl offset {last}: cash"
        in text(verdict)
    )
    assert verdict.batches == proof_run.manifest["batches"] - 1


@pytest.mark.parametrize(
    ("fault", "is_rejournaled"),
    [
        ("dropped", True),
        ("doubled", False),
        ("doubled", True),
        ("swapped", False),
        ("swapped", True),
    ],
)
def test_records_dropped_doubled_or_swapped_are_found(
    proof_run: Run, tmp_path: Path, fault: str, is_rejournaled: bool
) -> None:
    done: list[str] = []

    def edit(records: list[Any]) -> list[Any]:
        if done or len(records) < 3:
            return records
        done.append(fault)
        return {
            "dropped": records[1:],
            "doubled": [records[0], *records],
            "swapped": [records[1], records[0], *records[2:]],
        }[fault]

    verdict = verify_run(
        forge_run(
            proof_run.folder,
            tmp_path / "forged",
            {"orders.events": edit},
            is_rejournaled=is_rejournaled,
        )
    )
    assert not verdict.is_good
    assert "orders.events" in text(verdict)


def test_records_after_the_journal_s_end_are_found(proof_run: Run, tmp_path: Path) -> None:
    forged = forge_run(proof_run.folder, tmp_path / "forged", is_sealed=False)
    with LocalLog.open(forged, writable=True) as log:
        block = next(iter(log.reader("fills").blocks()))
        log.writer("fills").append(bytes(block.body), block.count)
    verdict = verify_run(forged)
    assert kinds(verdict) == ["output", "file"]
    assert f"fills holds {block.count} records after the journal's end" in text(verdict)
