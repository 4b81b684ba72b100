"""``sq check`` of md.depth and md.book_tickers: each fault that is planted is found, nothing else;
and whatever integers a recording holds, the check ends with findings.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from checked_markets import (
    MIDDLE,
    Rows,
    again,
    checked,
    counts,
    planted,
    row,
    rows_of,
    without,
)

from jobs.sq import main


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of a generated market."""
    folder = tmp_path_factory.mktemp("check") / "data" / "toy"
    assert main(["generate", "--minutes", "10", "--seed", "5", "--out", str(folder)]) == 0
    return folder


def crossed(length: int, by: int) -> Callable[[Rows], Rows]:
    """The best bid of a few tickers above (locked: at) the ask."""

    def change(rows: Rows) -> Rows:
        part = slice(MIDDLE, MIDDLE + length)
        rows["bid_price"][part] = rows["ask_price"][part] + by
        return rows

    return change


TICKER_FAULTS: dict[str, tuple[Callable[[Rows], Rows], dict[str, int]]] = {
    "crossed": (crossed(4, 100), {"crossed": 1}),
    "locked": (crossed(4, 0), {"locked": 1}),
    "one-sided": (row("ask_price", lambda _: 0), {"one_sided": 1}),
    "off the tick": (row("ask_price", lambda price: price + 1), {"off_tick": 1}),
    "repeated": (again(MIDDLE), {"update_repeated": 1}),
}


@pytest.mark.parametrize("fault", TICKER_FAULTS)
def test_what_is_planted_among_the_tickers_is_found(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    change, expected = TICKER_FAULTS[fault]
    folder = planted(market, tmp_path / "log", {"md.book_tickers": change})
    found = counts(checked(capsys, folder))
    differing = sum(found.pop(f"md.depth ticker_differs{end}", 0) for end in ("", "_often"))
    assert found == {f"md.book_tickers {code}": times for code, times in expected.items()}
    assert (differing > 0) == (fault != "repeated")  # the book is not what the ticker says


def test_a_crossed_spell_is_as_long_as_its_records_are(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = planted(market, tmp_path / "log", {"md.book_tickers": crossed(4, 100)})
    times = rows_of(folder, "md.book_tickers")[0]["event_time"]
    document = checked(capsys, folder)
    (found,) = (each for each in document["findings"] if each["code"] == "crossed")
    assert found["total"] == found["greatest"] == int(times[MIDDLE + 4] - times[MIDDLE])
    assert found["first"] == {"offset": MIDDLE, "time": int(times[MIDDLE])}


def test_a_lost_update_is_a_gap_and_the_book_stays_out_of_sync(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = planted(market, tmp_path / "log", {"md.depth": without(MIDDLE, 2)})
    rows = rows_of(folder, "md.depth")[0]
    times, finals = rows["event_time"], rows["final_update_id"]
    document = checked(capsys, folder, code=1)
    found = {each["code"]: each for each in document["findings"]}
    assert set(found) == {"depth_gap", "unsynced"}
    missing = rows["first_update_id"][MIDDLE] - finals[MIDDLE - 1] - 1
    assert found["depth_gap"]["total"] == missing > 0
    assert found["unsynced"]["total"] == int(times[-1] - times[MIDDLE])


def without_snapshot(found: Rows) -> Rows:
    return found[0][1:], found[1]


def bad_levels(found: Rows) -> Rows:
    found[1]["quantity"][int(found[0]["first_level"][MIDDLE])] = -1
    return found


def off_tick_level(found: Rows) -> Rows:
    found[1]["price"][int(found[0]["first_level"][MIDDLE])] += 1
    return found


def bids_only(found: Rows) -> Rows:
    """A last snapshot that has no ask."""
    rows, levels = found
    last = rows[:1].copy()
    last["event_time"] = rows["event_time"][-1]
    last["final_update_id"] = last["first_update_id"] = rows["final_update_id"][-1]
    last["ask_count"] = 0
    return np.concatenate((rows, last)), levels


def overlapping(found: Rows) -> Rows:
    found[0]["first_update_id"][MIDDLE] -= 1
    return found


def renewed(found: Rows, levels: Rows, bids: int) -> Rows:
    """A last snapshot of these bids."""
    rows, table = found
    last = rows[:1].copy()
    last["event_time"] = rows["event_time"][-1]
    last["final_update_id"] = last["first_update_id"] = rows["final_update_id"][-1]
    last["first_level"], last["bid_count"], last["ask_count"] = len(table), bids, 0
    return np.concatenate((rows, last)), np.concatenate((table, levels))


def no_level(found: Rows) -> Rows:
    return renewed(found, found[1][:0], 0)


def too_deep(found: Rows) -> Rows:
    """Every price from 1 tick on: twice what window and tail hold."""
    levels = np.ones(1 << 18, found[1].dtype)
    levels["price"] = 100 * (1 + np.arange(len(levels)))
    return renewed(found, levels, len(levels))


DEPTH_FAULTS: dict[str, tuple[Callable[[Rows], Rows], set[str]]] = {
    "no snapshot": (without_snapshot, {"never_synced", "before_snapshot"}),
    "a bad level": (bad_levels, {"malformed_update", "depth_gap", "unsynced"}),
    "a level off the tick": (off_tick_level, {"off_tick"}),
    "no ask": (bids_only, {"one_sided"}),
    "a repeated update": (again(MIDDLE), {"update_repeated"}),
    "an overlap": (overlapping, {"update_overlap"}),
    "no level": (no_level, {"empty_book"}),
    "more levels than a book keeps": (too_deep, {"book_too_deep", "unsynced"}),
}


@pytest.mark.parametrize("fault", DEPTH_FAULTS)
def test_what_is_planted_in_the_depth_is_found(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    change, expected = DEPTH_FAULTS[fault]
    folder = planted(market, tmp_path / "log", {"md.depth": change})
    codes = {each["code"] for each in checked(capsys, folder)["findings"]}
    assert codes - {"ticker_differs", "ticker_differs_often", "late"} == expected


def test_a_topic_that_starts_late_is_found_at_its_first_record(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = planted(market, tmp_path / "log", {"md.trades": without(0, MIDDLE)})
    (found,) = checked(capsys, folder, code=0)["findings"]
    first = rows_of(folder, "md.trades")[0]["event_time"][0]
    assert (found["code"], found["first"]) == ("starts_late", {"offset": 0, "time": int(first)})


@pytest.mark.parametrize("seed", range(6))
def test_whatever_integers_a_recording_holds_the_check_ends_with_findings(
    market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """Numbers at the ends of each field's range, in a tenth of the rows of each topic."""
    draw = np.random.default_rng(seed)

    def wild(found: Rows) -> Rows:
        rows = found[0] if isinstance(found, tuple) else found
        for name in rows.dtype.names:
            if name in ("first_level", "bid_count", "ask_count", "kind", "aggressor_side"):
                continue
            limits = np.iinfo(rows.dtype[name])
            values = (limits.min, limits.max, limits.max // 2 + 1, -1, 0, 1)
            places = draw.integers(0, len(rows), len(rows) // 10)
            rows[name][places] = draw.choice(np.array(values, rows.dtype[name]), len(places))
        return found

    changes = dict.fromkeys(("md.trades", "md.depth", "md.book_tickers"), wild)
    folder = planted(market, tmp_path / "log", changes)
    found = checked(capsys, folder, code=1)
    assert len(found["findings"]) > 20
    assert all(each["count"] > 0 for each in found["findings"])
    for topic in ("md.trades", "md.depth", "md.book_tickers"):
        rows = sum(each["rows"] for each in found["subjects"] if each["topic"] == topic)
        assert rows == len(rows_of(folder, topic)[0])
    assert main(["check", str(folder)]) == 1
    assert "defect in sq" not in capsys.readouterr().err
