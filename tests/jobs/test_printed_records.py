"""What ``sq cat`` prints, and how progress is told. Oracle: the records by hand, and the units
their schemas document.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.progress import ProgressBar
from tests.scenario import records_in

Cat = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def cat(sq: Callable[..., Any]) -> Cat:
    """The lines of ``sq cat``, parsed."""

    def run(folder: Path, topic: str, *options: str) -> list[dict[str, Any]]:
        ended = sq("cat", folder, topic, *options)
        assert ended.code == 0, ended.err
        return [json.loads(line) for line in ended.out.splitlines()]

    return run


def test_integers_are_printed_as_they_lie_on_the_log(cat: Cat, recording: Path) -> None:
    (trade,) = cat(recording, "md.trades", "--limit", "1")
    assert isinstance(trade["price"], int) and isinstance(trade["event_time"], int)
    assert trade["aggressor_side"] in ("BUY", "SELL", "UNKNOWN")


def test_decimals_have_the_precision_of_the_instrument_levels_too(
    cat: Cat, recording: Path
) -> None:
    (instrument,) = [each for each in cat(recording, "ref.instruments") if each["instrument"] == 1]
    (plain,) = cat(recording, "md.depth", "--limit", "1")
    (scaled,) = cat(recording, "md.depth", "--limit", "1", "--decimal")
    assert plain["bids"], "the scenario begins with a snapshot"
    for (price, quantity), (price_text, quantity_text) in zip(
        plain["bids"], scaled["bids"], strict=True
    ):
        assert float(price_text) == price / 10 ** instrument["price_precision"]
        assert float(quantity_text) == quantity / 10 ** instrument["quantity_precision"]
    assert scaled["event_time"].endswith("Z") and scaled["receive_time"].endswith("Z")


def test_the_journal_is_readable(cat: Cat, reference_run: Any) -> None:
    genesis, batch = cat(reference_run.folder, "pipeline.journal", "--limit", "2")
    assert (genesis["kind"], batch["kind"]) == ("GENESIS", "BATCH")
    assert len(batch["previous_digest"]) == 64 and bytes.fromhex(batch["previous_digest"])
    assert set(batch["inputs"][0]) >= {"input", "count", "digest"}
    assert all(len(entry["digest"]) == 64 for entry in batch["inputs"])


@pytest.mark.parametrize(("option", "value"), [("--offset", "3"), ("--limit", "2")])
def test_a_part_of_a_topic_is_a_part_of_its_lines(
    cat: Cat, recording: Path, option: str, value: str
) -> None:
    whole = cat(recording, "md.trades", "--limit", "5")
    part = cat(
        recording, "md.trades", option, value, *(("--limit", "2") if option == "--offset" else ())
    )
    assert part == (whole[3:5] if option == "--offset" else whole[:2])


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_quick_work_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgressBar("work", "records") as bar:
        bar.update(1, 2)
        bar.update(2, 2)
    assert screen.getvalue() == ""


def test_preparation_is_told_apart_from_work(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("jobs.progress.SILENT_SECONDS", 0.05)
    monkeypatch.setattr(ProgressBar, "_compiles", lambda _: True)
    monkeypatch.setattr(ProgressBar, "_compiled", lambda _: "")
    with ProgressBar("work", "records") as bar:
        time.sleep(0.15)
        bar.update(0, 1000)
        time.sleep(0.25)
        bar.update(500, 1000)
        lines = screen.getvalue().split("\r\033[K")
        assert lines[1].startswith("work: preparing")
        rate = float(lines[-1].split("%")[1].split("records/s")[0].replace(",", ""))
        assert 1000 < rate < 2100, "the rate counts from the first update, not from the start"
        assert lines[-1].endswith("left")
    assert screen.getvalue().endswith("\r\033[K"), "the line is wiped at the end"


def test_kernels_that_are_loaded_are_loaded_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 12, B15: a warm start said that kernels are compiled. One that is compiled is said."""
    numba = pytest.importorskip("numba")
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("jobs.progress.SILENT_SECONDS", 0.05)
    with ProgressBar("work", "records"):
        time.sleep(0.15)
        assert screen.getvalue() == ""
        numba.njit(lambda x: x + 1)(1)
        time.sleep(0.7)
    assert screen.getvalue().startswith("work: preparing")


def test_what_ends_well_ends_with_100_per_cent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 12, B15: off a terminal the last line said how far it was ten seconds before the end.
    """
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("jobs.progress.SILENT_SECONDS", 0.0)
    with ProgressBar("work", "records") as bar:
        bar.update(43, 100)
    assert [line.partition("]")[2][:6] for line in screen.getvalue().splitlines()] == [
        "  43 %",
        " 100 %",
    ]
    with pytest.raises(ValueError, match="broke"), ProgressBar("work", "records") as bar:
        bar.update(43, 100)
        raise ValueError("broke")
    assert screen.getvalue().splitlines()[-1].partition("]")[2].startswith("  43 %")


def test_decimals_scale_floats_in_an_instrument_s_unit_too(
    sq: Callable[..., Any], toy_run: Path
) -> None:
    """Issue 12, B15. Oracle: the plain record over the instrument's precision."""
    plain, decimal = (
        json.loads(sq("cat", toy_run, "md.features", "--limit", 1, "--offset", 60, *more).out)
        for more in ((), ("--decimal",))
    )
    precision = records_in(toy_run, "ref.instruments")[0]["price_precision"]
    assert decimal["weighted_mid"] == plain["weighted_mid"] / 10**precision > 0
    assert decimal["imbalance_1"] == plain["imbalance_1"]
