"""When things happen. Oracle: t + feed + entry and v + response - feed (design section 11),
computed by hand.
"""

from __future__ import annotations

from typing import Any

import pytest
import venue_harness as harness
from venue_harness import (
    BUY,
    SELL,
    KernelVenue,
    cancel,
    delta,
    fills,
    instrument,
    limit,
    market,
    order_id,
    play,
    run,
    short,
    snapshot,
    trade,
)

from schemas.records import ExecutionReport, VenueCommand
from schemas.vocabulary import ReportKind
from streams.venue import stage
from streams.venue.models import UnknownModel

BOOK = snapshot(1, 10, [(100, 5)], [(101, 4)])
LEGS: dict[str, Any] = {"feed_latency": 2, "entry_latency": 5, "response_latency": 9}


@pytest.mark.parametrize(
    ("feed", "entry", "response", "arrives", "delivered"),
    [
        (0, 0, 0, 100, 100),
        (2, 5, 9, 107, 114),
        (5, 0, 5, 105, 105),
        (0, 7, 0, 107, 107),
        (0, 0, 7, 100, 107),
        (3, 10, 4, 113, 114),
    ],
)
def test_an_order_arrives_and_its_reports_return_after_their_legs(
    feed: int, entry: int, response: int, arrives: int, delivered: int
) -> None:
    reports = play(
        [BOOK, market(100, 1, BUY, 1)],
        feed_latency=feed,
        entry_latency=entry,
        response_latency=response,
    )
    assert [(report.venue_time, report.event_time) for report in reports] == [
        (arrives, delivered)
    ] * 2


def test_the_order_meets_the_book_of_its_arrival_not_of_its_decision() -> None:
    moves = [delta(106, 11, [], [(101, 0), (103, 4)]), delta(107, 12, [], [(102, 4)])]
    assert fills(play([BOOK, market(100, 1, BUY, 1), *moves], **LEGS), 1) == [(103, 1)]


def test_a_fill_on_a_trade_is_stamped_with_the_clock_not_the_older_time_of_the_trade() -> None:
    late = (105, trade(90, 100, 9, SELL)[1])
    reports = play([BOOK, limit(2, 1, BUY, 1, 100), delta(104, 11, [], []), late])
    assert (reports[-1].venue_time, reports[-1].event_time) == (105, 105)


@pytest.mark.parametrize(
    ("trade_time", "expected"),
    [
        (110, [("FILL", 100, 3, 3, 0), ("CANCEL_REJECTED", "ORDER_CLOSED", 0, 0)]),
        (116, [("FILL", 100, 3, 3, 0), ("CANCEL_REJECTED", "ORDER_CLOSED", 0, 0)]),
        (117, [("CANCELLED", "USER_CANCEL", 0, 0)]),
        (118, [("CANCELLED", "USER_CANCEL", 0, 0)]),
    ],
)
def test_arrival_decides_the_race_of_cancel_and_fill(
    trade_time: int, expected: list[tuple[Any, ...]]
) -> None:
    """The cancel of clock 110 arrives at 117; a timer due at t comes before a record of t."""
    events = sorted(
        [BOOK, limit(100, 1, BUY, 3, 100), cancel(110, 1), trade(trade_time, 100, 8, SELL)],
        key=lambda event: event[0],
    )
    assert short(play(events, **LEGS))[1:] == expected


def test_a_partial_fill_and_a_cancel_in_flight_give_both_reports_in_order() -> None:
    events = [BOOK, limit(100, 1, BUY, 3, 100), cancel(110, 1), trade(112, 100, 7, SELL)]
    reports = play(events, **LEGS)
    assert short(reports)[1:] == [("FILL", 100, 2, 2, 1), ("CANCELLED", "USER_CANCEL", 2, 0)]
    assert [report.event_time for report in reports] == [114, 119, 124]


def test_responses_of_an_order_are_first_in_first_out() -> None:
    events = [
        BOOK,
        limit(100, 1, BUY, 9, 101),
        trade(108, 101, 2, SELL),
        trade(108, 101, 1, SELL),
        cancel(108, 1),
    ]
    reports = play(events, **LEGS)
    assert [report.cumulative_quantity for report in reports] == [0, 4, 6, 7, 7]
    assert [report.event_time for report in reports] == sorted(
        report.event_time for report in reports
    )


def test_many_orders_of_one_instant_are_answered_in_the_order_sent() -> None:
    names = [7, 3, 11, 1, 9, 5, 2]
    reports = play([BOOK, *(limit(100, name, BUY, 1, 90) for name in names)], **LEGS)
    assert [report.order_id for report in reports] == [order_id(name) for name in names]


def test_nothing_is_delivered_before_its_timer() -> None:
    venue = KernelVenue([instrument()], stage.Settings(**LEGS))
    assert run(venue, [BOOK, market(100, 1, BUY, 1)], drain=False) == []
    assert (venue.due(), venue.state.working[0]) == (107, 1)
    assert run(venue, [delta(113, 11, [], [])], drain=False) == []
    assert (venue.due(), venue.state.working[0]) == (114, 2)
    assert len(run(venue, [delta(114, 12, [], [])], drain=False)) == 2
    assert (venue.due(), venue.state.working[0]) == (2**63 - 1, 0)


def test_an_answer_to_a_report_is_sent_before_later_arrivals_of_the_instant_are_matched() -> None:
    """Zero latency: 1 is answered with a cancel of 2. Both orders arrive first, for they were sent
    before the report was.
    """
    events = [BOOK, limit(100, 1, BUY, 1, 99), limit(100, 2, BUY, 1, 98)]

    def answer(report: ExecutionReport) -> list[VenueCommand]:
        return [cancel(report.event_time, 2)[1]] if report.order_id == order_id(1) else []

    reports = run(KernelVenue([instrument()], stage.Settings()), events[:2], answer)
    assert short(reports) == [
        ("ACCEPTED", "NONE", 0, 1),
        ("CANCEL_REJECTED", "UNKNOWN_ORDER", 0, 0),
    ]
    reports = run(KernelVenue([instrument()], stage.Settings(**LEGS)), events, answer)
    assert [ReportKind(report.kind).name for report in reports] == [
        "ACCEPTED",
        "ACCEPTED",
        "CANCELLED",
    ]


@pytest.mark.parametrize("levels", [1, 62, 63, 64, 65, 200])
def test_a_walk_of_more_levels_than_the_output_reserve_is_delivered_whole_and_in_order(
    levels: int,
) -> None:
    book = snapshot(1, 10, [], [(101 + level, 1) for level in range(levels)])
    reports = play([book, market(2, 1, BUY, levels + 1)])
    assert [report.price for report in reports[1:-1]] == [101 + level for level in range(levels)]
    assert (len(reports), {report.event_time for report in reports}) == (levels + 2, {2})


@pytest.mark.parametrize(
    "settings",
    [
        {"feed_latency": 5, "response_latency": 4},
        {"feed_latency": -1},
        {"entry_latency": -1},
        {"response_latency": 3_600_000_000_001},
        {"maker_rate": 100_000_001},
        {"taker_rate": -100_000_001},
        {"orders_max": 0},
        {"reports_max": 0},
        {"queue_model": "optimistic"},
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings: dict[str, Any]) -> None:
    name = "response_latency" if len(settings) == 2 else next(iter(settings))
    with pytest.raises((ValueError, UnknownModel), match=f"venue.{name}"):
        stage.Settings(**settings)


@pytest.mark.parametrize(
    ("limits", "events"),
    [
        ({"orders_max": 2}, [limit(2, name, BUY, 1, 90) for name in (1, 2, 3)]),
        (
            {"commands_max": 2, "entry_latency": 50},
            [limit(2, name, BUY, 1, 90) for name in (1, 2, 3)],
        ),
        (
            {"reports_max": 2, "response_latency": 50},
            [limit(2, name, BUY, 1, 90) for name in (1, 2, 3)],
        ),
        ({"levels_max": 2}, [limit(2, name, BUY, 1, 90 + name) for name in (1, 2, 3)]),
    ],
)
def test_a_full_table_stops_the_run_and_names_the_setting(
    limits: dict[str, Any], events: list[Any]
) -> None:
    venue = KernelVenue([instrument()], stage.Settings(**limits))
    with pytest.raises(harness.VenueFault, match=f"venue.{next(iter(limits))}"):
        run(venue, [BOOK, *events])
    assert venue.state.fault[3] == 2
    assert stage.FAULTS.keys() == {1, 2, 3, 4}


def test_the_largest_number_allowed_is_no_fault() -> None:
    venue = KernelVenue(
        [instrument()], stage.Settings(orders_max=3, commands_max=3, reports_max=3, levels_max=3)
    )
    run(venue, [BOOK, *(limit(2, name, BUY, 1, 90 + name) for name in (1, 2, 3))])
    assert venue.state.fault[0] == 0
