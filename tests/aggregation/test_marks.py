"""Marks: quotes and last trade conflated by event time. Oracle: scenarios worked out by hand, and a
twin over random records.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from aggregation_records import SECOND, START, delta, marks_of, snapshot, trade

from schemas.records import Mark
from schemas.vocabulary import Flag

STALE = int(Flag.STALE)
SYNCED = snapshot(START, 10, [(100, 5)], [(101, 6)])


def test_a_mark_comes_at_the_next_multiple_of_the_interval() -> None:
    marks = marks_of([SYNCED, trade(START + SECOND // 2, 100), delta(START + 5 * SECOND, 11, 12)])
    assert marks[0] == Mark(1, START + SECOND, 10, 100, 5, 101, 6, 100, START, 0)


def test_nothing_changes_nothing_is_published() -> None:
    marks = marks_of(
        [
            SYNCED,
            trade(START + 1, 100),
            trade(START + 3 * SECOND, 100),
            trade(START + 9 * SECOND, 100),
        ]
    )
    assert [mark.event_time for mark in marks] == [START + SECOND]


def test_many_changes_within_an_interval_make_one_mark_with_the_last_values() -> None:
    updates = [delta(START + at, 10 + at, 10 + at, [(100, 5 + at)]) for at in range(1, 50)]
    marks = marks_of(
        [SYNCED, *updates, trade(START + 60, 7), trade(START + 61, 8), trade(START + 2 * SECOND, 8)]
    )
    assert [
        (mark.event_time, mark.sequence, mark.bid_quantity, mark.last_price) for mark in marks
    ] == [(START + SECOND, 59, 54, 8)]


def test_a_record_at_the_deadline_belongs_to_the_next_mark() -> None:
    marks = marks_of([SYNCED, delta(START + SECOND, 11, 11, [(100, 9)])])
    assert [(mark.event_time, mark.bid_quantity) for mark in marks] == [
        (START + SECOND, 5),
        (START + SECOND, 9),
    ]


def test_the_end_publishes_the_mark_still_due() -> None:
    marks = marks_of([SYNCED, trade(START + 7, 100)])
    assert [(mark.event_time, mark.last_price) for mark in marks] == [(START + 7, 100)]


def test_an_update_below_the_top_still_says_that_the_book_lives() -> None:
    """Staleness downstream is judged on ``book_time``: it must move on while updates come, whether
    the top moves or not.
    """
    marks = marks_of(
        [
            SYNCED,
            delta(START + 2 * SECOND, 11, 11, [(90, 1)]),
            delta(START + 4 * SECOND, 12, 12, [(89, 1)]),
        ]
    )
    assert [mark.book_time for mark in marks] == [START, START + 2 * SECOND, START + 4 * SECOND]


def test_a_stale_book_is_marked_with_its_last_values() -> None:
    marks = marks_of(
        [SYNCED, delta(START + 2 * SECOND, 20, 20, [(100, 9)]), trade(START + 9 * SECOND, 100)]
    )
    assert marks[1] == Mark(
        1, START + 3 * SECOND, 10, 100, 5, 101, 6, 0, START, int(Flag.STALE | Flag.GAP)
    )


def test_before_the_first_sync_a_mark_carries_the_last_trade_and_is_stale() -> None:
    marks = marks_of([trade(START, 77), trade(START + SECOND, 77)])
    assert marks == [Mark(1, START + SECOND, 0, 0, 0, 0, 0, 77, 0, STALE)]


def test_an_older_trade_does_not_become_the_last_price() -> None:
    marks = marks_of([SYNCED, trade(START + 9, 100), trade(START + 5, 90)])
    assert [mark.last_price for mark in marks] == [100]


@pytest.mark.parametrize("interval", [SECOND // 10, SECOND, 60 * SECOND])
def test_the_interval_is_a_setting(interval: int) -> None:
    marks = marks_of([SYNCED, trade(START + 100 * SECOND, 1)], mark_interval=interval)
    assert marks[0].event_time == START + interval


def test_more_marks_than_one_call_may_publish_all_come_at_the_same_deadline() -> None:
    records = [
        snapshot(START, 10, [(100 + number, 5)], [(300, 6)], number=number)
        for number in range(1, 31)
    ]
    marks = marks_of([*records, trade(START + SECOND, 1)], 30)
    assert [(mark.instrument, mark.event_time) for mark in marks[:30]] == [
        (number, START + SECOND) for number in range(1, 31)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_marks_equal_a_twin_over_random_records(seed: int) -> None:
    """Oracle: look at the last state before each multiple of the interval at which something had
    changed.
    """
    dice = random.Random(seed)
    records: list[Any] = [SYNCED]
    time, last = START, 10
    for _ in range(200):
        time += dice.randrange(SECOND)
        if dice.random() < 0.5:
            records.append(trade(time, dice.randrange(95, 105)))
        else:
            last += 1
            records.append(
                delta(
                    time, last, last, [(100, dice.randrange(1, 4))], [(101, dice.randrange(1, 4))]
                )
            )
    state = {"sequence": 0, "bid": 0, "ask": 0, "last": 0, "time": 0}
    expected: list[tuple[int, ...]] = []
    due = 0
    for record in records:
        if due and record.event_time >= due:
            expected.append((due, *state.values()))
            due = 0
        changed = True
        if hasattr(record, "trade_id"):
            changed = record.price != state["last"]
            state["last"] = record.price
        else:
            state["sequence"], state["time"] = record.final_update_id, record.event_time
            state["bid"], state["ask"] = record.bids[0][1], record.asks[0][1]
        if changed and not due:
            due = record.event_time // SECOND * SECOND + SECOND
    if due:
        expected.append((records[-1].event_time, *state.values()))
    found = [
        (
            mark.event_time,
            mark.sequence,
            mark.bid_quantity,
            mark.ask_quantity,
            mark.last_price,
            mark.book_time,
        )
        for mark in marks_of(records)
    ]
    assert found == expected
