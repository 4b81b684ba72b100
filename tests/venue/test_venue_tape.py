"""What printed cannot be taken again before the level's next update (issue 12, A9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ticker_shares import MILLISECOND, Shares, lift, shares
from venue_harness import (
    BUY,
    SELL,
    Event,
    KernelVenue,
    delta,
    fills,
    instrument,
    limit,
    market,
    of_sides,
    play,
    run,
    snapshot,
    ticker,
    trade,
)

from jobs.sq import main
from schemas.records import DepthUpdate, Trade
from schemas.vocabulary import DepthKind, Flag
from streams.venue import stage
from tests.scenario import INSTRUMENT, START, backtest, records_in, write_recording

BOOK = snapshot(1, 10, [(99, 40), (98, 50)], [(101, 40), (102, 60), (103, 70)])


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        ([], [(101, 40), (102, 60)]),
        ([trade(2, 101, 15, BUY)], [(101, 25), (102, 60), (103, 15)]),
        ([trade(2, 101, 15, BUY), trade(3, 101, 25, BUY)], [(102, 60), (103, 40)]),
        ([trade(2, 101, 400, BUY)], [(102, 60), (103, 40)]),  # more than was displayed
        ([trade(2, 102, 10, BUY)], [(102, 50), (103, 50)]),  # beyond 101: nothing is left there
        (
            [trade(2, 102, 10, BUY), trade(3, 101, 9, BUY), trade(4, 102, 5, BUY)],
            [(102, 45), (103, 55)],
        ),
        ([trade(2, 104, 1, BUY)], []),
        (
            [trade(2, 100, 9, BUY), trade(2, 101, 15, SELL), trade(2, 99, 9, SELL)],
            [(101, 40), (102, 60)],
        ),
        # no aggressor: the side that displays the price
        ([trade(2, 101, 15, 0), trade(2, 100, 9, 0)], [(101, 25), (102, 60), (103, 15)]),
        # an update to the size it had
        ([trade(2, 101, 15, BUY), delta(3, 11, [], [(101, 40)])], [(101, 40), (102, 60)]),
        (
            [trade(2, 101, 15, BUY), delta(3, 11, [], [(101, 30)])],
            [(101, 30), (102, 60), (103, 10)],
        ),
        (
            [trade(2, 101, 15, BUY), delta(3, 11, [(99, 1)], [(103, 5)])],
            [(101, 25), (102, 60), (103, 5)],
        ),  # other levels
        ([trade(2, 102, 10, BUY), delta(3, 11, [], [(101, 7)])], [(101, 7), (102, 50), (103, 43)]),
        (
            [trade(2, 102, 10, BUY), delta(3, 11, [], [(101, 7)]), trade(4, 102, 10, BUY)],
            [(102, 40), (103, 60)],
        ),
        (
            [trade(2, 103, 10, BUY), snapshot(3, 20, [(99, 40)], [(101, 40), (102, 60)])],
            [(101, 40), (102, 60)],
        ),
        (
            [
                delta(2, 20, [], []),
                trade(3, 101, 15, BUY),
                snapshot(4, 30, [(99, 40)], [(101, 40), (102, 60)]),
            ],
            [(101, 40), (102, 60)],
        ),
    ],
)
def test_what_printed_is_gone_until_the_level_s_next_update(
    between: list[Event], expected: list[tuple[int, int]]
) -> None:
    """Worked by hand; ``play`` runs the reference venue beside ours."""
    assert fills(play([BOOK, *between, market(9, 1, BUY, 100)]), 1) == expected


def test_a_limit_at_a_level_that_printed_away_rests_and_waits_for_a_real_offer() -> None:
    """Post-only does not cross what is gone, and the stale offer does not fill what rests at its
    price; a new one does.
    """
    events = [
        BOOK,
        trade(2, 101, 40, BUY),
        limit(3, 1, BUY, 5, 101, post_only=True),
        delta(4, 11, [(98, 1)], []),
    ]
    assert fills(play(events), 1) == []
    assert fills(play([*events, delta(5, 12, [], [(101, 3)])]), 1) == [(101, 5)]


def test_queue_positions_do_not_know_of_it() -> None:
    """We join behind all that is displayed, as hftbacktest does, though part of it printed before.
    """
    events = [
        BOOK,
        trade(2, 99, 30, SELL),
        limit(3, 1, BUY, 5, 99),
        trade(4, 99, 39, SELL),
        trade(5, 99, 3, SELL),
    ]
    assert fills(play(events), 1) == [(99, 2)]


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        ([ticker(2, 11, (99, 9), (102, 20))], [(102, 20), (103, 70)]),
        ([ticker(2, 10, (99, 9), (102, 20))], [(101, 40), (102, 60)]),  # older than the book
        (
            [ticker(2, 11, (99, 9), (102, 20)), delta(3, 12, [], [(103, 5)], first=11)],
            [(101, 40), (102, 60)],
        ),  # the book has caught up
        ([ticker(2, 11, (99, 9), (100, 20))], [(101, 40), (102, 60)]),  # a bound, never an offer
        ([ticker(2, 11, (99, 9), (0, 0))], [(101, 40), (102, 60)]),
        (
            [ticker(2, 11, (99, 9), (101, 20)), trade(3, 101, 30, BUY)],
            [(101, 10), (102, 60), (103, 30)],
        ),
    ],
)
def test_by_option_the_ticker_bounds_what_is_taken(
    between: list[Event], expected: list[tuple[int, int]]
) -> None:
    assert fills(play([BOOK, *between, market(9, 1, BUY, 100)], ticker="cap"), 1) == expected


def test_a_sweep_of_a_stale_book_is_walked_once() -> None:
    """Prints far beyond the touch take every level on the way; what was walked is not walked again,
    and no level is left behind.
    """
    wide = snapshot(
        1, 10, [(1000 - i, 10) for i in range(300)], [(1001 + i, 10) for i in range(300)]
    )
    venue = KernelVenue([instrument()], stage.Settings())
    run(
        venue,
        [
            wide,
            *(trade(2 + i, 1000 + i, 5, BUY) for i in range(1, 290)),
            trade(400, 2000, 1, BUY),
            trade(401, 2000, 1, BUY),
        ],
    )
    assert of_sides(venue.books, "printed_levels") == [0, 300]
    assert of_sides(venue.books, "printed_front") == [0, -1]
    run(venue, [snapshot(500, 20, [(99, 1)], [(101, 1)])])
    assert of_sides(venue.books, "printed_levels") == [0, 0]


@pytest.mark.parametrize("batch", [40_000, 20_003, 20_002])
def test_what_printed_in_one_batch_is_gone_in_the_next(tmp_path: Path, batch: int) -> None:
    """Worked by hand: 40 at 5,000,010, 15 of them printed as the last record but one; the batch
    ends behind all, behind it, or before it.

    20,000 updates of a far level come first: a venue that knows no order does not apply them
    itself.
    """
    depth = [_update(0, [(4_999_990, 50)], [(5_000_010, 40), (5_000_020, 60)])]
    depth += [_update(number, [(4_000_000, number)], []) for number in range(1, 20_001)]
    prints = [_print(20_001, 5_000_010, BUY), _print(20_002, 4_999_990, SELL)]
    recording = write_recording(tmp_path / "market", [INSTRUMENT], prints, depth)
    out = backtest(
        recording,
        tmp_path / "run",
        f"{Path(__file__).with_name('last_lifter.py')}:LastLifter",
        batch=batch,
        latency="feed=0,entry=0,response=0",
    ).folder
    assert [(fill["price"], fill["quantity"]) for fill in records_in(out, "fills")] == [
        (5_000_010, 25),
        (5_000_020, 60),
    ]


def _update(number: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> DepthUpdate:
    kind, flags = (
        (DepthKind.DELTA, Flag(0))
        if number
        else (DepthKind.SNAPSHOT, Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
    )
    time = START + number * MILLISECOND
    return DepthUpdate(
        1,
        time,
        time,
        number,
        number,
        number - 1,
        int(kind),
        int(flags | Flag.FUTURES_CHAIN),
        bids,
        asks,
    )


def _print(number: int, price: int, aggressor: int) -> Trade:
    time = START + number * MILLISECOND
    return Trade(1, time, time, number, 1, price, 15, aggressor, 0)


def test_takers_do_not_beat_a_generated_market_s_own_ticker(tmp_path: Path) -> None:
    """Oracle: the best bid and ask that the generator wrote beside the book."""
    assert (
        main(["generate", "--minutes", "1", "--seed", "5", "--out", str(tmp_path / "recording")])
        == 0
    )
    for latency, flags in ((0, ("--ticker", "off")), (0, ()), (5, ())):
        out = tmp_path / f"{latency}{''.join(flags)}"
        lift(tmp_path / "recording", out, latency * MILLISECOND, *flags)
        _check(shares(tmp_path / "recording", out), 20, latency)


@pytest.mark.parametrize("capture", ["usdm/btcusdt_20240808", "spot/ethusdt_20240808"])
def test_takers_do_not_beat_the_exchange_s_own_ticker(
    market_data: Path, tmp_path: Path, capture: str
) -> None:
    """With the flags that nobody gives. Oracle: the recorded bookTicker. Before, 11 % of takers on
    futures and 54 % on spot were sold what was gone, and 34 % on spot with the tape alone (decision
    25).
    """
    assert (
        main(
            [
                "import",
                "binance",
                str(market_data / "binance" / f"{capture}.gz"),
                "--out",
                str(tmp_path / "recording"),
            ]
        )
        == 0
    )
    for latency in (0, 5):
        lift(tmp_path / "recording", tmp_path / f"{latency}", latency * MILLISECOND)
        _check(shares(tmp_path / "recording", tmp_path / f"{latency}"), 500, latency)


def test_on_futures_the_tape_alone_keeps_the_bound(market_data: Path, tmp_path: Path) -> None:
    """Oracle: the recorded bookTicker, which the venue does not read here."""
    assert (
        main(
            [
                "import",
                "binance",
                str(market_data / "binance/usdm/btcusdt_20240808.gz"),
                "--out",
                str(tmp_path / "recording"),
            ]
        )
        == 0
    )
    lift(tmp_path / "recording", tmp_path / "run", 0, "--ticker", "off")
    _check(shares(tmp_path / "recording", tmp_path / "run"), 500, 0)


def _check(found: Shares, fills_min: int, latency: int) -> None:
    """At most 1 % at the fill without latency; with latency no more than the ticker itself
    improved.
    """
    assert found.fills >= fills_min
    assert found.beat_at_decision <= (found.ticker_improved if latency else found.fills // 100)


def test_a_bound_by_tickers_that_were_not_recorded_is_refused_by_name(
    recording: Path, tmp_path: Path, capsys: Any
) -> None:
    arguments = [
        "backtest",
        str(recording),
        "--strategy",
        "noop-python",
        "--ticker",
        "cap",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(arguments) == 2
    assert "md.book_tickers" in capsys.readouterr().err
