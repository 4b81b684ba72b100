"""What people's recorders really leave behind, through ``sq import``. Oracles: the clean recording
beside the odd one, and what each line says.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import threading
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from binance_lines import (
    MS,
    T0,
    line,
    records,
    snapshot,
    spot_depth,
    spot_trade,
    stream,
    usdm_depth,
    usdm_trade,
    write,
)

from jobs.sq import main
from schemas.vocabulary import Flag
from streams.log.local import LocalLog
from streams.log.manifest import read_manifest

MARKET = ("md.trades", "md.depth")


def sq(*words: Any) -> int:
    return main([str(word) for word in words])


def imported(folder: Path, lines: list[bytes], name: str = "log") -> Path:
    assert (
        sq("import", "binance", write(folder / f"{name}.txt", lines), "--out", folder / name) == 0
    )
    return folder / name


def market(log: Path, topics: tuple[str, ...] = MARKET) -> list[list[dict[str, Any]]]:
    """Records of topics, without what says that a time is estimated."""
    return [
        [{**each, "flags": each["flags"] & ~Flag.ESTIMATED_TIME} for each in records(log, topic)]
        for topic in topics
    ]


def eth(text: bytes) -> bytes:
    return text.replace(b"btcusdt", b"ethusdt").replace(b"BTCUSDT", b"ETHUSDT")


def perpetual(
    stamps: dict[int, int] | None = None, scale: int = 1, scaled_from: int = 1 << 30
) -> list[bytes]:
    """A minute of a perpetual, a print and an update a second; ``stamps``: by line, ms that its
    stamp is wrong by.
    """
    wrong = stamps or {}
    made = [
        line(
            {
                "lastUpdateId": 9,
                "E": T0,
                "T": T0,
                "bids": [["61800.20", "1.000"]],
                "asks": [["61800.30", "1.000"]],
            },
            T0 + 5,
        )
    ]
    for second in range(1, 61):
        for kind in ("depth", "trade"):
            place = len(made)
            real = T0 + 1000 * second + (500 if kind == "trade" else 0)
            stamp = real + wrong.get(place, 0)
            stamp *= scale if place >= scaled_from else 1
            if kind == "depth":
                text = usdm_depth(
                    8 + 2 * second,
                    9 + 2 * second,
                    7 + 2 * second,
                    [("61800.20", f"{1 + second % 3}.000")],
                    time=T0,
                    T=stamp,
                    E=stamp,
                )
            else:
                text = usdm_trade(second, time=T0, T=stamp)
            made.append(f"{(real + 5) * MS} ".encode() + text.split(b" ", 1)[1])
    return made


# snapshots (A1)


def two_books(
    tmp_path: Path, foreign_id: int | None, with_other: bool, price: str = "61900.00"
) -> dict[int, list[str]]:
    """BTC and ETH at one price, each with a snapshot of its own; ids of ETH begin at 900,000."""
    lines = [spot_depth(11, 20, [(price, "1.5")]), spot_trade(1)]
    other = [eth(spot_depth(900_011, 900_020, [(price, "2.5")])), eth(spot_trade(1))]
    lines += other if with_other else []
    lines.append(snapshot(15, bids=[(price, "1")], asks=[("61837.64", "1.5")]))
    lines += (
        [snapshot(foreign_id, bids=[(price, "2")], asks=[("61837.64", "1.5")])]
        if foreign_id
        else []
    )
    lines += [spot_depth(21, 30, [(price, "1.0")])] + (
        [eth(spot_depth(900_021, 900_030))] if with_other else []
    )
    found: dict[int, list[str]] = {}
    for each in records(imported(tmp_path, lines), "md.depth"):
        found.setdefault(each["instrument"], []).append(each["kind"])
    return found


def test_a_snapshot_of_another_symbol_at_our_price_is_not_ours(tmp_path: Path) -> None:
    assert two_books(tmp_path, 900_015, with_other=False) == {1: ["SNAPSHOT", "DELTA", "DELTA"]}
    assert [each["reason"] for each in records(tmp_path / "log", "import.dlq")] == [
        "unplaced_snapshot"
    ]


def test_symbols_at_nearly_one_price_each_find_their_snapshot(tmp_path: Path) -> None:
    assert two_books(tmp_path, 900_015, with_other=True) == {
        1: ["SNAPSHOT", "DELTA", "DELTA"],
        2: ["SNAPSHOT", "DELTA", "DELTA"],
    }


def test_ids_that_are_drawn_for_all_symbols_leave_the_levels_to_decide(tmp_path: Path) -> None:
    """USD-M draws one sequence, so that a snapshot continues every symbol; the quantities that
    updates left are in one snapshot only.
    """
    lines = [
        usdm_depth(11, 12, 5, [("61800.20", "1.000")]),
        eth(usdm_depth(13, 14, 6, [("61800.20", "2.000")])),
    ]
    lines += [
        snapshot(14, [("61800.20", "2.000")], [("61800.30", "1.000")], T=T0),
        usdm_depth(15, 16, 12),
        eth(usdm_depth(17, 18, 14)),
    ]
    found = [
        (each["instrument"], each["kind"])
        for each in records(imported(tmp_path, lines), "md.depth")
    ]
    assert found == [(3, "DELTA"), (3, "DELTA"), (4, "SNAPSHOT"), (4, "DELTA"), (4, "DELTA")]


def test_a_single_instrument_of_wide_ticks_finds_its_snapshot_and_a_book_that_never_syncs_is_said(
    tmp_path: Path, capsys: Any
) -> None:
    """Bid 0.03 and ask 0.05: neither lies within a tenth of the last price."""
    bids, asks = [("0.03", "5.000")], [("0.05", "5.000")]
    lines = [
        usdm_trade(1, price="0.04"),
        usdm_depth(11, 20, 5, bids, asks),
        snapshot(15, bids, asks, T=T0),
        usdm_depth(21, 30, 20, bids),
    ]
    assert [each["kind"] for each in records(imported(tmp_path, lines), "md.depth")] == [
        "SNAPSHOT",
        "DELTA",
        "DELTA",
    ]
    assert "never syncs" not in capsys.readouterr().out
    imported(tmp_path, [*lines[:2], lines[3]], "without")
    assert (
        "BTCUSDT: its book never syncs, for no snapshot continues its 2 updates"
        in capsys.readouterr().out
    )
    assert (
        sq("backtest", tmp_path / "without", "--strategy", "noop-python", "--out", tmp_path / "run")
        == 0
    )
    assert "The book of BTCUSDT never synced" in capsys.readouterr().out


# times (A10, F5, B17)

YEARS = 14 * 365 * 86_400_000
WRONG = {
    "a print four minutes ahead": {40: 240_000},
    "an update four minutes ahead": {41: 240_000},
    "the first print 14 years early": {2: -YEARS},
    "the first update 14 years early": {1: -YEARS},
    "the last print 50 minutes ahead": {120: 3_000_000},
    "an update a day ahead": {61: 86_400_000},
    "several": {2: -YEARS, 40: 240_000, 41: 3_000_000, 63: -300_000, 120: 3_000_000},
}


@pytest.mark.parametrize("stamps", WRONG.values(), ids=WRONG)
def test_a_stamp_that_is_wrong_is_replaced_by_what_its_receipt_shows(
    tmp_path: Path, capsys: Any, stamps: dict[int, int]
) -> None:
    """The estimate is exact here, so that all records are those of the clean recording; they are
    flagged, counted and said.
    """
    clean, odd = (
        imported(tmp_path, perpetual(), "clean"),
        imported(tmp_path, perpetual(stamps), "odd"),
    )
    assert market(odd) == market(clean)
    flagged = sum(
        bool(each["flags"] & Flag.ESTIMATED_TIME)
        for topic in MARKET
        for each in records(odd, topic)
    )
    assert flagged == len(stamps) and not records(odd, "import.dlq")
    assert capsys.readouterr().out.count("an estimated time") >= 1
    ours, theirs = (read_manifest(log / "log.json")["import"] for log in (odd, clean))
    assert [ours[name] - theirs[name] for name in ("first_time", "last_time")] == [0, 0]


def test_a_run_over_wrong_stamps_is_the_run_over_right_ones(tmp_path: Path) -> None:
    """Bars, marks and P&L; a first print 14 years early walked timers through 14 years."""
    runs = []
    for name, stamps in (("clean", {}), ("odd", WRONG["several"])):
        log = imported(tmp_path, perpetual(stamps), name)
        assert (
            sq("backtest", log, "--strategy", "noop-python", "--out", tmp_path / f"run-{name}") == 0
        )
        runs.append(market(tmp_path / f"run-{name}", ("md.bars", "md.marks", "pnl")))
    assert runs[0] == runs[1] and len(runs[0][1]) > 50


@pytest.mark.parametrize("since", [0, 60])
def test_microseconds_are_told_by_their_size_and_again_where_they_begin(
    tmp_path: Path, capsys: Any, since: int
) -> None:
    log = imported(tmp_path, perpetual(scale=1000, scaled_from=since), "us")
    assert market(log) == market(imported(tmp_path, perpetual(), "ms"))
    said = capsys.readouterr().out
    assert ("times are in us from line 61 on" in said) is (since > 0)


def test_a_declared_unit_is_the_only_one(tmp_path: Path) -> None:
    lines = [spot_trade(1), spot_trade(2, T=T0 * 1000), spot_trade(3, T=T0 + 5)]
    for unit, kept in (("ms", [1, 3]), ("us", [2])):
        path = write(tmp_path / unit, lines)
        assert sq("import", "binance", path, "--unit", unit, "--out", tmp_path / f"log-{unit}") == 0
        assert [each["trade_id"] for each in records(tmp_path / f"log-{unit}", "md.trades")] == kept


# files (B16)


def text_of(lines: list[bytes]) -> bytes:
    return b"".join(each + b"\n" for each in lines)


def test_every_line_that_zcat_shows_is_kept_and_the_members_behind_the_damage(
    tmp_path: Path, capsys: Any
) -> None:
    lines = [spot_trade(number, time=T0 + 7919 * number % 50_000) for number in range(1, 1200)]
    first, second = (gzip.compress(text_of(part), mtime=0) for part in (lines[:600], lines[600:]))
    flipped = bytearray(first)
    flipped[len(first) // 2 : len(first) // 2 + 8] = b"\xff" * 8
    engine, shown = zlib.decompressobj(31), b""
    try:
        for place in range(len(flipped)):
            shown += engine.decompress(flipped[place : place + 1])
    except zlib.error:
        pass
    good = [number for number in range(1, 600) if shown.startswith(text_of(lines[:number]))][-1]
    cases = {
        "appended": (first[:-8] + second, 1199),
        "cut inside": (first[: len(first) // 2] + second, 850),
        "flipped": (bytes(flipped) + second, good + 590),
        "no end": (first[:-8], 600),
        "rubbish": (first + b"rubbish" * 9 + second, 1199),
    }
    for name, (packed, least) in cases.items():
        (tmp_path / name).write_bytes(packed)
        assert sq("import", "binance", tmp_path / name, "--out", tmp_path / f"log {name}") == 1, (
            name
        )
        ids = [each["trade_id"] for each in records(tmp_path / f"log {name}", "md.trades")]
        assert len(ids) == len(set(ids)) >= least, name
        assert ids[: good if name == "flipped" else 250] == list(
            range(1, 1 + (good if name == "flipped" else 250))
        )
        said = capsys.readouterr().err
        assert name in said and ("bytes were not read" in said) == (
            name == "rubbish" or "block" in said
        ), said


def test_a_file_of_another_kind_is_named_in_one_line_and_nothing_is_kept(
    tmp_path: Path, capsys: Any
) -> None:
    text = text_of([spot_trade(1)])
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as archive:
        archive.writestr("a", text)
    kinds = {
        "UTF-16": text.decode().encode("utf-16"),
        "UTF-16 or binary": text.decode().encode("utf-16-le"),
        "an xz file": lzma.compress(text),
        "a bzip2 file": bz2.compress(text),
        "a zip file": box.getvalue(),
        "an xz file, packed by gzip": gzip.compress(lzma.compress(text)),
        "a Parquet file": b"PAR1" + text,
        "binary data": bytes(range(32)) * 9,
    }
    for name, content in kinds.items():
        (tmp_path / "file").write_bytes(content)
        assert sq("import", "binance", tmp_path / "file", "--out", tmp_path / "log") == 2, name
        said = capsys.readouterr().err
        assert name in said and said.count("\n") == 1 and not (tmp_path / "log").exists(), said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"<html><body>404</body></html>\n", "a web page"),
        (b"time,price,quantity,side\n1,2,3,4\n", "a table (CSV)"),
        (b'[{"e":"trade"}]\n', "one JSON array"),
        (b'{"e":"trade"}\n', "JSON without a receive time"),
        (b'1723161255.5: {"channel":"book","data":[]}\n', "another venue"),
        (b"\n \n\n", "blank lines only"),
        (b"once upon a time\n", "text of another kind"),
    ],
)
def test_text_that_is_no_recording_is_said_to_be_what_it_seems(
    tmp_path: Path, capsys: Any, text: bytes, said: str
) -> None:
    (tmp_path / "file").write_bytes(text)
    assert sq("import", "binance", tmp_path / "file", "--out", tmp_path / "log") == 1
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1, err


def rewritten(text: bytes, **changes: Any) -> bytes:
    """A line with fields of its event changed."""
    received, message = text.split(b" ", 1)
    whole = json.loads(message)
    whole["data"] |= changes
    return received + b" " + json.dumps(whole).encode()


def test_what_other_programs_make_of_lines_is_read_where_its_meaning_is_certain(
    tmp_path: Path,
) -> None:
    """A byte order mark, blank lines, numbers without quotes, other units and forms of the receive
    time: the records of the plain lines.
    """
    plain = [
        spot_trade(1),
        spot_depth(1, 2, [("61837.63", "1.0")]),
        spot_trade(2, time=T0 + 250, price="61837.10"),
    ]
    odd = [
        b"\xef\xbb\xbf" + plain[0].replace(b"0 {", b" {", 1).replace(b"000000 {", b"000 {", 1),
        b"",
        b"  \r",
        rewritten(plain[1], b=[[61837.63, 1.0]]).replace(
            f"{T0 * MS} ".encode(), f"{T0 // 1000}.000: ".encode()
        ),
        rewritten(plain[2], p=61837.1, q=2e-2).replace(
            f"{(T0 + 250) * MS} ".encode(), f"{(T0 + 250) * 1000} ".encode()
        ),
    ]
    odd[0] = b"\xef\xbb\xbf" + plain[0]
    assert market(imported(tmp_path, odd, "odd")) == market(imported(tmp_path, plain, "plain"))
    assert not records(tmp_path / "odd", "import.dlq")


def aggregate(number: int, first: int, last: int, time: int) -> bytes:
    data = {
        "e": "aggTrade",
        "E": time,
        "s": "BTCUSDT",
        "a": number,
        "p": "61800.30",
        "q": "0.006",
        "f": first,
        "l": last,
        "T": time,
        "m": True,
    }
    return stream("btcusdt@aggTrade", data, time)


def test_aggregated_trades_are_the_prints_of_a_recording_without_others(tmp_path: Path) -> None:
    lines = [aggregate(number, 3 * number, 3 * number + 2, T0 + number) for number in range(600)]
    found = records(imported(tmp_path, lines, "only"), "md.trades")
    assert [(each["trade_id"], each["trade_count"]) for each in found] == [
        (3 * number + 2, 3) for number in range(600)
    ]
    both = imported(
        tmp_path, [aggregate(1, 3, 5, T0), usdm_trade(6), aggregate(2, 7, 7, T0)], "both"
    )
    assert [(each["trade_id"], each["trade_count"]) for each in records(both, "md.trades")] == [
        (6, 1)
    ]
    assert read_manifest(both / "log.json")["import"]["set_aside"] == {"aggTrade": 2}


def test_a_pipe_is_read_once_and_digested(tmp_path: Path) -> None:
    path = write(tmp_path / "file", [spot_trade(number) for number in range(1, 50)])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    writer.start()
    assert sq("import", "binance", pipe, "--out", tmp_path / "one") == 0
    writer.join()
    assert sq("import", "binance", path, "--out", tmp_path / "two") == 0
    one, two = (read_manifest(tmp_path / name / "log.json") for name in ("one", "two"))
    assert (
        one["topics"] == two["topics"]
        and one["sources"][0]["sha256"] == two["sources"][0]["sha256"]
    )
    assert one["sources"][0]["file"] == "pipe"


# commands


@pytest.mark.parametrize("command", ["import", "generate"])
def test_what_was_interrupted_starts_over_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, command: str
) -> None:
    path = write(tmp_path / "file", [spot_trade(number) for number in range(1, 9)])
    words = ["import", "binance", path] if command == "import" else ["generate", "--minutes", 1]
    words += ["--out", tmp_path / "log"]

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("connectors.blocks.file_entries", interrupted)
        assert sq(*words) == 130
    assert "run the same command again, it starts over" in capsys.readouterr().err
    assert (tmp_path / "log" / "md.trades").exists() and not (
        tmp_path / "log" / "log.json"
    ).exists()
    with LocalLog.open(tmp_path / "log", writable=True):
        assert sq(*words) == 2, "not while another process writes there"
    assert sq(*words) == 0
    assert (tmp_path / "log" / "log.json").exists()


def test_a_console_that_cannot_show_a_symbol_shows_it_escaped(tmp_path: Path) -> None:
    table = tmp_path / "table.toml"
    keys = (
        'instrument = 9\nvenue = "binance"\nkind = "spot"\nquote = "USDT"\nprice_precision = '
        '5\nquantity_precision = 8\ntick_size = "0.00001"\n'
    )
    more = (
        'lot_size = "1"\nminimum_quantity = "1"\nmaximum_quantity = '
        '"10000000"\nminimum_notional = "5"\nvalid_from = 2024-01-01T00:00:00Z\n'
    )
    table.write_text(
        f'[[instrument]]\nsymbol = "币安人生USDT"\nbase = "币安人生"\n{keys}{more}',
        encoding="utf-8",
    )
    text = (
        spot_trade(1, price="0.50000")
        .replace(b"btcusdt", "币安人生usdt".encode())
        .replace(b"BTCUSDT", "币安人生USDT".encode())
    )
    words = [
        "import",
        "binance",
        write(tmp_path / "file", [text]),
        "--instruments",
        table,
        "--out",
        tmp_path / "log",
    ]
    code = "import sys; from jobs.sq import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert rb"\u5e01\u5b89\u4eba\u751fUSDT" in done.stdout


def test_cat_from_a_time_shows_no_record_before_it(tmp_path: Path, capsysbinary: Any) -> None:
    stamps = [0, 100, 700, 200, 900, 300, 800]
    log = imported(
        tmp_path, [spot_trade(number, time=T0 + stamp) for number, stamp in enumerate(stamps)]
    )
    capsysbinary.readouterr()
    for limit in (0, 2):
        assert (
            sq("cat", log, "md.trades", "--from", "2024-08-08T23:54:15.500", "--limit", limit) == 0
        )
        shown = [
            json.loads(each)["event_time"] // MS - T0
            for each in capsysbinary.readouterr().out.splitlines()
        ]
        assert shown == [700, 900, 800][: limit or 3]
