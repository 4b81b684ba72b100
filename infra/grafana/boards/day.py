"""The trading day on one page: money, orders, market, freshness."""

from __future__ import annotations

from infra.grafana.board import PIPELINE, TASKS, Board, Row
from infra.grafana.boards.common import FRESHNESS, OPEN_ALERTS, WORST_LAG, quantile
from infra.grafana.boards.market import QUIET
from infra.grafana.boards.money import (
    DRAWDOWN,
    DRAWDOWN_GRAPH,
    EQUITY,
    EQUITY_GRAPH,
    PNL_GRAPH,
    POSITIONS_GRAPH,
)
from infra.grafana.panels import RED, graph, number

DAY = Board(
    "shriven-day",
    "Trading day",
    "What a desk looks at: money, orders, market, and whether the numbers are fresh.",
    PIPELINE,
    (
        Row("Now", (EQUITY, DRAWDOWN, QUIET, FRESHNESS, WORST_LAG, OPEN_ALERTS)),
        Row("Money", (EQUITY_GRAPH, PNL_GRAPH, DRAWDOWN_GRAPH)),
        Row(
            "Orders",
            (
                number(
                    "Requests",
                    "Order requests of the range.",
                    "short",
                    f'sum(increase(shriven_output_records_total{{{TASKS},topic="orders.requests"}}[$__range]))',
                ),
                number(
                    "Denied",
                    "Orders denied in the range.",
                    "short",
                    f'sum(increase(shriven_decisions_total{{{TASKS},outcome="DENIED"}}[$__range]))',
                ),
                number(
                    "Fills",
                    "Fills of the range.",
                    "short",
                    f"sum(increase(shriven_fills_total{{{TASKS}}}[$__range]))",
                ),
                number(
                    "Refused by the venue",
                    "Orders the venue refused in the range.",
                    "short",
                    f'sum(increase(shriven_order_events_total{{{TASKS},status="REJECTED"}}[$__range]))',
                    thresholds=((1, RED),),
                ),
                number(
                    "Tick to order, p99",
                    "Now.",
                    "s",
                    quantile(0.99, "shriven_tick_to_order_seconds") + " > 0",
                    thresholds=((0.5, RED),),
                    nothing="no orders",
                ),
                number(
                    "Dead letters",
                    "Records that could not be used, in the range.",
                    "short",
                    f"sum(increase(shriven_dead_letters_total{{{TASKS}}}[$__range]))",
                    thresholds=((1, RED),),
                ),
                graph(
                    "Orders and fills",
                    "In the interval.",
                    "short",
                    (
                        f'sum(increase(shriven_output_records_total{{{TASKS},topic="orders.requests"}}[$__rate_interval]))',
                        "requests",
                    ),
                    (
                        f'sum(increase(shriven_decisions_total{{{TASKS},outcome="DENIED"}}[$__rate_interval]))',
                        "denied",
                    ),
                    (f"sum(increase(shriven_fills_total{{{TASKS}}}[$__rate_interval]))", "fills"),
                ),
                POSITIONS_GRAPH,
                graph(
                    "Signals",
                    "By direction, in the interval.",
                    "short",
                    (
                        "sum by (direction) "
                        f"(increase(shriven_signals_total{{{TASKS}}}[$__rate_interval]))",
                        "{{direction}}",
                    ),
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Market",
            (
                graph(
                    "Mid price",
                    "Of the last quote.",
                    "none",
                    (f"max by (symbol) (shriven_mid_price{{{TASKS}}})", "{{symbol}}"),
                    minimum=None,
                ),
                graph(
                    "Spread",
                    "Over mid.",
                    "percentunit",
                    (f"max by (symbol) (shriven_spread_ratio{{{TASKS}}})", "{{symbol}}"),
                    minimum=None,
                ),
                graph(
                    "VPIN",
                    "Of the last bucket.",
                    "percentunit",
                    (f"max by (symbol) (shriven_vpin_ratio{{{TASKS}}})", "{{symbol}}"),
                ),
            ),
        ),
    ),
    "trading",
    span="now/d",
)
