"""Bounded state: a full table is a typed error that names its setting and the record; a long run
keeps to its memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.runs import Backtest
from schemas.errors import CapacityExceeded
from schemas.records import DepthUpdate, Trade
from schemas.vocabulary import DepthKind, Flag, Side
from streams.log.local import LocalLog
from tests.scenario import INSTRUMENT, MIDDLE, START, backtest, configuration, write_recording

ROOT = Path(__file__).resolve().parents[2]
BUSY = f"{Path(__file__).with_name('busy.py')}:Busy"
CHAIN = int(Flag.FUTURES_CHAIN)


def far_levels(folder: Path, count: int) -> Path:
    """A book whose levels lie far from each other, one more an update."""
    depth = []
    for i in range(count):
        flags = CHAIN | (int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT) if i == 0 else 0)
        kind = int(DepthKind.SNAPSHOT if i == 0 else DepthKind.DELTA)
        at = START + i * 1_000_000
        levels = (
            [(MIDDLE - 10 - 10 * 100_000 * i, 5)]
            if 10 * 100_000 * i < MIDDLE
            else [(MIDDLE - 20, i)],
            [(MIDDLE + 10 + 10 * 100_000 * i, 5)],
        )
        depth.append(DepthUpdate(1, at, at, 100 + i, 100 + i, 99 + i, kind, flags, *levels))
    trades = [Trade(1, START, START, 1, 1, MIDDLE, 1, int(Side.BUY), 0)]
    return write_recording(folder, [INSTRUMENT], trades, depth)


def test_a_full_book_names_its_setting_and_the_record(tmp_path: Path) -> None:
    recording = far_levels(tmp_path / "market", 60)
    with pytest.raises(
        CapacityExceeded,
        match=r"book.tail_capacity is full at 16 .*--fresh; at md.depth offset \d+",
    ) as caught:
        backtest(recording, tmp_path / "run", tail_capacity=16, book_window=64)
    assert caught.value.setting == "book.tail_capacity"
    assert caught.value.limit == 16
    LocalLog.open(tmp_path / "run", writable=True).close()
    # a run goes on with what it was begun with
    with pytest.raises(CapacityExceeded, match=r"full at 16 .*--fresh"):
        backtest(recording, tmp_path / "run", tail_capacity=1024, book_window=64)
    roomy = Backtest(
        configuration("ema-cross", tail_capacity=1024, book_window=64),
        recording,
        tmp_path / "run",
        fresh=True,
    ).run()
    assert roomy.resumed_at is None
    assert roomy.manifest["status"] == "finished"


def test_the_record_named_is_the_same_for_every_batch_size(tmp_path: Path) -> None:
    recording = far_levels(tmp_path / "market", 60)
    said = set()
    for batch in (1, 7, 1000):
        with pytest.raises(CapacityExceeded) as caught:
            backtest(
                recording, tmp_path / str(batch), tail_capacity=16, book_window=64, batch=batch
            )
        said.add(str(caught.value))
    assert len(said) == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"venue": {"orders_max": 1}}, "venue.orders_max"),
        ({"venue": {"commands_max": 1}}, "venue.commands_max"),
        ({"venue": {"reports_max": 1}}, "venue.reports_max"),
        ({"venue": {"levels_max": 1}}, "venue.levels_max"),
    ],
)
def test_a_full_venue_names_its_setting(
    proof_market: Path, tmp_path: Path, settings: dict[str, Any], named: str
) -> None:
    """The busy strategy keeps several orders under way."""
    options = {"set": {"rate": "3"}, "latency": "feed=0,entry=500ms,response=500ms", **settings}
    with pytest.raises(CapacityExceeded, match=r"is full at 1 .*; at md\.\w+ offset \d+") as caught:
        backtest(proof_market, tmp_path / "run", BUSY, **options)
    assert caught.value.setting == named


def test_the_busy_venue_fits_its_default_capacities(proof_market: Path, tmp_path: Path) -> None:
    run = backtest(
        proof_market,
        tmp_path / "run",
        BUSY,
        set={"rate": "3"},
        latency="feed=0,entry=500ms,response=500ms",
    )
    assert run.manifest["topics"]["orders.requests"]["count"] > 500


GROWTH = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.scenario import configuration
from jobs.runs import Backtest
seen = []
def watch(progress):
    seen.append((progress.consumed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
options = {"batch": 2000, "state_digest_records": 20000, "set": {"fast": "20", "slow": "50"}}
Backtest(configuration(**options), Path(sys.argv[2]), Path(sys.argv[3]), watch).run()
total = seen[-1][0]
print(total, min(peak for done, peak in seen if done >= total // 4), seen[-1][1])
"""


def test_memory_does_not_grow_with_the_run(tmp_path: Path) -> None:
    """240,000 records in batches of 2,000: the peak after all of them is within 12 MB of the peak
    after a quarter.
    """
    trades, depth = [], []
    for i in range(120_000):
        at = START + i * 20_000_000
        middle = MIDDLE + 10 * ((i // 50) % 40)
        flags = CHAIN | (int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT) if i == 0 else 0)
        kind = int(DepthKind.SNAPSHOT if i == 0 else DepthKind.DELTA)
        bids, asks = (
            [(middle - 10, 500 + i % 7), (middle - 30, 0)],
            [(middle + 10, 500 + i % 5), (middle + 30, 0)],
        )
        if i % 50 == 0:
            bids, asks = [(middle + 10, 0), *bids], [(middle - 10, 0), *asks]
        depth.append(DepthUpdate(1, at, at, 100 + i, 100 + i, 99 + i, kind, flags, bids, asks))
        trades.append(
            Trade(
                1,
                at + 1,
                at + 1,
                i,
                1,
                middle + 10,
                1 + i % 9,
                int(Side.BUY if i % 3 else Side.SELL),
                0,
            )
        )
    recording = write_recording(tmp_path / "market", [INSTRUMENT], trades, depth, block=4000)
    command = [
        sys.executable,
        "-c",
        GROWTH,
        str(ROOT / "tests"),
        str(recording),
        str(tmp_path / "run"),
    ]
    ended = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    total, quarter, last = map(int, ended.stdout.split())
    assert total == 240_001
    assert last - quarter < 12_000, f"{quarter} kB after a quarter, {last} kB at the end"


def test_a_run_without_market_data_records_ends(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "market", [INSTRUMENT], [], [])
    run = Backtest(configuration(), recording, tmp_path / "run").run()
    assert run.manifest["records"] == 1
