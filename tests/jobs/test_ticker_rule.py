"""``--ticker``: what the default is, that it is fixed when a run begins, and that everything says
which rule it was (issue 12, A9).

Oracles: the run with the rule named outright, by its journal id and its digests; ``sq verify`` and
``sq replay``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.scenario import make_recording

LIFTER = f"{Path(__file__).resolve().parents[1] / 'venue' / 'lifter.py'}:Lifter"
WORDS = {
    "cap": "no order takes better than the recorded best bid and ask",
    "off": "a recorded best bid and ask was not used",
}


@pytest.fixture(scope="module")
def markets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same market with and without the venue's own best bid and ask."""
    folder = tmp_path_factory.mktemp("markets")
    return {
        name: make_recording(folder / name, 300, 400, has_tickers=name == "tickers")
        for name in ("tickers", "plain")
    }


@pytest.fixture
def lifted(sq: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """``sq backtest`` of the lifter into a folder of this name."""
    money = ("--set", "every=3", "--cash", "100000000USDT")

    def run(market: Path, name: str, *flags: str) -> Any:
        return sq(
            "backtest", market, "--strategy", LIFTER, *money, *flags, "--out", tmp_path / name
        )

    return run


def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def results(folder: Path) -> dict[str, Any]:
    """Journal id and digests: everything but the journal, which tells of batches."""
    manifest = facts(folder)
    return {
        "id": manifest["journal_id"],
        **{name: each for name, each in manifest["topics"].items() if "journal" not in name},
    }


def test_the_default_is_cap_where_the_recording_has_tickers_and_off_where_not(
    lifted: Callable[..., Any], markets: dict[str, Path], tmp_path: Path
) -> None:
    for market, rule, other in (("tickers", "cap", "off"), ("plain", "off", None)):
        for name, flags in (
            ("plainly", ()),
            ("asked", ("--ticker", "auto")),
            ("named", ("--ticker", rule)),
        ):
            ended = lifted(markets[market], f"{market} {name}", *flags)
            assert ended.code == 0 and f"; ticker {rule}\n" in ended.out, ended.err
        made = [results(tmp_path / f"{market} {name}") for name in ("plainly", "asked", "named")]
        assert made[0] == made[1] == made[2]
        report = tmp_path / f"{market} plainly"
        assert json.loads((report / "report.json").read_text())["run"]["ticker"] == rule
        assert WORDS[rule] in (report / "report.html").read_text()
        if other:
            assert lifted(markets[market], "other", "--ticker", other).code == 0
            assert results(tmp_path / "other")["fills"] != made[0]["fills"], "the rule binds"
            assert WORDS[other] in (tmp_path / "other" / "report.html").read_text()


def test_a_run_keeps_the_rule_it_was_begun_with(
    sq: Callable[..., Any], lifted: Callable[..., Any], markets: dict[str, Path], tmp_path: Path
) -> None:
    """A run of the time before the default says nothing of it and is off: the same command finds it
    finished, and proof and replays agree.
    """
    assert lifted(markets["tickers"], "old", "--ticker", "off").code == 0
    assert "venue" not in facts(tmp_path / "old")["configuration"]["stages"], (
        "as every genesis record was before"
    )
    assert "md.book_tickers" not in facts(tmp_path / "old")["identity"]["inputs"]
    again = lifted(markets["tickers"], "old")
    assert again.code == 0 and "is finished already" in again.out
    refused = lifted(markets["tickers"], "old", "--ticker", "cap")
    assert refused.code == 2 and "stages" in refused.err
    assert lifted(markets["tickers"], "new").code == 0
    assert lifted(markets["tickers"], "new", "--ticker", "off").code == 2
    for name in ("old", "new"):
        assert sq("verify", tmp_path / name).code == 0
        for mode in ("exact", "merge"):
            repeated = sq(
                "replay", tmp_path / name, "--mode", mode, "--out", tmp_path / f"{name} {mode}"
            )
            assert repeated.code == 0, repeated.out


def test_a_file_says_it_too_and_another_word_is_refused(
    sq: Callable[..., Any], markets: dict[str, Path], tmp_path: Path
) -> None:
    """``ticker`` at the top or in ``[venue]``, where it stood before; a flag wins."""
    for number, (text, flags, rule) in enumerate(
        (
            ('ticker = "off"', (), "off"),
            ('[venue]\nticker = "off"', (), "off"),
            ('[venue]\nticker = "off"', ("--ticker", "auto"), "cap"),
            ('[venue]\nticker = "auto"', (), "cap"),
        )
    ):
        file = tmp_path / f"{number}.toml"
        file.write_text(f'strategy = "noop-python"\n{text}\n')
        ended = sq(
            "backtest",
            markets["tickers"],
            "--config",
            file,
            *flags,
            "--out",
            tmp_path / f"{number}",
            "--json",
        )
        assert ended.code == 0 and ended.json()["ticker"] == rule, (text, flags)
    file.write_text('strategy = "noop-python"\nticker = "on"\n')
    ended = sq("backtest", markets["tickers"], "--config", file, "--out", tmp_path / "on")
    assert ended.code == 2 and "ticker is 'on'; give auto or cap or off" in ended.err
