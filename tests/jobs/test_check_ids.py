"""Ids of trades and tops of books in ``sq check``, whatever lies in which block. Oracles: sets of
ids in Python, and a dictionary book with ``bisect`` over the tickers.
"""

from __future__ import annotations

import bisect
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checked_markets import checked, counts, planted, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import blocks
from jobs.checking import reading
from jobs.sq import main

Rows = Any


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of a generated market."""
    folder = tmp_path_factory.mktemp("ids") / "toy"
    assert main(["generate", "--minutes", "2", "--seed", "4", "--out", str(folder)]) == 0
    return folder


def in_blocks(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Recordings are written and read in blocks of so many records."""
    monkeypatch.setattr(blocks, "BLOCK_RECORDS", rows)
    monkeypatch.setattr(reading, "ROWS", rows)


def places(size: int) -> Any:
    return st.lists(st.integers(1, size - 1), max_size=12)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lost=places(300),
    doubled=places(300),
    moved=places(300),
    numbers=st.lists(st.integers(1, 2), min_size=300, max_size=300),
    rows=st.sampled_from([7, 50, 16_384]),
)
def test_gaps_and_duplicates_are_those_of_a_set_of_ids(
    market: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    lost: list[int],
    doubled: list[int],
    moved: list[int],
    numbers: list[int],
    rows: int,
) -> None:
    order = [at for at in range(300) if at not in lost]
    for at in doubled:
        order.insert(min(at + 3, len(order)), order[min(at, len(order) - 1)])
    for at in moved:
        if at + 1 < len(order):
            order[at], order[at + 1] = order[at + 1], order[at]

    def change(found: Rows) -> Rows:
        found["instrument"][:300] = numbers  # two instruments, ids of their own
        for number in (1, 2):
            mine = np.flatnonzero(found["instrument"][:300] == number)
            found["trade_id"][mine] = np.arange(len(mine)) + 1000
        return found[:300][order]

    in_blocks(monkeypatch, rows)
    with tempfile.TemporaryDirectory() as place:
        folder = planted(market, Path(place) / "log", {"md.trades": change})
        trades = rows_of(folder, "md.trades")[0]
        document = checked(capsys, folder)
    known = {each["instrument"] for each in document["subjects"]}
    for number, name in ((1, "simulated:SIMUSDT"), (2, "unknown")):
        ids = trades["trade_id"][trades["instrument"] == number].tolist()
        if not ids or name not in known or min(ids) != ids[0]:
            continue  # ids below the first one are refused, whatever was lost
        found = {
            each["code"]: each
            for each in document["findings"]
            if each["instrument"] == name and each["topic"] == "md.trades"
        }
        missing = max(ids) - min(ids) + 1 - len(set(ids))
        assert found.get("trade_duplicate", {"count": 0})["count"] == len(ids) - len(set(ids))
        if "ids_not_contiguous" not in found:
            assert found.get("trade_gap", {"total": 0})["total"] == missing


class DictionaryBook:
    """The plainest book there is."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def take(self, row: Rows, levels: Rows) -> tuple[int, int, int, int]:
        """Apply an update; the best bid and ask after it, 0 for none."""
        first, middle = int(row["first_level"]), int(row["first_level"] + row["bid_count"])
        for side, part in (
            (self.bids, levels[first:middle]),
            (self.asks, levels[middle : middle + int(row["ask_count"])]),
        ):
            for price, quantity in part.tolist():
                if quantity:
                    side[price] = quantity
                else:
                    side.pop(price, None)
        bid, ask = max(self.bids, default=0), min(self.asks, default=0)
        return bid, self.bids.get(bid, 0), ask, self.asks.get(ask, 0)


@pytest.mark.parametrize("rows", [13, 400, 16_384])
@pytest.mark.parametrize("seed", [1, 2])
def test_tops_that_differ_are_those_of_a_dictionary_book(
    market: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    seed: int,
) -> None:
    """Tickers are lost and changed at random places."""
    in_blocks(monkeypatch, rows)
    draw = np.random.default_rng(seed)

    def change(found: Rows) -> Rows:
        found = np.delete(found, draw.integers(0, len(found), 60))
        found["bid_quantity"][draw.integers(0, len(found), 9)] += 1
        return found

    folder = planted(market, tmp_path / "log", {"md.book_tickers": change})
    tickers = rows_of(folder, "md.book_tickers")[0]
    ids = tickers["update_id"].tolist()
    names = ("bid_price", "bid_quantity", "ask_price", "ask_quantity")
    depth, levels = rows_of(folder, "md.depth")
    book, compared, places = DictionaryBook(), 0, []
    for offset, row in enumerate(depth):
        top = book.take(row, levels)
        at = bisect.bisect_right(ids, int(row["final_update_id"])) - 1
        if offset and at >= 0:
            compared += 1
            if tuple(int(tickers[at][name]) for name in names) != top:
                places.append(offset)
    document = checked(capsys, folder)
    (subject,) = (each for each in document["subjects"] if each["topic"] == "md.depth")
    assert (subject["compared"], subject["equal"]) == (compared, compared - len(places))
    (found,) = document["findings"]
    assert places and counts(document) == {"md.depth ticker_differs_often": len(places)}
    assert (found["first"]["offset"], found["last"]["offset"]) == (places[0], places[-1])
