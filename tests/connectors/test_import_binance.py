"""The import of synthetic lines, end to end, read back by fastavro. Oracle: what each line says,
and the table of planted faults.
"""

from __future__ import annotations

import json
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
    spot_ticker,
    spot_trade,
    stream,
    usdm_depth,
    usdm_ticker,
    usdm_trade,
    write,
)

from connectors.captures.importer import NothingImported, import_binance
from connectors.captures.lines import RecordingMissing
from connectors.captures.summary import ImportSummary
from connectors.instruments import InverseContract, UnknownSymbol
from schemas.vocabulary import Flag
from streams.log.errors import ForeignFolder, LogExists
from streams.log.manifest import read_manifest
from streams.log.verify import verify_files


def run(tmp_path: Path, lines: list[bytes], **options: Any) -> tuple[Path, ImportSummary]:
    """Import one file of these lines."""
    out = tmp_path / "log"
    return out, import_binance([write(tmp_path / "recording.gz", lines)], out, **options)


# golden samples: one line, one record


def test_a_spot_trade(tmp_path: Path) -> None:
    log, _ = run(tmp_path, [spot_trade(3735683259, time=T0 + 342)])
    assert records(log, "md.trades") == [
        {
            "instrument": 1,
            "event_time": (T0 + 342) * MS,
            "receive_time": (T0 + 342) * MS,
            "trade_id": 3735683259,
            "trade_count": 1,
            "price": 6183763,
            "quantity": 2000000,
            "aggressor_side": "SELL",
            "flags": 0,
        }
    ]


@pytest.mark.parametrize(("buyer_is_maker", "side"), [(True, "SELL"), (False, "BUY")])
@pytest.mark.parametrize("make", [spot_trade, usdm_trade])
def test_the_aggressor_is_the_side_that_was_not_the_maker(
    tmp_path: Path, make: Any, buyer_is_maker: bool, side: str
) -> None:
    log, _ = run(tmp_path, [make(1, m=buyer_is_maker)])
    assert records(log, "md.trades")[0]["aggressor_side"] == side


def test_a_usdm_trade(tmp_path: Path) -> None:
    log, summary = run(tmp_path, [usdm_trade(5266583935, E=T0 + 5)])
    trade = records(log, "md.trades")[0]
    assert (trade["instrument"], trade["event_time"], trade["price"], trade["quantity"]) == (
        3,
        T0 * MS,
        6180030,
        6,
    )
    assert summary.symbols == ["binance_usdm:BTCUSDT"]


def test_a_usdm_depth_update_has_the_matching_time_and_the_chain_of_its_feed(
    tmp_path: Path,
) -> None:
    log, _ = run(
        tmp_path,
        [
            usdm_depth(
                12,
                15,
                9,
                bids=[("61800.20", "0.500"), ("61799.00", "0.000")],
                asks=[("61800.30", "2.000")],
            )
        ],
    )
    update = records(log, "md.depth")[0]
    assert update["event_time"] == T0 * MS
    assert [
        update[name]
        for name in ("first_update_id", "final_update_id", "previous_update_id", "kind")
    ] == [12, 15, 9, "DELTA"]
    assert update["flags"] == Flag.FUTURES_CHAIN
    assert update["bids"] == [
        {"price": 6180020, "quantity": 500},
        {"price": 6179900, "quantity": 0},
    ]
    assert update["asks"] == [{"price": 6180030, "quantity": 2000}]


def test_a_spot_depth_update_has_its_send_time_and_no_previous_id(tmp_path: Path) -> None:
    log, _ = run(tmp_path, [spot_depth(12, 15, time=T0 + 7)])
    update = records(log, "md.depth")[0]
    assert (update["event_time"], update["previous_update_id"], update["flags"]) == (
        (T0 + 7) * MS,
        -1,
        0,
    )


def test_a_spot_ticker_gets_the_running_maximum_and_says_that_it_is_estimated(
    tmp_path: Path,
) -> None:
    lines = [
        spot_ticker(1),
        spot_trade(1, time=T0 + 50),
        spot_trade(2, time=T0 + 40),
        spot_ticker(2),
        usdm_ticker(3, time=T0 + 9),
    ]
    log, _ = run(tmp_path, lines)
    found = records(log, "md.book_tickers")
    assert [(each["event_time"] // MS - T0, each["flags"]) for each in found] == [
        (9, 0),
        (50, Flag.ESTIMATED_TIME),
        (50, Flag.ESTIMATED_TIME),
    ]


def test_a_bare_event_of_a_single_stream_is_read_like_a_combined_one(tmp_path: Path) -> None:
    bare = [
        line(json.loads(each.split(b" ", 1)[1])["data"])
        for each in (usdm_trade(1), usdm_depth(2, 3, 1), usdm_ticker(4), spot_ticker(5))
    ]
    _, summary = run(tmp_path, bare)
    assert (
        summary.counts["md.trades"],
        summary.counts["md.depth"],
        summary.counts["md.book_tickers"],
    ) == (1, 1, 2)


def test_a_ticker_may_have_an_empty_side_and_a_crossed_one_is_flagged(tmp_path: Path) -> None:
    lines = [usdm_ticker(1, bid="0.00", B="0.000"), usdm_ticker(2, bid="61800.40"), usdm_ticker(3)]
    log, _ = run(tmp_path, lines)
    assert [each["flags"] for each in records(log, "md.book_tickers")] == [
        Flag.ONE_SIDED,
        Flag.CROSSED,
        0,
    ]
    assert records(log, "md.book_tickers")[0]["bid_price"] == 0


def test_off_lot_and_off_tick_data_is_kept_and_flagged(tmp_path: Path) -> None:
    lines = [
        spot_trade(1, quantity="0.00000001"),
        usdm_trade(1, price="61800.31"),
        usdm_depth(1, 2, 0, asks=[("61800.35", "1")]),
        usdm_trade(2),
    ]
    log, summary = run(tmp_path, lines)
    assert [each["flags"] for each in records(log, "md.trades")] == [
        Flag.OFF_TICK,
        Flag.OFF_TICK,
        0,
    ]
    assert records(log, "md.depth")[0]["flags"] == Flag.OFF_TICK | Flag.FUTURES_CHAIN
    assert not summary.reasons


# faults: reason of the dead letter of the line that is planted behind a good trade (id 1) and a
# good update (5 to 9, after 4)

FAULTS: list[tuple[str, bytes, str]] = [
    ("garbage", b"garbage, not json", "malformed_line"),
    ("no receive time", usdm_trade(2).split(b" ", 1)[1], "malformed_line"),
    ("half a line", usdm_trade(2)[:80], "malformed_json"),
    ("two messages", usdm_trade(2) + usdm_trade(3), "malformed_json"),
    ("bytes that are no text", b'1723161255000000000 {"stream":"\xff\xfe"}', "malformed_json"),
    ("an array", line([1, 2]), "malformed_fields"),
    ("an unknown stream", stream("nope@x", {}), "unknown_stream"),
    ("a subscription's answer", line({"result": None, "id": 1}), "unknown_stream"),
    ("fields missing", stream("btcusdt@trade", {"e": "trade", "s": "BTCUSDT"}), "malformed_fields"),
    ("an id that is text", usdm_trade(2, t="2"), "malformed_fields"),
    ("a negative id", usdm_trade(-2), "malformed_fields"),
    ("an id beyond 64 bits", usdm_trade(2**63), "malformed_fields"),
    ("another symbol than the stream's", usdm_trade(2, s="ETHUSDT"), "symbol_mismatch"),
    ("a level of three", usdm_depth(10, 11, 9, bids=[("1", "2", "3")]), "malformed_fields"),
    ("ids the wrong way round", usdm_depth(12, 11, 9), "malformed_fields"),
    ("a price off the precision", usdm_trade(2, price="61800.305"), "off_precision"),
    ("a quantity off the precision", usdm_trade(2, quantity="0.0015"), "off_precision"),
    (
        "a level off the precision",
        usdm_depth(10, 11, 9, bids=[("1.00", "1"), ("1.005", "1")]),
        "off_precision",
    ),
    ("no number", usdm_trade(2, price="NaN"), "bad_number"),
    ("a price beyond 64 bits", usdm_trade(2, price="9" * 30), "out_of_range"),
    ("a negative price", usdm_trade(2, price="-61800.30"), "negative_price"),
    ("a zero price", usdm_trade(2, price="0.00"), "zero_price"),
    ("a trade of nothing", usdm_trade(2, quantity="0.000"), "zero_quantity"),
    ("a negative level", usdm_depth(10, 11, 9, asks=[("61800.30", "-1.000")]), "negative_quantity"),
    (
        "a level at a negative price",
        usdm_depth(10, 11, 9, asks=[("-0.10", "1.000")]),
        "negative_price",
    ),
    ("the same trade", usdm_trade(1), "duplicate_trade"),
    ("a trade before the first", usdm_trade(0), "regressing_trade"),
    ("the same update", usdm_depth(5, 9, 4), "duplicate_update"),
    ("an older update", usdm_depth(3, 7, 2), "regressing_update"),
    ("the same ticker", usdm_ticker(50), "duplicate_ticker"),
    ("an older ticker", usdm_ticker(49), "regressing_ticker"),
    (
        "a snapshot of nobody's prices",
        snapshot(9, bids=[("1.00", "1")], asks=[("1.10", "1")], T=T0, E=T0),
        "unplaced_snapshot",
    ),
    ("an empty snapshot", snapshot(9, bids=[], asks=[], T=T0, E=T0), "unplaced_snapshot"),
]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [(bad, reason) for _, bad, reason in FAULTS],
    ids=[name for name, _, _ in FAULTS],
)
def test_a_planted_fault_goes_to_its_dead_letter_and_the_lines_around_it_are_kept(
    tmp_path: Path, bad: bytes, reason: str
) -> None:
    before = [usdm_trade(1), usdm_depth(5, 9, 4), usdm_ticker(50)]
    after = [usdm_trade(2), usdm_depth(10, 11, 9), usdm_ticker(51)]
    log, summary = run(tmp_path, [*before, bad, *after])
    letters = records(log, "import.dlq")
    assert [
        (
            each["reason"],
            each["origin_topic"],
            each["origin_partition"],
            each["origin_offset"],
            each["payload"],
        )
        for each in letters
    ] == [(reason, "recording.gz", 0, 4, bad)]
    assert letters[0]["detail"]
    assert summary.reasons == {reason: 1}
    assert [each["trade_id"] for each in records(log, "md.trades")] == [1, 2]
    assert [each["final_update_id"] for each in records(log, "md.depth")] == [9, 11]
    assert [each["update_id"] for each in records(log, "md.book_tickers")] == [50, 51]


def test_a_gap_in_the_chain_is_kept_flagged_and_counted_not_dead_lettered(tmp_path: Path) -> None:
    log, summary = run(
        tmp_path,
        [
            usdm_depth(5, 9, 4),
            usdm_depth(20, 22, 15),
            usdm_depth(23, 24, 22),
            spot_depth(1, 2),
            spot_depth(4, 5),
        ],
    )
    assert [bool(each["flags"] & Flag.GAP) for each in records(log, "md.depth")] == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert [each.depth_gaps for each in summary.instruments] == [1, 1]
    assert not summary.reasons


def test_a_dead_lettered_update_leaves_the_break_of_its_chain_in_the_log(tmp_path: Path) -> None:
    log, _ = run(
        tmp_path,
        [usdm_depth(5, 9, 4), usdm_depth(10, 12, 9, bids=[("-1", "1")]), usdm_depth(13, 14, 12)],
    )
    assert [
        (each["final_update_id"], bool(each["flags"] & Flag.GAP))
        for each in records(log, "md.depth")
    ] == [(9, False), (14, True)]


def test_overlapping_reconnects_give_each_trade_once(tmp_path: Path) -> None:
    first = [usdm_trade(number, time=T0 + number) for number in range(100, 160)]
    second = [usdm_trade(number, time=T0 + number) for number in range(140, 200)]
    log, summary = run(tmp_path, [*first, *second])
    assert [each["trade_id"] for each in records(log, "md.trades")] == list(range(100, 200))
    assert summary.reasons == {"duplicate_trade": 20}


def test_interleaved_reconnects_give_each_trade_once_and_late_ones_are_flagged(
    tmp_path: Path,
) -> None:
    log, summary = run(tmp_path, [usdm_trade(number) for number in (1, 2, 5, 3, 5, 4, 4, 6)])
    found = [(each["trade_id"], each["flags"]) for each in records(log, "md.trades")]
    assert found == [(1, 0), (2, 0), (5, Flag.GAP), (3, Flag.LATE), (4, Flag.LATE), (6, 0)]
    assert summary.reasons == {"duplicate_trade": 2} and summary.instruments[0].missing_trades == 0


@pytest.mark.parametrize("kind", ["INSURANCE_FUND", "ADL", "NA"])
def test_trades_that_were_not_of_the_market_are_set_aside_and_leave_no_gap(
    tmp_path: Path, kind: str
) -> None:
    log, summary = run(
        tmp_path, [usdm_trade(1), usdm_trade(2, X=kind, price="0.00", quantity="0"), usdm_trade(3)]
    )
    assert [(each["trade_id"], each["flags"]) for each in records(log, "md.trades")] == [
        (1, 0),
        (3, 0),
    ]
    assert summary.set_aside == {f"trade {kind}": 1} and not summary.reasons


@pytest.mark.parametrize(
    "channel", ["kline_1m", "markPrice@1s", "depth20@100ms", "depth5", "forceOrder", "miniTicker"]
)
def test_streams_that_are_not_imported_are_set_aside_partial_depth_among_them(
    tmp_path: Path, channel: str
) -> None:
    log, summary = run(
        tmp_path,
        [
            usdm_trade(1),
            stream(f"btcusdt@{channel}", {"e": "depthUpdate", "U": 1, "u": 2, "b": [], "a": []}),
        ],
    )
    assert summary.set_aside == {channel.partition("@")[0]: 1}
    assert not records(log, "md.depth") and not summary.reasons


def test_spot_and_usdm_symbols_may_be_mixed_in_one_recording(tmp_path: Path) -> None:
    log, summary = run(
        tmp_path, [spot_trade(1), usdm_trade(1), spot_depth(1, 2), usdm_depth(1, 2, 0)]
    )
    assert summary.symbols == ["binance:BTCUSDT", "binance_usdm:BTCUSDT"]
    assert [(each["instrument"], each["venue"]) for each in records(log, "ref.instruments")] == [
        (1, "binance"),
        (3, "binance_usdm"),
    ]
    assert [each["instrument"] for each in records(log, "md.depth")] == [1, 3]


def test_an_unknown_symbol_ends_the_import_and_leaves_nothing(tmp_path: Path) -> None:
    bad = usdm_trade(2).replace(b"btcusdt", b"dogeusdt").replace(b"BTCUSDT", b"DOGEUSDT")
    with pytest.raises(UnknownSymbol, match=r"DOGEUSDT on binance_usdm.*--instruments"):
        run(tmp_path, [usdm_trade(1), bad])
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("symbol", ["BTCUSD_PERP", "BTCUSD_240927"])
def test_an_inverse_contract_is_refused_by_name(tmp_path: Path, symbol: str) -> None:
    bad = (
        usdm_trade(2)
        .replace(b"btcusdt", symbol.lower().encode())
        .replace(b"BTCUSDT", symbol.encode())
    )
    with pytest.raises(InverseContract, match=f"{symbol} is an inverse contract"):
        run(tmp_path, [bad])
    assert not (tmp_path / "log").exists()


def test_a_symbol_of_the_users_table_is_imported(tmp_path: Path) -> None:
    table = tmp_path / "more.toml"
    table.write_text(
        '[[instrument]]\ninstrument = 9\nvenue = "binance_usdm"\nsymbol = "DOGEUSDT"\nkind = '
        '"perpetual"\nbase = "DOGE"\nquote = "USDT"\n'
        'price_precision = 5\nquantity_precision = 0\ntick_size = "0.00001"\nlot_size = '
        '"1"\nminimum_quantity = "1"\n'
        'maximum_quantity = "10000000"\nminimum_notional = "5"\nvalid_from = 2024-01-01T00:00:00Z\n'
    )
    made = (
        usdm_trade(2, price="0.12345", quantity="7")
        .replace(b"btcusdt", b"dogeusdt")
        .replace(b"BTCUSDT", b"DOGEUSDT")
    )
    log, _ = run(tmp_path, [made], instruments=table)
    assert [
        (each["instrument"], each["price"], each["quantity"]) for each in records(log, "md.trades")
    ] == [(9, 12345, 7)]


def test_spot_microseconds_are_read_when_they_are_declared(tmp_path: Path) -> None:
    log, summary = run(
        tmp_path,
        [spot_trade(1, T=T0 * 1000 + 7), spot_depth(1, 2, E=T0 * 1000 + 9)],
        spot_time_unit="us",
    )
    assert records(log, "md.trades")[0]["event_time"] == T0 * MS + 7000
    assert records(log, "md.depth")[0]["event_time"] == T0 * MS + 9000
    assert not summary.reasons


def test_several_files_are_one_recording(tmp_path: Path) -> None:
    lines = [
        usdm_trade(1),
        b"bad",
        usdm_depth(5, 9, 4),
        snapshot(7, T=T0, E=T0),
        usdm_depth(10, 11, 9),
        usdm_ticker(3),
        b"worse",
        usdm_trade(2),
    ]
    import_binance([write(tmp_path / "whole", lines)], tmp_path / "one")
    import_binance(
        [write(tmp_path / "whole.gz", lines[:3]), write(tmp_path / "rest", lines[3:])],
        tmp_path / "two",
    )
    one, two = (read_manifest(tmp_path / name / "log.json")["topics"] for name in ("one", "two"))
    assert {key: value for key, value in one.items() if key != "import.dlq"} == {
        key: value for key, value in two.items() if key != "import.dlq"
    }
    assert [
        (each["origin_topic"], each["origin_offset"])
        for each in records(tmp_path / "two", "import.dlq")
    ] == [("whole.gz", 2), ("rest", 7)]


def test_a_truncated_file_is_kept_as_far_as_it_goes_and_the_log_is_closed(tmp_path: Path) -> None:
    prices = [f"{50000 + 7919 * number % 9973}.10" for number in range(1, 3000)]
    path = write(
        tmp_path / "recording.gz",
        [
            usdm_trade(number, time=T0 + number, price=price)
            for number, price in enumerate(prices, 1)
        ],
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    summary = import_binance([path], tmp_path / "log")
    assert summary.truncated == ["recording.gz"]
    found = [each["trade_id"] for each in records(tmp_path / "log", "md.trades")]
    assert found == list(range(1, len(found) + 1)) and len(found) > 1000
    assert set(summary.reasons) <= {"truncated_line"}
    assert verify_files(tmp_path / "log", read_manifest(tmp_path / "log" / "log.json")) == []


def test_a_recording_of_nothing_useful_is_an_error_that_says_what_it_held(tmp_path: Path) -> None:
    with pytest.raises(NothingImported, match="of 2 lines 2 are dead letters for malformed_line"):
        run(tmp_path, [b"hello", b"world"])
    assert len(records(tmp_path / "log", "import.dlq")) == 2
    with pytest.raises(NothingImported, match="no frames"):
        import_binance([write(tmp_path / "empty", [])], tmp_path / "other")


def test_wrong_use_is_told_before_anything_is_written(tmp_path: Path) -> None:
    good = write(tmp_path / "good", [usdm_trade(1)])
    with pytest.raises(RecordingMissing):
        import_binance([good, tmp_path / "none.gz"], tmp_path / "log")
    assert not (tmp_path / "log").exists()
    import_binance([good], tmp_path / "log")
    with pytest.raises(LogExists):
        import_binance([good], tmp_path / "log")
    with pytest.raises(ForeignFolder):
        import_binance([good], tmp_path)


def test_the_manifest_names_the_files_and_every_topic_with_its_digest(tmp_path: Path) -> None:
    log, summary = run(tmp_path, [usdm_trade(1), b"bad"])
    manifest = read_manifest(log / "log.json")
    assert manifest["provenance"] == "recorded" and [
        each["file"] for each in manifest["sources"]
    ] == ["recording.gz"]
    assert {name: entry["count"] for name, entry in manifest["topics"].items()} == summary.counts
    assert summary.counts == {"import.dlq": 1, "md.trades": 1, "ref.instruments": 1}


def test_the_same_recording_gives_the_same_bytes(tmp_path: Path) -> None:
    lines = [usdm_trade(1), usdm_depth(5, 9, 4), b"bad", spot_ticker(1)]
    path = write(tmp_path / "recording.gz", lines)
    import_binance([path], tmp_path / "one")
    import_binance([path], tmp_path / "two")
    assert (tmp_path / "one" / "log.json").read_bytes() == (
        tmp_path / "two" / "log.json"
    ).read_bytes()


def test_progress_reaches_its_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    run(
        tmp_path,
        [usdm_trade(number) for number in range(1, 10_000)],
        progress=lambda done, total: seen.append((done, total)),
    )
    assert len(seen) == 3 and seen[-1][0] == seen[-1][1] and seen == sorted(seen)
