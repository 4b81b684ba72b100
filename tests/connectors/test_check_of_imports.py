"""``sq check`` of imported recorder lines: gaps in both chains of update ids and in trade ids, and
lines that the import refused. Oracle: what the lines leave out.
"""

from __future__ import annotations

import json
from pathlib import Path

import binance_lines as lines
import pytest

from jobs.sq import main

SPOT = [
    lines.snapshot(100),
    *(lines.spot_depth(101 + at, 101 + at, time=lines.T0 + 100 * at) for at in range(20)),
    *(lines.spot_depth(130 + at, 130 + at, time=lines.T0 + 5000) for at in range(3)),
    *(lines.spot_trade(number) for number in (1, 1, 2, 3, 4, 8)),
]
USDM = [
    lines.snapshot(
        100, T=lines.T0, E=lines.T0, bids=[("61800.20", "1")], asks=[("61800.30", "1")]
    ),
    *(lines.usdm_depth(90 + at, 101 + at, 100 + at) for at in range(20)),
    lines.usdm_depth(300, 310, 299),
]
CASES = {
    "spot": (SPOT, {"depth_gap": (1, 9), "unsynced": (1, 0), "trade_gap": (1, 3)}),
    "usdm": (USDM, {"depth_gap": (1, 179), "unsynced": (1, 0)}),
}
"""Lines, and per finding how often and the sum: ids that are missing (spot 121 to 129, 5 to 7)."""


@pytest.mark.parametrize("name", CASES)
def test_gaps_of_both_chains_and_refused_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    text, expected = CASES[name]
    file = lines.write(tmp_path / "lines.txt", text)
    assert main(["import", "binance", str(file), "--out", str(tmp_path / "log")]) == 0
    capsys.readouterr()
    assert main(["check", str(tmp_path / "log"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    graver = {
        each["code"]: (each["count"], each["total"])
        for each in found
        if each["severity"] != "note"
    }
    assert graver == expected
    refused = [each for each in found if each["code"] == "refused_lines"]
    assert [(each["detail"], each["count"]) for each in refused] == (
        [("duplicate_trade", 1)] if name == "spot" else []
    )
