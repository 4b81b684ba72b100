"""What a shard's records say of books, orders and money, as metrics: read from a batch's outputs
after its commit.

Order-side topics are read whole (they are small). Market-data topics are read at most once a second
of the caller's clock, and then only their last record a symbol of that batch: a gauge is scraped no
oftener. Topics need not be published for this; nothing here goes back into the pipeline.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from prometheus_client import CollectorRegistry

from jobs.telemetry import metrics
from jobs.telemetry.table import make, short
from schemas import vocabulary
from schemas.catalogue import TOPICS
from schemas.codec import codec

SAMPLED = {
    "md.quotes": "quotes",
    "md.bars": "bars",
    "md.features": "features",
    "md.toxicity": "toxicity",
    "md.microstructure": "microstructure",
}
WHOLE = {
    "signals": "signals",
    "orders.decisions": "decisions",
    "orders.events": "events",
    "venue.reports": "execution_reports",
    "fills": "fills",
    "positions": "positions",
    "pnl": "pnl",
    "risk.events": "risk_events",
    "reports": "performance",
}
STALE_FLAGS = 1 | 2 | 4 | 8
"""Stale, gap, crossed, one-sided: a quote that orders are not priced from."""
SAMPLE_SECONDS = 1.0
KNOWN: tuple[tuple[str, tuple[str, ...]], ...] = (
    *(("signals_total", (direction,)) for direction in ("long", "short", "flat")),
    ("decisions_total", ("APPROVED", "NONE")),
    *(
        ("decisions_total", ("DENIED", code.name))
        for code in vocabulary.RiskCode
        if code.name not in ("UNKNOWN", "NONE")
    ),
    *(
        ("risk_events_total", ("KILL_SWITCH", severity.name))
        for severity in vocabulary.Severity
        if severity.name != "UNKNOWN"
    ),
    *(
        ("order_events_total", (status.name,))
        for status in vocabulary.OrderStatus
        if status.name != "UNKNOWN"
    ),
    *(
        ("order_reasons_total", (reason.name,))
        for reason in vocabulary.OrderReason
        if reason.name not in ("UNKNOWN", "NONE")
    ),
    *(
        ("execution_reports_total", (kind.name,))
        for kind in vocabulary.ReportKind
        if kind.name != "UNKNOWN"
    ),
    *(
        ("fills_total", (side, liquidity))
        for side in ("BUY", "SELL")
        for liquidity in ("MAKER", "TAKER")
    ),
)
"""Counters that exist from 0 on: the first order in doubt is an increase, and a panel of a quiet
stage shows 0 and no hole.
"""


class Symbol(NamedTuple):
    """How an instrument's integers are shown."""

    symbol: str
    price_precision: int
    quantity_precision: int


class DomainMetrics:
    """Of one task.

    Args:
        topology: name of the topology.
        shard: its shard.
        registry: where to register.
        symbols: instrument id to its symbol and precisions; the caller may add to it later. What
            needs them is absent until then.
        monotonic: seconds, for the sampling.
    """

    def __init__(
        self,
        topology: str,
        shard: int,
        registry: CollectorRegistry,
        symbols: Mapping[int, Symbol],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._task = (topology, str(shard))
        self._metrics = make(metrics.DOMAIN, registry)
        self._labels = {short(metric): metric.labels for metric in metrics.DOMAIN}
        self._symbols = symbols
        self._monotonic = monotonic
        self._sampled: dict[str, float] = {}
        self._children: dict[tuple[str, ...], Any] = {}
        self._peaks: dict[str, float] = {}
        self._unnamed: dict[tuple[Any, ...], Any] = {}
        for name, values in KNOWN:
            self._of(name, *values)

    def observe(self, outputs: Iterable[Any]) -> None:
        """Read what a committed batch wrote.

        Args:
            outputs: each with ``topic``, ``body`` (Avro bodies, one behind the other) and
                ``count``, as ``streams.runtime.journal.batch.Output``.

        Raises:
            MalformedRecord: a body is not what its topic holds.
        """
        now = self._monotonic()
        if self._unnamed:
            self._positions(
                [record for record in self._unnamed.values() if record.instrument in self._symbols]
            )
        for output in outputs:
            if not output.count:
                continue
            reader = WHOLE.get(output.topic)
            if reader is None:
                reader = SAMPLED.get(output.topic)
                if (
                    reader is None
                    or now - self._sampled.get(output.topic, -SAMPLE_SECONDS) < SAMPLE_SECONDS
                ):
                    continue
                self._sampled[output.topic] = now
            records = codec(TOPICS[output.topic].record).decode_records(output.body, output.count)
            getattr(self, f"_{reader}")(records)

    def _of(self, *name_and_values: str) -> Any:
        child = self._children.get(name_and_values)
        if child is None:
            name, *values = name_and_values
            child = self._children[name_and_values] = self._metrics[name].labels(
                *self._task, *values
            )
        return child

    def forget(self, symbol: str) -> None:
        """The instrument is gone: its series would be old values that look like new ones."""
        for name, *values in [
            key for key in self._children if symbol in key[1:] and "symbol" in self._labels[key[0]]
        ]:
            self._remove(name, *values)

    def _named(self, records: list[Any]) -> Iterable[tuple[Any, Symbol]]:
        """The last record of each instrument that is known: without its precisions a number would
        be wrong by powers of ten.
        """
        for record in {record.instrument: record for record in records}.values():
            symbol = self._symbols.get(record.instrument)
            if symbol is not None:
                yield record, symbol

    def _quotes(self, records: list[Any]) -> None:
        for record, symbol in self._named(records):
            self._of("book_stale", symbol.symbol).set(bool(record.flags & STALE_FLAGS))
            if record.bid_price > 0 and record.ask_price > 0:
                middle = (record.bid_price + record.ask_price) / 2
                self._of("mid_price", symbol.symbol).set(middle / 10**symbol.price_precision)
                self._of("spread_ratio", symbol.symbol).set(
                    (record.ask_price - record.bid_price) / middle
                )

    def _bars(self, records: list[Any]) -> None:
        for record, symbol in self._named(records):
            volume = record.volume if record.volume_wide is None else record.volume_wide
            self._of("bar_volume", symbol.symbol).set(volume / 10**symbol.quantity_precision)

    def _features(self, records: list[Any]) -> None:
        for record, symbol in self._named(records):
            self._set_or_remove("depth_imbalance_ratio", record.imbalance_5, symbol.symbol)

    def _toxicity(self, records: list[Any]) -> None:
        for record, symbol in self._named(records):
            self._set_or_remove("vpin_ratio", record.vpin, symbol.symbol)
            self._set_or_remove("vpin_excess_ratio", record.vpin_excess, symbol.symbol)

    def _microstructure(self, records: list[Any]) -> None:
        """Spreads as the mean of the trades whose second ended in the interval."""
        for record, symbol in self._named(records):
            trades = record.spread_trades_1s * 10**symbol.price_precision
            effective, realised = record.effective_spread_1s, record.realised_spread_1s
            for name, value in (
                ("effective_spread", effective / trades if trades else None),
                ("realised_spread", realised / trades if trades else None),
                ("flow_imbalance_ratio", record.flow_imbalance),
                ("order_flow_ratio", record.integrated_order_flow),
                ("realised_volatility_ratio", record.realised_volatility),
                ("vpin_rank_ratio", record.vpin_rank),
            ):
                self._set_or_remove(name, value, symbol.symbol)

    def _signals(self, records: list[Any]) -> None:
        for record in records:
            self._of("signals_total", _DIRECTIONS[int(np.sign(record.direction))]).inc()
        for record, symbol in self._named(records):
            self._of("signal_strength_ratio", str(record.strategy), symbol.symbol).set(
                record.direction * record.strength
            )

    def _decisions(self, records: list[Any]) -> None:
        for record in records:
            self._of(
                "decisions_total",
                vocabulary.DecisionOutcome(record.outcome).name,
                vocabulary.RiskCode(record.code).name,
            ).inc()

    def _events(self, records: list[Any]) -> None:
        for record in records:
            self._of("order_events_total", vocabulary.OrderStatus(record.status).name).inc()
            if record.reason != vocabulary.OrderReason.NONE:
                self._of("order_reasons_total", vocabulary.OrderReason(record.reason).name).inc()

    def _execution_reports(self, records: list[Any]) -> None:
        for record in records:
            self._of("execution_reports_total", vocabulary.ReportKind(record.kind).name).inc()

    def _fills(self, records: list[Any]) -> None:
        for record in records:
            self._of(
                "fills_total",
                vocabulary.Side(record.side).name,
                vocabulary.Liquidity(record.liquidity).name,
            ).inc()

    def _positions(self, records: list[Any]) -> None:
        for record in records:
            key = record.account, record.strategy, record.instrument
            symbol = self._symbols.get(record.instrument)
            if symbol is None:
                # the next one may be hours away: shown as soon as its instrument is known
                self._unnamed[key] = record
                continue
            self._unnamed.pop(key, None)
            gauge = self._of(
                "position_quantity", str(record.account), str(record.strategy), symbol.symbol
            )
            gauge.set(record.quantity / 10**symbol.quantity_precision)

    def _pnl(self, records: list[Any]) -> None:
        for record in records:  # the peak may lie inside the batch
            if record.equity is not None:
                account, equity = (
                    str(record.account),
                    int(record.equity) / 10.0**record.amount_precision,
                )
                peak = self._peaks[account] = max(self._peaks.get(account, equity), equity)
                self._of("account_drawdown_ratio", account).set(
                    (peak - equity) / peak if peak > 0 else 0.0
                )
        for record in {record.account: record for record in records}.values():
            account, unit = str(record.account), 10.0**record.amount_precision
            for name in ("cash", "realized", "fees"):
                self._of(f"account_{name}", account).set(int(getattr(record, name)) / unit)
            for name in ("equity", "unrealized"):
                value = getattr(record, name)
                self._set_or_remove(
                    f"account_{name}", None if value is None else int(value) / unit, account
                )

    def _risk_events(self, records: list[Any]) -> None:
        for record in records:
            self._of(
                "risk_events_total",
                vocabulary.RiskCode(record.code).name,
                vocabulary.Severity(record.severity).name,
            ).inc()

    def _performance(self, records: list[Any]) -> None:
        for record in records:
            self._set_or_remove("performance", record.value, str(record.account), record.name)

    def _set_or_remove(self, name: str, value: float | None, *labels: str) -> None:
        """A value that is unknown is absent: an old one would look like a new one."""
        if value is not None:
            self._of(name, *labels).set(value)
        else:
            self._remove(name, *labels)

    def _remove(self, name: str, *labels: str) -> None:
        if self._children.pop((name, *labels), None) is not None:
            self._metrics[name].remove(*self._task, *labels)


_DIRECTIONS = {1: "long", -1: "short", 0: "flat"}
