"""``sq import cryptofeed`` of Kraken, OKX, Coinbase and Deribit. Oracles: the checksum that Kraken
and OKX send with each book, computed here from the records; the tickers of Coinbase and Deribit.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import shlex
import zlib
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from binance_lines import records
from trade_tables import letters, summary_or_error

from connectors.captures import exchange_frames
from connectors.captures.cryptofeed import import_cryptofeed
from jobs.sq import main
from schemas.vocabulary import Flag
from streams.log.manifest import LOG_MANIFEST, read_manifest

KRAKEN, OKX = "KRAKEN.ws.50.0.gz", "OKX.ws.1.0.gz"
COINBASE, DERIBIT = "COINBASE.ws.28.0.gz", "DERIBIT.ws.1.0.gz"
ENTRY = """
[[instrument]]
instrument = {number}
venue = "{venue}"
symbol = "{symbol}"
kind = "spot"
base = "{symbol}"
quote = "ANY"
price_precision = 8
quantity_precision = 8
tick_size = "0.00000001"
lot_size = "0.00000001"
minimum_quantity = "0.00000001"
maximum_quantity = "1000000"
minimum_notional = "0"
valid_from = 2021-01-01T00:00:00Z
"""
PRICE, QUANTITY = Decimal("1e-8"), Decimal("1e-8")


def frames_of(path: Path) -> Iterator[Any]:
    """What the exchange sent, line by line."""
    for line in gzip.decompress(path.read_bytes()).splitlines():
        head, _, message = line.partition(b": ")
        if message and b" " not in head:
            yield json.loads(message)


def table(folder: Path, venue: str, symbols: list[str]) -> Path:
    path = folder / f"{venue}.toml"
    path.write_text("".join(ENTRY.format(number=2000 + at, venue=venue, symbol=symbol)
                            for at, symbol in enumerate(sorted(set(symbols)))))  # fmt: skip
    return path


def imported(path: Path, tmp_path: Path, venue: str, symbols: list[str]) -> Path:
    words = ["--instruments", str(table(tmp_path, venue, symbols)), "--out", str(tmp_path / "log")]
    assert main(["import", "cryptofeed", str(path), *words]) == 0
    return tmp_path / "log"


def test_what_the_commands_page_says_of_kraken_is_carried_out(
    market_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text("utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("sq import cryptofeed KRA")]
    (tmp_path / KRAKEN).symlink_to(market_data / "captures" / KRAKEN)
    table(tmp_path, "kraken", [each[-1] for each in kraken_frames(tmp_path / KRAKEN)])
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)[1:]) == 0
    assert len(records(tmp_path / "data" / "kraken", "md.depth")) == 4_279


def updates_of(log: Path) -> dict[str, list[dict[str, Any]]]:
    """By symbol."""
    names = {each["instrument"]: each["symbol"] for each in records(log, "ref.instruments")}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in records(log, "md.depth"):
        found[names[each["instrument"]]].append(each)
    return found


class Book:
    """Both sides of one instrument by decimal price."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}

    def apply(self, update: dict[str, Any]) -> None:
        for name, side in self.sides.items():
            if update["kind"] == "SNAPSHOT":
                side.clear()
            for row in update[name]:
                side[row["price"] * PRICE] = row["quantity"] * QUANTITY
                if not row["quantity"]:
                    del side[row["price"] * PRICE]

    def best(self, name: str, count: int) -> list[tuple[Decimal, Decimal]]:
        return sorted(self.sides[name].items(), reverse=name == "bids")[:count]


def kraken_frames(path: Path) -> list[list[Any]]:
    return [each for each in frames_of(path) if isinstance(each, list)]


def test_every_book_of_kraken_has_the_exchanges_own_checksum(
    market_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = market_data / "captures" / KRAKEN
    sent = kraken_frames(path)
    log = imported(path, tmp_path, "kraken", [each[-1] for each in sent])
    assert "4,269 of 4,269 books have the exchange's own checksum" in capsys.readouterr().out
    updates = {symbol: iter(each) for symbol, each in updates_of(log).items()}
    books, decimals, checked = defaultdict(Book), {}, 0
    for frame in sent:
        symbol, parts = frame[-1], frame[1:-2]
        book, update = books[symbol], next(updates[symbol])
        book.apply(update)
        if "as" in parts[0]:
            decimals[symbol] = [len(text.partition(".")[2]) for text in parts[0]["as"][0][:2]]
            assert update["kind"] == "SNAPSHOT"
            continue
        digits = ""
        for name in ("asks", "bids"):
            assert len(book.sides[name]) <= 1000
            for level in book.best(name, 10):
                for value, places in zip(level, decimals[symbol], strict=True):
                    digits += str(int(value.scaleb(places)))
        assert zlib.crc32(digits.encode()) == int(parts[-1]["c"])
        checked += 1
    assert checked == 4_269 and all(next(each, None) is None for each in updates.values())
    assert letters(log) == []


@pytest.mark.parametrize(("is_spot", "checksums", "trades"), [(True, 98, 69), (False, 290, 74)])
def test_every_book_of_okx_has_the_exchanges_own_checksum(
    market_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_spot: bool,
    checksums: int, trades: int,
) -> None:  # fmt: skip
    """Contracts that are settled in the coin are set aside; their books are checked all the same
    where they are not."""
    if not is_spot:
        monkeypatch.setattr(exchange_frames, "INVERSE", re.compile("(?!)"))
    path = market_data / "captures" / OKX
    sent = [each for each in frames_of(path) if each.get("arg", {}).get("channel") == "books"]
    sent = [each for each in sent if "data" in each]
    symbols = [each["arg"]["instId"] for each in sent]
    log = imported(path, tmp_path, "okx", symbols)
    updates = {symbol: iter(each) for symbol, each in updates_of(log).items()}
    books, checked = defaultdict(Book), 0
    for frame in sent:
        symbol = frame["arg"]["instId"]
        if symbol not in updates:
            assert is_spot and symbol != "BTC-USDT"
            continue
        book = books[symbol]
        book.apply(next(updates[symbol]))
        texts = []
        bids, asks = book.best("bids", 25), book.best("asks", 25)
        for at in range(25):
            for side in (bids, asks):
                texts += [f"{each.normalize():f}" for level in side[at : at + 1] for each in level]
        signed = int.from_bytes(zlib.crc32(":".join(texts).encode()).to_bytes(4), signed=True)
        assert signed == frame["data"][0]["checksum"]
        checked += 1
    facts = read_manifest(log / LOG_MANIFEST)["import"]
    assert checked == checksums == facts["checked"] and facts["differing"] == 0
    assert facts["counts"]["md.trades"] == trades
    assert any("settled in the coin" in name for name in facts["set_aside"]) == is_spot


def test_books_and_aggressors_of_coinbase_are_those_of_its_ticker(
    market_data: Path, tmp_path: Path
) -> None:
    """A ticker comes with a trade, and says the taker's side; its best prices are those that the
    book has had or has next."""
    path = market_data / "captures" / COINBASE
    sent = list(frames_of(path))
    log = imported(path, tmp_path, "coinbase", [each["product_id"] for each in sent
                                                if "product_id" in each])  # fmt: skip
    sides = {(each["instrument"], each["trade_id"]): each["aggressor_side"].lower()
             for each in records(log, "md.trades")}  # fmt: skip
    names = {each["symbol"]: each["instrument"] for each in records(log, "ref.instruments")}
    updates = {symbol: iter(each) for symbol, each in updates_of(log).items()}
    seen: dict[str, set[tuple[Decimal, Decimal]]] = defaultdict(set)
    books, wanted = defaultdict(Book), []
    for frame in sent:
        symbol = frame.get("product_id", "")
        if frame["type"] in ("snapshot", "l2update"):
            books[symbol].apply(next(updates[symbol]))
            best = [books[symbol].best(name, 1)[0][0] for name in ("bids", "asks")]
            seen[symbol].add((best[0], best[1]))
        elif frame["type"] == "ticker":
            side = sides.get((names[symbol], frame["trade_id"]))
            if side is None:  # of the trade before the subscription, with the prices of then
                continue
            assert side == frame["side"]
            wanted.append((symbol, Decimal(frame["best_bid"]), Decimal(frame["best_ask"])))
    assert len(wanted) == len(sides) == 97
    assert [each for each in wanted if each[1:] not in seen[each[0]]] == []


def test_books_of_deribit_are_those_of_its_ticker(market_data: Path, tmp_path: Path) -> None:
    """A ticker shows the best bid and ask, price and amount, as the last change up to its time left
    them, or as one of its own millisecond did."""
    path = market_data / "captures" / DERIBIT
    sent = [each["params"]["data"] for each in frames_of(path) if "params" in each]
    log = imported(path, tmp_path, "deribit", [each["instrument_name"] for each in sent])
    updates, checked = updates_of(log), 0
    names = {each["instrument"]: each["symbol"] for each in records(log, "ref.instruments")}
    for ticker in records(log, "md.book_tickers"):
        book, tops = Book(), []
        for update in updates[names[ticker["instrument"]]]:
            if update["event_time"] > ticker["event_time"]:
                break
            book.apply(update)
            best = [book.best(name, 1) or [(Decimal(0), Decimal(0))] for name in ("bids", "asks")]
            top = tuple(value for side in best for value in side[0])
            tops = [*tops, top] if update["event_time"] == ticker["event_time"] else [top]
        shown = (ticker["bid_price"] * PRICE, ticker["bid_quantity"] * QUANTITY,
                 ticker["ask_price"] * PRICE, ticker["ask_quantity"] * QUANTITY)  # fmt: skip
        if tops:
            assert shown in tops, ticker
            checked += 1
    assert len(sent) == len(records(log, "md.book_tickers")) + len(records(log, "md.depth")) == 135
    assert checked > 70 and not any(each["flags"] & Flag.GAP for each in records(log, "md.depth"))


def test_a_book_whose_checksum_is_another_is_flagged_until_the_next_snapshot(
    market_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Frames of one pair, of which some are lost, then its first ones again."""
    lines = gzip.decompress((market_data / "captures" / KRAKEN).read_bytes()).splitlines()
    of_pair = [line for line in lines if line.endswith(b'"XBT/CHF"]')]
    lost = [*of_pair[:20], *of_pair[30:60]]
    path = tmp_path / "KRAKEN.ws.0.0"
    again = [b"1618678200.0: " + line.partition(b": ")[2] for line in of_pair[:40]]
    path.write_bytes(b"\n".join([lines[0], *lost, *again]))
    log = imported(path, tmp_path, "kraken", ["XBT/CHF"])
    facts = read_manifest(log / LOG_MANIFEST)["import"]
    assert 0 < facts["differing"] < facts["checked"]
    assert "where a checksum first differs" in capsys.readouterr().out
    found = records(log, "md.depth")
    flagged = [at for at, each in enumerate(found) if each["flags"] & Flag.GAP]
    steps = [after["first_update_id"] - each["final_update_id"]
             for each, after in zip(found, found[1:], strict=False)]  # fmt: skip
    assert len(flagged) == 1 and flagged[0] >= 20
    assert [at + 1 for at, step in enumerate(steps) if step != 1] == flagged


def test_files_of_several_exchanges_and_a_symbol_without_specification_are_refused(
    market_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captures = market_data / "captures"
    for names, said in (((KRAKEN, OKX), "are of several exchanges"),
                        ((KRAKEN,), "add it with --instruments TABLE.toml")):  # fmt: skip
        words = [str(captures / name) for name in names]
        assert main(["import", "cryptofeed", *words, "--out", str(tmp_path / "log")]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "log").exists()


TIME = "1618678132.5"
HOSTS = {
    "kraken": "wss://ws.kraken.com",
    "okx": "wss://ws.okx.com:8443/ws/v5/public",
    "coinbase": "wss://ws-feed.pro.coinbase.com",
    "deribit": "wss://www.deribit.com/ws/api/v2",
}
DERIBIT_BOOK = (
    '{"params":{"channel":"book.A/B.raw","data":{"type":"snapshot","timestamp":1618678132100,'
    '"instrument_name":"A/B","change_id":7,"bids":[],"asks":[["new",2.0,1.0]]}}}'
)
DERIBIT_TRADE = (
    '{"params":{"channel":"trades.A/B.raw","data":[{"trade_seq":7,"trade_id":"A-9","price":2.0,'
    '"timestamp":1618678132100,"instrument_name":"A/B","direction":"buy","amount":1.0}]}}'
)
GOOD = {
    "kraken": ['[1,{"as":[["2.0","1.0","1618678132.1"]],"bs":[]},"book-10","A/B"]',
               '[1,[["2.0","1.0","1618678132.1","b","l",""],["2.0","1.0","1618678132.2","s","l",""]],'
               '"trade","A/B"]'],
    "okx": ['{"arg":{"channel":"books","instId":"A/B"},"action":"snapshot",'
            '"data":[{"asks":[["2","1","0","1"]],"bids":[],"ts":"1618678132100"}]}',
            '{"arg":{"channel":"trades","instId":"A/B"},"data":[{"instId":"A/B","tradeId":"1",'
            '"px":"2","sz":"1","side":"buy","ts":"1618678132100"}]}'],
    "coinbase": ['{"type":"snapshot","product_id":"A/B","asks":[["2","1"]],"bids":[]}',
                 '{"type":"match","trade_id":7,"side":"sell","size":"1","price":"2",'
                 '"product_id":"A/B","time":"2021-04-17T16:48:52.1Z"}'],
    "deribit": [DERIBIT_BOOK, DERIBIT_TRADE],
}  # fmt: skip
BAD: dict[str, dict[str, str]] = {
    "kraken": {
        '[1,{"a":[["2.0","1.0"]],"c":"1"},"book-10","A/B"]': "malformed_fields",
        '[1,{"a":[["x","1.0","1618678132.1"]],"c":"1"},"book-10","A/B"]': "bad_number",
        '[1,{"a":[["2.0","1.0","x"]],"c":"1"},"book-10","A/B"]': "bad_number",
        '[1,{"a":[["2.0","1.0","0.1"]],"c":"1"},"book-10","A/B"]': "implausible_time",
        '[1,{"a":[["2.0","1.0","1618678132.1"]],"c":"x"},"book-10","A/B"]': "bad_number",
        '[1,[["2.0","1.0","1618678132.1","?"]],"trade","A/B"]': "unknown_side",
        '[1,[["2.0","0.0","1618678132.1","b"]],"trade","A/B"]': "zero_quantity",
        '[1,[["2.0","1.0","1618678132.1"]],"trade","A/B"]': "malformed_fields",
        '[1,{},"trade","A/B"]': "malformed_fields",
        '[1,2,3,4]': "malformed_fields",
        "7": "unknown_stream",
        '[1,{"a":': "malformed_json",
    },
    "okx": {
        '{"arg":{"channel":"books","instId":"A/B"},"data":[{"asks":[]}]}': "malformed_fields",
        '{"arg":{"channel":"books","instId":"A/B"},"data":[{"asks":[["2","-1"]],"bids":[],'
        '"ts":"1618678132100"}]}': "negative_quantity",
        GOOD["okx"][1].replace("buy", "?"): "unknown_side",
        GOOD["okx"][1]: "duplicate_trade",
        GOOD["okx"][1].replace('"1618678132100"', '"1"'): "implausible_time",
        "[]": "malformed_fields",
        '{"arg"': "malformed_json",
    },
    "coinbase": {
        '{"type":"l2update","product_id":"A/B","changes":[["?","2","1"]],'
        '"time":"2021-04-17T16:48:52.1Z"}': "unknown_side",
        GOOD["coinbase"][1]: "duplicate_trade",
        GOOD["coinbase"][1].replace("Z", ""): "implausible_time",
        GOOD["coinbase"][1].replace('"2"', '"-2"').replace(":7", ":8"): "negative_price",
        '{"type":"l2update","product_id":"A/B","changes":[["buy","2"]]}': "malformed_fields",
        "[]": "malformed_fields",
        "{": "malformed_json",
    },
    "deribit": {
        DERIBIT_BOOK.replace('"new"', '"gone"'): "malformed_fields",
        DERIBIT_BOOK.replace("2.0", "-2.0"): "negative_price",
        DERIBIT_BOOK.replace("2.0", "NaN"): "bad_number",
        DERIBIT_BOOK.replace("2.0", "null"): "malformed_fields",
        DERIBIT_BOOK.replace('"timestamp":1618678132100,', ""): "malformed_fields",
        DERIBIT_BOOK.replace("1618678132100", "1.5"): "off_precision",
        DERIBIT_TRADE: "duplicate_trade",
        DERIBIT_TRADE.replace("buy", "?"): "unknown_side",
        '{"params":': "malformed_json",
    },
}  # fmt: skip


def capture(path: Path, venue: str, messages: list[str]) -> Path:
    lines = [f"{HOSTS[venue]} <-> {TIME}", *(f"{TIME}: {message}" for message in messages)]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("venue", BAD)
def test_a_frame_that_cannot_be_used_is_a_dead_letter_with_its_line(
    tmp_path: Path, venue: str
) -> None:
    path = capture(tmp_path / "A.ws.0.0", venue, [*GOOD[venue], *BAD[venue]])
    log = imported(path, tmp_path, venue, ["A/B"])
    assert letters(log) == [(reason, 4 + at) for at, reason in enumerate(BAD[venue].values())]
    first = records(log, "md.trades")[0]
    assert (first["price"] * PRICE, first["quantity"] * QUANTITY) == (2, 1)
    assert first["aggressor_side"] == "BUY" and len(records(log, "md.depth")) == 1


@pytest.mark.parametrize("price", ["2", "x"])
def test_the_update_behind_one_that_cannot_be_used_is_flagged(tmp_path: Path, price: str) -> None:
    """Coinbase sends neither numbers nor checksums that would show it."""
    update = (
        '{{"type":"l2update","product_id":"A/B","changes":[["buy","{}","1"]],'
        '"time":"2021-04-17T16:48:52.1Z"}}'
    )
    messages = [GOOD["coinbase"][0], update.format(price), update.format("1")]
    path = capture(tmp_path / "A.ws.0.0", "coinbase", messages)
    found = records(imported(path, tmp_path, "coinbase", ["A/B"]), "md.depth")
    ids = [each["final_update_id"] for each in found]
    flags = [bool(each["flags"] & Flag.GAP) for each in found]
    if price == "2":
        assert (ids, flags) == ([1, 2, 3], [False, False, False])
    else:
        assert (ids, flags) == ([1, 3], [False, True])


@pytest.mark.parametrize("before", [7, 6])
def test_a_change_of_deribit_that_names_another_one_before_it_is_flagged(
    tmp_path: Path, before: int
) -> None:
    change = DERIBIT_BOOK.replace("snapshot", "change").replace('"change_id":7', (
        f'"change_id":9,"prev_change_id":{before}'))  # fmt: skip
    path = capture(tmp_path / "A.ws.0.0", "deribit", [DERIBIT_BOOK, change])
    found = records(imported(path, tmp_path, "deribit", ["A/B"]), "md.depth")
    assert [bool(each["flags"] & Flag.GAP) for each in found] == [False, before != 7]
    assert [each["final_update_id"] for each in found] == [1, 2 if before == 7 else 3]


@pytest.mark.parametrize("venue", BAD)
def test_captures_of_anything_end_in_words_or_in_a_closed_log(tmp_path: Path, venue: str) -> None:
    """A failure names its seed."""
    closed = 0
    path, log = tmp_path / "A.ws.0.0", tmp_path / "log"
    instruments = table(tmp_path, venue, ["A/B"])
    for seed in range(60):
        draw = random.Random(seed)
        messages = GOOD[venue] + [draw.choice([*GOOD[venue], *BAD[venue]]) for _ in range(12)]
        text = bytearray(capture(path, venue, messages).read_bytes())
        start = text.index(b"\n")
        for _ in range(draw.choice([0, 1, 1, 9])):
            text[draw.randrange(start, len(text))] = draw.randrange(256)
        path.write_bytes(text)
        summary = summary_or_error(seed, log, partial(import_cryptofeed, [path], log, instruments))
        if summary is None:
            continue
        kept = len(records(log, "md.depth")) + len(records(log, "import.dlq"))
        trades = len(records(log, "md.trades"))
        assert kept + sum(summary.set_aside.values()) <= summary.lines, f"seed {seed}"
        assert kept + sum(summary.set_aside.values()) + trades >= summary.lines, f"seed {seed}"
        closed += 1
    assert closed > 20
