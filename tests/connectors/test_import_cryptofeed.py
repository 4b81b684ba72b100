"""``sq import cryptofeed``. Oracles: the exchange's bookTicker and klines of the same capture; what
cryptofeed publishes of it (``tests/unit/test_exchange.py``: L2 756, TICKER 613, TRADES 91, CANDLES
67); and the import of the same frames in a recorder's own form.
"""

from __future__ import annotations

import gzip
import json
import random
import shlex
from collections import defaultdict
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from binance_lines import records
from dictionary_book import DictionaryBook, compared
from trade_tables import letters, summary_or_error

from connectors.captures.cryptofeed import Captured, import_cryptofeed
from connectors.captures.importer import import_binance
from jobs.sq import main
from streams.log.manifest import LOG_MANIFEST, read_manifest

TOPICS = ("md.trades", "md.depth", "md.book_tickers", "ref.instruments")
CAPTURE = ("BINANCE_FUTURES.0.gz", "BINANCE_FUTURES.http.0.0.gz", "BINANCE_FUTURES.ws.1.0.gz")
APPLIED = {"SUSHIUSDT": 252, "AKROUSDT": 188, "KEEPUSDT": 132, "CTKUSDT": 180}
"""Updates that continue their snapshot: reference/exchanges.md 2.3."""


@pytest.fixture(scope="module")
def files(market_data: Path) -> list[Path]:
    return [market_data / "captures" / name for name in CAPTURE]


@pytest.fixture(scope="module")
def imported(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The capture, by the command of the page."""
    folder = tmp_path_factory.mktemp("capture")
    page = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text("utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("sq import cryptofeed BIN")]
    for path in files:
        (folder / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(shlex.split(line)[1:]) == 0
    return folder / "data" / "capture"


def lines_of(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines()


def topics(log: Path) -> list[str]:
    found = read_manifest(log / LOG_MANIFEST)["topics"]
    return [found[name]["digest"] for name in TOPICS]


def by_symbol(log: Path, topic: str) -> dict[str, list[dict[str, Any]]]:
    names = {each["instrument"]: each["symbol"] for each in records(log, "ref.instruments")}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in records(log, topic):
        found[names[each["instrument"]]].append(each)
    return found


def test_the_top_of_each_book_is_the_exchanges_own_at_every_update(imported: Path) -> None:
    tickers, total = by_symbol(imported, "md.book_tickers"), 0
    for symbol, updates in by_symbol(imported, "md.depth").items():
        book = DictionaryBook()
        same, wrong = compared(book, updates, tickers[symbol])
        assert (wrong, book.gaps) == (0, 0)
        total += same
    assert total == 744


def test_every_frame_is_counted_as_cryptofeed_counts_it(imported: Path) -> None:
    facts = read_manifest(imported / LOG_MANIFEST)["import"]
    depth = by_symbol(imported, "md.depth")
    applied = {}
    for symbol, updates in depth.items():
        book = DictionaryBook()
        applied[symbol] = sum(book.apply(each) for each in updates) - 1
    assert applied == APPLIED
    assert sum(applied.values()) + len(applied) == 756
    assert (facts["counts"]["md.book_tickers"], facts["counts"]["md.trades"]) == (613, 91)
    assert facts["set_aside"] == {
        "blank line": 1, "configuration": 1, "connection": 1, "exchangeInfo": 1, "kline_1m": 67
    }  # fmt: skip
    assert facts["reasons"] == {}
    kept = sum(count for name, count in facts["counts"].items() if name != "ref.instruments")
    assert kept + sum(facts["set_aside"].values()) == facts["lines"]


def test_trades_between_two_klines_are_what_the_klines_say(
    imported: Path, files: list[Path]
) -> None:
    """Within a minute a kline grows by the trades whose ids it has more than the one before. One
    that ends inside an aggregate is left out.
    """
    trades, precision = by_symbol(imported, "md.trades"), {}
    for each in records(imported, "ref.instruments"):
        precision[each["symbol"]] = each["quantity_precision"]
    before: dict[tuple[str, int], dict[str, Any]] = {}
    checked = 0
    for line in lines_of(files[2]):
        if b'"kline"' not in line:
            continue
        bar = json.loads(line.partition(b" ")[2])["data"]["k"]
        spans = [(each["trade_id"] - each["trade_count"], each["trade_id"])
                 for each in trades[bar["s"]]]  # fmt: skip
        if any(low < bar["L"] < high for low, high in spans):
            continue
        last = before.get((bar["s"], bar["t"]))
        before[bar["s"], bar["t"]] = bar
        if last is None:
            continue
        within = [each for each in trades[bar["s"]] if last["L"] < each["trade_id"] <= bar["L"]]
        unit = Decimal(10) ** -precision[bar["s"]]
        bought = [each for each in within if each["aggressor_side"] == "BUY"]
        for name, some in (("v", within), ("V", bought)):
            grown = Decimal(bar[name]) - Decimal(last[name])
            assert sum(each["quantity"] for each in some) * unit == grown
        assert sum(each["trade_count"] for each in within) == bar["n"] - last["n"]
        checked += len(within)
    assert checked > 60


def test_a_capture_is_what_the_same_lines_are_in_the_form_of_a_recorder(
    imported: Path, files: list[Path], tmp_path: Path
) -> None:
    """There a snapshot names no symbol and is placed by its ids."""
    lines = []
    for line in lines_of(files[1]) + lines_of(files[2]):
        head, _, message = line.partition(b": {")
        if message:
            received = head.rpartition(b" ")[2]
            lines.append((Decimal(received.decode()), received + b": {" + message))
    path = tmp_path / "recording"
    path.write_bytes(b"\n".join(text for _, text in sorted(lines, key=lambda line: line[0])))
    import_binance([path], tmp_path / "twin", Captured(files))
    assert topics(tmp_path / "twin") == topics(imported)


def test_the_order_of_the_files_makes_no_difference(
    imported: Path, files: list[Path], tmp_path: Path
) -> None:
    import_cryptofeed(files[::-1], tmp_path / "log")
    assert topics(tmp_path / "log") == topics(imported)


def test_instruments_are_those_of_the_day_of_the_capture(imported: Path, files: list[Path]) -> None:
    """Oracle: the filters of the exchange's own answer."""
    answer = json.loads(lines_of(files[0])[0].partition(b": ")[2])
    said = {each["symbol"]: each for each in answer["symbols"]}
    found = records(imported, "ref.instruments")
    assert {each["symbol"] for each in found} == set(APPLIED)
    for each in found:
        filters = {one["filterType"]: one for one in said[each["symbol"]]["filters"]}
        price, quantity = (Decimal(10) ** -each[f"{name}_precision"]
                           for name in ("price", "quantity"))  # fmt: skip
        assert each["tick_size"] * price == Decimal(filters["PRICE_FILTER"]["tickSize"])
        assert each["lot_size"] * quantity == Decimal(filters["LOT_SIZE"]["stepSize"])


def test_a_capture_of_another_exchange_is_refused_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "BITFINEX.ws.1.0"
    path.write_text(f"wss://api.bitfinex.com/ws/2 <-> {SENT}\n")
    assert main(["import", "cryptofeed", str(path), "--out", str(tmp_path / "log")]) == 2
    assert (
        "is a capture of api.bitfinex.com; 'sq import cryptofeed' reads" in capsys.readouterr().err
    )
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [("1723161255.1: {}\n", [], "names no connection"), ("", [], "names no connection"),
     ("x\n", ["--unit", "ms"], "frames say all that")],
)  # fmt: skip
def test_what_is_no_capture_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: list[str], said: str
) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    out = ["--out", str(tmp_path / "log")]
    assert main(["import", "cryptofeed", str(path), *out, *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "log").exists()


SENT = "1626992741.3"
WS = f"wss://fstream.binance.com/stream?streams=btcusdt@depth <-> {SENT}"
REST = "https://fapi.binance.com/fapi/v1/depth?symbol={}&limit=1000 -> {}: {}"
BOOK = '{"lastUpdateId":7,"E":1626992741264,"T":1626992741261,"bids":[["30000.0","1"]],"asks":[]}'
BAD = {
    REST.format("BTCUSDT", SENT, BOOK[:-9]): "malformed_json",
    REST.format("", SENT, BOOK): "unknown_stream",
    REST.format("BTCUSDT", SENT, "{}"): "unknown_stream",
    REST.format("BTCUSDT", SENT, BOOK.replace("30000.0", "x")): "bad_number",
    REST.format("BTCUSDT", SENT, BOOK.replace("fapi", "eapi")): "duplicate_snapshot",
    REST.format("BTCUSDT", SENT, BOOK).replace("//fapi", "//eapi"): "unknown_stream",
    f"{SENT}: " + '{"e":"none"}': "unknown_stream",
    "no line at all": "malformed_line",
}


def test_a_line_that_cannot_be_used_is_a_dead_letter_with_its_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "BINANCE_FUTURES.ws.0.0"
    path.write_text("\n".join([WS, REST.format("BTCUSDT", SENT, BOOK), *BAD]))
    import_cryptofeed([path], tmp_path / "log")
    found = sorted(letters(tmp_path / "log"), key=lambda letter: letter[1])
    assert found == [(reason, 3 + at) for at, reason in enumerate(BAD.values())]
    (snapshot,) = records(tmp_path / "log", "md.depth")
    assert (snapshot["kind"], snapshot["final_update_id"]) == ("SNAPSHOT", 7)


def test_auto_knows_a_capture(
    files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(path) for path in files]
    assert main(["import", "auto", *words]) == 0
    assert f"sq import cryptofeed {' '.join(words)} --out FOLDER" in capsys.readouterr().out


def test_captures_of_anything_end_in_words_or_in_a_log_that_accounts_for_every_line(
    tmp_path: Path,
) -> None:
    """A failure names its seed."""
    closed = 0
    for seed in range(60):
        draw = random.Random(seed)
        rest, sent = [], [WS]
        for number in range(draw.randint(5, 40)):
            time = f"{1626992741 + number // 5}.{number:02}"
            stamp = int(float(time) * 1000)
            update = (
                f'{{"e":"depthUpdate","E":{stamp},"T":{stamp},"s":"BTCUSDT","U":{number},'
                f'"u":{number},"pu":{number - 1},"b":[["30000.0","{number}"]],"a":[]}}'
            )
            sent.append(f"{time}: {update}")
            if draw.random() < 0.1:
                rest.append(REST.format("BTCUSDT", time, BOOK.replace("7", str(number), 1)))
        for lines in (rest, sent):
            for _ in range(draw.randrange(3)):
                lines.insert(draw.randint(min(1, len(lines)), len(lines)), draw.choice([*BAD, ""]))
        paths = []
        for name, lines in (("A.http.0.0", rest), ("A.ws.0.0", sent)):
            text = bytearray("\n".join(lines).encode())
            for _ in range(draw.choice([0, 0, 1, 9]) if text else 0):
                text[draw.randrange(len(text))] = draw.randrange(256)
            paths.append(tmp_path / name)
            paths[-1].write_bytes(gzip.compress(text)[: draw.choice([None, None, -9])])
        log = tmp_path / "log"
        summary = summary_or_error(seed, log, partial(import_cryptofeed, paths, log))
        if summary is None:
            continue
        kept = sum(len(records(log, name)) for name in ("md.depth", "import.dlq"))
        assert kept + sum(summary.set_aside.values()) == summary.lines, f"seed {seed}"
        closed += 1
    assert closed > 20
