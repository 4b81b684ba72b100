"""``sq charges``. Oracle: an order worked by hand; the commands of the page are run as written."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ORDER = ("intraday", "--side", "sell", "--quantity", "400", "--price", "1100")


def test_the_commands_of_the_page_run(sq: Callable[..., Any]) -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8").split("## sq charges")[1]
    block = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)[0]
    lines = block.splitlines()
    assert len(lines) >= 3
    for line in lines:
        assert sq(*shlex.split(line, comments=True)[1:]).code == 0, line


def test_an_order_is_charged_as_by_hand(sq: Callable[..., Any]) -> None:
    """440,000 rupees: brokerage 20, STT 110, exchange 13.068, SEBI 0.44, GST 18 % of 33.508."""
    ended = sq("charges", *ORDER, "--on", "2026-05-04")
    amounts = {words[0]: words[1] for line in ended.out.splitlines() if (words := line.split())}
    assert amounts == {
        "brokerage": "20", "stt": "110", "exchange": "13.07", "sebi": "0.44", "stamp": "0",
        "gst": "6.03", "total": "149.54",
    }  # fmt: skip
    assert "circular of NSE of 2024-09-27" in ended.out
    found = sq("charges", *ORDER, "--on", "2026-05-04", "--json").json()
    assert found["total_paise"] == 14954 == sum(each["paise"] for each in found["charges"])


def test_wrong_use_says_what_to_do(sq: Callable[..., Any]) -> None:
    assert "is no day" in sq("charges", *ORDER, "--on", "soon").err
    early = sq("charges", *ORDER, "--on", "2019-07-09")
    assert early.code == 2 and "charges are known from 2024-10-01 on" in early.err
    none = sq("charges", *ORDER[:-1], "0", "--on", "2026-05-04")
    assert none.code == 2 and "has no value" in none.err


def test_a_backtest_pays_the_charges_that_the_command_names(
    sq: Callable[..., Any], tmp_path: Path
) -> None:
    """Oracle: `sq charges` of each order of the run."""
    lines = ["time,open,high,low,close,volume"]
    begins, price = 1_748_836_800, 10_000  # 2025-06-02 04:00 UTC
    for number in range(300):
        close = price + 20 * (number % 60 < 30) - 10
        low, high = min(price, close) - 5, max(price, close) + 5
        ohlc = ",".join(f"{each / 100:.2f}" for each in (price, high, low, close))
        lines.append(f"{begins + 60 * number},{ohlc},900000")
        price = close
    (tmp_path / "bars.csv").write_text("\n".join(lines) + "\n")
    data = tmp_path / "data"
    instrument = ("--instrument", "YESBANK@nse")
    assert sq("import", "bars", tmp_path / "bars.csv", *instrument, "--out", data).code == 0
    run = ("backtest", data, "--strategy", "ema-cross", "--cash", "1000000INR", "--charges")
    ended = sq(*run, "intraday@nse", "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    fills = [
        json.loads(line)
        for line in sq("cat", tmp_path / "run", "fills", "--decimal").out.splitlines()
    ]
    assert len(fills) > 5
    for fill in fills:
        words = ("--side", fill["side"].lower(), "--quantity", fill["quantity"])
        priced = ("--price", fill["price"], "--on", "2025-06-02", "--json")
        charged = sq("charges", "intraday", *words, *priced).json()
        assert round(float(fill["fee"]) * 100) == charged["total_paise"]
    report = json.loads((tmp_path / "run" / "report.json").read_text())["run"]
    assert report["fees"] == "intraday@nse on 2025-06-02"
    assert sq("verify", tmp_path / "run").code == 0
    for wrong, words in (
        (("intraday", "--fees", "maker=1bp,taker=1bp"), "leave --fees and --venue-model out"),
        (("option",), "cost 20 rupees of brokerage whatever they are"),
        (("intraday", "--charges-on", "2019-07-09"), "charges are known from 2024-10-01 on"),
        (("margin",), "product 'margin' is none of"),
        (("intra day",), "give delivery, intraday or future"),
        (("intraday", "--charges-on", "2025-13-01"), "a day like 2025-06-02"),
    ):
        refused = sq(*run, *wrong, "--out", tmp_path / "refused")
        assert refused.code == 2
        assert words in refused.err
