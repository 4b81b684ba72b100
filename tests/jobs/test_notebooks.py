"""``import shrivenquant``: what the commands make, as objects. Oracle: the commands themselves."""

from __future__ import annotations

import contextlib
import html
import io
import json
import os
import re
import shutil
import signal
import tarfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars
import pytest

import shrivenquant
from schemas.records import DepthUpdate, Fill, PnL
from shrivenquant import calls
from shrivenquant.frames import scaled
from streams.signals.catalogue import BadParameter
from tests.scenario import INSTRUMENT

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "notebooks.md"


SITE = """\
import os, sys
if "PYTHONHASHSEED" in os.environ and "jobs.called" in sys.orig_argv:
    command = sys.orig_argv[sys.orig_argv.index("jobs.called") + 1]
    sys.stderr.write(f"seed {command} {os.environ['PYTHONHASHSEED']} {hash('text')}\\n")
"""
"""Imported by every Python whose path has it: says under which hash seed a command runs."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every Python block of docs/notebooks.md, in one namespace and one folder."""
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) > 5
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(SITE)
    printed, said = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(said),
    ):
        patch.delenv("PYTHONHASHSEED", raising=False)
        patch.setenv("PYTHONPATH", str(site))
        patch.chdir(tmp_path_factory.mktemp("page"))
        for block in blocks:
            exec(compile(block, "notebooks.md", "exec"), names)  # noqa: S102 - the page is ours
        names["folder"] = Path.cwd()
    names["printed"], names["said"] = printed.getvalue(), said.getvalue()
    return names


def test_the_page_of_notebooks_runs_from_its_first_line_to_its_last(page: dict[str, Any]) -> None:
    assert "did you mean ema-cross?" in page["printed"]
    own, second, fills = page["own"], page["second"], page["fills"]
    with contextlib.chdir(page["folder"]):
        assert own.report["trades"] > 0 and len(fills) > 10
    report = second.report
    assert (report["run"]["cash"], report["run"]["short"]) == ("100000", False)
    assert report["period"]["asked_from"] == "2024-01-01T00:01:00.000000000Z"
    bought = [row["quantity"] for row in fills.to_dicts() if row["side"] == "BUY"]
    assert page["bought"] == sum(bought)
    saved = page["folder"] / "tearsheet.html"
    assert saved.read_bytes() == (page["folder"] / "runs" / "a" / "report.html").read_bytes()


def test_a_run_is_byte_for_byte_that_of_the_command(
    sq: Callable[..., Any], page: dict[str, Any], tmp_path: Path
) -> None:
    """Oracle: the command, over the recording that the page generated."""
    settings = ("--strategy", "ema-cross", "--set", "fast=5", "--set", "slow=15")
    recording = page["folder"] / "data" / "toy"
    assert sq("backtest", recording, *settings, "--out", tmp_path / "run").code == 0
    made = page["folder"] / "runs" / "a"
    names = sorted(path.name for path in made.iterdir() if path.suffix in (".csv", ".html"))
    for name in (*names, "report.json"):
        assert (made / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name
    expected = json.loads((tmp_path / "run" / "run.json").read_text())["topics"]
    assert page["run"].manifest["topics"] == expected
    assert shrivenquant.open(made).topics == {
        name: facts["count"] for name, facts in expected.items()
    }


def test_a_temporary_run_goes_with_its_object(page: dict[str, Any]) -> None:
    run = page["second"]
    folder = run.folder
    assert (folder / "run.json").is_file()
    names = [name for name, value in page.items() if value is run]
    del run
    for name in names:
        del page[name]
    assert not folder.exists()


def test_the_process_runs_under_the_command_s_hash_seeds(page: dict[str, Any]) -> None:
    """0, and another one for verify. Oracle: hash() of a text in each process of the page."""
    seeds = [line.split()[1:] for line in page["said"].splitlines() if line.startswith("seed ")]
    found = {(command, seed) for command, seed, _ in seeds}
    assert found == {("generate", "0"), ("backtest", "0"), ("verify", "1")}
    assert len({text for _, _, text in seeds}) == 2


@pytest.mark.parametrize(
    "topic",
    [
        "fills",
        "positions",
        "pnl",
        "md.marks",
        "md.bars",
        "md.features",
        "venue.reports",
        "reports",
        "ref.instruments",
    ],
)
def test_a_frame_says_what_cat_prints(sq: Callable[..., Any], toy_run: Path, topic: str) -> None:
    """Oracle: `sq cat` and `sq cat --decimal`, value by value."""
    run = shrivenquant.open(toy_run)
    for decimal in (False, True):
        printed = sq("cat", toy_run, topic, *(["--decimal"] if decimal else [])).out.splitlines()
        rows = run.read(topic, decimal=decimal).to_dicts()
        assert len(rows) == len(printed) > 0
        for row, line in zip(rows, printed, strict=True):
            expected = json.loads(line)
            assert row.keys() == expected.keys()
            for name, value in row.items():
                assert as_printed(value, expected[name]), (topic, name, value, expected[name])


def as_printed(value: Any, expected: Any) -> bool:
    """A frame's value against a printed one."""
    if isinstance(value, datetime):
        moment = (
            datetime.fromisoformat(expected[:26] + "+00:00")
            if "." in expected
            else datetime.fromisoformat(expected.replace("Z", "+00:00"))
        )
        return abs((value - moment).total_seconds()) < 1e-6
    if isinstance(value, Decimal):
        return value == Decimal(str(expected))
    if isinstance(value, float) and isinstance(expected, float):
        return value == pytest.approx(expected, rel=1e-15)
    return bool(value == expected) or (value is None and expected in (None, 0))


def test_columns_of_several_instruments_have_the_decimals_of_the_finest() -> None:
    """Oracle: by hand. Negative amounts, a sum beyond 64 bits, nulls, levels; the rows' order."""
    fine = msgspec.structs.replace(
        INSTRUMENT, instrument=2, price_precision=4, quantity_precision=0
    )
    coarse = msgspec.structs.replace(INSTRUMENT, price_precision=1, quantity_precision=3)
    fills = frame([
        Fill("0" * 20, 1, 1, 2, 5, 1, 12_345, 7, 1, -3, 1),
        Fill("0" * 20, 1, 1, 1, 0, 2, 12_345, 7, 2, 10**25, 2),
    ])  # fmt: skip
    found = scaled(fills, "Fill", [coarse, fine])
    assert found["price"].to_list() == [Decimal("1.2345"), Decimal("1234.5")]
    assert found["quantity"].to_list() == [Decimal(7), Decimal("0.007")]
    assert found["fee"].to_list() == [Decimal("-0.0003"), Decimal(10**21)]
    assert found["event_time"].to_list() == [datetime.fromtimestamp(0, UTC), None]
    pnl = frame([PnL(1, 1, 2, -5, None, 0, 100, None, 5, 0), PnL(1, 2, 4, 5, 7, 0, 100, 107, 1, 0)])
    found = scaled(pnl, "PnL", [])
    assert found["realized"].to_list() == [Decimal("-0.05"), Decimal("0.0005")]
    assert found["unrealized"].to_list() == [None, Decimal("0.0007")]
    depth = frame(
        [
            DepthUpdate(2, 1, 1, 1, 1, 0, 1, 0, [(15, 2)], []),
            DepthUpdate(1, 2, 1, 2, 2, 1, 1, 0, [], [(15, 2)]),
        ]
    )
    found = scaled(depth, "DepthUpdate", [coarse, fine])
    assert found["bids"][0].to_list() == [{"price": Decimal("0.0015"), "quantity": Decimal(2)}]
    assert found["asks"][1].to_list() == [{"price": Decimal("1.5"), "quantity": Decimal("0.002")}]
    with pytest.raises(shrivenquant.WrongUse, match="instrument 1 is not in ref.instruments"):
        scaled(fills, "Fill", [fine])


def frame(records: list[Any]) -> polars.DataFrame:
    """Records as polars reads them from a log."""
    rows = [msgspec.structs.asdict(record) for record in records]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    series = {}
    for name, values in columns.items():
        if name in ("bids", "asks"):
            values = [
                [{"price": price, "quantity": quantity} for price, quantity in each]
                for each in values
            ]
            kind = polars.List(polars.Struct({"price": polars.Int64, "quantity": polars.Int64}))
            series[name] = polars.Series(name, values, dtype=kind)
        elif name in ("fee", "realized", "unrealized", "fees", "cash", "equity"):
            decimals = [None if each is None else Decimal(each) for each in values]
            series[name] = polars.Series(name, decimals, dtype=polars.Decimal(38, 0))
        else:
            series[name] = polars.Series(
                name, values, dtype=polars.Int32 if name == "instrument" else None
            )
    return polars.DataFrame(series)


def test_errors_are_of_the_command_s_own_class_and_say_what_it_says(
    sq: Callable[..., Any],
    page: dict[str, Any],
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Oracle: the command's line on standard error, and its exit code."""
    ended = sq("backtest", toy, "--strategy", "ema-crss", "--out", tmp_path / "run")
    assert ended.err == f"sq: {page['printed']}"
    said: list[str] = []
    with monkeypatch.context() as patch, pytest.raises(BadParameter) as caught:
        patch.setattr(calls.sys.stderr, "write", said.append)
        shrivenquant.backtest(toy, "ema-cross", set={"fast": -1}, out=tmp_path / "run")
    assert said == [], "an error is raised, and not printed besides"
    flags = calls.options_of("backtest", {"strategy": "ema-cross", "set": {"fast": -1}})
    ended = sq("backtest", toy, *flags, "--out", tmp_path / "run")
    assert ended.err == f"sq: {caught.value}\n" and ended.code == caught.value.exit_code
    with pytest.raises(shrivenquant.WrongUse, match="takes no cahs; it takes accounts, .*from_, "):
        shrivenquant.backtest(toy, "ema-cross", cahs="1USDT")
    with pytest.raises(
        shrivenquant.WrongUse, match=r"set is \['fast=1'\]; give a dict of parameters"
    ):
        shrivenquant.backtest(toy, "ema-cross", set=["fast=1"])
    with pytest.raises(shrivenquant.ShrivenError, match="holds no journal"):
        shrivenquant.open(toy)
    with pytest.raises(shrivenquant.WrongUse, match="is not there"):
        shrivenquant.open(tmp_path / "none")
    with pytest.raises(shrivenquant.WrongUse, match="holds no fills; it has"):
        shrivenquant.open_recording(toy).read("fills")
    with pytest.raises(shrivenquant.WrongUse, match="is not in the catalogue"):
        shrivenquant.open_recording(toy).read("prices")


def test_what_a_command_ends_by_without_a_typed_error_is_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process that dies and one that only speaks, in the interpreter's place."""
    program = tmp_path / "program"
    for text, kind, said in (
        ("echo 'sq: out of memory' >&2; exit 1", shrivenquant.CommandFailed, "out of memory"),
        ("kill -9 $$", shrivenquant.CommandFailed, "ended by SIGKILL"),
        (
            "echo \"sq backtest: argument --ticker: invalid choice: 'maybe'\" >&2; exit 2",
            shrivenquant.WrongUse,
            "invalid choice: 'maybe'",
        ),
        ("exit 3", shrivenquant.CommandFailed, "exit code 3"),
        ("echo 'sq: no such thing' >&2; exit 2", shrivenquant.WrongUse, "no such thing"),
    ):
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        monkeypatch.setattr(calls.sys, "executable", str(program))
        with pytest.raises(kind, match=said):
            calls.call("verify", "x")


def test_an_error_of_no_class_of_ours_is_still_an_error() -> None:
    """What was handed back names a class; only typed errors of this project are made from it."""
    for module, name in (("os", "system"), ("schemas.errors", "Missing"), ("jobs.sq", "main")):
        problem = calls.typed_error({"module": module, "name": name, "text": "said"})
        assert type(problem) is shrivenquant.ShrivenError and str(problem) == "said"


def test_an_interrupted_call_goes_on_when_it_is_made_again(toy: Path, tmp_path: Path) -> None:
    """The process ends by our interrupt and leaves what it committed; the second call finishes."""
    timer = threading.Timer(0.8, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            for number in range(100):
                shrivenquant.backtest(toy, "ema-cross", batch=50, out=tmp_path / f"{number}")
    finally:
        timer.cancel()
    run = shrivenquant.backtest(toy, "ema-cross", batch=50, out=tmp_path / "0")
    assert run.report["period"]["samples"] == 2


def test_a_tear_sheet_is_the_run_s_page_in_a_frame(toy_run: Path) -> None:
    run = shrivenquant.open(toy_run)
    shown = run.show(height=500)._repr_html_()
    (source,) = re.findall(r'^<iframe srcdoc="([^"]*)" style="[^"]*height:500px', shown)
    assert html.unescape(source).encode() == (toy_run / "report.html").read_bytes()
    assert run._repr_html_() == run.show()._repr_html_()
    assert repr(run).startswith(f"Run({str(toy_run)!r}: ema-cross, net ")


def test_equity_is_the_curve_of_the_report(toy_run: Path) -> None:
    curve = shrivenquant.open(toy_run).equity
    report = json.loads((toy_run / "report.json").read_text())
    assert curve.columns == ["time", "equity", "drawdown", "buy_and_hold"]
    assert len(curve) == report["curve"]["samples"]
    assert curve["equity"][-1] == pytest.approx(float(report["balance"]["end"]))
    assert curve["drawdown"].min() == report["curve"]["maximum_drawdown"]


def test_a_changed_run_is_not_verified(toy_run: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_run, tmp_path / "run")
    run = shrivenquant.open(tmp_path / "run")
    page = run.folder / "fills.csv"
    page.write_text(page.read_text().replace("TAKER", "MAKER"))
    verdict = run.verify()
    assert not verdict and "fills.csv" in verdict.findings[0]["text"]


def test_a_run_of_the_version_before_opens_with_every_chapter(tmp_path: Path) -> None:
    """The report is made anew from its records, by this version."""
    with tarfile.open(ROOT / "tests" / "previous" / "0.1.0.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    for name in ("ema", "dip", "pulled"):
        run = shrivenquant.open(tmp_path / name)
        fills = run.read("fills", decimal=True)
        report = run.report
        assert len(fills) == report["round_trips"]["fills"] > 0
        assert [row for row in report["checks"] if not row["ok"]] == []
        assert report["markouts"]["rows"] and report["profit_by_instrument"]
        assert len(run.equity) == report["curve"]["samples"]
