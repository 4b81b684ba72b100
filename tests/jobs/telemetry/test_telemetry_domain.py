"""What a run's records say as metrics. Oracle: fastavro reads the same topics of a backtest, and
Python counts them.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from jobs.telemetry.domain import SAMPLED, WHOLE, DomainMetrics, Symbol
from schemas.codec import codec


@dataclasses.dataclass(frozen=True)
class OutputReader:
    """A block of the log as a batch's output."""

    topic: str
    body: bytes
    count: int


def blocks(run: Path, topic: str) -> Iterator[OutputReader]:
    for path in sorted((run / topic).rglob("*.avro")):
        with path.open("rb") as file:
            for block in fastavro.block_reader(file):
                yield OutputReader(topic, block.bytes_.getvalue(), block.num_records)


def records(run: Path, topic: str) -> list[dict[str, Any]]:
    found: list[Any] = []
    for path in sorted((run / topic).rglob("*.avro")):
        with path.open("rb") as file:
            found += fastavro.reader(file)
    return found


@pytest.fixture(scope="module")
def observed(toy_run: Path) -> dict[tuple[str, frozenset[str]], float]:
    """Series after the whole run was observed; sampling never skips."""
    return series_of(toy_run)


def series_of(
    toy_run: Path, *more: OutputReader
) -> dict[tuple[str, frozenset[str]], float]:
    """Of the run's blocks, then of others."""
    (instrument,) = records(toy_run, "ref.instruments")[:1]
    symbols = {
        instrument["instrument"]: Symbol(
            instrument["symbol"], instrument["price_precision"], instrument["quantity_precision"]
        )
    }
    registry = CollectorRegistry()
    clock = iter(range(0, 10_000_000, 2))
    domain = DomainMetrics("pipeline", 0, registry, symbols, monotonic=lambda: next(clock))
    for topic in (*SAMPLED, *WHOLE):
        for block in blocks(toy_run, topic):
            domain.observe([block])
    for block in more:
        domain.observe([block])
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = frozenset(
                value for key, value in sample.labels.items() if key not in ("topology", "shard")
            )
            found[sample.name, labels] = sample.value
    return found


@pytest.mark.parametrize(
    ("topic", "metric", "fields"),
    [
        ("orders.decisions", "shriven_decisions_total", ("outcome", "code")),
        ("orders.events", "shriven_order_events_total", ("status",)),
        ("venue.reports", "shriven_execution_reports_total", ("kind",)),
        ("fills", "shriven_fills_total", ("side", "liquidity")),
    ],
)
def test_counters_say_what_the_topic_holds(
    topic: str, metric: str, fields: tuple[str, ...], toy_run: Path, observed: Any
) -> None:
    expected = Counter(
        frozenset(record[field] for field in fields) for record in records(toy_run, topic)
    )
    assert expected, "the run wrote nothing: this test compared nothing"
    assert {
        labels: value for (name, labels), value in observed.items() if name == metric and value
    } == dict(expected)


def test_money_is_shown_in_the_account_s_currency(toy_run: Path, observed: Any) -> None:
    valued = records(toy_run, "pnl")
    last = valued[-1]
    unit = 10.0 ** last["amount_precision"]
    account = frozenset([str(last["account"])])
    for name in ("cash", "realized", "fees"):
        assert observed[f"shriven_account_{name}", account] == pytest.approx(
            float(last[name]) / unit
        )
    equities = [float(record["equity"]) / unit for record in valued if record["equity"] is not None]
    assert observed["shriven_account_equity", account] == pytest.approx(equities[-1])
    assert 0 <= observed["shriven_account_drawdown_ratio", account] < 1
    assert observed["shriven_account_drawdown_ratio", account] == pytest.approx(
        (max(equities) - equities[-1]) / max(equities)
    )


def test_prices_and_positions_are_decimals_of_the_symbol(toy_run: Path, observed: Any) -> None:
    (instrument,) = records(toy_run, "ref.instruments")[:1]
    quote = [
        record
        for record in records(toy_run, "md.quotes")
        if record["bid_price"] and record["ask_price"]
    ][-1]
    middle = (quote["bid_price"] + quote["ask_price"]) / 2
    symbol = frozenset([instrument["symbol"]])
    assert observed["shriven_mid_price", symbol] == pytest.approx(
        middle / 10 ** instrument["price_precision"]
    )
    assert observed["shriven_spread_ratio", symbol] == pytest.approx(
        (quote["ask_price"] - quote["bid_price"]) / middle
    )
    position = records(toy_run, "positions")[-1]
    (shown,) = [
        value for (name, _), value in observed.items() if name == "shriven_position_quantity"
    ]
    assert shown == pytest.approx(position["quantity"] / 10 ** instrument["quantity_precision"])


def test_measures_of_the_last_interval_are_decimals_of_the_symbol(
    toy: Path, tmp_path: Path, sq: Any
) -> None:
    """Of the last second in which trades came and others' horizons ended."""
    given = ("--strategy", "noop-python", "--microstructure", "--out", tmp_path / "run")
    assert sq("backtest", toy, *given).code == 0
    (instrument,) = records(toy, "ref.instruments")[:1]
    symbol = frozenset([instrument["symbol"]])
    measured = records(tmp_path / "run", "md.microstructure")
    places = [
        place
        for place, each in enumerate(measured)
        if each["spread_trades_1s"] and each["flow_imbalance"] is not None
    ]
    count = places[-1] + 1
    last = measured[count - 1]
    (block,) = blocks(tmp_path / "run", "md.microstructure")
    end = codec("Microstructure").end_of(block.body, count)
    found = series_of(toy, OutputReader(block.topic, block.body[:end], count))
    price = 10 ** instrument["price_precision"]
    means = {
        name: float(last[f"{name}_spread_1s"]) / last["spread_trades_1s"] / price
        for name in ("effective", "realised")
    }
    expected = {
        "shriven_effective_spread": means["effective"],
        "shriven_realised_spread": means["realised"],
        "shriven_flow_imbalance_ratio": last["flow_imbalance"],
        "shriven_order_flow_ratio": last["integrated_order_flow"],
        "shriven_realised_volatility_ratio": last["realised_volatility"],
        "shriven_vpin_rank_ratio": last["vpin_rank"],
    }
    for name, value in expected.items():
        shown = found.get((name, symbol))
        assert shown is None if value is None else shown == pytest.approx(value), name
    assert sum(value is not None for value in expected.values()) == 5, "VPIN warms up"


def test_market_data_is_read_once_a_second_and_orders_always(toy_run: Path) -> None:
    """The hot path pays for one decoded batch a second."""
    registry = CollectorRegistry()
    domain = DomainMetrics("pipeline", 0, registry, {}, monotonic=lambda: 5.0)
    first, second, *_ = (
        OutputReader("md.quotes", block.body, block.count)
        for block in list(blocks(toy_run, "md.quotes"))[:1] * 2
    )
    domain.observe([first])
    before = generate_latest(registry)
    domain.observe([OutputReader(second.topic, b"not decoded", second.count)])
    assert generate_latest(registry) == before


def test_nothing_is_shown_of_an_instrument_that_is_not_known_and_all_of_it_goes_with_it(
    toy_run: Path,
) -> None:
    """Regression: quantities and prices at precision 0 until the instrument was known. Oracle: the
    instrument's own precisions.
    """
    (instrument,) = records(toy_run, "ref.instruments")[:1]
    symbols: dict[int, Symbol] = {}
    registry = CollectorRegistry()
    clock = iter(range(0, 10_000_000, 2))
    domain = DomainMetrics("pipeline", 0, registry, symbols, monotonic=lambda: next(clock))

    def shown() -> list[str]:
        return [
            line for line in generate_latest(registry).decode().splitlines() if 'symbol="' in line
        ]

    for topic in (*SAMPLED, "positions", "signals"):
        for block in list(blocks(toy_run, topic))[-2:]:
            domain.observe([block])
    assert shown() == []
    symbols[instrument["instrument"]] = Symbol(
        instrument["symbol"], instrument["price_precision"], instrument["quantity_precision"]
    )
    domain.observe([])
    (line,) = shown()  # the position, at once; market data with its next record
    last = records(toy_run, "positions")[-1]
    assert "position_quantity" in line and float(line.split()[-1]) == pytest.approx(
        last["quantity"] / 10 ** instrument["quantity_precision"]
    )
    for topic in SAMPLED:
        for block in list(blocks(toy_run, topic))[-2:]:
            domain.observe([block])
    assert any("mid_price" in line for line in shown())
    domain.forget(instrument["symbol"])
    assert shown() == []


def test_rare_orders_and_denials_have_a_series_before_they_happen() -> None:
    registry = CollectorRegistry()
    DomainMetrics("pipeline", 0, registry, {})
    text = generate_latest(registry).decode()
    assert 'shriven_order_events_total{shard="0",status="IN_DOUBT",topology="pipeline"} 0.0' in text
    assert (
        'shriven_decisions_total{code="KILL_SWITCH",outcome="DENIED",shard="0",'
        'topology="pipeline"} 0.0'
        in text
    )
