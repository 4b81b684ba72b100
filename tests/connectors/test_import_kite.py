"""``sq import kite``. Oracles: Zerodha's published example of an answer, read by the json module
with Decimal; and every bar of the Indian days of LEAN, written as Kite writes it.
"""

from __future__ import annotations

import gzip
import json
import random
import shlex
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from binance_lines import records
from trade_tables import letters, summary_or_error, toml

from connectors.tables.kite_candles import import_kite
from connectors.tables.lean import import_lean
from jobs.sq import main

MINUTE, SECOND = 60 * 10**9, 10**9
FIELDS = ("open_time", "open", "high", "low", "close", "volume")
IST = timezone(timedelta(hours=5, minutes=30))
YES = "YESBANK@nse"
NSE = """
[instrument]
symbol = "ANY"
venue = "nse"
kind = "equity"
tick = "0.05"
lot = "1"
quote = "INR"
"""


def candle(at: int = 0, **changed: Any) -> list[Any]:
    time = datetime(2017, 12, 15, 9, 15, tzinfo=IST) + timedelta(minutes=at)
    fields = {"time": f"{time:%Y-%m-%dT%H:%M:%S%z}", "open": 1704.5, "high": 1705, "low": 1699.25,
              "close": 1702.8, "volume": 2499}  # fmt: skip
    return list({**fields, **changed}.values())


def answer(path: Path, candles: list[Any]) -> Path:
    path.write_text(json.dumps({"status": "success", "data": {"candles": candles}}))
    return path


def expected(path: Path) -> list[tuple[int, ...]]:
    """A plain reading of an answer, prices in paise."""
    plain = json.loads(path.read_text(), parse_float=Decimal)["data"]["candles"]
    return [
        (int(datetime.fromisoformat(time).timestamp()) * SECOND,
         *(int(Decimal(price) * 100) for price in prices), volume)
        for time, *prices, volume in plain
    ]  # fmt: skip


def test_the_published_example_by_the_command_of_the_page(
    market_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text("utf-8")
    source = market_data / "zerodha/mocks/historical_minute.json"
    (tmp_path / "historical_minute.json").symlink_to(source)
    (tmp_path / "nse.toml").write_text(NSE)
    monkeypatch.chdir(tmp_path)
    (line,) = [line for line in page.splitlines() if line.startswith("sq import kite ")]
    assert main(shlex.split(line)[1:]) == 0
    found = records(tmp_path / "data/candles", "md.bars")
    assert [tuple(each[name] for name in FIELDS) for each in found] == expected(source)
    assert {each["interval"] for each in found} == {MINUTE}


def test_bars_of_the_indian_days_are_the_same_by_kite_as_by_lean(
    market_data: Path, tmp_path: Path
) -> None:
    import_lean([market_data / "india/equity/minute/yesbank"], tmp_path / "lean", None, YES)
    bars = records(tmp_path / "lean", "md.bars")
    candles = []
    for bar in bars:
        time = datetime.fromtimestamp(bar["open_time"] // SECOND, UTC).astimezone(IST)
        prices = [bar[name] / 100 for name in FIELDS[1:5]]
        candles.append([f"{time:%Y-%m-%dT%H:%M:%S%z}", *prices, bar["volume"], 17])
    half = len(candles) // 2
    first = tmp_path / "1.json.gz"
    first.write_bytes(gzip.compress(answer(tmp_path / "1.json", candles[:half]).read_bytes()))
    second = answer(tmp_path / "2.json", candles[half - 1 :])  # answers overlap by one
    summary = import_kite([first, second], tmp_path / "kite", None, YES)
    assert records(tmp_path / "kite", "md.bars") == bars
    assert summary.reasons == {"duplicate_bar": 1}
    assert [said for said in summary.remarks() if "dropped" in said] == [
        f"assumed: {name}: the open interest of {count:,} candles is dropped: no bar has any"
        for name, count in (("1.json.gz", half), ("2.json", len(candles) - half + 1))
    ]


BAD: list[tuple[Any, str]] = [
    ({"time": 1}, "wrong_columns"),
    (candle(1)[:5], "wrong_columns"),
    ([*candle(1), 1, 2], "wrong_columns"),
    (candle(1, high=None), "bad_number"),
    (candle(1, high=[1, 2]), "bad_number"),
    (candle(1, high="1705\n1"), "bad_number"),
    (candle(1, high=1705.001), "off_precision"),
    (candle(1, high=float("nan")), "bad_number"),
    (candle(1, low=1706), "inconsistent_bar"),
    (candle(1, volume=-1), "negative_volume"),
    (candle(1, time=1513309500), "implausible_time"),
    (candle(1, time="2017-13-15T09:15:00+0530"), "implausible_time"),
]


def test_a_candle_that_cannot_be_used_is_a_dead_letter_with_its_number(tmp_path: Path) -> None:
    path = answer(tmp_path / "c.json", [candle(0), *(each for each, _ in BAD), candle(2)])
    summary = import_kite(
        [path], tmp_path / "log", toml(tmp_path, '[bars]\ninterval = "1m"\n'), YES
    )
    assert letters(tmp_path / "log") == [(reason, 2 + at) for at, (_, reason) in enumerate(BAD)]
    assert len(records(tmp_path / "log", "md.bars")) == 2 and summary.lines == len(BAD) + 2


REFUSED = {
    '{"status": "error", "message": "Invalid token", "error_type": "TokenException"}':
        "holds an error of Kite, TokenException: Invalid token",
    '{"status": "success", "data": {"candles": []}}': "holds 0 candles",
    '{"status": "success", "data": {"candles": [["2017': "is cut or damaged",
    '{"status": "success", "data": {}}': "holds no candles",
    "time,open\n": "is no JSON",
    "[" * 100_000: "is no JSON",
    '{"status": "success", "data": {"candles": [["2017-12-15T09:15:00+0530",1,1,1,1,1]]}}':
        "does not show how long its bars are",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_whole_answer_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    words = ["--instrument", YES, "--out", str(tmp_path / "log")]
    assert main(["import", "kite", str(path), *words]) == 2
    assert REFUSED[text] in capsys.readouterr().err
    assert not (tmp_path / "log").exists()


def test_auto_knows_an_answer_of_kite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = answer(tmp_path / "c.json", [candle(at) for at in range(3)])
    assert main(["import", "auto", str(path)]) == 0
    said = f"sq import kite {path} --out FOLDER --instrument SYMBOL@VENUE"
    assert said in capsys.readouterr().out
    words = ["--instrument", YES, "--out", str(tmp_path / "log")]
    assert main(["import", "auto", str(path), *words]) == 0
    assert len(records(tmp_path / "log", "md.bars")) == 3


def test_answers_of_anything_end_in_words_or_in_a_log_that_accounts_for_every_candle(
    tmp_path: Path,
) -> None:
    """A failure names its seed."""
    closed = 0
    for seed in range(60):
        draw = random.Random(seed)
        candles = [candle(at) for at in range(draw.randint(2, 30))]
        for _ in range(draw.randrange(4)):
            candles[draw.randrange(len(candles))] = draw.choice(BAD)[0]
        path, log = answer(tmp_path / "c.json", candles), tmp_path / "log"
        text = bytearray(path.read_bytes())
        for _ in range(draw.choice([0, 0, 1, 9])):
            text[draw.randrange(len(text))] = draw.randrange(256)
        path.write_bytes(text)
        summary = summary_or_error(seed, log, partial(import_kite, [path], log, None, YES))
        if summary is None:
            continue
        kept = len(records(log, "md.bars")) + len(records(log, "import.dlq"))
        assert kept + sum(summary.set_aside.values()) == summary.lines, f"seed {seed}"
        closed += 1
    assert closed > 20
