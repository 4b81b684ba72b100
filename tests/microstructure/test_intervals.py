"""Records of md.microstructure through the command's own run. Oracle: every field searched for in
the whole history of the run's topics (``searched.py``), over generated and over recorded markets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.captures.importer import import_binance
from jobs.runs import Run
from schemas.records import Microstructure
from streams.microstructure.state import Settings
from tests.microstructure.searched import HORIZONS, NONE, NULLABLE, Searched, records_of
from tests.scenario import INSTRUMENT, backtest, make_recording

WINDOW, TRADES = 20, 30
TABLE = {
    "window": WINDOW,
    "trades": TRADES,
    "vpins": 12,
    "hawkes": {"default": {"mu": 0.1, "same": 0.5, "other": 0.2, "beta": 2.0}},
}
EXACT = (
    "kyle_lambda", "kyle_error", "kyle_r_squared", "amihud", "roll_spread", "variance_ratio_2",
    "variance_ratio_5", "variance_ratio_10", "trade_imbalance", "flow_imbalance",
    "recent_flow_imbalance", "hawkes_buy_intensity", "hawkes_sell_intensity",
)  # fmt: skip
"""Of the same steps as plain Python's objects: every bit."""
ELSEWHERE = ("flags", "method", "refused_trades", "microprice", "microprice_reason")


def compare(found: list[Microstructure], expected: list[dict[str, Any]]) -> None:
    assert [each.event_time for each in found] == [each["event_time"] for each in expected]
    for record, row in zip(found, expected, strict=True):
        assert row.keys() | set(ELSEWHERE) == set(record.__struct_fields__)
        for name, value in row.items():
            ours = getattr(record, name)
            if isinstance(value, float) and name not in EXACT:
                value = pytest.approx(value, rel=1e-9, abs=1e-15)
            assert ours == value, (name, record.event_time)


def searched(recording: Path, run: Run, instrument: Any, **settings: Any) -> Searched:
    trades, depth = (records_of(recording, topic) for topic in ("md.trades", "md.depth"))
    precision = instrument.price_precision + instrument.quantity_precision
    made = (records_of(run.folder, topic) for topic in ("md.quotes", "md.toxicity"))
    scale = instrument.multiplier / 10**precision
    return Searched(trades, depth, *made, msgspec.convert(settings, Settings), scale)


@pytest.fixture(scope="module", params=["in sync", "with a gap"])
def market(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A recording, and a run over it with the stage; the book of the second goes stale midway."""
    folder = tmp_path_factory.mktemp("market")
    gap = {"gap_at": 1_500} if request.param == "with a gap" else {}
    recording = make_recording(folder / "market", updates=3_000, trades=4_000, **gap)
    small = {"bucket_volume": "0.5", "window": 5}
    run = backtest(
        recording, folder / "run", "noop-python", microstructure=TABLE, toxicity=small
    )
    return recording, run


def test_every_field_is_what_a_search_finds(market: tuple[Path, Run]) -> None:
    recording, run = market
    found = records_of(run.folder, "md.microstructure")
    compare(found, searched(recording, run, INSTRUMENT, **TABLE).rows())
    assert len(found) > 100 and sum(each.spread_trades_1s for each in found) > 1_000
    assert len({each.vpin_rank for each in found}) > 5


def test_effective_is_realised_plus_impact_in_every_record(market: tuple[Path, Run]) -> None:
    for record in records_of(market[1].folder, "md.microstructure"):
        for name in HORIZONS:
            parts = [
                getattr(record, f"{kind}_{name}") for kind in ("realised_spread", "price_impact")
            ]
            assert getattr(record, f"effective_spread_{name}") == sum(parts)


def test_flow_of_the_first_level_is_that_of_md_features(market: tuple[Path, Run]) -> None:
    """The second stage's own sum over the same seconds."""
    mine = {
        each.event_time: each.order_flow_1
        for each in records_of(market[1].folder, "md.microstructure")
    }
    features = records_of(market[1].folder, "md.features")
    assert len(features) > 100
    for each in features:
        assert mine[each.event_time] == each.order_flow_imbalance_wide


def test_a_measure_is_null_if_and_only_if_its_reason_says_why(market: tuple[Path, Run]) -> None:
    fields = {name for names in NULLABLE.values() for name in names}
    records = records_of(market[1].folder, "md.microstructure")
    can_be_null = {
        name
        for name, kind in Microstructure.__annotations__.items()
        if type(None) in getattr(kind, "__args__", ())
    }
    assert can_be_null == fields
    for record in records:
        for reason, names in NULLABLE.items():
            is_null = any(getattr(record, name) is None for name in names)
            assert is_null == (getattr(record, reason) != NONE), (reason, record.event_time)
    first = records[0]
    assert all(getattr(first, each) != NONE for each in NULLABLE if each not in (
        "flow_reason", "book_reason", "quoted_reason", "hawkes_reason", "order_flow_reason",
        "vpin_reason",
    ))  # fmt: skip


def test_a_recorded_day_is_what_a_search_finds(market_data: Path, tmp_path: Path) -> None:
    """Binance USD-M BTCUSDT: depth with thousands of levels, trades with the exchange's flag."""
    capture = market_data / "binance" / "usdm" / "btcusdt_20240808.gz"
    if not capture.is_file():
        pytest.skip("the USD-M recording is not in SQ_DATA")
    import_binance([capture], tmp_path / "recording")
    run = backtest(
        tmp_path / "recording", tmp_path / "run", "noop-python", microstructure=TABLE, ticker="off"
    )
    (instrument,) = records_of(tmp_path / "recording", "ref.instruments")[-1:]
    found = records_of(run.folder, "md.microstructure")
    expected = searched(tmp_path / "recording", run, instrument, **TABLE).rows()
    for row in expected:
        row["instrument"] = instrument.instrument
    compare(found, expected)
    assert sum(each.spread_trades_100ms for each in found) > 1_000
