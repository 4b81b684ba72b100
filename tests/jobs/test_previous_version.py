"""What version 0.1.0 wrote still opens, and is proved by no other version.

The oracle is that version: ``tests/previous/0.1.0.tar.xz`` holds a recording that it generated, two
finished runs over it (one strategy of ours, one of a user's file) and a topology that it pulled
from a cluster, with their own manifests.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.log.manifest import write_manifest

ARCHIVE = Path(__file__).resolve().parents[1] / "previous" / "0.1.0.tar.xz"
FOLDERS = ("market", "ema", "dip", "pulled")
RUNS = ("ema", "dip")
WORDS = "made by version 0.1.0, verify with it"


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked."""
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("name", FOLDERS)
def test_every_record_is_read(sq: Callable[..., Any], previous: Path, name: str) -> None:
    """As many records of each topic as the manifest of that version counted."""
    manifest = previous / name / ("log.json" if name == "market" else "run.json")
    topics = json.loads(manifest.read_text())["topics"]
    assert topics
    for topic, facts in topics.items():
        ended = sq("cat", previous / name, topic)
        assert ended.code == 0, ended.err
        assert len(ended.out.splitlines()) == facts["count"], topic


@pytest.mark.parametrize("name", RUNS)
def test_a_report_is_written_from_a_run(
    sq: Callable[..., Any], previous: Path, tmp_path: Path, name: str
) -> None:
    ended = sq("report", previous / name, "--out", tmp_path)
    assert ended.code == 0, ended.err
    before = json.loads((previous / name / "report.json").read_text())
    now = json.loads((tmp_path / "report.json").read_text())
    for same in ("trades", "volume", "total_return", "win_rate"):
        assert now[same] == before[same], same
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_a_report_is_written_from_what_was_pulled(
    sq: Callable[..., Any], previous: Path, tmp_path: Path
) -> None:
    """That version kept no page there: the oracle is its fills. Of other records no page is made.
    """
    ended = sq("report", previous / "pulled", "--out", tmp_path / "page")
    assert ended.code == 0, ended.err
    fills = [json.loads(line) for line in sq("cat", previous / "pulled", "fills").out.splitlines()]
    rows = (tmp_path / "page" / "fills.csv").read_text().splitlines()
    assert len(rows) == len(fills) + 1 == 8
    assert json.loads((tmp_path / "page" / "report.json").read_text())["account"] == 1
    forged = tmp_path / "forged"
    shutil.copytree(previous / "pulled", forged)
    manifest = json.loads((forged / "run.json").read_text())
    manifest["topics"]["fills"]["digest"] = manifest["topics"]["pnl"]["digest"]
    write_manifest(forged / "run.json", {key: manifest[key] for key in manifest if key != "digest"})
    ended = sq("report", forged, "--out", tmp_path / "none")
    assert ended.code == 1 and "the records of fills" in ended.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", (*RUNS, "pulled"))
def test_a_proof_names_the_version_to_use(
    sq: Callable[..., Any], previous: Path, name: str
) -> None:
    market = ("--input", previous / "market") if name != "pulled" else ()
    ended = sq("verify", previous / name, *market)
    assert ended.code == 2
    assert WORDS in ended.err


def test_an_exact_replay_names_the_version_to_use(
    sq: Callable[..., Any], previous: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    ended = sq("replay", previous / "ema", "--input", previous / "market", "--out", out)
    assert ended.code == 2 and WORDS in ended.err
    assert not out.exists()


def test_a_finished_run_is_not_taken_for_ours(sq: Callable[..., Any], previous: Path) -> None:
    market, run = previous / "market", previous / "ema"
    settings = ("--set", "fast=20", "--set", "slow=50")
    ended = sq("backtest", market, "--strategy", "ema-cross", *settings, "--out", run)
    assert ended.code == 2
    assert "made by version 0.1.0" in ended.err and "--fresh" in ended.err


def test_a_recording_is_backtested_and_proved(
    sq: Callable[..., Any], previous: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    ended = sq("backtest", previous / "market", "--strategy", "ema-cross", "--out", run)
    assert ended.code == 0, ended.err
    assert sq("verify", run).code == 0
