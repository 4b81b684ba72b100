"""Where the input ends, every instrument's unfinished bar, mark, features and measures are
published, however many there are. Oracle: one of each for each instrument, by counting.

Before, a stage published eight and dropped the rest.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from schemas.records import DepthUpdate, Trade
from schemas.vocabulary import DepthKind, Flag
from tests.scenario import INSTRUMENT, START, backtest, digests, records_in, write_recording

COUNT = 20
WHOLE = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)


@pytest.mark.parametrize("data", ["book", "trades"])
def test_every_instrument_ends(tmp_path: Path, data: str) -> None:
    numbers = range(1, COUNT + 1)
    instruments = [
        msgspec.structs.replace(INSTRUMENT, instrument=each, symbol=f"S{each}") for each in numbers
    ]
    trades = [Trade(each, START + each, 0, 1, 1, 4_999_990, 5, 1, 0) for each in numbers]
    kind = int(DepthKind.SNAPSHOT)
    depth = [
        DepthUpdate(
            each, START + COUNT + each, 0, 1, 1, -1, kind, WHOLE, [(4_999_980, 5)], [(4_999_990, 5)]
        )
        for each in numbers
    ]
    market = write_recording(tmp_path / "market", instruments, trades, depth)
    options = {"data": data, "microstructure": {}}
    run = backtest(market, tmp_path / "run", "noop-python", **options)
    for topic in ("md.bars", "md.marks", "md.features", "md.microstructure"):
        found = records_in(run.folder, topic)
        assert sorted(each["instrument"] for each in found) == list(numbers), topic
        is_partial = {bool(each["flags"] & Flag.PARTIAL) for each in found}
        assert is_partial == {topic != "md.marks"}, topic
    one_by_one = backtest(market, tmp_path / "one", "noop-python", batch=1, **options)
    assert digests(one_by_one) == digests(run)
