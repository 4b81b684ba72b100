"""An instrument's results alone and beside others (decision 27). The oracle is the run of the
instrument alone, field by field.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.merging import merge
from jobs.sq import main
from tests.scenario import INSTRUMENT, backtest, make_market, records_in, write_recording

NUMBERS = (1, 2, 3)
SYMBOLS = {number: f"TEST{number}USDT" for number in NUMBERS}
TOPICS = (
    "md.quotes", "md.bars", "md.marks", "md.features", "md.toxicity", "signals", "orders.requests",
    "orders.decisions", "orders.events",
    "venue.commands", "venue.reports", "fills", "positions",
)  # fmt: skip
BUILT = ("order_id", "venue_trade_id")
"""Ids count: built ones the records of all inputs, the simulated venue's the fills of all
instruments.
"""


def side_by_side(folder: Path) -> Path:
    """Three markets in order of arrival: each of its own lag, one in ten records late behind its
    own instrument, stamps that collide.
    """
    draw = random.Random(5)
    arrivals: list[tuple[int, int, Any]] = []
    for number in NUMBERS:
        for records in make_market(1_200, 1_500, seed=number):
            for record in records:
                lag = 120_000_000 * number + draw.choice((0, 10_000_000, 400_000_000)) * (
                    number != 2
                )
                received = record.event_time + lag
                arrivals.append(
                    (
                        received,
                        len(arrivals),
                        msgspec.structs.replace(record, instrument=number, receive_time=received),
                    )
                )
    for kind in ("Trade", "DepthUpdate"):
        reached: dict[int, int] = {}
        # an instrument's updates stay in their order
        for place, (received, _, record) in enumerate(arrivals):
            if type(record).__name__ == kind:
                reached[record.instrument] = received = max(
                    received, reached.get(record.instrument, 0)
                )
                arrivals[place] = (received, place, record)
    arrivals.sort(key=lambda each: each[:2])
    instruments = [
        msgspec.structs.replace(INSTRUMENT, instrument=number, symbol=SYMBOLS[number])
        for number in NUMBERS
    ]
    found = [
        [record for *_, record in arrivals if type(record).__name__ == kind]
        for kind in ("Trade", "DepthUpdate")
    ]
    write_recording(folder / "arrival", instruments, *found)
    merge([folder / "arrival"], folder / "recording")
    return folder / "recording"


def of_instrument(run: Path, number: int) -> dict[str, list[dict[str, Any]]]:
    """What a run has of one instrument, without built ids."""
    return {
        topic: [
            {key: value for key, value in each.items() if key not in BUILT}
            for each in records_in(run, topic)
            if each["instrument"] == number
        ]
        for topic in TOPICS
    }


@pytest.mark.parametrize("strategy", ["ema-cross", "ema-cross-python"])
def test_results_of_an_instrument_do_not_depend_on_its_neighbours(
    tmp_path: Path, strategy: str
) -> None:
    recording = side_by_side(tmp_path)
    options = {"cash": "1000000000USDT", "sizing": {"size": "0.1"}}
    whole = backtest(recording, tmp_path / "all", strategy, **options)
    for number in NUMBERS[:2]:
        alone = backtest(
            recording, tmp_path / str(number), strategy, symbols=SYMBOLS[number], **options
        )
        ours, theirs = of_instrument(whole.folder, number), of_instrument(alone.folder, number)
        for topic in TOPICS:
            assert ours[topic] == theirs[topic], topic
        assert len(theirs["fills"]) > 5 and len(theirs["md.marks"]) > 50


def test_a_recording_in_order_of_arrival_is_put_in_order_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """One that was pulled, or made by the version before; the run is that of the recording in
    order.
    """
    monkeypatch.setenv("SQ_PULL_CACHE", str(tmp_path / "cache"))
    recording = side_by_side(tmp_path)
    for name, path in (("one", tmp_path / "arrival"), ("two", recording)):
        assert (
            main(
                [
                    "backtest",
                    str(path),
                    "--strategy",
                    "ema-cross",
                    "--cash",
                    "1000000000USDT",
                    "--out",
                    str(tmp_path / name),
                ]
            )
            == 0
        )
        assert ("lie in order of arrival" in capsys.readouterr().err) == (name == "one")
    assert all(
        records_in(tmp_path / "one", topic) == records_in(tmp_path / "two", topic)
        for topic in TOPICS
    )
