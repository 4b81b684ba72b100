"""Every command in its ordinary use: exit codes, last lines, JSON, help, and that what is printed
is what lies in the folder.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.configuration import build
from jobs.runs import Backtest
from jobs.sq import COMMANDS
from tests.scenario import records_in

ROOT = Path(__file__).resolve().parents[2]
RUN_TOPICS = {
    "fills", "md.bars", "md.features", "md.marks", "md.quotes", "md.toxicity", "orders.decisions",
    "orders.events", "orders.requests",
    "pipeline.dlq", "pipeline.journal", "pipeline.snapshots", "pnl", "positions", "ref.instruments",
    "reports", "risk.events", "signals",
    "venue.commands", "venue.reports",
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches(sq: Callable[..., Any], name: str) -> None:
    ended = sq(name, "--help")
    assert ended.code == 0
    assert f"usage: sq {name}" in ended.out
    assert "sq " + name in ended.out.split("usage:")[1].split("\n\n", 1)[1] or name == "bench", (
        "an example of its use"
    )
    assert len(ended.out.splitlines()) > 12


def test_help_lists_every_command(sq: Callable[..., Any]) -> None:
    ended = sq("--help")
    assert ended.code == 0
    assert all(f"    {name} " in ended.out for name in COMMANDS)
    assert "a first round, without any data" in ended.out


@pytest.mark.parametrize("arguments", [[], ["bogus"], ["backtest"], ["cat", "x"], ["verify"]])
def test_what_is_missing_is_wrong_use(sq: Callable[..., Any], arguments: list[str]) -> None:
    ended = sq(*arguments)
    assert ended.code == 2
    assert ended.err.endswith("--help' says what there is\n")


def test_the_real_command_runs_a_first_round(tmp_path: Path) -> None:
    """As a user types it, in a process of its own; a closed pipe is no error."""
    command = [sys.executable, "-m", "jobs.sq"]

    def sq(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )

    toy, run = str(tmp_path / "toy"), str(tmp_path / "run")
    assert sq("generate", "--minutes", "1", "--seed", "7", "--out", toy).returncode == 0
    assert sq("backtest", toy, "--strategy", "ema-cross", "--out", run).returncode == 0
    verified = sq("verify", run)
    assert verified.returncode == 0
    assert verified.stdout.splitlines()[-1].startswith("verified: 1 batches, ")
    piped = subprocess.run(
        f"{' '.join(command)} cat {toy} md.depth | head -1",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        executable="/bin/bash",
    )
    assert json.loads(piped.stdout)["instrument"] == 1
    assert piped.stderr == ""


# -- topics, cat


def test_topics_of_a_recording(sq: Callable[..., Any], toy: Path) -> None:
    rows = {row["topic"]: row for row in sq("topics", toy, "--json").json()}
    assert set(rows) == {"md.book_tickers", "md.depth", "md.trades", "ref.instruments", "sim.truth"}
    for topic, row in rows.items():
        assert row["records"] == len(records_in(toy, topic))
    assert rows["md.depth"]["last_time"].startswith("2024-01-01T00:0")
    text = sq("topics", toy)
    assert text.code == 0
    assert all(topic in text.out for topic in rows)


def test_topics_of_a_run(sq: Callable[..., Any], toy_run: Path) -> None:
    rows = {row["topic"]: row for row in sq("topics", toy_run, "--json").json()}
    assert set(rows) == RUN_TOPICS
    assert all(row["records"] == len(records_in(toy_run, topic)) for topic, row in rows.items())


def test_cat_prints_every_record_of_every_topic(
    sq: Callable[..., Any], toy: Path, toy_run: Path
) -> None:
    """Oracle: fastavro; integers and doubles are as on the log, enums by name."""
    for folder, topics in (
        (toy_run, RUN_TOPICS),
        (toy, {"md.trades", "md.depth", "sim.truth", "md.book_tickers"}),
    ):
        for topic in sorted(topics):
            ended = sq("cat", folder, topic)
            printed = [json.loads(line) for line in ended.out.splitlines()]
            expected = records_in(folder, topic)
            assert ended.code == 0
            assert len(printed) == len(expected)
            for one, other in zip(printed, expected, strict=True):
                assert list(one) == list(other)
                for name, value in other.items():
                    if isinstance(value, int) and abs(value) < 2**53:
                        assert one[name] == value, (topic, name)
            assert sq("cat", folder, topic, "--decimal", "--limit", "3").code == 0


@pytest.mark.parametrize(
    ("options", "first", "count"),
    [(("--limit", 3), 0, 3), (("--offset", 5, "--limit", 2), 5, 2), (("--limit", 0), 0, None)],
)
def test_cat_takes_an_offset_and_a_limit(
    sq: Callable[..., Any], toy: Path, options: tuple[Any, ...], first: int, count: int | None
) -> None:
    expected = [record["trade_id"] for record in records_in(toy, "md.trades")][first:]
    printed = [
        json.loads(line)["trade_id"]
        for line in sq("cat", toy, "md.trades", *options).out.splitlines()
    ]
    assert printed == (expected if count is None else expected[:count])


def test_cat_from_a_time_begins_at_the_first_record_that_is_not_earlier(
    sq: Callable[..., Any], toy: Path
) -> None:
    at = 1_704_067_260_000_000_000  # 2024-01-01T00:01:00Z
    expected = [
        record["event_time"]
        for record in records_in(toy, "md.trades")
        if record["event_time"] >= at
    ]
    for text in (
        "2024-01-01T00:01:00",
        "2024-01-01T00:01:00Z",
        "2024-01-01T01:01:00+01:00",
        str(at),
    ):
        printed = [
            json.loads(line)["event_time"]
            for line in sq("cat", toy, "md.trades", "--from", text).out.splitlines()
        ]
        assert printed == expected
    assert sq("cat", toy, "md.trades", "--from", "2030-01-01").out == ""


def test_cat_prints_decimals(sq: Callable[..., Any], toy: Path) -> None:
    """Oracle: the precisions in ref.instruments."""
    instrument, trade = records_in(toy, "ref.instruments")[0], records_in(toy, "md.trades")[0]
    printed = json.loads(sq("cat", toy, "md.trades", "--limit", "1", "--decimal").out)
    assert float(printed["price"]) == trade["price"] / 10 ** instrument["price_precision"]
    assert float(printed["quantity"]) == trade["quantity"] / 10 ** instrument["quantity_precision"]
    assert printed["event_time"].startswith("2024-01-01T00:00:")


# -- backtest, verify, replay, report


def test_a_backtest_says_what_it_made(sq: Callable[..., Any], toy: Path, tmp_path: Path) -> None:
    ended = sq("backtest", toy, "--strategy", "ema-cross", "--out", tmp_path / "run", "--json")
    summary = ended.json()
    assert ended.code == 0
    assert set(summary["topics"]) == RUN_TOPICS
    assert summary["records"] == sum(
        len(records_in(toy, topic))
        for topic in ("md.trades", "md.depth", "md.book_tickers", "ref.instruments")
    )
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {
        "report.html",
        "report.json",
        "run.json",
    }
    again = sq("backtest", toy, "--strategy", "ema-cross", "--out", tmp_path / "run")
    assert again.code == 0
    assert "is finished already" in again.out
    assert sq(
        "backtest", toy, "--strategy", "ema-cross", "--out", tmp_path / "run", "--json"
    ).json()["finished_before"]


SCOPE = "order: recomputed from the input; reports: derived again"


def test_verify_ends_with_its_verdict(sq: Callable[..., Any], toy_run: Path) -> None:
    ended = sq("verify", toy_run)
    assert ended.code == 0
    facts = sq("verify", toy_run, "--json").json()
    assert (
        ended.last
        == f"verified: {facts['batches']} batches, {facts['records']} records, no divergence; "
        f"{SCOPE}"
    )
    assert facts["closed"]
    assert facts["findings"] == []


@pytest.mark.parametrize("mode", ["exact", "merge"])
def test_a_replay_is_equal(
    sq: Callable[..., Any], toy_run: Path, tmp_path: Path, mode: str
) -> None:
    ended = sq("replay", toy_run, "--mode", mode, "--out", tmp_path / "again")
    assert ended.code == 0
    assert "all digests equal" in ended.last
    facts = sq("replay", toy_run, "--mode", mode, "--out", tmp_path / "again", "--json").json()
    assert facts == {"differing": [], "topics": len(RUN_TOPICS) - 2}
    before, now = (
        json.loads((folder / "run.json").read_text())["topics"]
        for folder in (toy_run, tmp_path / "again")
    )
    assert {name: entry for name, entry in before.items() if not name.startswith("pipeline.")} == {
        name: entry for name, entry in now.items() if not name.startswith("pipeline.")
    }
    assert (tmp_path / "again" / "report.html").read_bytes() == (
        toy_run / "report.html"
    ).read_bytes()


def test_a_replay_over_another_input_is_refused_before_anything_is_written(
    sq: Callable[..., Any], toy: Path, toy_run: Path, tmp_path: Path
) -> None:
    """The journal's order means nothing for other records; merged anew, what differs is listed."""
    assert (
        sq("control", toy, "kill", "--at", "2024-01-01T00:00:30", "--out", tmp_path / "halted").code
        == 0
    )
    ended = sq("replay", toy_run, "--input", tmp_path / "halted", "--out", tmp_path / "again")
    assert ended.code == 1
    assert "control" in ended.err
    assert "--mode merge" in ended.err
    assert not (tmp_path / "again").exists()
    merged = sq(
        "replay",
        toy_run,
        "--input",
        tmp_path / "halted",
        "--mode",
        "merge",
        "--out",
        tmp_path / "again",
    )
    assert merged.code == 1
    assert "topics differ: fills, orders.decisions" in merged.out


def test_an_unfinished_run_is_finished_before_it_is_replayed_or_reported(
    sq: Callable[..., Any], toy: Path, tmp_path: Path
) -> None:
    def stop(name: str) -> None:
        if name == "closed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Backtest(
            build({"strategy": "ema-cross", "set": {}}), toy, tmp_path / "run", on_step=stop
        ).run()
    for command in (
        ("replay", tmp_path / "run", "--out", tmp_path / "again"),
        ("report", tmp_path / "run"),
    ):
        ended = sq(*command)
        assert ended.code == 2
        assert "is not a finished run" in ended.err
    verified = sq("verify", tmp_path / "run")
    assert verified.code == 1
    assert "the journal is closed and there is no run.json" in verified.err
    resumed = sq(
        "backtest", toy, "--strategy", "ema-cross", "--out", tmp_path / "run", "--json"
    ).json()
    assert resumed["resumed_at"] == 1
    whole = sq(
        "backtest", toy, "--strategy", "ema-cross", "--out", tmp_path / "whole", "--json"
    ).json()
    assert {key: resumed[key] for key in ("records", "batches", "topics")} == {
        key: whole[key] for key in ("records", "batches", "topics")
    }
    assert (tmp_path / "run" / "report.json").read_bytes() == (
        tmp_path / "whole" / "report.json"
    ).read_bytes()


def test_an_interrupt_says_that_the_same_command_goes_on(toy: Path, tmp_path: Path) -> None:
    """Ctrl-C in the middle, as a signal to a process of its own."""
    script = (
        "import os, signal, sys\n"
        "from jobs import runs, sq\n"
        "commit = runs.Task.commit\n"
        "def interrupted(task, entry):\n"
        "    commit(task, entry)\n"
        "    if entry.sequence == 1:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "runs.Task.commit = interrupted\n"
        "sys.exit(sq.main(sys.argv[1:]))\n"
    )
    command = [
        "backtest",
        str(toy),
        "--strategy",
        "ema-cross",
        "--batch",
        "300",
        "--out",
        str(tmp_path / "run"),
    ]
    ended = subprocess.run(
        [sys.executable, "-c", script, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 130, ended.stderr
    assert "run the same command again to go on" in ended.stderr
    assert "Traceback" not in ended.stderr
    again = subprocess.run(
        [sys.executable, "-m", "jobs.sq", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0
    assert "resumed at batch 1" in again.stdout


def test_a_report_is_the_same_bytes_each_time(
    sq: Callable[..., Any], toy_run: Path, tmp_path: Path
) -> None:
    copied = shutil.copytree(toy_run, tmp_path / "copied")
    ended = sq("report", toy_run, "--out", tmp_path / "tear")
    assert ended.code == 0
    names = {Path(line).name for line in ended.out.splitlines()}
    assert {"report.html", "report.json"} < names
    for name in names:
        assert (tmp_path / "tear" / name).read_bytes() == (toy_run / name).read_bytes(), name
    assert sq("report", toy_run).code == 0
    assert sq("report", copied, "--out", copied / "report").code == 0
    assert sq("verify", copied).code == 0, "beside a run's topics there may be more"
    assert sq("verify", toy_run).code == 0


def test_generate_says_what_it_made_and_makes_the_same_again(
    sq: Callable[..., Any], toy: Path, tmp_path: Path
) -> None:
    ended = sq("generate", "--minutes", "2", "--seed", "5", "--out", tmp_path / "again")
    assert ended.code == 0
    assert "provenance: simulated" in ended.out
    assert (tmp_path / "again" / "log.json").read_bytes() == (toy / "log.json").read_bytes()


def test_an_import_s_summary_is_json(sq: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_text("not a frame\n")
    ended = sq("import", "binance", path, "--out", tmp_path / "log", "--json")
    assert ended.code == 1
    assert "malformed_line" in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("backtset", "x"),
            "sq: there is no command backtset; did you mean backtest?; 'sq --help' says what "
            "there is",
        ),
        (
            ("verify", "x", "--inptu", "y"),
            "sq: there is no option --inptu; did you mean --input?; 'sq --help' says what there is",
        ),
        (
            ("verify", "x", "--zzzzzz"),
            "sq: there is no option --zzzzzz; 'sq --help' says what there is",
        ),
        (
            ("backtest", "x", "--out", "y", "--cash", "-5USDT"),
            "sq backtest: argument --cash: expected one argument",
        ),
    ],
    ids=["command", "option", "unlike any", "value"],
)
def test_a_mistyped_word_is_one_line_with_what_was_meant(
    sq: Callable[..., Any], arguments: tuple[str, ...], says: str
) -> None:
    ended = sq(*arguments)
    assert ended.code == 2 and ended.err.startswith(says) and ended.err.count("\n") == 1
