"""Ours against the reference venue on generated streams, and properties that hold on any stream."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from reference_venue import ReferenceVenue
from venue_harness import BUY, KernelVenue, MarketMaker, cancel_some, instrument, run, trade

from schemas.records import BookTicker, DepthUpdate, ExecutionReport, Instrument, Trade
from schemas.vocabulary import Liquidity, ReportKind, Side
from streams.numeric import tape
from streams.venue import stage
from tests.turns import long_but_every

LATENCIES = [(0, 0, 0), (2, 3, 4), (5, 0, 5), (0, 100, 300), (0, 0, 1)]
FINAL = (ReportKind.REJECTED, ReportKind.CANCELLED)


def listed() -> list[Instrument]:
    return [
        instrument(1),
        instrument(2, tick_size=5, lot_size=2, minimum_notional=1500, minimum_quantity=2),
    ]


def settings_of(
    legs: tuple[int, int, int], closed_max: int = 16, ticker: str = "off"
) -> stage.Settings:
    feed, entry, response = legs
    return stage.Settings(
        feed_latency=feed, entry_latency=entry, response_latency=response, closed_max=closed_max,
        maker_rate=-3_333_333, taker_rate=12_345_678,
        ticker=ticker,
    )  # fmt: skip


def reports_of(
    seed: int,
    legs: tuple[int, int, int],
    count: int = 1200,
    window: int = 1 << 10,
    closed_max: int = 16,
) -> list[ExecutionReport]:
    venue = KernelVenue(listed(), settings_of(legs, closed_max), window)
    reports: list[ExecutionReport] = run(
        venue, MarketMaker(seed, listed()).stream(count), cancel_some
    )
    return reports


@pytest.mark.parametrize("legs", LATENCIES, ids=str)
@pytest.mark.parametrize("seed", long_but_every(3, range(12)))
def test_both_venues_report_the_same(seed: int, legs: tuple[int, int, int]) -> None:
    """Orders, cancels, reactions, gaps, snapshots in chunks, off-tick levels and prints through the
    book, on two instruments.
    """
    expected = run(
        ReferenceVenue(listed(), settings_of(legs)),
        MarketMaker(seed, listed()).stream(600),
        cancel_some,
    )
    assert reports_of(seed, legs, 600) == expected
    assert len(expected) > 150


@pytest.mark.parametrize("ticker", ["cap", "off"])
@pytest.mark.parametrize("seed", long_but_every(3, range(6)))
def test_both_venues_report_the_same_with_a_ticker(seed: int, ticker: str) -> None:
    """The venue's own best bid and ask bound what orders take, by option; without it they do what
    prints of nothing do.

    A ticker moves the clock under either option, and a print that arrives late is matched at the
    clock: the other stream keeps its times.
    """
    chosen = settings_of((2, 3, 4), ticker=ticker)
    events = list(MarketMaker(seed, listed(), tickers=True).stream(600))
    reports = run(KernelVenue(listed(), chosen), events, cancel_some)
    assert reports == run(ReferenceVenue(listed(), chosen), events, cancel_some)
    without = [
        trade(time, 1, 0, BUY, record.instrument)
        if isinstance(record, BookTicker)
        else (time, record)
        for time, record in events
    ]
    assert (reports == run(ReferenceVenue(listed(), chosen), without, cancel_some)) == (
        ticker == "off"
    )


@pytest.mark.parametrize("window", [64, 1 << 16])
def test_the_window_of_the_book_changes_nothing(window: int) -> None:
    assert reports_of(3, (2, 3, 4), window=window) == reports_of(3, (2, 3, 4))


@pytest.mark.parametrize("legs", LATENCIES, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_every_order_adds_up_and_ends_once(seed: int, legs: tuple[int, int, int]) -> None:
    """Filled so far is the running sum of fills, filled + leaves is the quantity, nothing follows
    the end, trade ids are unique.
    """
    filled: dict[str, int] = defaultdict(int)
    size: dict[str, int] = {}
    ended: set[str] = set()
    trade_ids = []
    for report in reports_of(seed, legs, closed_max=4096):
        if report.kind in (ReportKind.CANCEL_REJECTED, ReportKind.REJECTED):
            continue
        assert report.order_id not in ended
        if report.kind == ReportKind.ACCEPTED:
            assert report.order_id not in size
            size[report.order_id] = report.leaves_quantity
        if report.kind == ReportKind.FILL:
            filled[report.order_id] += report.quantity
            assert report.quantity > 0
            assert report.leaves_quantity == size[report.order_id] - filled[report.order_id]
            trade_ids.append(report.venue_trade_id)
        assert report.cumulative_quantity == filled[report.order_id]
        if report.kind in FINAL or report.kind == ReportKind.FILL and report.leaves_quantity == 0:
            ended.add(report.order_id)
    assert trade_ids == sorted(set(trade_ids))
    assert len(trade_ids) > 50


@pytest.mark.parametrize("legs", LATENCIES, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_time_never_goes_back_and_every_delivery_keeps_its_legs(
    seed: int, legs: tuple[int, int, int]
) -> None:
    reports = reports_of(seed, legs)
    assert all(report.event_time - report.venue_time == legs[2] - legs[0] for report in reports)
    times = [report.event_time for report in reports]
    assert times == sorted(times)


@pytest.mark.parametrize("seed", range(6))
def test_no_print_fills_more_than_it_printed(seed: int) -> None:
    """Volume conservation: maker fills right after a print are at most its quantity, all of the
    passive side, all at its price or better.
    """
    venue = KernelVenue(listed(), settings_of((0, 0, 0)))
    hits = 0
    for event in MarketMaker(seed, listed()).stream(1500):
        makers = [r for r in run(venue, [event]) if r.liquidity == Liquidity.MAKER]
        record = event[1]
        if isinstance(record, Trade):
            hits += len(makers)
            assert sum(report.quantity for report in makers) <= record.quantity
            assert all(
                report.side != record.aggressor_side and record.aggressor_side != Side.UNKNOWN
                for report in makers
            )
            assert all(
                report.price >= record.price if report.side == BUY else report.price <= record.price
                for report in makers
            )
        elif not isinstance(record, DepthUpdate):
            assert makers == []
    assert hits > 5


@pytest.mark.parametrize("seed", range(4))
def test_takers_never_get_more_than_the_book_displays_and_the_tape_left(seed: int) -> None:
    """Between two changes of a level's size our takers take at most that size; both venues remember
    the same of what we and the tape took.
    """
    venue = ReferenceVenue(listed(), settings_of((0, 0, 0)))
    kernel = KernelVenue(listed(), settings_of((0, 0, 0)))
    printed = 0
    for event in MarketMaker(seed, listed()).stream(800):
        run(venue, [event])
        run(kernel, [event])
        for (number, side, price), taken in venue.taken.items():
            if venue.books[number].synced:
                assert 0 < taken <= venue.books[number].sizes[side][price]
        printed = max(printed, len(venue.printed))
    watched = [level for level in kernel.state.levels if level["consumed"]]
    consumed = {
        (int(level["slot"]) + 1, int(level["side"]), int(level["price"])): int(level["consumed"])
        for level in watched
    }
    assert venue.taken.items() <= consumed.items()
    assert len(venue.taken) == sum(int(market["reduced_levels"]) for market in kernel.state.markets)
    for (number, side, price), quantity in venue.printed.items():
        assert tape.printed_at(kernel.books, number - 1, side, price) == quantity
    assert len(venue.printed) == sum(
        int(kernel.books.books[side]["printed_levels"].sum()) for side in ("bids", "asks")
    )
    assert printed > 3


def test_a_state_restored_from_its_arrays_goes_on_as_if_never_stopped() -> None:
    events = list(MarketMaker(11, listed()).stream(1000))
    straight = KernelVenue(listed(), settings_of((2, 3, 4)))
    expected = [r for event in events for r in run(straight, [event], cancel_some, drain=False)]
    venue = KernelVenue(listed(), settings_of((2, 3, 4)))
    reports: list[ExecutionReport] = []
    for place, event in enumerate(events):
        if place % 250 == 249:
            other = KernelVenue(listed(), settings_of((2, 3, 4)))
            for target, source in zip(
                (*other.state, *other.books), (*venue.state, *venue.books), strict=True
            ):
                target[...] = source
            venue = other
        reports += run(venue, [event], cancel_some, drain=False)
    assert reports == expected


SCRIPT = """
import hashlib, sys
sys.path[:0] = {paths!r}
from test_venue_twin import digest_of
print(digest_of())
"""


def digest_of() -> str:
    """SHA-256 over all reports of one stream."""
    return hashlib.sha256(repr(reports_of(5, (0, 0, 1))).encode()).hexdigest()


def test_reports_are_the_same_under_every_hash_seed() -> None:
    """Responses of one instant are ordered by (time, sequence), never by a hash."""
    here = Path(__file__).resolve()
    script = SCRIPT.format(paths=[str(here.parent), str(here.parents[2])])
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4242")
    }
    assert digests == {digest_of()}
