"""Aggregation over a real recording. Oracles: the exchange's own bookTicker stream and its own
one-minute klines.
"""

from __future__ import annotations

import bisect
import csv
from pathlib import Path
from typing import Any

import pytest
from recordings import plain_instrument, to_units, usdm

from schemas.records import Bar, Quote
from streams.aggregation import stage
from streams.signals import kit


@pytest.fixture(scope="module")
def recorded(market_data: Path) -> tuple[list[Any], tuple[Any, ...], tuple[Any, ...]]:
    """(published records, input records, book tickers) of the USD-M capture; prices in units of
    0.01, tick 0.1.
    """
    records, tickers = usdm(market_data / "binance" / "usdm" / "btcusdt_20240808.gz")
    published = kit.drive(stage, stage.Settings(), records, [plain_instrument(tick=10)])
    return [item.record for item in published], records, tickers


def test_the_top_equals_the_exchanges_book_ticker_after_every_depth_update(recorded: Any) -> None:
    published, records, tickers = recorded
    quotes = [record for record in published if isinstance(record, Quote)]
    sequences = [quote.sequence for quote in quotes]
    assert sequences == sorted(sequences)
    ids = [ticker[0] for ticker in tickers]
    compared = 0
    for update in records:
        if not hasattr(update, "final_update_id"):
            continue
        at = bisect.bisect_right(ids, update.final_update_id) - 1
        if at >= 0:
            quote = quotes[bisect.bisect_right(sequences, update.final_update_id) - 1]
            assert (
                quote.bid_price,
                quote.bid_quantity,
                quote.ask_price,
                quote.ask_quantity,
            ) == tickers[at][1:], update.final_update_id
            compared += 1
    assert compared > 6_500
    assert all(quote.flags == 0 for quote in quotes[1:])  # the first is the snapshot's


def test_minute_bars_equal_the_exchanges_klines_in_nine_fields(
    recorded: Any, market_data: Path
) -> None:
    published, _, _ = recorded
    bars = {bar.open_time // 1_000_000: bar for bar in published if isinstance(bar, Bar)}
    equal = 0
    with (
        market_data / "binance" / "klines" / "BTCUSDT-1m-2024-08.slice_2350_0010.csv"
    ).open() as lines:
        for row in csv.DictReader(lines):
            bar = bars.get(int(row["open_time"]))
            if bar is None or bar.flags:
                continue
            prices = [to_units(row[name], 2) for name in ("open", "high", "low", "close")]
            assert [bar.open, bar.high, bar.low, bar.close] == prices
            assert [bar.volume, bar.taker_buy_volume] == [
                to_units(row[name], 3) for name in ("volume", "taker_buy_volume")
            ]
            quote_volumes = [
                to_units(row[name], 5) for name in ("quote_volume", "taker_buy_quote_volume")
            ]
            assert [bar.quote_volume, bar.taker_buy_quote_volume] == quote_volumes
            assert bar.trade_count == int(row["count"])
            equal += 1
    assert equal == 5
