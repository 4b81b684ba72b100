"""A topic leaves for a file and comes back: oracle, the topic digest, and polars reading the file
as any user would.
"""

from __future__ import annotations

import json
import shlex
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jobs.exporting.topic_file import export_topic, import_exported
from jobs.sq import main
from streams.log.local import LocalLog

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ("parquet", "csv", "arrow")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A generated market and a run over it, with orders."""
    place = tmp_path_factory.mktemp("export")
    market, run = place / "data" / "toy", place / "runs" / "a"
    assert main(["generate", "--minutes", "12", "--seed", "5", "--out", str(market)]) == 0
    arguments = ["--strategy", "ema-cross", "--set", "fast=5", "--set", "slow=12"]
    assert main(["backtest", str(market), *arguments, "--out", str(run)]) == 0
    return {"market": market, "run": run}


def topics(folder: Path) -> list[str]:
    with LocalLog.open(folder) as log:
        return [topic for topic in log.topics() if log.reader(topic).count]


@pytest.mark.parametrize("as_decimal", [False, True], ids=["integers", "decimals"])
@pytest.mark.parametrize("format", FORMATS)
def test_every_topic_comes_back_with_the_same_digest(
    folders: dict[str, Path], tmp_path: Path, format: str, as_decimal: bool
) -> None:
    seen = 0
    for folder in folders.values():
        for topic in topics(folder):
            file = tmp_path / f"{folder.name}-{topic}.{format}"
            described = export_topic(folder, topic, file, format, as_decimal)
            [found] = import_exported([file], tmp_path / f"{folder.name}-{topic}-again")
            assert found.is_equal and found.digest == described.digest, (topic, format)
            assert found.records == described.records > 0
            seen += 1
    assert seen > 15


def test_the_command_line_end_to_end(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "trades.parquet", tmp_path / "depth.arrow"]
    for file, topic in zip(files, ("md.trades", "md.depth"), strict=True):
        export = ["export", str(folders["market"]), "--topic", topic, "--out", str(file)]
        assert main([*export, "--decimal"]) == 0
    again = tmp_path / "again"
    capsys.readouterr()
    assert main(["import", "exported", *map(str, files), "--out", str(again), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["topics"]
    assert [each["is_equal"] for each in found] == [True, True]
    run = tmp_path / "run"
    assert main(["backtest", str(again), "--strategy", "ema-cross", "--out", str(run)]) == 0
    assert main(["verify", str(run)]) == 0
    for name in ("provenance", "sources"):
        manifests = [
            json.loads((folder / "log.json").read_text()).get(name)
            for folder in (folders["market"], again)
        ]
        assert manifests[0] == manifests[1]


def test_the_examples_of_the_page_run(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8").split("## sq export")[1]
    monkeypatch.chdir(folders["market"].parents[1])
    lines = page.split("```sh\n")[1].split("```")[0].splitlines()
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, line
    assert len(lines) == 4 and capsys.readouterr().out.count("as it was exported") == 2


def cells(file: Path) -> pl.DataFrame:
    return {"parquet": pl.read_parquet, "arrow": pl.read_ipc, "csv": pl.read_csv}[
        file.suffix[1:]
    ](file)  # type: ignore[operator]


def test_what_a_user_reads_is_what_cat_prints(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["cat", str(folders["market"]), "md.trades", "--decimal"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for format in FORMATS:
        file = tmp_path / f"trades.{format}"
        export_topic(folders["market"], "md.trades", file, format, as_decimal=True)
        table = cells(file)
        assert table.height == len(printed)
        for number in (0, len(printed) // 2, -1):
            row, line = table.row(number, named=True), printed[number]
            assert Decimal(str(row["price"])) == Decimal(str(line["price"]))
            assert Decimal(str(row["quantity"])) == Decimal(str(line["quantity"]))
            assert row["aggressor_side"] == line["aggressor_side"]
            assert str(row["event_time"])[:10] == line["event_time"][:10]
        beside = json.loads((tmp_path / f"trades.{format}.json").read_text())
        units = {each["name"]: each["unit"] for each in beside["columns"]}
        assert units["price"] == "10^-price_precision of the instrument"


def edited(file: Path, change: Any) -> None:
    change(pl.read_parquet(file)).write_parquet(file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop("price"), "no column price"),
        (lambda table: table.with_columns(price=pl.lit(None, pl.Int64)), "row 1: price is empty"),
        (lambda table: table.with_columns(aggressor_side=pl.lit("BOTH")), "'BOTH'"),
        (lambda table: table.with_columns(price=pl.lit("x")), "rows from 1: Trade.price"),
        (lambda table: table.with_columns(instrument=pl.lit(2**40)), "instrument"),
        (lambda table: table.with_columns(price=pl.lit(1.5)), "rows from 1: Trade.price"),
    ],
)
def test_a_changed_file_is_refused_with_the_row_and_the_column(
    folders: dict[str, Path],
    tmp_path: Path,
    change: Any,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, out = tmp_path / "trades.parquet", tmp_path / "again"
    export_topic(folders["market"], "md.trades", file)
    edited(file, change)
    assert main(["import", "exported", str(file), "--out", str(out)]) != 0
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said, said
    assert not out.exists()


def test_fewer_rows_are_read_and_called_other_records(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trades.parquet"
    export_topic(folders["market"], "md.trades", file)
    edited(file, lambda table: table.head(7))
    assert main(["import", "exported", str(file), "--out", str(tmp_path / "again")]) == 0
    assert "NOT the records that were exported" in capsys.readouterr().out


def test_wrong_use_says_what_to_do(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market, file = folders["market"], tmp_path / "t.parquet"
    export_topic(market, "md.trades", file)
    table = tmp_path / "mine.csv"
    table.write_text("a,b\n1,2\n")
    broken = tmp_path / "broken.csv"
    broken.write_text("a\n")
    (tmp_path / "broken.csv.json").write_text("{")
    for arguments, words in (
        (["export", str(market), "--topic", "fills"], "holds no fills; it has"),
        (["export", str(market), "--topic", "md.trades", "--out", str(file)], "is there already"),
        (["import", "exported", str(table), "--out", str(tmp_path / "o")], "sq import trades"),
        (["import", "exported", str(broken), "--out", str(tmp_path / "o")], "'sq export' writes"),
        (["import", "exported", str(file), str(file), "--out", str(tmp_path / "o")], "twice"),
    ):
        assert main(arguments) != 0
        assert words in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_without_polars_it_says_what_is_missing(
    folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delitem(sys.modules, "jobs.exporting.frames", raising=False)
    monkeypatch.setitem(sys.modules, "polars", None)  # as in the image
    arguments = ["export", str(folders["market"]), "--topic", "md.trades"]
    assert main([*arguments, "--out", str(tmp_path / "t.csv")]) == 2
    assert "polars, which is not installed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
