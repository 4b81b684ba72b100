"""Bad records in a recording: dead letters with reason and origin, a clock that is not poisoned,
and every good record around them processed.

Oracle: the same recording without the bad records, and the same recording in other batches.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import codec
from schemas.records import DepthUpdate, Instrument, Trade
from schemas.vocabulary import DepthKind, Flag, InstrumentKind, Side
from streams.log.local import LocalLog
from tests.scenario import INSTRUMENT, START, records_in, write_recording

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
SNAPSHOT = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
MIDDLE = 5_000_000
STRATEGY = ("--strategy", "ema-cross", "--set", "fast=3", "--set", "slow=8")


def market(
    instrument: int = 1, updates: int = 400, first: int = 1000, chain: int = int(Flag.FUTURES_CHAIN)
) -> tuple[list[Trade], list[DepthUpdate]]:
    """A market that swings: an update every 100 ms, a trade after every other one."""
    trades, depth = [], []
    before: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for i in range(updates):
        middle = MIDDLE + 50 * ((i * 7) % 40 if (i // 40) % 2 else 40 - (i * 7) % 40)
        at = START + i * SECOND // 10
        now = (
            {middle - 50: 2_000 + i, middle - 150: 9_000},
            {middle + 50: 3_000 + i, middle + 150: 9_000},
        )
        bids, asks = (
            {**dict.fromkeys(was, 0), **side} for was, side in zip(before, now, strict=True)
        )
        before = now
        flags = (SNAPSHOT if i == 0 else 0) | chain
        kind = int(DepthKind.SNAPSHOT if i == 0 else DepthKind.DELTA)
        number = first + 2 * i
        record = (instrument, at, at + 1_000_000, number, number + 1, number - 1, kind, flags)
        depth.append(DepthUpdate(*record, sorted(bids.items(), reverse=True), sorted(asks.items())))
        if i % 2:
            side = int(Side.BUY if i % 4 == 1 else Side.SELL)
            trades.append(
                Trade(
                    instrument,
                    at + 1_000,
                    at + 900_000,
                    10 + i,
                    1,
                    middle + (50 if side == int(Side.BUY) else -50),
                    5 + i % 7,
                    side,
                    0,
                )
            )
    return trades, depth


def with_changes(record: Any, **changes: Any) -> Any:
    """The record with other values in some fields."""
    return type(record)(
        *(changes.get(name, getattr(record, name)) for name in record.__struct_fields__)
    )


def inserted(records: list[Any], bad: dict[int, Any]) -> list[Any]:
    """The records with bad ones put in before the places given."""
    found: list[Any] = []
    for place, record in enumerate(records):
        if place in bad:
            found.append(bad[place])
        found.append(record)
    return found


@pytest.fixture
def run(sq: Callable[..., Any], tmp_path: Path) -> Callable[..., Path]:
    """Writes a recording, backtests it whole and in batches of 17, compares both and verifies;
    returns the run.
    """
    numbers = itertools.count()

    def backtest(
        trades: list[Trade],
        depth: list[DepthUpdate],
        *options: object,
        instruments: list[Instrument] | None = None,
    ) -> Path:
        recording = write_recording(
            tmp_path / f"market{next(numbers)}",
            instruments or [INSTRUMENT],
            trades,
            depth,
            block=50,
        )
        whole, cut = (tmp_path / f"run{next(numbers)}" for _ in range(2))
        first = sq("backtest", recording, *STRATEGY, *options, "--out", whole, "--json")
        assert first.code == 0, first.err
        second = sq(
            "backtest", recording, *STRATEGY, *options, "--batch", 17, "--out", cut, "--json"
        )
        runtime = ("pipeline.journal", "pipeline.snapshots")
        one, other = (
            {k: v for k, v in ended.json()["digests"].items() if k not in runtime}
            for ended in (first, second)
        )
        assert one == other
        assert sq("verify", cut).code == 0
        return whole

    return backtest


TRADES, DEPTH = market()
MARKET_TOPICS = ("md.quotes", "md.bars", "md.marks", "md.features", "md.toxicity", "signals")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run over the market without a fault."""
    from jobs.sq import main

    folder = tmp_path_factory.mktemp("clean")
    write_recording(folder / "market", [INSTRUMENT], TRADES, DEPTH, block=50)
    assert main(["backtest", str(folder / "market"), *STRATEGY, "--out", str(folder / "run")]) == 0
    assert len(records_in(folder / "run", "signals")) >= 10
    assert len(records_in(folder / "run", "fills")) >= 10
    return folder / "run"


BAD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an unknown instrument": (lambda r: with_changes(r, instrument=77), "unknown_instrument"),
    "an instrument beyond every table": (
        lambda r: with_changes(r, instrument=2_000_000_000),
        "unknown_instrument",
    ),
    "a negative instrument": (lambda r: with_changes(r, instrument=-1), "unknown_instrument"),
    "a day in the future": (
        lambda r: with_changes(r, event_time=r.event_time + 24 * HOUR),
        "clock_jump",
    ),
    "an hour and a nanosecond in the future": (
        lambda r: with_changes(r, event_time=r.receive_time + HOUR + 1),
        "clock_jump",
    ),
    "the end of time": (
        lambda r: with_changes(r, event_time=2**63 - 1, receive_time=0),
        "bad_time",
    ),
    "before 1970": (lambda r: with_changes(r, event_time=-5), "bad_time"),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("topic", ["md.trades", "md.depth"])
def test_a_bad_record_is_a_dead_letter_and_all_others_are_processed(
    run: Callable[..., Path], clean: Path, topic: str, what: str
) -> None:
    """The bad records stand beside the good ones; those that move the clock must not, so that every
    derived topic equals the clean run's.
    """
    change, reason = BAD[what]
    records: list[Any] = TRADES if topic == "md.trades" else DEPTH
    bad = {0: change(records[0]), 60: change(records[60]), len(records) - 1: change(records[-1])}
    dirty = inserted(records, bad)
    folder = run(dirty, DEPTH) if topic == "md.trades" else run(TRADES, dirty)
    letters = records_in(folder, "pipeline.dlq")
    assert [letter["reason"] for letter in letters] == [reason] * 3
    assert [letter["origin_offset"] for letter in letters] == [0, 61, len(records) + 1]
    assert {letter["origin_topic"] for letter in letters} == {topic}
    coder = codec("Trade" if topic == "md.trades" else "DepthUpdate")
    assert [letter["payload"] for letter in letters] == [
        bytes(coder.encode_records([record])) for record in bad.values()
    ]
    for name in MARKET_TOPICS:
        assert records_in(folder, name) == records_in(clean, name), name


def test_a_jump_of_exactly_the_limit_is_no_jump(run: Callable[..., Path]) -> None:
    late = [*TRADES[:-1], with_changes(TRADES[-1], event_time=TRADES[-1].receive_time + HOUR)]
    assert records_in(run(late, DEPTH), "pipeline.dlq") == []


def test_a_dead_depth_update_makes_the_book_stale_until_the_next_snapshot(
    run: Callable[..., Path],
) -> None:
    """The chain of update ids decides, not the dead letter: no quote between the gap and the
    snapshot.
    """
    again = with_changes(
        DEPTH[300], kind=int(DepthKind.SNAPSHOT), flags=SNAPSHOT | int(Flag.FUTURES_CHAIN)
    )
    dirty = [
        *DEPTH[:200],
        with_changes(DEPTH[200], event_time=DEPTH[200].event_time + 24 * HOUR),
        *DEPTH[201:300],
        again,
        *DEPTH[301:],
    ]
    folder = run(TRADES, dirty)
    assert [letter["origin_offset"] for letter in records_in(folder, "pipeline.dlq")] == [200]
    times = [
        quote["event_time"]
        for quote in records_in(folder, "md.quotes")
        if not quote["flags"] & int(Flag.STALE)
    ]
    assert not [time for time in times if DEPTH[200].event_time <= time < DEPTH[300].event_time]
    assert [time for time in times if time > DEPTH[300].event_time]


# -- strange but not dead


def strange(what: str) -> tuple[list[Trade], list[DepthUpdate]]:
    """The market with something odd in it."""
    trades, depth = list(TRADES), list(DEPTH)
    if what == "a gap":
        depth = depth[:150] + depth[151:]
    elif what == "a crossed book":
        depth[100] = with_changes(depth[100], bids=[(MIDDLE + 9_000, 5)], asks=[])
    elif what == "empty sides":
        depth[100] = with_changes(
            depth[100],
            bids=[(p, 0) for p, _ in depth[99].bids],
            asks=[(p, 0) for p, _ in depth[99].asks],
        )
    elif what == "an update without levels":
        depth[100] = with_changes(depth[100], bids=[], asks=[])
    elif what == "negative levels":
        depth[100] = with_changes(depth[100], bids=[(-5, 10)], asks=[(MIDDLE + 500, -3)])
    elif what == "levels beyond every window":
        depth[100] = with_changes(
            depth[100], bids=[(1, 7), *depth[100].bids], asks=[*depth[100].asks, (2**62 - 1, 7)]
        )
    elif what == "zero and negative trades":
        trades[50] = with_changes(trades[50], quantity=0)
        trades[51] = with_changes(trades[51], quantity=-4)
        trades[52] = with_changes(trades[52], price=0)
        trades[53] = with_changes(trades[53], price=-100)
    elif what == "huge trades":
        trades[50] = with_changes(trades[50], quantity=10**9, price=2**40)
    elif what == "times out of order":
        early, late = trades[50].event_time, trades[90].event_time
        trades[50], trades[90] = (
            with_changes(trades[50], event_time=late),
            with_changes(trades[90], event_time=early),
        )
        depth[70] = with_changes(depth[70], event_time=depth[20].event_time)
    elif what == "all at one time":
        trades = [with_changes(trade, event_time=START) for trade in trades]
        depth = [with_changes(update, event_time=START) for update in depth]
    elif what == "an unknown side":
        trades[50] = with_changes(trades[50], aggressor_side=0)
    elif what == "a week without data":
        later = 7 * 24 * HOUR
        trades[100:] = [
            with_changes(t, event_time=t.event_time + later, receive_time=t.receive_time + later)
            for t in trades[100:]
        ]
        depth[200:] = [
            with_changes(u, event_time=u.event_time + later, receive_time=u.receive_time + later)
            for u in depth[200:]
        ]
    elif what == "duplicates":
        trades, depth = [t for t in trades for _ in range(2)], [u for u in depth for _ in range(2)]
    elif what == "only trades":
        depth = []
    elif what == "only depth":
        trades = []
    elif what == "one trade":
        trades, depth = trades[:1], []
    elif what == "one update":
        trades, depth = [], depth[:1]
    elif what == "no records":
        trades, depth = [], []
    elif what == "no snapshot":
        depth = depth[1:]
    elif what == "1970":
        trades = [with_changes(t, event_time=t.event_time - START, receive_time=0) for t in trades]
        depth = [with_changes(u, event_time=u.event_time - START, receive_time=0) for u in depth]
    return trades, depth


STRANGE = [
    "a gap", "a crossed book", "empty sides", "an update without levels", "negative levels",
    "levels beyond every window",
    "zero and negative trades", "huge trades", "times out of order", "all at one time",
    "an unknown side", "a week without data", "duplicates",
    "only trades", "only depth", "one trade", "one update", "no records", "no snapshot", "1970",
]  # fmt: skip


@pytest.mark.parametrize("what", STRANGE)
def test_a_strange_market_runs_verifies_and_does_not_depend_on_batches(
    run: Callable[..., Path], what: str
) -> None:
    folder = run(*strange(what))
    assert records_in(folder, "pipeline.dlq") == []
    assert (folder / "report.html").stat().st_size > 1000


def test_a_trade_over_too_many_buckets_is_refused_by_name(
    sq: Callable[..., Any], tmp_path: Path
) -> None:
    """It would fill the memory with VPIN records: 2^62 units over buckets of thousands."""
    trades = [*TRADES[:50], with_changes(TRADES[50], quantity=2**62), *TRADES[51:]]
    recording = write_recording(tmp_path / "market", [INSTRUMENT], trades, DEPTH)
    ended = sq("backtest", recording, *STRATEGY, "--out", tmp_path / "run")
    assert ended.code == 1
    assert "md.toxicity holds more than" in ended.err
    assert "[toxicity] bucket_volumes = { TESTUSDT = ... }" in ended.err
    assert "at md.trades offset 50" in ended.err


def test_a_quote_volume_beyond_38_digits_ends_the_run_and_names_instrument_bar_and_trade(
    sq: Callable[..., Any], tmp_path: Path
) -> None:
    """Three trades at the largest price and quantity are 1.28e38, two are 0.85e38; limbs of 128
    bits would have wrapped at the fourth.
    """
    huge = {
        at: with_changes(TRADES[at], price=2**62 - 1, quantity=2**63 - 1) for at in (50, 51, 52)
    }
    trades = [huge.get(at, each) for at, each in enumerate(TRADES)]
    recording = write_recording(tmp_path / "market", [INSTRUMENT], trades, DEPTH)
    wide = ("--config", tmp_path / "wide.toml")
    wide[1].write_text('[toxicity]\nwindow = 1\nbucket_volume = "4611686018427387.904"\n')
    ended = sq("backtest", recording, *STRATEGY, *wide, "--out", tmp_path / "run")
    assert ended.code == 1
    assert "TESTUSDT (instrument 1): the quote volume of the bar that opens at" in ended.err
    assert f"38 digits with trade {TRADES[52].trade_id}" in ended.err


def test_a_market_without_a_snapshot_publishes_no_quote(run: Callable[..., Path]) -> None:
    assert records_in(run(*strange("no snapshot")), "md.quotes") == []


# -- several instruments, and none

OTHER = {
    "symbol": "OTHERUSDT",
    "kind": int(InstrumentKind.SPOT),
    "price_precision": 3,
    "quantity_precision": 5,
    "shortable": False,
}
SPOT = with_changes(INSTRUMENT, instrument=2, **OTHER)


def two() -> tuple[list[Trade], list[DepthUpdate]]:
    """Both instruments, their records in turn."""
    other = market(2, first=50_000, chain=0)
    return (
        [record for pair in zip(TRADES, other[0], strict=True) for record in pair],
        [record for pair in zip(DEPTH, other[1], strict=True) for record in pair],
    )


def test_spot_and_perpetual_in_one_recording(run: Callable[..., Path], clean: Path) -> None:
    """The perpetual's market data is what it is alone; the spot instrument is never short."""
    folder = run(*two(), instruments=[INSTRUMENT, SPOT])
    for topic in ("md.quotes", "md.bars"):
        assert [row for row in records_in(folder, topic) if row["instrument"] == 1] == records_in(
            clean, topic
        )
        assert [row for row in records_in(folder, topic) if row["instrument"] == 2]
    positions = records_in(folder, "positions")
    assert min(row["quantity"] for row in positions if row["instrument"] == 2) >= 0
    assert min(row["quantity"] for row in positions if row["instrument"] == 1) < 0


def test_symbols_leave_the_other_instrument_unread_and_count_no_dead_letter(
    run: Callable[..., Path], clean: Path
) -> None:
    folder = run(*two(), "--symbols", "TESTUSDT", instruments=[INSTRUMENT, SPOT])
    assert records_in(folder, "pipeline.dlq") == []
    for topic in MARKET_TOPICS:
        assert records_in(folder, topic) == records_in(clean, topic), topic
    assert [row["quantity"] for row in records_in(folder, "fills")] == [
        row["quantity"] for row in records_in(clean, "fills")
    ]


def test_both_symbols_are_the_same_as_none(run: Callable[..., Path]) -> None:
    whole, named = (
        run(*two(), instruments=[INSTRUMENT, SPOT]),
        run(*two(), "--symbols", "test:OTHERUSDT,testusdt", instruments=[INSTRUMENT, SPOT]),
    )
    for topic in MARKET_TOPICS:
        assert records_in(whole, topic) == records_in(named, topic), topic


@pytest.mark.parametrize(
    ("instruments", "said"),
    [
        ([], "ref.instruments is empty"),
        ([with_changes(INSTRUMENT, instrument=5000)], "instrument id 5000"),
        ([with_changes(INSTRUMENT, instrument=-2)], "instrument id -2"),
        ([INSTRUMENT, with_changes(SPOT, quote="BTC")], "choose instruments of one currency"),
    ],
)
def test_instruments_that_cannot_be_used(
    sq: Callable[..., Any], tmp_path: Path, instruments: list[Instrument], said: str
) -> None:
    recording = write_recording(tmp_path / "market", instruments, TRADES[:3], DEPTH[:3])
    ended = sq("backtest", recording, *STRATEGY, "--out", tmp_path / "run")
    assert ended.code in (1, 2)
    assert said in ended.err
    assert not (tmp_path / "run").exists()


def test_a_recording_without_instruments_or_market_data_is_none(
    sq: Callable[..., Any], tmp_path: Path
) -> None:
    for topic, said in (
        ("ref.instruments", "holds no market data"),
        ("md.trades", "holds no ref.instruments"),
    ):
        with LocalLog.create(tmp_path / topic) as log:
            records = [INSTRUMENT] if topic == "ref.instruments" else TRADES[:2]
            log.writer(topic).append(
                codec("Instrument" if topic == "ref.instruments" else "Trade").encode_records(
                    records
                ),
                len(records),
            )
            log.seal("log.json", {"topics": {topic: {"count": len(records), "digest": ""}}})
        ended = sq("backtest", tmp_path / topic, *STRATEGY, "--out", tmp_path / "run")
        assert ended.code == 2
        assert said in ended.err


# -- damaged files


@pytest.mark.parametrize(
    ("topic", "place"),
    [
        ("md.depth", 0.0),
        ("md.depth", 0.5),
        ("md.depth", 0.999),
        ("md.trades", 0.6),
        ("md.trades", 0.9),
        ("ref.instruments", 0.98),
    ],
)
def test_a_flipped_byte_in_a_recording_is_named_and_the_restored_one_finishes(
    sq: Callable[..., Any], tmp_path: Path, clean: Path, topic: str, place: float
) -> None:
    recording = write_recording(tmp_path / "market", [INSTRUMENT], TRADES, DEPTH, block=50)
    path = recording / topic / "0" / f"{0:020d}.avro"
    content = path.read_bytes()
    changed = bytearray(content)
    changed[int(len(content) * place)] ^= 4
    path.write_bytes(changed)
    command = ("backtest", recording, *STRATEGY, "--batch", 100, "--out", tmp_path / "run")
    ended = sq(*command)
    assert ended.code == 1, ended.err
    assert topic in ended.err
    path.write_bytes(content)
    assert sq(*command).code == 0
    assert records_in(tmp_path / "run", "fills") == records_in(clean, "fills")


def test_records_that_are_none_end_in_words(sq: Callable[..., Any], tmp_path: Path) -> None:
    """Bytes with good checksums that are no records: written by another program."""
    write_recording(tmp_path / "market", [INSTRUMENT], TRADES[:10], [])
    with LocalLog.create(tmp_path / "forged") as log:
        log.writer("ref.instruments").append(codec("Instrument").encode_records([INSTRUMENT]), 1)
        log.writer("md.trades").append(b"\xff" * 400, 10)
        log.writer("md.depth")
        log.seal(
            "log.json",
            {
                "topics": {
                    name: {"count": 1, "digest": ""}
                    for name in ("ref.instruments", "md.trades", "md.depth")
                }
            },
        )
    ended = sq("backtest", tmp_path / "forged", *STRATEGY, "--out", tmp_path / "run")
    assert ended.code == 1
    assert "Trade" in ended.err or "md.trades" in ended.err


def frames(symbol: str, first: int) -> str:
    """Ten trades a second apart, as a recorder writes them."""
    lines = []
    for i in range(10):
        trade = {
            "e": "trade",
            "E": first + 1000 * i,
            "s": symbol,
            "t": i,
            "p": "600.10",
            "q": "0.100",
            "T": first + 1000 * i,
            "m": False,
            "M": True,
        }
        lines.append(
            f"{(first + 1000 * i) * 10**6} "
            + json.dumps({"stream": f"{symbol.lower()}@trade", "data": trade})
        )
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("second", "code"),
    [(1723161256000 + 10_000, 0), (1723161256000 - 40_000, 0), (1723161256000 - 90_000, 2)],
)
def test_files_that_go_back_in_time_are_no_recording(
    sq: Callable[..., Any], tmp_path: Path, second: int, code: int
) -> None:
    """A minute of overlap is a recorder that rolled over; more is the wrong order, or files
    recorded side by side, whatever their names.
    """
    for number, first in enumerate((1723161256000, second)):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "frames").write_text(
            frames("BTCUSDT" if number else "ETHUSDT", first)
        )
    ended = sq(
        "import",
        "binance",
        tmp_path / "0" / "frames",
        tmp_path / "1" / "frames",
        "--out",
        tmp_path / "log",
    )
    assert ended.code == code, ended.err
    if code:
        assert "in the order of their times" in ended.err
        assert not (tmp_path / "log").exists()
