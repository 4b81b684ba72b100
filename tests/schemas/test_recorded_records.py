"""The codec on what an exchange really sent. Oracle: fastavro's bytes for the same records."""

from __future__ import annotations

import pytest
import recordings
from codec_harness import oracle

from schemas.codec import codec
from schemas.records import BookTicker, DepthUpdate, Trade

USDM = ("binance", "usdm", "btcusdt_20240808.gz")


@pytest.fixture(scope="module")
def recorded(market_data):
    return recordings.usdm(market_data.joinpath(*USDM))


def checked(name, found):
    body = codec(name).encode_records(found)
    assert body == oracle(name, found)
    assert codec(name).decode_records(body, len(found)) == found
    return body


def test_recorded_trades_are_the_bytes_of_fastavro(recorded):
    found = [record for record in recorded[0] if isinstance(record, Trade)]
    assert len(found) > 10_000
    body = checked("Trade", found)
    rows = codec("Trade").decode_rows(body, len(found))
    assert int(rows["quantity"].sum()) == sum(trade.quantity for trade in found)
    assert codec("Trade").encode_rows(rows, len(rows)).tobytes() == body


def test_recorded_depth_updates_are_the_bytes_of_fastavro(recorded):
    """The snapshot's thousand levels and updates without a side are among them."""
    found = [record for record in recorded[0] if isinstance(record, DepthUpdate)]
    assert len(found) > 6_000 and any(not update.bids or not update.asks for update in found)
    body = checked("DepthUpdate", found)
    rows, levels = codec("DepthUpdate").decode_rows(body, len(found))
    assert len(levels) == sum(len(update.bids) + len(update.asks) for update in found)
    assert int(levels["quantity"].sum()) == sum(
        quantity for update in found for _, quantity in update.bids + update.asks
    )
    assert codec("DepthUpdate").encode_rows(rows, len(rows), levels).tobytes() == body


def test_recorded_book_tickers_are_the_bytes_of_fastavro(recorded):
    checked(
        "BookTicker",
        [
            BookTicker(1, 1_723_161_256_298_000_000 + number, 0, *ticker, 0)
            for number, ticker in enumerate(recorded[1][:5000])
        ],
    )
