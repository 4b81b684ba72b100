"""A recording whose offsets have holes, as topics pulled from a cluster have: its run verifies, and
goes on after a death. Oracle: the same records without holes.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.runs import Backtest
from jobs.verification import verify_run
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.log.local import LocalLog
from tests.scenario import Killed, backtest, close_recording, configuration, digests, make_recording

OPTIONS: dict[str, Any] = {"batch": 200}
INPUTS = ("ref.instruments", "md.trades", "md.depth")


def with_holes(recording: Path, folder: Path, first: int = 5) -> Path:
    """The same records at rising offsets; behind every third record one is missing."""
    log = LocalLog.create(folder)
    with LocalLog.open(recording) as source:
        for name in INPUTS:
            encoder = codec(topic_of(name).record)
            reader = source.reader(name)
            writer = log.writer(name, first, has_holes=True)
            for block in reader.blocks(0, reader.end_offset):
                records = encoder.decode_records(block.body, block.count)
                times = [record.event_time for record in records]
                places = np.arange(block.first_offset, block.first_offset + block.count)
                offsets = first + places + places // 3
                body = encoder.encode_records(records)
                writer.append(body, len(records), max(times), offsets=offsets)
    close_recording(log, folder)
    return folder


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("holes")
    make_recording(folder / "plain", 300, 500, seed=4)
    yield with_holes(folder / "plain", folder / "holed")
    shutil.rmtree(folder, ignore_errors=True)


def test_its_run_makes_the_same_records_and_verifies(market: Path, tmp_path: Path) -> None:
    plain = backtest(market.parent / "plain", tmp_path / "plain", **OPTIONS)
    holed = backtest(market, tmp_path / "holed", **OPTIONS)
    of_offsets = ("journal", "pipeline.dlq")
    found, expected = digests(holed), digests(plain)
    same = [topic for topic in expected if topic not in of_offsets]
    assert {topic: found[topic] for topic in same} == {topic: expected[topic] for topic in same}
    verdict = verify_run(holed.folder)
    assert verdict.is_good, verdict.findings


def test_its_run_goes_on_after_a_death(market: Path, tmp_path: Path) -> None:
    whole = backtest(market, tmp_path / "whole", **OPTIONS)
    commits = 0

    def watch(name: str) -> None:
        nonlocal commits
        commits += name == "committed"
        if commits == 3:
            raise Killed

    with contextlib.suppress(Killed):
        Backtest(configuration(**OPTIONS), market, tmp_path / "killed", on_step=watch).run()
    assert commits == 3
    resumed = backtest(market, tmp_path / "killed", **OPTIONS)
    assert digests(resumed) == digests(whole)
    assert verify_run(resumed.folder).is_good


def test_other_records_at_its_places_are_found(market: Path, tmp_path: Path) -> None:
    """The same run over a recording that begins an offset later: named, not executed."""
    run = backtest(market, tmp_path / "run", **OPTIONS)
    other = with_holes(market.parent / "plain", tmp_path / "other", first=6)
    verdict = verify_run(run.folder, other)
    assert not verdict.is_good
    assert "input" in str(verdict.findings[0])
