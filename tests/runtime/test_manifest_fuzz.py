"""Manifests, genesis records and journal records that somebody else wrote: every command ends in
words. Time-boxed fuzzing with a fixed seed.

Oracle: ``SQ_TRACE=1`` lets everything but a typed error through. What is written is consistent: its
digests and chains are made again.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forgery import forge_run

from jobs.reports import write_reports
from jobs.runs import Backtest
from jobs.sq import main
from schemas.errors import CorruptLog, ShrivenError
from streams.log.manifest import DIGEST, read_manifest, write_manifest
from streams.runtime.journal.journal import JournalEntry, decode_entry
from tests.scenario import configuration, make_recording

SECONDS = 1.0
VALUES: list[Any] = [
    None,
    -1,
    0,
    2**70,
    1.5,
    True,
    "",
    "x",
    "../../up",
    "/etc/hostname",
    "a\0b",
    "\ud800",
    "n" * 300,
    [],
    {},
    [1],
    {"a": 1},
    [[]],
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(recording, run) of a second of market, with reports."""
    folder = tmp_path_factory.mktemp("fuzz")
    make_recording(folder / "market", 40, 60, seed=9)
    Backtest(configuration(batch=50), folder / "market", folder / "run").run(
        lambda log, manifest: write_reports(log, manifest)
    )
    return folder / "market", folder / "run"


@pytest.fixture(autouse=True)
def _traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQ_TRACE", "1")


def mutated(draw: random.Random, content: dict[str, Any]) -> dict[str, Any]:
    """The JSON with one to three values replaced, taken away or added."""
    made = copy.deepcopy(content)
    for _ in range(draw.randint(1, 3)):
        node: Any = made
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw.choice(keys)
            if isinstance(node[key], dict | list) and node[key] and draw.random() < 0.7:
                node = node[key]
                continue
            what = draw.random()
            if what < 0.2:
                del node[key]
            elif what < 0.3 and isinstance(node, dict):
                node[draw.choice(["", "x", "files", "inputs", "recordings"])] = draw.choice(VALUES)
            else:
                node[key] = draw.choice(VALUES)
            break
    return made


def for_a_while(seed: int) -> Iterator[random.Random]:
    """Draws until the time is up, at least five."""
    end, number = time.monotonic() + SECONDS, 0
    while number < 5 or time.monotonic() < end:
        yield random.Random(f"{seed}/{number}")
        number += 1


def ends_in_words(*commands: tuple[Any, ...]) -> None:
    for command in commands:
        assert main([str(each) for each in command]) in (0, 1, 2)


def test_a_run_manifest_that_says_anything(small: tuple[Path, Path], tmp_path: Path) -> None:
    """E14: 68 of 613 ended in raw exceptions."""
    market, run = small
    folder = shutil.copytree(run, tmp_path / "run")
    content = {
        key: value for key, value in read_manifest(run / "run.json").items() if key != DIGEST
    }
    for draw in for_a_while(1):
        write_manifest(folder / "run.json", mutated(draw, content))
        ends_in_words(
            ("cat", folder, "fills", "--limit", 1), ("report", folder, "--out", tmp_path / "page")
        )
        if draw.random() < 0.3:
            ends_in_words(("verify", folder), ("replay", folder, "--out", tmp_path / "again"))
            shutil.rmtree(tmp_path / "again", ignore_errors=True)
            with contextlib.suppress(ShrivenError):
                Backtest(configuration(batch=50), market, folder).run()


def test_an_argument_that_is_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "run\udcff"]) == 2
    assert "no UTF-8 text" in capsys.readouterr().err


def test_a_recording_s_manifest_that_says_anything(
    small: tuple[Path, Path], tmp_path: Path
) -> None:
    market, run = small
    folder = shutil.copytree(market, tmp_path / "market")
    content = {
        key: value for key, value in read_manifest(market / "log.json").items() if key != DIGEST
    }
    for draw in for_a_while(2):
        write_manifest(
            folder / "log.json",
            mutated(
                draw, content | {"command": draw.choice(["pull", "merge", "import"]), "sources": {}}
            ),
        )
        ends_in_words(
            ("cat", folder, "md.trades", "--limit", 1),
            ("backtest", folder, "--strategy", "ema-cross", "--out", tmp_path / "again"),
        )
        shutil.rmtree(tmp_path / "again", ignore_errors=True)
        if draw.random() < 0.3:
            ends_in_words(("verify", run, "--input", folder))


@pytest.mark.parametrize("name", ["run.json", "log.json"])
def test_bytes_that_are_no_manifest(small: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    market, run = small
    folder = shutil.copytree(run if name == "run.json" else market, tmp_path / "folder")
    honest = (folder / name).read_bytes()
    contents = [b"", b"[]", b"null", b"[" * 100_000, b'{"digest": 1}', b"\xff\xfe", b"9" * 5_000]
    contents += [honest[:-5], honest.replace(b"1", b"NaN"), honest + b"\n"]
    for content in contents:
        (folder / name).write_bytes(content)
        ends_in_words(
            ("cat", folder, "ref.instruments", "--limit", 1), ("report", folder), ("verify", folder)
        )
    (folder / name).unlink()
    (folder / name).mkdir()
    ends_in_words(
        ("cat", folder, "ref.instruments", "--limit", 1), ("report", folder), ("verify", folder)
    )


def test_a_genesis_record_that_says_anything(small: tuple[Path, Path], tmp_path: Path) -> None:
    """Chained again, and ``run.json`` says the same."""
    _, run = small

    def with_facts(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        made: dict[str, Any] = {}

        def journal(entries: list[JournalEntry]) -> list[JournalEntry]:
            made.update(change(entries[0].facts))
            entries[0].facts = made
            return entries

        def manifest(facts: dict[str, Any]) -> None:
            facts.update(made)

        forged = forge_run(run, tmp_path / "forged", journal=journal, manifest=manifest)
        ends_in_words(("verify", forged), ("report", forged, "--out", tmp_path / "page"))
        shutil.rmtree(forged)

    for draw in for_a_while(3):
        with_facts(lambda facts, draw=draw: mutated(draw, facts))


def test_journal_records_of_any_bytes() -> None:
    """The record's own digest is made again behind each change: it decodes, or is refused as
    corrupt.
    """
    with pytest.raises(CorruptLog):
        decode_entry(JournalEntry(sequence=0, kind=0, facts={"a": ["\ud800"]}).encode())
    honest = JournalEntry(sequence=0, kind=0, facts={"a": [1, {"b": 2}]}).encode()[:-33]
    draw = random.Random(4)
    for _ in range(3_000):
        content = bytearray(honest)
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(content))
            content[place : place + draw.randint(0, 2)] = draw.randbytes(draw.randint(0, 3))
        with contextlib.suppress(CorruptLog):
            decode_entry(bytes(content) + b"\x40" + hashlib.sha256(content).digest())
