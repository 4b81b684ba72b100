"""The stage of measures on docs/extending/add-a-stage.md.

Oracles: the run's own quotes and trades, searched by NumPy; the same run without the stage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.runs import Run
from jobs.verification import verify_run
from streams.runtime.tools.strategy_lint import lint_strategy
from tests.runtime.user_stages import FILES
from tests.scenario import backtest, digests, records_in

SECOND = 10**9
HORIZON = 10**9
WINDOW = 20


@pytest.fixture(scope="module")
def run(stage_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """With the stage, a window of 20."""
    folder = tmp_path_factory.mktemp("microstructure")
    file = folder / "microstructure.py"
    file.write_text(FILES["microstructure.py"])
    stage = {"file": f"{file}:Microstructure", "set": {"window": WINDOW}}
    return backtest(stage_market, folder / "run", "noop-python", stages={"microstructure": stage})


def rows(run: Run) -> list[dict[str, Any]]:
    return records_in(run.folder, "user.microstructure")


def test_a_stranger_may_have_it(run: Run) -> None:
    assert lint_strategy({"mine": run.folder.parent / "microstructure.py"}, is_strange=True) == []
    assert verify_run(run.folder).is_good


def test_a_job_that_does_not_ask_for_it_is_the_same_in_every_other_topic(
    run: Run, stage_market: Path, tmp_path: Path
) -> None:
    plain = digests(backtest(stage_market, tmp_path / "plain", "noop-python"))
    found = digests(run)
    assert "user.microstructure" in found and "user.microstructure" not in plain
    assert {name: found[name] for name in plain if name.startswith("md.")} == {
        name: digest for name, digest in plain.items() if name.startswith("md.")
    }


def test_effective_is_realised_plus_impact_and_all_are_what_a_search_finds(
    run: Run, stage_market: Path
) -> None:
    """Of each trade: the mid when it came, and the last one by a second later."""
    quotes = records_in(run.folder, "md.quotes")
    times = np.array([each["event_time"] for each in quotes])
    mids = [0 if each["flags"] & 13 else each["bid_price"] + each["ask_price"] for each in quotes]
    trades = records_in(stage_market, "md.trades")
    last = max(times[-1], trades[-1]["event_time"])
    published = rows(run)
    sums = [
        sum(row[name] for row in published)
        for name in ("trades", "effective", "realised", "impact")
    ]
    for row in published:
        assert row["effective"] == row["realised"] + row["impact"]
    end = published[-1]["event_time"]
    found = [0, 0, 0, 0]
    clock = 0  # a trade that is late comes at the clock, before depth of that time
    for each in trades:
        time = clock = max(clock, each["event_time"])
        sign = 1 if each["aggressor_side"] == "BUY" else -1
        mid = mids[int(np.searchsorted(times, time, "left")) - 1]
        later = mids[int(np.searchsorted(times, time + HORIZON, "right")) - 1]
        if time + HORIZON < end <= last and mid and later and time > times[0]:
            found[0] += 1
            found[1] += sign * (2 * each["price"] - mid)
            found[2] += sign * (2 * each["price"] - later)
            found[3] += sign * (later - mid)
    assert sums == found and sums[0] > 2_000


def test_a_measure_is_null_with_a_reason_until_its_window_is_full(run: Run) -> None:
    published = rows(run)
    assert "kyle_lambda=WARMING_UP" in published[0]["reasons"]
    for row in published:
        for name in ("kyle_lambda", "roll_spread", "variance_ratio"):
            assert (row[name] is None) == (f"{name}=" in row["reasons"])
    told = [row["kyle_lambda"] is not None for row in published]
    assert told.index(True) >= WINDOW - 1 and all(told[told.index(True) :])


def test_kyles_lambda_is_numpys_line_through_the_last_seconds(run: Run, stage_market: Path) -> None:
    """From the seconds' signed volumes and mids, made again from the run's topics."""
    published = rows(run)
    assert all(row["buy_intensity"] >= 0.1 and row["sell_intensity"] >= 0.1 for row in published)
    volumes: dict[int, int] = {}
    for each in records_in(stage_market, "md.trades"):
        sign = 1 if each["aggressor_side"] == "BUY" else -1
        second = each["event_time"] // SECOND
        volumes[second] = volumes.get(second, 0) + sign * each["quantity"]
    ends: dict[int, int] = {}
    for each in records_in(run.folder, "md.quotes"):
        mid = 0 if each["flags"] & 13 else each["bid_price"] + each["ask_price"]
        ends[each["event_time"] // SECOND] = mid
    seconds = sorted(volumes.keys() | ends.keys())
    mid, points = 0, []
    for second in seconds[:-1]:
        before, mid = mid, ends.get(second, mid)
        if before and mid:
            points.append((volumes.get(second, 0), (mid - before) / 2))
    x, y = np.array(points[-WINDOW:]).T
    assert published[-1]["kyle_lambda"] == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-8)
