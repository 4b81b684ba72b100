"""Blocks of a topic being written, and a disk without room. Oracle: the bounds themselves, polars,
and the records that were handed in.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars
import pytest
from binance_lines import records, snapshot, spot_depth, spot_ticker, spot_trade, write

from connectors import blocks
from connectors.blocks import BLOCK_BYTES, BLOCK_RECORDS, TopicBlocks, close_log
from connectors.captures.importer import import_binance
from schemas.codec import LEVEL, codec
from schemas.records import DeadLetter, DepthUpdate, Trade
from streams.log.digest import topic_digest
from streams.log.local import LocalLog
from streams.log.verify import verify_files

ROOT = Path(__file__).resolve().parents[2]


def trade(number: int) -> Trade:
    return Trade(1, 1000 + number, 0, number, 1, 100, 1, 1, 0)


def test_a_block_holds_at_most_16384_records_and_the_manifest_says_what_there_is(
    tmp_path: Path,
) -> None:
    with LocalLog.create(tmp_path / "log") as log:
        topic = TopicBlocks(log, "md.trades")
        for number in range(40_000):
            topic.add(trade(number), 1000 + number)
        manifest = close_log(log, [topic], {})
    with LocalLog.open(tmp_path / "log") as log:
        reader = log.reader("md.trades")
        assert [block.count for block in reader.blocks()] == [
            BLOCK_RECORDS,
            BLOCK_RECORDS,
            40_000 - 2 * BLOCK_RECORDS,
        ]
        assert manifest["topics"]["md.trades"] == {
            "count": 40_000,
            "digest": topic_digest(reader, codec("Trade")).hex(),
        }
        assert reader.time_max == 1000 + 39_999
    assert verify_files(tmp_path / "log", manifest) == []


@pytest.mark.parametrize("as_rows", [True, False])
def test_a_block_holds_at_most_four_megabytes(tmp_path: Path, as_rows: bool) -> None:
    """Sixty updates of 20,000 levels of the widest numbers."""
    wide = [(2**62, 2**62)] * 20_000
    with LocalLog.create(tmp_path / "log") as log:
        topic = TopicBlocks(log, "md.depth")
        if as_rows:
            rows = np.zeros(60, codec("DepthUpdate").dtype)
            rows["kind"], rows["bid_count"], rows["event_time"] = 1, 20_000, 5
            topic.add_rows(
                rows, np.full(20_000, 2**62, np.int64).view(np.int64).repeat(2).view(LEVEL)
            )
        else:
            for _ in range(60):
                topic.add(DepthUpdate(0, 5, 0, 0, 0, 0, 1, 0, wide, []), 5, 20 * len(wide))
        close_log(log, [topic], {})
    with LocalLog.open(tmp_path / "log") as log:
        found = list(log.reader("md.depth").blocks())
    assert sum(block.count for block in found) == 60 and len(found) > 1
    assert max(len(block.body) for block in found) <= BLOCK_BYTES
    assert len(records(tmp_path / "log", "md.depth")[59]["bids"]) == 20_000


def test_rows_and_records_give_the_same_topic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_RECORDS", 7)
    found = []
    for name in ("rows", "records"):
        with LocalLog.create(tmp_path / name) as log:
            topic = TopicBlocks(log, "md.trades")
            if name == "rows":
                rows = np.zeros(100, codec("Trade").dtype)
                for number in range(100):
                    rows[number] = (1, 1000 + number, 0, number, 1, 100, 1, 1, 0)
                topic.add_rows(rows)
            else:
                for number in range(100):
                    topic.add(trade(number), 1000 + number)
            found.append(close_log(log, [topic], {})["topics"])
    assert found[0] == found[1]


def test_a_topic_without_records_is_there_and_empty(tmp_path: Path) -> None:
    with LocalLog.create(tmp_path / "log") as log:
        manifest = close_log(log, [TopicBlocks(log, "import.dlq")], {})
    assert (
        manifest["topics"]["import.dlq"]["count"] == 0
        and records(tmp_path / "log", "import.dlq") == []
    )


def test_a_long_payload_is_counted(tmp_path: Path) -> None:
    with LocalLog.create(tmp_path / "log") as log:
        topic = TopicBlocks(log, "import.dlq")
        for number in range(10):
            topic.add(DeadLetter("r", "", "f", 0, number, b"x" * 10**6), 0, 10**6)
        close_log(log, [topic], {})
    with LocalLog.open(tmp_path / "log") as log:
        assert max(len(block.body) for block in log.reader("import.dlq").blocks()) <= BLOCK_BYTES


def test_polars_reads_every_topic_of_an_import(tmp_path: Path) -> None:
    lines = [spot_trade(1), spot_depth(1, 10), snapshot(5), spot_ticker(11), b"bad"]
    summary = import_binance([write(tmp_path / "recording", lines)], tmp_path / "log")
    for topic, count in summary.counts.items():
        assert (
            sum(
                len(polars.read_avro(path))
                for path in (tmp_path / "log" / topic / "0").glob("*.avro")
            )
            == count
            == len(records(tmp_path / "log", topic))
        )


def test_a_full_disk_is_a_typed_error_and_what_was_written_opens_again(tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands for the disk, in a process of its own."""
    path = write(tmp_path / "recording", [spot_trade(number) for number in range(1, 60_000)])
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from connectors.captures.importer import import_binance\n"
        "from streams.log.errors import LogFull\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "try:\n"
        f"    import_binance([{str(path)!r}], {str(tmp_path / 'log')!r})\n"
        "except LogFull as full:\n"
        "    print(full)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=dict(os.environ),
        check=True,
    )
    assert "md.trades" in found.stdout and "Traceback" not in found.stderr
    with LocalLog.open(tmp_path / "log", writable=True) as log:
        count = log.reader("md.trades").end_offset
    ids = [each["trade_id"] for each in records(tmp_path / "log", "md.trades")]
    assert count > 10_000 and ids == list(range(1, count + 1))
