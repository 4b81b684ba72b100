"""Recordings made side by side, as one. The oracle is a brute-force twin: running maxima by
instrument and a sort, in Python integers.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from binance_lines import T0, records
from recordings import plain_instrument

from connectors.blocks import TopicBlocks, close_log
from connectors.merging import InstrumentsDiffer, RecordingsOverlap, merge
from jobs.sq import main
from schemas.errors import WrongUse
from schemas.records import DepthUpdate, Trade
from streams.log.local import LocalLog
from streams.log.manifest import read_manifest
from streams.log.verify import verify_files

START = T0 * 1_000_000
SECOND = 10**9


def recording(
    folder: Path,
    instruments: list[int],
    seed: int,
    start: int = START,
    count: int = 300,
    block: int = 37,
) -> Path:
    """Trades and depth in small blocks; times wander, and now and then lie up to 90 s behind."""
    draw = random.Random(seed)
    with LocalLog.create(folder) as log:
        topics = {
            name: TopicBlocks(log, name) for name in ("ref.instruments", "md.trades", "md.depth")
        }
        for number in instruments:
            topics["ref.instruments"].add(
                msgspec.structs.replace(plain_instrument(number), event_time=start), start
            )
        time = start
        for index in range(count):
            number = draw.choice(instruments)
            time += draw.choice((0, 0, SECOND, 3 * SECOND))
            stamp = max(start, time - draw.choice((0, 0, 0, SECOND, 90 * SECOND)) * (number % 2))
            topics["md.trades"].add(
                Trade(number, stamp, time, index, 1, 100, draw.randint(1, 9), 1, 0), stamp
            )
            levels = [(100 + each, draw.randint(0, 9)) for each in range(draw.randint(0, 3))]
            topics["md.depth"].add(
                DepthUpdate(number, stamp, time, index, index, -1, 1, 0, levels, levels[:1]), stamp
            )
            if index % block == 0:
                topics["md.trades"].flush()
                topics["md.depth"].flush()
        close_log(log, topics.values(), {"provenance": "recorded"})
    return folder


def expected(folders: list[Path], topic: str) -> list[dict[str, Any]]:
    """The twin: each record with its instrument's running maximum, stable-sorted by (maximum,
    instrument).
    """
    keyed = []
    for folder in folders:
        maxima: dict[int, int] = {}
        for record in records(folder, topic):
            number = record["instrument"]
            maxima[number] = max(maxima.get(number, 0), record["event_time"])
            keyed.append((maxima[number], number, record))
    return [record for *_, record in sorted(keyed, key=lambda each: each[:2])]


def test_a_merge_is_every_record_by_the_time_its_own_instrument_had_reached(tmp_path: Path) -> None:
    one = recording(tmp_path / "one", [1, 4], seed=1)
    two = recording(tmp_path / "two", [2], seed=2, count=90, block=5)
    three = recording(tmp_path / "three", [3], seed=3, start=START + 40 * SECOND)
    merge([one, two, three], tmp_path / "a")
    other = merge([three, one, two], tmp_path / "b")
    for topic in ("md.trades", "md.depth"):
        assert records(tmp_path / "a", topic) == expected([one, two, three], topic), topic
    assert read_manifest(tmp_path / "a" / "log.json") == read_manifest(
        tmp_path / "b" / "log.json"
    ), "the order of names changes nothing"
    assert verify_files(tmp_path / "a", other) == []
    assert [each["folder"] for each in other["sources"]].count("two") == 1
    again = merge([tmp_path / "a"], tmp_path / "c")
    assert again["topics"] == other["topics"], "what lies in the order stays as it is"


def test_days_that_follow_each_other_are_one_recording(tmp_path: Path) -> None:
    days = [
        recording(
            tmp_path / f"day{number}", [1, 2], seed=number, start=START + number * 7200 * SECOND
        )
        for number in range(2)
    ]
    merge(reversed(days), tmp_path / "both")  # type: ignore[arg-type]
    assert records(tmp_path / "both", "md.trades") == expected(days, "md.trades")
    assert [each["instrument"] for each in records(tmp_path / "both", "ref.instruments")] == [1, 2]


def test_what_cannot_be_right_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    one = recording(tmp_path / "one", [1], seed=1)
    with pytest.raises(RecordingsOverlap, match="instrument 1 is in .* would count twice"):
        merge([one, recording(tmp_path / "same", [1, 2], seed=2)], tmp_path / "out")
    other = tmp_path / "other"
    with LocalLog.create(other) as log:
        topics = {name: TopicBlocks(log, name) for name in ("ref.instruments", "md.trades")}
        topics["ref.instruments"].add(
            msgspec.structs.replace(plain_instrument(1), tick_size=5), START
        )
        topics["md.trades"].add(Trade(1, START + 10**13, START, 1, 1, 100, 1, 1, 0), START)
        close_log(log, topics.values(), {})
    with pytest.raises(InstrumentsDiffer, match="import both with one table"):
        merge([one, other], tmp_path / "out")
    with LocalLog.create(tmp_path / "open"):
        pass
    with pytest.raises(WrongUse, match=r"has no log\.json"):
        merge([one, tmp_path / "open"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_interrupted_merge_starts_over_by_itself(tmp_path: Path) -> None:
    one = recording(tmp_path / "one", [1, 2], seed=1)
    whole = merge([one], tmp_path / "whole")
    with LocalLog.create(tmp_path / "half") as log:
        log.copy_topic(LocalLog.open(one), "md.trades")
    assert merge([one], tmp_path / "half")["topics"] == whole["topics"]


def test_several_recordings_are_backtested_together_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Through the commands: ``sq backtest A B``, ``sq merge A B``, ``sq verify``; both ways are the
    same run.
    """
    monkeypatch.setenv("SQ_PULL_CACHE", str(tmp_path / "cache"))
    names = [
        str(recording(tmp_path / name, [number], seed=number))
        for name, number in (("one", 1), ("two", 2))
    ]
    words = ["--strategy", "noop-python", "--json"]
    assert main(["backtest", *names, *words, "--out", str(tmp_path / "run")]) == 0
    together = json.loads(capsys.readouterr().out)["digests"]
    assert main(["merge", *reversed(names), "--out", str(tmp_path / "both")]) == 0
    assert main(["backtest", str(tmp_path / "both"), *words, "--out", str(tmp_path / "other")]) == 0
    other = json.loads(capsys.readouterr().out.splitlines()[-1])["digests"]
    assert {topic: digest for topic, digest in other.items() if topic != "pipeline.journal"} == {
        topic: digest for topic, digest in together.items() if topic != "pipeline.journal"
    }, "a journal names the folder"
    assert main(["verify", str(tmp_path / "run")]) == 0
    assert "no divergence" in capsys.readouterr().out
    assert {
        each["folder"] for each in read_manifest(tmp_path / "run" / "run.json")["recordings"]
    } == {"one", "two"}
    assert main(["backtest", *names, *words, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr()
    assert "already merged" in said.err and json.loads(said.out)["finished_before"]
