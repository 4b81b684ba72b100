"""Wrong commands: exit code 2, one line that names what is wrong and what to do, and nothing left
behind. Oracle: the mistake that was made.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import runs
from jobs.configuration import build
from jobs.sq import command
from streams.log.local import LocalLog

BACKTEST: list[tuple[list[str], str]] = [
    (["--strategy", "no-such"], "known: ema-cross"),
    (["--strategy", "ema-cros"], "did you mean ema-cross"),
    ([], "name a strategy"),
    (["--strategy", "nothere.py:S"], "cannot be read"),
    (["--strategy", "ema-cross", "--set", "fast=banana"], "fast"),
    (["--strategy", "ema-cross", "--set", "fats=3"], "did you mean fast"),
    (["--strategy", "ema-cross", "--set", "fast=0"], "from 1"),
    (["--strategy", "ema-cross", "--set", "fast=60"], "below slow"),
    (["--strategy", "ema-cross", "--set", "fast"], "KEY=VALUE"),
    (["--strategy", "ema-cross", "--set", "=3"], "KEY=VALUE"),
    (["--strategy", "noop-python", "--set", "x=1"], "has no parameter 'x'"),
    (["--from", "yesterday"], "ISO 8601"),
    (["--to", "9999-12-31"], "2262"),
    (["--to", "0001-01-01"], "1970"),
    (["--from", "9999999999999999999"], "2262"),
    (["--from", "17040672000000000"], "digits tell no unit"),
    (["--to", "2024-01-01T00:00:00.1234567891"], "finer than a nanosecond"),
    (["--leverage", "0"], "from 1 to 125"),
    (["--leverage", "half"], "from 1 to 125"),
    (["--from", "2024-01-02", "--to", "2024-01-01"], "later than --from"),
    (["--fees", "maker"], "maker=.., taker=.."),
    (["--fees", "maker=1"], "basis points"),
    (["--fees", "maker=1bp,maker=2bp"], "each once"),
    (["--fees", "tip=1bp"], "maker=.., taker=.."),
    (["--fees", "maker=99999bp"], "between"),
    (["--fees", "maker=0.00001bp"], "steps of"),
    (["--latency", "feed=2ms,entry=1ms,response=1ms"], "response must be at least feed"),
    (["--latency", "feed=-2ms"], "no duration"),
    (["--latency", "entry=2 parsecs"], "no duration"),
    (["--latency", "entry=90000d"], "one hour"),
    (["--latency", "entry=0.5ns"], "finer than a nanosecond"),
    (["--latency", "exit=1ms"], "feed=.., entry=.., response=.."),
    (["--warmup", "5"], "no duration"),
    (["--warmup", "99999999d"], "292 years"),
    (["--symbols", "NOPE"], "it has SIMUSDT"),
    (["--cash", "lots"], "no amount of money"),
    (["--cash", "1000000"], "with its currency"),
    (["--cash", "1000000EUR"], "--cash 1000000USDT"),
    (["--cash", "1.123456789USDT"], "fewer decimals"),
    (["--cash", "999999999999999999USDT"], "give less"),
    (["--accounts", "x"], "one for each shard"),
    (["--accounts", "0"], "give numbers from 1 to 2147483647"),
    (["--accounts", "3,4"], "say whose with --shard, or name one with --accounts"),
    (["--accounts", "3,4", "--shard", "2"], "there is no shard 2: accounts names 2"),
    (["--shard", "-1"], "there is no shard -1"),
    (["--batch", "0"], "give 1 to"),
    (["--batch", "99999999"], "give 1 to"),
    (["--batch", "x"], "invalid int"),
    (["--short", "maybe"], "invalid choice"),
    (["--config", "nothere.toml"], "cannot read nothere.toml"),
]


@pytest.mark.parametrize(
    ("options", "said"),
    BACKTEST,
    ids=[" ".join(options) or "no strategy" for options, _ in BACKTEST],
)
def test_a_wrong_backtest_says_what_is_wrong(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    strategy = ["--strategy", "ema-cross"] if options and "--strategy" not in options else []
    ended = sq("backtest", toy, *strategy, *options, "--out", tmp_path / "run")
    assert ended.code == 2
    assert said in ended.err
    assert not (tmp_path / "run").exists()


CONFIGURATIONS = [
    ("x = ", "is no TOML"),
    ("\x00", "is no TOML"),
    ("foo = 1", "unknown field `foo`"),
    ("[foo]\na = 1", "unknown field `foo`"),
    ("set = 5", "[set] must be a table"),
    ("symbols = 5", "list of names"),
    ("strategy = 5", "strategy"),
    ('batch = "a"', "batch"),
    ("batch = true", "batch"),
    ("cash = 5", "no amount of money"),
    ("risk = 5", "[risk] must be a table"),
    ("[risk]\nfoo = 1", "its settings are account, short, "),
    ("[risk]\nmax_position = {}", "max_position"),
    ('[risk]\nmax_position = "lots"', "max_position='lots'"),
    ('[risk]\nmax_position = "-1"', "negative"),
    ("[venue]\norders_max = 0", "give 1 to"),
    ("[venue]\nqueue_model = 9", "queue_model"),
    ("[aggregation]\nintervals = [0]", "intervals"),
    ("[aggregation]\nmark_interval = -1", "mark_interval"),
    ("[toxicity]\nx = 1", "[toxicity]"),
    ('[sizing]\nsize = "0.0000000001"', "does not fit the instruments' precision"),
    ("[portfolio]\npnl_interval = 1", "pnl_interval"),
    ("stages = 5", "stages"),
    ("[set]\nfast = [1]", "fast"),
    ("from = 5", "no time"),
    ("from = 2024-01-01T00:00:00.123456789", "in quotes"),
    ("fees = 5", "maker=.."),
    ("warmup = 5", "no duration"),
    ('short = "maybe"', "give on or off"),
    ("book_window = 100", "power of two"),
    ("tail_capacity = 3", "power of two"),
    ("state_digest_records = 0", "at least 1"),
    ("clock_jump_max = -1", "0 or more"),
    ('sync = "x"', "sync"),
    ('out = "x"', "unknown field `out`"),
    ("accounts = 5", "one for each shard"),
    ("accounts = [true]", "one for each shard"),
    ('accounts = ["5"]', "one for each shard"),
    ("accounts = [2147483648]", "names 2147483648; give numbers from 1 to 2147483647"),
    ("accounts = [-1]", "names -1; give numbers from 1"),
    ("accounts = [5, 6, 5]", "names 5 twice"),
    (
        "accounts = [5]\n[risk]\naccount = 5",
        "[risk] sets account, which accounts does for every stage",
    ),
]


@pytest.mark.parametrize(
    ("content", "said"),
    CONFIGURATIONS,
    ids=[content.replace("\n", " ") for content, _ in CONFIGURATIONS],
)
def test_a_wrong_configuration_file_names_the_key(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "run.toml"
    path.write_text(content)
    flags = [] if content.startswith("strategy") else ["--strategy", "ema-cross"]
    ended = sq("backtest", toy, *flags, "--config", path, "--out", tmp_path / "run")
    assert ended.code == 2, ended.err
    assert said in ended.err
    assert not (tmp_path / "run").exists()


def test_flags_win_over_the_file(sq: Callable[..., Any], toy: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    keys = 'strategy = "noop-python"\ncash = "5USDT"\nshort = "off"\nfrom = 2024-01-01T00:00:30\n'
    path.write_text(f'{keys}[set]\nfast = 4\nslow = 9\n[risk]\nmax_position = "0.5"\n')
    ended = sq(
        "backtest",
        toy,
        "--config",
        path,
        "--strategy",
        "ema-cross",
        "--cash",
        "7USDT",
        "--set",
        "slow=11",
        "--out",
        tmp_path / "run",
    )
    assert ended.code == 0
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    identity = facts["identity"]
    assert (identity["strategy"], identity["cash"], identity["short"]) == (
        "ema-cross",
        "7USDT",
        False,
    )
    assert identity["parameters"] == {"fast": "4", "slow": "11"}
    assert identity["stages"]["risk"] == {"max_position": "0.5"}
    assert identity["from"] == 1_704_067_230_000_000_000


FOLDERS: list[tuple[list[str], int, str]] = [
    (["backtest", "nothere", "--strategy", "ema-cross", "--out", "new"], 2, "does not exist"),
    (["backtest", "foreign", "--strategy", "ema-cross", "--out", "new"], 2, "is not a log"),
    (["backtest", "file", "--strategy", "ema-cross", "--out", "new"], 2, "is not a log"),
    (
        ["backtest", "run", "--strategy", "ema-cross", "--out", "new"],
        2,
        "is a run, not a recording",
    ),
    (["backtest", "toy", "--strategy", "ema-cross", "--out", "toy"], 2, "is closed by log.json"),
    (["backtest", "toy", "--strategy", "ema-cross", "--out", "foreign"], 2, "is not a log"),
    (["backtest", "toy", "--strategy", "ema-cross", "--out", "file"], 2, "is not a log"),
    (
        ["backtest", "toy", "--strategy", "ema-cross", "--fresh", "--out", "foreign"],
        2,
        "is no run folder",
    ),
    (
        ["backtest", "toy", "--strategy", "ema-cross", "--fresh", "--out", "toy"],
        2,
        "is no run folder",
    ),
    (
        ["backtest", "toy", "--strategy", "ema-cross", "--fresh", "--out", "file"],
        2,
        "is no run folder",
    ),
    (
        ["backtest", "toy", "--strategy", "ema-cross", "--set", "fast=3", "--out", "run"],
        2,
        "parameters was",
    ),
    (["verify", "nothere"], 2, "is no folder"),
    (["verify", "foreign"], 2, "is not a log"),
    (["verify", "toy"], 2, "holds no journal"),
    (["verify", "run", "--input", "nothere"], 2, "--input"),
    (["verify", "run", "--input", "foreign"], 2, "is not a log"),
    (["replay", "nothere", "--out", "new"], 2, "is not a finished run"),
    (["replay", "toy", "--out", "new"], 2, "is not a finished run"),
    (["replay", "run", "--out", "run"], 2, "--out is the run itself"),
    (["replay", "run", "--out", "toy"], 2, "is closed by log.json"),
    (["replay", "run", "--out", "foreign"], 2, "is not a log"),
    (["replay", "run", "--input", "nothere", "--out", "new"], 2, "does not exist"),
    (["report", "nothere"], 2, "is no folder"),
    (["report", "toy"], 2, "holds no journal"),
    (["report", "run", "--out", "file"], 2, "is a file"),
    (
        ["report", "run", "--out", "toy"],
        2,
        "is a recording or a run, and nothing else may be written there",
    ),
    (["report", "run", "--out", "toy/inner"], 2, "which is a recording or a run"),
    (["report", "run", "--out", "run/md.bars"], 2, "which is a recording or a run"),
    (["generate", "--out", "toy/inner"], 2, "which is a recording or a run"),
    (["import", "binance", "file", "--out", "toy/inner"], 2, "which is a recording or a run"),
    (["merge", "toy", "--out", "run/inner"], 2, "which is a recording or a run"),
    (
        ["control", "toy", "kill", "--at", "2024-01-01", "--out", "run/inner"],
        2,
        "which is a recording or a run",
    ),
    (
        ["backtest", "toy", "--strategy", "noop-python", "--out", "run/inner"],
        2,
        "which is a recording or a run",
    ),
    (["replay", "run", "--out", "toy/inner"], 2, "which is a recording or a run"),
    (["bench", "core", "--only", "none", "--out", "run/run.json"], 2, "is a recording or a run"),
    (["topics", "nothere"], 2, "does not exist"),
    (["topics", "foreign"], 2, "is not a log"),
    (["cat", "nothere", "fills"], 2, "does not exist"),
    (["cat", "toy", "md.nope"], 2, "is not in the catalogue"),
    (["cat", "toy", "md.trade"], 2, "did you mean md.trades"),
    (["cat", "toy", "fills"], 2, "it has md.book_tickers"),
    (["cat", "toy", "md.trades", "--limit", "-1"], 2, "0 or more"),
    (["cat", "toy", "md.trades", "--offset", "10000000"], 2, "ends at offset"),
    (["cat", "toy", "md.trades", "--from", "soon"], 2, "is no time"),
    (["generate", "--minutes", "0", "--out", "new"], 2, "minutes is 0"),
    (["generate", "--seed", "-1", "--out", "new"], 2, "seed is -1"),
    (["generate", "--informed-share", "2", "--out", "new"], 2, "informed_share is 2"),
    (["generate", "--volatility", "nan", "--out", "new"], 2, "volatility is nan"),
    (["generate", "--out", "toy"], 2, "holds a log already"),
    (["generate", "--out", "file"], 2, "is a file"),
    (["generate", "--out", "foreign"], 2, "is not empty and not a log"),
    (["import", "binance", "nothere", "--out", "new"], 2, "does not exist"),
    (["import", "binance", "foreign", "--out", "new"], 2, "is a folder"),
    (["import", "kraken", "file", "--out", "new"], 2, "invalid choice"),
    (["import", "binance", "file", "--out", "toy"], 2, "holds a log already"),
    (
        ["import", "binance", "file", "--instruments", "nothere", "--out", "new"],
        2,
        "does not exist",
    ),
    (
        ["import", "binance", "file", "--instruments", "file", "--out", "new"],
        2,
        "cannot be read as TOML",
    ),
    (["control", "nothere", "kill", "--at", "2024-01-01", "--out", "new"], 2, "does not exist"),
    (["control", "run", "kill", "--at", "2024-01-01", "--out", "new"], 2, "has no log.json"),
    (["control", "toy", "kill", "--at", "2024-01-01", "--out", "run"], 2, "holds a log already"),
    (
        ["control", "toy", "kill", "--at", "2031-01-01", "--out", "new"],
        2,
        "after the recording's end",
    ),
    (["control", "toy", "kill", "--at", "soon", "--out", "new"], 2, "is no time"),
    (
        ["control", "toy", "limit", "--at", "2024-01-01", "--out", "new"],
        2,
        "needs --name and --value",
    ),
    (
        [
            "control",
            "toy",
            "limit",
            "--at",
            "2024-01-01",
            "--name",
            "max",
            "--value",
            "1",
            "--out",
            "new",
        ],
        2,
        "give one of min_quantity",
    ),
    (
        [
            "control",
            "toy",
            "limit",
            "--at",
            "2024-01-01",
            "--name",
            "max_position",
            "--value",
            "x",
            "--out",
            "new",
        ],
        2,
        "cannot be read",
    ),
    (
        ["control", "toy", "kill", "--at", "2024-01-01", "--scope", "instrument", "--out", "new"],
        2,
        "needs --id",
    ),
    (
        [
            "control",
            "toy",
            "kill",
            "--at",
            "2024-01-01",
            "--scope",
            "instrument",
            "--id",
            "9",
            "--out",
            "new",
        ],
        2,
        "it has 1 (SIMUSDT)",
    ),
    (
        [
            "control",
            "toy",
            "kill",
            "--at",
            "2024-01-01",
            "--scope",
            "account",
            "--id",
            str(2**70),
            "--out",
            "new",
        ],
        2,
        "out of range",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "code", "said"), FOLDERS, ids=[" ".join(arguments) for arguments, _, _ in FOLDERS]
)
def test_wrong_folders_and_values_change_nothing(
    sq: Callable[..., Any],
    toy: Path,
    toy_run: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "run.json").write_text("{}")
    (tmp_path / "foreign" / "mine.txt").write_text("mine")
    (tmp_path / "foreign" / "run.json").unlink() if "--fresh" not in arguments else None
    (tmp_path / "file").write_text("x = [")
    logs = {"toy": toy, "run": toy_run}
    inside = {
        f"{name}/{inner}": folder / inner
        for name, folder in logs.items()
        for inner in ("inner", "md.bars", "run.json")
    }
    places = {**logs, **inside}
    before, kept = (
        sorted(path.name for path in tmp_path.rglob("*")),
        [sorted(folder.rglob("*")) for folder in logs.values()],
    )
    ended = sq(
        *(
            places.get(
                each, tmp_path / each if each in ("nothere", "foreign", "file", "new") else each
            )
            for each in arguments
        )
    )
    assert ended.code == code, ended.err
    assert said in ended.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    assert [sorted(folder.rglob("*")) for folder in logs.values()] == kept
    assert (tmp_path / "foreign" / "mine.txt").read_text() == "mine"


def test_fresh_starts_over_and_a_wrong_command_with_it_keeps_the_run(
    sq: Callable[..., Any], toy: Path, toy_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(toy_run, tmp_path / "run")
    for wrong in (
        ["nothere"],
        [toy, "--set", "fast=banana"],
        [toy, "--symbols", "NOPE"],
        [toy, "--config", "nothere"],
    ):
        assert (
            sq(
                "backtest", *wrong, "--strategy", "ema-cross", "--fresh", "--out", tmp_path / "run"
            ).code
            == 2
        )
        assert sq("verify", tmp_path / "run").code == 0
    ended = sq("backtest", toy, "--strategy", "noop-python", "--fresh", "--out", tmp_path / "run")
    assert ended.code == 0
    assert "noop-python" in (tmp_path / "run" / "run.json").read_text()


def test_a_run_that_another_process_writes_is_left_alone(
    sq: Callable[..., Any], toy: Path, tmp_path: Path
) -> None:
    with LocalLog.create(tmp_path / "run"):
        for options in ([], ["--fresh"]):
            ended = sq(
                "backtest", toy, "--strategy", "ema-cross", *options, "--out", tmp_path / "run"
            )
            assert ended.code == 2
            assert "another process is writing" in ended.err


def test_a_run_by_other_code_is_named(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished or not: the command names the files and what to do."""
    def stop(name: str) -> None:
        if name == "committed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.Backtest(
            build({"strategy": "ema-cross", "set": {}}), toy, tmp_path / "run", on_step=stop
        ).run()
    monkeypatch.setattr(
        runs, "source_digests", lambda extra=(): {"streams/risk/prices.py": "0" * 16}
    )
    ended = sq("backtest", toy, "--strategy", "ema-cross", "--out", tmp_path / "run")
    assert ended.code == 2
    assert "made by other code" in ended.err
    assert "--fresh" in ended.err


def test_windows_is_refused_in_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr("sys.platform", "win32")
    assert command() == 2
    assert capsys.readouterr().err.startswith("sq: Windows is not supported")
