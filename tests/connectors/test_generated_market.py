"""The generated market. Oracles: a plain Python twin of the draws, a dictionary book rebuilt from
the depth topic, the venue's own tickers, the truth topic, and a digest that must never move unless
the market is changed on purpose.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from binance_lines import records

from connectors.simulators import order_flow
from connectors.simulators.market import START, BadMarket, generate
from schemas.vocabulary import Flag
from streams.log.errors import LogExists
from streams.log.manifest import read_manifest
from streams.log.verify import verify_files

MARKET_TOPICS = ("md.trades", "md.depth", "md.book_tickers", "sim.truth")
MASK = (1 << 64) - 1


@pytest.fixture(scope="module")
def ten_minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("market") / "log"
    generate(10, 7, out)
    return out


@pytest.fixture(scope="module")
def topics(ten_minutes: Path) -> dict[str, list[dict[str, Any]]]:
    return {topic: records(ten_minutes, topic) for topic in ("ref.instruments", *MARKET_TOPICS)}


def twin_draw(seed: int, entity: int, ordinal: int) -> int:
    """SplitMix64's finaliser over the key, in Python's integers."""

    def mix(key: int, shifts: bool) -> int:
        key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        key = (key ^ (key >> 27)) * 0x94D049BB133111EB & MASK
        return key ^ (key >> 31)

    key = mix((seed * 0xD1342543DE82EF95 + entity * 0x9E3779B97F4A7C15) & MASK, True)
    return mix((key + ordinal * 0x9E3779B97F4A7C15) & MASK, True) >> 33


@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1])
def test_a_draw_is_a_function_of_seed_purpose_and_ordinal(seed: int) -> None:
    for entity in (1, 11):
        for ordinal in (0, 1, -1, 3_600_000, 2**40):
            assert order_flow.draw(seed, entity, ordinal) == twin_draw(
                seed, entity, ordinal % (1 << 64)
            )


def test_draws_are_spread_evenly() -> None:
    """Chi-square of 16 bins over 16,000 draws: below 37.7, the 99.9 % point of 15 degrees of
    freedom, for each of several keys.
    """
    for entity in range(1, 6):
        bins = [0] * 16
        for ordinal in range(16_000):
            bins[order_flow.below(3, entity, ordinal, 16)] += 1
        assert sum((count - 1000) ** 2 / 1000 for count in bins) < 37.7


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_market(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate(2, seed, tmp_path / name)
    a, b, c = ((tmp_path / name / "log.json").read_bytes() for name in "abc")
    assert a == b != c


def test_the_market_of_a_seed_has_not_changed(topics: dict[str, list[dict[str, Any]]]) -> None:
    """If this fails, every figure and picture made with ``sq generate`` has changed: do that on
    purpose only.
    """
    told = hashlib.sha256()
    for topic in MARKET_TOPICS:
        told.update(repr([sorted(each.items()) for each in topics[topic]]).encode())
    assert told.hexdigest()[:16] == "2c96320e7d8c1465"


@pytest.mark.long
def test_other_cpu_targets_and_hash_seeds_give_the_same_bytes(tmp_path: Path) -> None:
    """One minute is compiled anew for the generic CPU in another process."""
    generate(1, 5, tmp_path / "here")
    code = (
        "from connectors.simulators.market import generate; generate(1, 5, "
        f"{str(tmp_path / 'there')!r})"
    )
    changed = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "PYTHONHASHSEED": "99"}
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, **changed}, cwd=root
    )
    assert (tmp_path / "here" / "log.json").read_bytes() == (
        tmp_path / "there" / "log.json"
    ).read_bytes()


def test_a_longer_market_begins_with_the_shorter_one(ten_minutes: Path, tmp_path: Path) -> None:
    generate(3, 7, tmp_path / "short")
    for topic in MARKET_TOPICS:
        short = records(tmp_path / "short", topic)
        assert records(ten_minutes, topic)[: len(short)] == short and len(short) > 500


def test_depth_rebuilds_a_book_that_never_crosses_and_whose_top_is_the_tickers(
    topics: dict[str, list[dict[str, Any]]],
) -> None:
    tickers = {each["update_id"]: each for each in topics["md.book_tickers"]}
    sides: dict[str, dict[int, int]] = {"bids": {}, "asks": {}}
    last, told, checked = -1, None, 0
    for number, update in enumerate(topics["md.depth"]):
        assert (update["kind"] == "SNAPSHOT") == (number == 0)
        if number:
            assert (
                update["first_update_id"] == last + 1
                and update["previous_update_id"] == last <= update["final_update_id"]
            )
        for name, side in sides.items():
            for row in update[name]:
                if row["quantity"]:
                    side[row["price"]] = row["quantity"]
                else:
                    side.pop(row["price"], None)
        for update_id in range(
            last + 1 if number else update["final_update_id"], update["final_update_id"] + 1
        ):
            told = tickers.get(update_id, told)
        last = update["final_update_id"]
        bid, ask = max(sides["bids"]), min(sides["asks"])
        assert bid < ask
        assert told is not None
        assert (
            told["bid_price"],
            told["bid_quantity"],
            told["ask_price"],
            told["ask_quantity"],
        ) == (
            bid,
            sides["bids"][bid],
            ask,
            sides["asks"][ask],
        )
        checked += 1
    assert checked > 5000


def test_trades_happen_at_the_touch_on_the_side_of_their_aggressor(
    topics: dict[str, list[dict[str, Any]]],
) -> None:
    """The first print of each taker is at the best price told before it, and never for more than
    what was there.
    """
    tickers = topics["md.book_tickers"]
    at, last_time = 0, -1
    for trade in topics["md.trades"]:
        if trade["event_time"] == last_time:
            continue
        last_time = trade["event_time"]
        while at + 1 < len(tickers) and tickers[at + 1]["event_time"] < last_time:
            at += 1
        before = tickers[at]
        side = "ask" if trade["aggressor_side"] == "BUY" else "bid"
        assert (
            trade["price"] == before[f"{side}_price"]
            and trade["quantity"] <= before[f"{side}_quantity"]
        )


def test_only_informed_takers_always_trade_better_than_the_fair_price(
    topics: dict[str, list[dict[str, Any]]],
) -> None:
    trades, truths = topics["md.trades"], topics["sim.truth"]
    assert (
        [each["trade_id"] for each in trades]
        == [each["trade_id"] for each in truths]
        == list(range(1, len(trades) + 1))
    )
    gains: dict[bool, list[int]] = {True: [], False: []}
    for trade, truth in zip(trades, truths, strict=True):
        sign = 1 if trade["aggressor_side"] == "BUY" else -1
        gains[truth["informed"]].append(sign * (truth["fair_price"] - trade["price"]))
    assert min(gains[True]) >= 0
    assert min(gains[False]) < 0 and sum(gains[False]) < 0


def test_records_have_the_shape_of_live_ones(topics: dict[str, list[dict[str, Any]]]) -> None:
    instrument = topics["ref.instruments"][0]
    assert (instrument["symbol"], instrument["kind"], instrument["shortable"]) == (
        "SIMUSDT",
        "PERPETUAL",
        True,
    )
    for topic in ("md.trades", "md.depth", "md.book_tickers"):
        times = [each["event_time"] for each in topics[topic]]
        assert times == sorted(times) and times[0] >= START and times[-1] <= START + 10 * 60 * 10**9
        assert all(each["flags"] & Flag.SIMULATED for each in topics[topic])
        assert all(0 < each["receive_time"] - each["event_time"] < 10**7 for each in topics[topic])
    for trade in topics["md.trades"]:
        assert trade["price"] % instrument["tick_size"] == 0 and trade["quantity"] > 0


def test_ten_minutes_are_as_dense_as_a_live_market(topics: dict[str, list[dict[str, Any]]]) -> None:
    assert 5 * 600 < len(topics["md.depth"]) < 15 * 600
    assert 2 * 600 < len(topics["md.trades"]) < 8 * 600
    mids = [(each["bid_price"] + each["ask_price"]) / 2 for each in topics["md.book_tickers"]]
    assert max(mids) - min(mids) > 20 * 100


def test_without_informed_takers_nobody_is_and_with_only_them_everybody(tmp_path: Path) -> None:
    for share in (0.0, 1.0):
        generate(2, 1, tmp_path / str(share), informed_share=share)
        assert {each["informed"] for each in records(tmp_path / str(share), "sim.truth")} == {
            bool(share)
        }


def test_volatility_scales_the_moves_of_the_fair_price(tmp_path: Path) -> None:
    spans = []
    for volatility in (0.5, 3.0):
        generate(4, 2, tmp_path / str(volatility), volatility=volatility)
        fair = [each["fair_price"] for each in records(tmp_path / str(volatility), "sim.truth")]
        spans.append(max(fair) - min(fair))
    assert spans[1] > 3 * spans[0]


@pytest.mark.parametrize("volatility", [0.0, 20.0])
def test_extreme_volatility_neither_empties_nor_breaks_the_market(
    tmp_path: Path, volatility: float
) -> None:
    summary = generate(30, 2, tmp_path / "log", volatility=volatility, informed_share=0.9)
    assert summary.counts["md.depth"] > 10_000
    assert verify_files(tmp_path / "log", read_manifest(tmp_path / "log" / "log.json")) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"minutes": 0}, "minutes is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"informed_share": 1.5}, "informed_share is 1.5; give a number from 0 to 1"),
        ({"volatility": -1.0}, "volatility"),
        ({"volatility": float("nan")}, "volatility"),
    ],
)
def test_a_parameter_out_of_range_is_named(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadMarket, match=words):
        generate(**{"minutes": 1, "seed": 1, "out": tmp_path / "log", **given})
    assert not (tmp_path / "log").exists()


def test_a_folder_that_holds_a_log_is_not_written_over(ten_minutes: Path) -> None:
    with pytest.raises(LogExists):
        generate(1, 1, ten_minutes)


def test_the_manifest_says_that_it_is_simulated_and_from_what(ten_minutes: Path) -> None:
    manifest = read_manifest(ten_minutes / "log.json")
    assert manifest["provenance"] == "simulated" and manifest["market"]["seed"] == 7


def test_progress_counts_minutes(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    generate(3, 1, tmp_path / "log", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
