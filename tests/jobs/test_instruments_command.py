"""``sq instruments``: sync, show, find, and an import that takes the dated table. The commands of
the page are run as they are written. Oracles: the files that were given; what a log holds."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.kite_dumps import write_dump
from tests.scenario import records_in

ROOT = Path(__file__).resolve().parents[2]


def exchange_info(
    tick: str = "0.01000000", lot: str = "0.00100000", time: int = 1722470400000
) -> str:
    """An answer of spot with one symbol."""
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "100000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "90000", "stepSize": lot},
        {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "9000000"},
        {"filterType": "MAX_SIDEWAYS", "sideways": 3},
    ]
    symbol = {"symbol": "LTCUSDT", "status": "TRADING", "baseAsset": "LTC", "quoteAsset": "USDT",
              "baseAssetPrecision": 8, "filters": filters}  # fmt: skip
    return json.dumps({"serverTime": time, "symbols": [symbol]})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the page names."""
    monkeypatch.chdir(tmp_path)
    Path("exchangeInfo.json").write_text(exchange_info())
    write_dump(Path("instruments.csv"), 300)
    trades = [f"17230752{second:02d}000000,{65 + second / 100:.2f},0.5" for second in range(20)]
    Path("ltc.csv").write_text("\n".join(["timestamp,price,amount", *trades]) + "\n")
    return tmp_path


def documented() -> list[str]:
    """The fenced commands of the page's section."""
    page = (
        (ROOT / "docs" / "commands.md")
        .read_text("utf-8")
        .split("## sq instruments")[1]
        .split("\n## ")[0]
    )
    return [
        line
        for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
        for line in block.splitlines()
    ]


def test_the_commands_of_the_page_run_one_after_the_other(
    sq: Callable[..., Any], here: Path
) -> None:
    lines = documented()
    assert len(lines) >= 8
    for line in lines:
        if " sessions " in line and find_spec("exchange_calendars") is None:
            continue  # as in the image; 'make setup' installs it
        ended = sq(*shlex.split(line, comments=True)[1:])
        assert ended.code == 0, (line, ended.err)
    assert records_in(here / "data" / "ltc", "ref.instruments")[0]["symbol"] == "LTCUSDT"


def test_what_was_synced_is_shown_and_found(sq: Callable[..., Any], here: Path) -> None:
    first = sq("instruments", "sync", "--file", "exchangeInfo.json", "--out", "ref.db")
    assert first.code == 0 and "MAX_SIDEWAYS, of 1 instruments" in first.out
    done = sq(
        "instruments", "sync", "--file", "instruments.csv", "--valid-from", "2026-12-01",
        "--out", "ref.db", "--json",
    ).json()  # fmt: skip
    assert (done["new"], done["format"], done["venues"]) == (300, "kite instruments", ["nfo"])
    assert done["valid_from"] == "2026-12-01T00:00:00Z"
    shown = sq("instruments", "show", "LTCUSDT@binance", "--table", "ref.db", "--json").json()
    assert (shown["tick_size"], shown["valid_from"]) == ("0.01", "2024-08-01T00:00:00Z")
    assert shown["filters"]["NOTIONAL"] == {"maxNotional": "9000000", "minNotional": "5"}
    table = sq("instruments", "show", "--table", "ref.db", "--json").json()
    assert [row["venue"] for row in table["instruments"]] == ["binance", "nfo", "nfo"]
    words = ("instruments", "find", "BANKnifty", "--kind", "future", "--table", "ref.db")
    found = sq(*words, "--json").json()
    assert found and all(row["symbol"].startswith("BANKNIFTY") for row in found)
    assert sq(*words, "--limit", "1").out.splitlines()[1].startswith("and more; narrow the text")
    none = sq("instruments", "find", "NOTHING", "--table", "ref.db")
    assert none.code == 1 and "nothing listed contains 'NOTHING'" in none.out


def test_the_same_file_twice_is_nothing_new(sq: Callable[..., Any], here: Path) -> None:
    words = ("instruments", "sync", "--file", "exchangeInfo.json", "--out", "ref.db")
    assert sq(*words).code == 0
    assert "has it already" in sq(*words).last


def test_a_table_of_the_users_own_is_the_default(
    sq: Callable[..., Any], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQ_HOME", str(here / "home"))
    assert sq("instruments", "sync", "--file", "exchangeInfo.json").code == 0
    assert sq("instruments", "show", "LTCUSDT@binance").code == 0
    assert (here / "home" / "instruments.db").is_file()


def test_an_import_takes_what_was_in_force_and_a_correction_changes_no_past_answer(
    sq: Callable[..., Any], here: Path
) -> None:
    """A tick of 0.01 from August 1st, of 0.10 from September 1st; August's is corrected then."""

    def import_ltc(out: str, *options: str) -> Any:
        return sq("import", "trades", "ltc.csv", "--instrument", "LTCUSDT@binance", "--instruments",
                  "ref.db", *options, "--out", out)  # fmt: skip

    def sync(text: str, *options: str) -> None:
        Path("info.json").write_text(text)
        assert (
            sq("instruments", "sync", "--file", "info.json", "--out", "ref.db", *options).code == 0
        )

    sync(exchange_info(), "--known-at", "2024-08-02")
    sync(exchange_info("0.10"), "--valid-from", "2024-09-01", "--known-at", "2024-09-02")
    refused = import_ltc("refused")
    assert refused.code == 2 and "2 specifications of LTCUSDT on binance" in refused.err
    assert not Path("refused").exists()
    assert import_ltc("early", "--as-of", "2024-08-08").code == 0
    assert import_ltc("late", "--as-of", "2024-09-08").code == 0
    sync(exchange_info("0.02"), "--known-at", "2024-10-01")
    assert import_ltc("again", "--as-of", "2024-08-08", "--known-at", "2024-09-30").code == 0
    assert import_ltc("corrected", "--as-of", "2024-08-08").code == 0
    records = {
        name: records_in(here / name, "ref.instruments")
        for name in ("early", "late", "again", "corrected")
    }
    assert records["early"] == records["again"] and len(records["early"]) == 1
    ticks = {
        name: (found[0]["tick_size"], found[0]["price_precision"])
        for name, found in records.items()
    }
    assert (ticks["early"], ticks["corrected"], ticks["late"]) == ((1, 2), (2, 2), (1, 1))
    numbers = {found[0]["instrument"] for found in records.values()}
    assert len(numbers) == 1 and min(numbers) >= 1024


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("sync --out new.db", 2, "needs the venue's file: --file"),
        ("sync x --file exchangeInfo.json", 2, "takes the file with --file"),
        ("sync --file nothere --out new.db", 2, "cannot be read: No such file"),
        ("sync --file ltc.csv --out new.db", 2, "begins with 'timestamp,price"),
        ("sync --file exchangeInfo.json --out .", 2, "is a folder"),
        ("sync --file exchangeInfo.json --out ltc.csv", 2, "is no table of instruments"),
        ("sync --file exchangeInfo.json --known-at 2200-01-01 --out new.db", 2, "is yet to come"),
        ("sync --file exchangeInfo.json --valid-from soon --out new.db", 2, "is no time"),
        ("sync --file bad.json --out new.db", 1, "PRICE_FILTER.tickSize: '0' is zero"),
        ("sync --file exchangeInfo.json --history", 2, "--history is of 'sq instruments show'"),
        ("show --table nothere.db", 2, "does not exist; make one: sq instruments sync"),
        ("show LTCUSDT --table ref.db", 2, "is no SYMBOL@VENUE"),
        ("show LTC@binance --table ref.db", 1, "perhaps LTCUSDT@binance"),
        ("show LTCUSDT@binance --as-of 2020-01-01 --table ref.db", 2, "is not listed at that time"),
        ("show --as-of 2020-01-01 --table ref.db", 2, "are of one instrument"),
        ("show --kind spot --table ref.db", 2, "--kind is of 'sq instruments find'"),
        ("find --table ref.db", 2, "find needs a text"),
        ("find x --limit 0 --table ref.db", 2, "--limit is at least 1"),
        ("find x --file f --table ref.db", 2, "--file is of 'sq instruments sync'"),
    ],
)  # fmt: skip
def test_wrong_use_says_what_to_do(
    sq: Callable[..., Any], here: Path, words: str, code: int, said: str
) -> None:
    Path("bad.json").write_text(exchange_info(tick="0"))
    assert sq("instruments", "sync", "--file", "exchangeInfo.json", "--out", "ref.db").code == 0
    ended = sq("instruments", *words.split())
    assert ended.code == code and said in ended.err, ended.err
    assert not Path("new.db").exists()


def test_a_bad_symbol_is_left_out_where_that_is_said(sq: Callable[..., Any], here: Path) -> None:
    answer = json.loads(exchange_info())
    answer["symbols"].append({**answer["symbols"][0], "symbol": "BADUSDT", "filters": []})
    Path("bad.json").write_text(json.dumps(answer))
    words = ("instruments", "sync", "--file", "bad.json", "--out", "ref.db")
    assert "BADUSDT on binance: its filter PRICE_FILTER is missing" in sq(*words).err
    done = sq(*words, "--skip-bad").out
    assert "skipped: BADUSDT on binance" in done and "1 instruments of binance" in done


def test_times_of_dated_tables_are_refused_of_others(sq: Callable[..., Any], here: Path) -> None:
    ended = sq("import", "trades", "ltc.csv", "--instrument", "BTCUSDT@binance", "--as-of",
               "2024-08-08", "--out", "log")  # fmt: skip
    assert ended.code == 2 and "are of a dated table" in ended.err


def test_a_table_in_use_is_said(sq: Callable[..., Any], here: Path) -> None:
    """The wait for the other command's end is SQLite's: five seconds, none here."""
    words = ("instruments", "sync", "--file", "exchangeInfo.json", "--out", "ref.db")
    assert sq(*words).code == 0
    held = sqlite3.connect("ref.db", isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    with pytest.MonkeyPatch.context() as patch:
        connect = sqlite3.connect
        patch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, timeout=0, **more))
        ended = sq(*words)
    held.close()
    assert ended.code == 2 and "database is locked; end other commands that use it" in ended.err
