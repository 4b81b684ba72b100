"""A recording repeated. Oracle: the recording's own records, moved by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from binance_lines import (
    T0,
    records,
    snapshot,
    spot_depth,
    spot_ticker,
    spot_trade,
    usdm_depth,
    usdm_trade,
    write,
)

from connectors.captures.importer import import_binance
from connectors.captures.tiling import MINUTE, CannotTile, read_tile, tile
from connectors.simulators.market import generate
from schemas.errors import WrongUse
from schemas.vocabulary import Flag
from streams.log.manifest import read_manifest
from streams.log.verify import verify_files

SHOT = [("61800.20", "3")], [("61800.30", "1")]


def moved(found: list[dict[str, Any]], time: int, ids: int) -> list[dict[str, Any]]:
    """The records with times and ids moved; -1 stands for "none"."""
    out = []
    for each in found:
        copy = dict(each)
        for name, value in each.items():
            if name.endswith("_time"):
                copy[name] = value + time
            elif name.endswith("_id") and value >= 0:
                copy[name] = value + ids
        out.append(copy)
    return out


@pytest.mark.parametrize("kind", ["spot", "usdm"])
def test_each_tile_is_the_recording_from_its_snapshot_on_moved_in_time_and_ids(
    tmp_path: Path, kind: str
) -> None:
    if kind == "spot":
        lines = [
            spot_trade(1),
            spot_depth(1, 10),
            snapshot(15),
            spot_trade(2, time=T0 + 5),
            spot_ticker(16),
            spot_depth(11, 20, time=T0 + 9),
        ]
    else:
        shot = snapshot(15, *SHOT, T=T0 + 2, E=T0 + 3)
        lines = [
            usdm_trade(1),
            usdm_depth(1, 10, 0),
            shot,
            usdm_trade(2, time=T0 + 5),
            usdm_depth(13, 20, 10, time=T0 + 9),
        ]
    import_binance([write(tmp_path / "recording", lines)], tmp_path / "log")
    manifest = tile(tmp_path / "log", tmp_path / "tiled", 3)
    one = read_tile(tmp_path / "log")
    assert one.period == MINUTE
    depth = [
        each
        for each in records(tmp_path / "log", "md.depth")
        if each["kind"] == "SNAPSHOT" or each["final_update_id"] > 15
    ]
    found = records(tmp_path / "tiled", "md.depth")
    assert [each["kind"] for each in found] == ["SNAPSHOT", "DELTA"] * 3
    span = one.spans["md.depth"]
    assert found == [*depth, *moved(depth, MINUTE, span), *moved(depth, 2 * MINUTE, 2 * span)]
    trades = [
        each
        for each in records(tmp_path / "log", "md.trades")
        if each["event_time"] >= depth[0]["event_time"]
    ]
    found = records(tmp_path / "tiled", "md.trades")
    assert found == [
        *trades,
        *moved(trades, MINUTE, len(trades)),
        *moved(trades, 2 * MINUTE, 2 * len(trades)),
    ]
    assert records(tmp_path / "tiled", "ref.instruments") == records(
        tmp_path / "log", "ref.instruments"
    )
    assert (
        manifest["rows"] == 3 * one.row_count and verify_files(tmp_path / "tiled", manifest) == []
    )


def test_ids_and_times_go_up_over_all_tiles(tmp_path: Path) -> None:
    generate(2, 3, tmp_path / "log")
    tile(tmp_path / "log", tmp_path / "tiled", 4)
    for topic, name in (
        ("md.trades", "trade_id"),
        ("md.depth", "final_update_id"),
        ("md.book_tickers", "update_id"),
    ):
        found = records(tmp_path / "tiled", topic)
        assert len(found) == 4 * len(records(tmp_path / "log", topic))
        ids, times = [each[name] for each in found], [each["event_time"] for each in found]
        assert ids == sorted(set(ids)) and times == sorted(times)
    shots = [
        each
        for each in records(tmp_path / "tiled", "md.depth")
        if each["flags"] & Flag.FIRST_OF_SNAPSHOT
    ]
    assert len(shots) == 4 and len({str(each["bids"]) for each in shots}) == 1


def test_rows_are_counted_one_a_level_one_an_empty_update_and_one_a_trade(tmp_path: Path) -> None:
    lines = [
        usdm_trade(1),
        snapshot(9, *SHOT, T=T0, E=T0),
        usdm_depth(9, 10, 9, bids=[("1.00", "1"), ("2.00", "1")]),
        usdm_depth(12, 13, 10, bids=[]),
    ]
    import_binance([write(tmp_path / "recording", lines)], tmp_path / "log")
    assert read_tile(tmp_path / "log").row_count == 2 + 2 + 1 + 1


def test_a_tiling_is_a_function_of_the_recording_and_the_number(tmp_path: Path) -> None:
    generate(1, 3, tmp_path / "log")
    for name in "ab":
        tile(tmp_path / "log", tmp_path / name, 2)
    assert (tmp_path / "a" / "log.json").read_bytes() == (tmp_path / "b" / "log.json").read_bytes()
    assert read_manifest(tmp_path / "a" / "log.json")["provenance"] == "simulated"


def test_what_cannot_be_tiled_is_refused(tmp_path: Path) -> None:
    import_binance(
        [write(tmp_path / "a", [usdm_trade(1), usdm_depth(1, 2, 0)])], tmp_path / "no_snapshot"
    )
    import_binance([write(tmp_path / "b", [usdm_trade(1)])], tmp_path / "no_depth")
    with pytest.raises(CannotTile, match="instrument 3 has no snapshot"):
        tile(tmp_path / "no_snapshot", tmp_path / "out", 2)
    with pytest.raises(CannotTile, match=r"no md\.depth"):
        tile(tmp_path / "no_depth", tmp_path / "out", 2)
    with pytest.raises(WrongUse, match="at least 1"):
        tile(tmp_path / "no_snapshot", tmp_path / "out", 0)
    assert not (tmp_path / "out").exists()
