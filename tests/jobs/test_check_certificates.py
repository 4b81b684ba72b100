"""The certificate of ``sq check``: the same bytes for the same folder, and what a comparison says
where records, findings or the certificate itself are others; and what wrong use is told.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from checked_markets import checked, planted

from jobs.checking.document import own_sources
from jobs.sq import main
from schemas.sources import ROOT
from streams.log.manifest import LOG_MANIFEST, read_manifest, write_manifest


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few minutes of a generated market."""
    folder = tmp_path_factory.mktemp("certificates") / "toy"
    assert main(["generate", "--minutes", "5", "--seed", "9", "--out", str(folder)]) == 0
    return folder


def test_the_same_folder_gives_the_same_bytes_and_the_folder_stays_as_it_is(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in market.rglob("*"))
    copied = planted(market, tmp_path / "elsewhere", {})
    files = [tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.json"]
    for folder, file in zip((market, market, copied), files, strict=True):
        assert main(["check", str(folder), "--certificate", str(file)]) == 0
    assert len({file.read_bytes() for file in files}) == 1
    assert sorted((path, path.stat().st_mtime_ns) for path in market.rglob("*")) == before
    said = read_manifest(files[0])
    said.pop("digest")
    assert said == checked(capsys, market)
    assert said["topics"] == read_manifest(market / LOG_MANIFEST)["topics"]


def test_a_comparison_names_what_is_other(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.json"
    assert main(["check", str(market), "--silence", "9s", "--certificate", str(file)]) == 0
    assert main(["check", str(market), "--compare", str(file)]) == 0
    assert "holds: the same code" in capsys.readouterr().out
    gap = {"md.trades": lambda rows: np.delete(rows, 100)}
    other = planted(market, tmp_path / "other", gap)
    assert main(["check", str(other), "--compare", str(file)]) == 1
    said = capsys.readouterr().out
    assert "does NOT hold" in said and "md.trades: the certificate says" in said
    assert "only the folder has trade_gap md.trades simulated:SIMUSDT, count 1" in said
    found = checked(capsys, other, "--compare", str(file), code=1)
    assert found["differences"] and found["limits"]["silence"] == 9 * 10**9


def test_other_code_that_finds_the_same_is_said_and_is_no_difference(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.json"
    assert main(["check", str(market), "--certificate", str(file)]) == 0
    write_manifest(file, {**read_manifest(file), "code": "0" * 64})
    assert main(["check", str(market), "--compare", str(file)]) == 0
    assert "holds: other code" in capsys.readouterr().out


def test_the_code_of_a_certificate_is_what_decides_the_findings() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in own_sources()}
    assert names >= {
        "jobs/checking/kinds.py", "streams/numeric/checking/depth.py", "streams/numeric/book.py",
        "streams/aggregation/bars.py", "connectors/captures/sequences.py", "schemas/trade.avsc",
    }  # fmt: skip
    assert not any(name.startswith(("streams/reporting", "streams/risk")) for name in names)


def test_a_certificate_of_a_folder_with_errors_holds_for_it(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = planted(market, tmp_path / "log", {"md.trades": lambda rows: np.delete(rows, 100)})
    file = tmp_path / "a.json"
    assert main(["check", str(folder), "--certificate", str(file)]) == 1
    assert main(["check", str(folder), "--compare", str(file)]) == 0


@pytest.mark.parametrize(
    "content",
    [
        b"{}", b"not JSON", b"",
        json.dumps({"command": "check"}).encode(),
    ],
)  # fmt: skip
def test_a_file_that_is_no_certificate_is_refused(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    assert main(["check", str(market), "--compare", str(file)]) == 1
    assert "defect in sq" not in capsys.readouterr().err


@pytest.mark.parametrize("changed", [{"version": 2}, {"limits": 7}, {"limits": {"jump": "x"}}])
def test_a_certificate_whose_content_cannot_be_is_refused(
    market: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, object],
) -> None:
    file = tmp_path / "a.json"
    assert main(["check", str(market), "--certificate", str(file)]) == 0
    write_manifest(file, {**read_manifest(file), **changed})
    assert main(["check", str(market), "--compare", str(file)]) == 1
    assert "certificate" in capsys.readouterr().err


def test_wrong_use_says_what_to_do(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.json"
    assert main(["check", str(market), "--certificate", str(file)]) == 0
    empty = tmp_path / "empty"
    assert main(["generate", "--minutes", "1", "--out", str(empty)]) == 0
    hollow = planted(empty, tmp_path / "hollow", dict.fromkeys(
        ("md.trades", "md.depth", "md.book_tickers")
    ))  # fmt: skip
    for arguments, words in (
        ([str(tmp_path / "none")], "does not exist"),
        ([str(tmp_path)], "is not a log"),
        (["kafka://localhost:9092"], "'sq pull' makes one of it"),
        ([str(hollow)], "holds no record of market data"),
        ([str(market), "--certificate", str(file)], "is there already"),
        ([str(market), "--certificate", str(market / "c.json")], "which a check leaves as it is"),
        ([str(market), "--certificate", str(tmp_path / "x" / "c.json")], "make it first"),
        ([str(market), "--compare", str(tmp_path / "none.json")], "does not exist"),
        ([str(market), "--compare", str(file), "--jump", "3"], "leave the others out"),
        ([str(market), "--silence", "soon"], "soon"),
        ([str(market), "--silence", "0s"], "no time to wait for"),
        ([str(market), "--jump", "-1"], "not above 0"),
        ([str(market), "--jump", "nan"], "not above 0"),
    ):
        assert main(["check", *arguments]) == 2, arguments
        assert words in capsys.readouterr().err, arguments
