"""Where a snapshot goes among the updates. Oracles: the exchange's procedure
(reference/exchanges.md 2.3) run over buffered lists, and the book's own state machine, which must
come to the same updates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from binance_lines import (
    T0,
    records,
    snapshot,
    spot_depth,
    spot_trade,
    stream,
    usdm_depth,
    usdm_trade,
    write,
)
from capture_reasons import reason_of
from hypothesis import given
from hypothesis import strategies as st

from connectors.captures import snapshots
from connectors.captures.importer import import_binance
from connectors.captures.snapshots import DepthQueue
from schemas.records import DepthUpdate
from schemas.vocabulary import DepthKind, Flag
from streams.numeric import sync

CHAIN = int(Flag.FUTURES_CHAIN)
WHOLE = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
DELTA, SNAPSHOT = int(DepthKind.DELTA), int(DepthKind.SNAPSHOT)


def imported(tmp_path: Path, lines: list[bytes]) -> list[tuple[str, int]]:
    import_binance([write(tmp_path / "recording", lines)], tmp_path / "log")
    return [
        (each["kind"], each["final_update_id"]) for each in records(tmp_path / "log", "md.depth")
    ]


def test_a_spot_snapshot_goes_before_the_update_that_straddles_its_id(tmp_path: Path) -> None:
    lines = [
        spot_trade(1),
        spot_depth(1, 10),
        spot_depth(11, 20),
        spot_depth(21, 30),
        snapshot(15),
        spot_depth(31, 40),
    ]
    assert imported(tmp_path, lines) == [
        ("DELTA", 10),
        ("SNAPSHOT", 15),
        ("DELTA", 20),
        ("DELTA", 30),
        ("DELTA", 40),
    ]


def test_the_first_kept_spot_update_may_begin_right_behind_the_snapshot(tmp_path: Path) -> None:
    """The documented rule, id inside [U; u], never syncs here: key rule 3."""
    lines = [spot_trade(1), spot_depth(1, 10), spot_depth(11, 20), snapshot(10), spot_depth(21, 30)]
    assert imported(tmp_path, lines) == [
        ("DELTA", 10),
        ("SNAPSHOT", 10),
        ("DELTA", 20),
        ("DELTA", 30),
    ]


def test_the_usdm_update_that_ends_at_the_snapshot_comes_after_it(tmp_path: Path) -> None:
    lines = [
        usdm_trade(1),
        usdm_depth(1, 10, 0),
        usdm_depth(15, 20, 10),
        snapshot(20, T=T0, E=T0),
        usdm_depth(25, 30, 20),
    ]
    assert imported(tmp_path, lines) == [
        ("DELTA", 10),
        ("SNAPSHOT", 20),
        ("DELTA", 20),
        ("DELTA", 30),
    ]


def test_a_snapshot_that_is_ahead_of_the_stream_waits_for_the_update_that_continues_it(
    tmp_path: Path,
) -> None:
    lines = [spot_trade(1), spot_depth(1, 10), snapshot(25), spot_depth(11, 20), spot_depth(21, 30)]
    assert imported(tmp_path, lines) == [
        ("DELTA", 10),
        ("DELTA", 20),
        ("SNAPSHOT", 25),
        ("DELTA", 30),
    ]


def test_a_snapshot_on_the_first_line_waits_for_the_first_price(tmp_path: Path) -> None:
    lines = [snapshot(15), spot_depth(11, 20, bids=[("61837.00", "1")]), spot_depth(21, 30)]
    assert imported(tmp_path, lines) == [("SNAPSHOT", 15), ("DELTA", 20), ("DELTA", 30)]


def test_the_snapshot_after_a_gap_goes_where_it_heals_it(tmp_path: Path) -> None:
    lines = [
        spot_trade(1),
        snapshot(0),
        spot_depth(1, 10),
        spot_depth(21, 30),
        spot_depth(31, 40),
        snapshot(33),
        spot_depth(41, 50),
    ]
    assert imported(tmp_path, lines) == [
        ("SNAPSHOT", 0),
        ("DELTA", 10),
        ("DELTA", 30),
        ("SNAPSHOT", 33),
        ("DELTA", 40),
        ("DELTA", 50),
    ]


def test_each_snapshot_goes_to_the_instrument_whose_prices_it_shows(tmp_path: Path) -> None:
    eth = {
        "e": "depthUpdate",
        "E": T0,
        "s": "ETHUSDT",
        "U": 11,
        "u": 20,
        "b": [["2683.80", "1"]],
        "a": [],
    }
    eth_shot = snapshot(15, bids=[("2683.80", "3")], asks=[("2683.81", "1")])
    lines = [
        spot_trade(1),
        eth_shot,
        spot_depth(11, 20),
        stream("ethusdt@depth@100ms", eth),
        snapshot(12),
        usdm_trade(1),
        snapshot(9, T=T0, E=T0),
    ]
    import_binance([write(tmp_path / "recording", lines)], tmp_path / "log")
    found = [
        (each["instrument"], each["kind"], each["final_update_id"])
        for each in records(tmp_path / "log", "md.depth")
    ]
    assert found == [
        (1, "SNAPSHOT", 12),
        (1, "DELTA", 20),
        (2, "SNAPSHOT", 15),
        (2, "DELTA", 20),
        (3, "SNAPSHOT", 9),
    ]


def test_a_snapshot_that_could_be_of_two_instruments_is_a_dead_letter(tmp_path: Path) -> None:
    other = usdm_depth(5, 9, 4).replace(b"btcusdt", b"ethusdt").replace(b"BTCUSDT", b"ETHUSDT")
    shot = snapshot(9, bids=[("61800.20", "1.000")], asks=[("61800.30", "1.500")], T=T0, E=T0)
    summary = import_binance(
        [write(tmp_path / "recording", [usdm_depth(5, 9, 4), other, shot])], tmp_path / "log"
    )
    assert summary.reasons == {"ambiguous_snapshot": 1}


def test_the_same_snapshot_twice_counts_once(tmp_path: Path) -> None:
    summary = import_binance(
        [write(tmp_path / "recording", [spot_trade(1), snapshot(9), snapshot(9)])], tmp_path / "log"
    )
    assert summary.reasons == {"duplicate_snapshot": 1} and summary.instruments[0].snapshots == 1


def test_a_spot_snapshot_gets_the_time_of_the_updates_before_it_never_one_ahead_of_those_behind(
    tmp_path: Path,
) -> None:
    lines = [
        spot_depth(1, 10, time=T0),
        spot_depth(11, 20, time=T0 + 100),
        spot_trade(1, time=T0 + 150),
        snapshot(15),
        spot_depth(21, 30, time=T0 + 200),
    ]
    import_binance([write(tmp_path / "recording", lines)], tmp_path / "log")
    found = records(tmp_path / "log", "md.depth")
    assert [each["event_time"] // 10**6 - T0 for each in found] == [0, 0, 100, 200]
    assert found[1]["flags"] == WHOLE | Flag.ESTIMATED_TIME


def test_a_usdm_snapshot_has_its_own_time(tmp_path: Path) -> None:
    shot = snapshot(12, [("61800.20", "1")], [("61800.30", "1")], T=T0 + 3, E=T0 + 5)
    lines = [usdm_trade(1), usdm_depth(1, 10, 0), shot, usdm_depth(13, 14, 10, time=T0 + 4)]
    import_binance([write(tmp_path / "recording", lines)], tmp_path / "log")
    found = records(tmp_path / "log", "md.depth")[1]
    assert (found["event_time"] // 10**6 - T0, found["flags"], found["previous_update_id"]) == (
        3,
        WHOLE | CHAIN,
        -1,
    )


# against the state machine and the procedure


def delta(first: int, final: int, previous: int, flags: int) -> DepthUpdate:
    return DepthUpdate(1, final, 0, first, final, previous, DELTA, flags, [], [])


def shot(last: int, flags: int) -> DepthUpdate:
    return DepthUpdate(1, last, 0, last, last, -1, SNAPSHOT, flags | WHOLE, [], [])


def applied(updates: list[DepthUpdate]) -> tuple[list[int], bool]:
    """Final ids that the book's state machine applies after the snapshot, and whether it ends in
    sync.
    """
    phase, last, out = sync.UNSYNCED, -1, list[int]()
    for each in updates:
        verdict, phase = sync.step(
            phase,
            last,
            each.kind,
            each.flags,
            each.first_update_id,
            each.final_update_id,
            each.previous_update_id,
        )
        if verdict == sync.RESET:
            last, out = each.final_update_id, []
        elif verdict == sync.APPLY:
            last = each.final_update_id
            out.append(last)
    return out, phase == sync.SYNCED


def by_the_book(updates: list[DepthUpdate], last: int, is_futures: bool) -> list[int]:
    """The exchange's procedure over everything buffered: drop what is too old, require the first to
    straddle, apply.
    """
    kept = [
        each
        for each in updates
        if (each.final_update_id >= last if is_futures else each.final_update_id > last)
    ]
    if not kept:
        return []
    first = kept[0]
    straddles = first.first_update_id <= last if is_futures else first.first_update_id <= last + 1
    return [each.final_update_id for each in kept] if straddles else []


@given(st.lists(st.integers(1, 6), min_size=3, max_size=25), st.data(), st.booleans())
def test_wherever_a_snapshot_arrives_the_book_applies_what_the_procedure_does(
    steps: list[int], data: Any, is_futures: bool
) -> None:
    flags = CHAIN if is_futures else 0
    updates, final = [], 100
    for step in steps:
        hole = data.draw(st.integers(0, 2)) if is_futures else 0
        updates.append(delta(final + 1 + hole, final + hole + step, final, flags))
        final += hole + step
    last = data.draw(st.integers(updates[0].first_update_id, final - 1))
    arrival = data.draw(st.integers(1, len(updates)))
    written: list[DepthUpdate] = []
    queue = DepthQueue(written.append)
    for number, each in enumerate(updates):
        queue.add(each)
        if number + 1 == arrival:
            queue.place(shot(last, flags), is_futures)
    queue.close()
    assert [each for each in written if each.kind == DELTA] == updates
    expected = by_the_book(updates, last, is_futures)
    found, is_synced = applied(written)
    if expected:
        assert found == expected and is_synced


def test_records_leave_in_order_and_a_snapshot_older_than_what_left_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshots, "HELD_UPDATES", 4)
    written: list[DepthUpdate] = []
    queue = DepthQueue(written.append)
    for number in range(20):
        queue.add(delta(10 * number + 1, 10 * number + 10, -1, 0))
    assert [each.final_update_id for each in written] == [
        10 * number for number in range(1, len(written) + 1)
    ] and len(written) >= 12
    assert reason_of(lambda: queue.place(shot(50, 0), False)) == "regressing_snapshot"
    queue.place(shot(185, 0), False)
    queue.close()
    assert [each.final_update_id for each in written[-3:]] == [185, 190, 200]
