"""Order-side stages: signals, risk, routing, venue."""

from __future__ import annotations

from infra.grafana.board import PIPELINE, TASKS, Board, Row
from infra.grafana.boards.common import (
    FRESHNESS,
    TICK_TO_ORDER,
    output_rate,
    process_row,
    quantiles,
    rate,
)
from infra.grafana.panels import ORANGE, RED, YELLOW, Panel, graph, number

INTERVAL = "$__rate_interval"


def _output(topic: str, title: str, description: str) -> Panel:
    return number(
        title,
        description,
        "short",
        f'sum(rate(shriven_output_records_total{{{TASKS},topic="{topic}"}}[{INTERVAL}]))',
    )


def _grown(metric: str, by: str, extra: str = "") -> str:
    return f"sum by ({by}) (increase({metric}{{{TASKS}{extra}}}[{INTERVAL}]))"


SIGNALS = Board(
    "shriven-signals",
    "Signals",
    "What the strategies see and want.",
    PIPELINE,
    (
        Row(
            "At a glance",
            (
                _output("signals", "Signals", "Signals a second."),
                _output("orders.requests", "Order requests", "Order requests a second."),
                TICK_TO_ORDER,
                FRESHNESS,
            ),
        ),
        Row(
            "Flow",
            (
                graph(
                    "Signals by direction",
                    "In the interval.",
                    "short",
                    (_grown("shriven_signals_total", "direction"), "{{direction}}"),
                    stacked=True,
                ),
                graph(
                    "Strength",
                    "Direction times strength of each strategy's last signal: 1 is a full long "
                    "unit, -1 a full short one.",
                    "none",
                    (
                        f"max by (strategy, symbol) (shriven_signal_strength_ratio{{{TASKS}}})",
                        "{{strategy}} {{symbol}}",
                    ),
                    minimum=None,
                ),
                graph(
                    "Mid price",
                    "Beside the signals: mid of the last quote.",
                    "none",
                    (f"max by (symbol) (shriven_mid_price{{{TASKS}}})", "{{symbol}}"),
                    minimum=None,
                ),
                output_rate("signals|orders[.]requests", "Signals and requests", width=12),
                graph(
                    "Tick to order",
                    "Kafka timestamp of a market-data record to the acknowledged commit with the "
                    "orders it made.",
                    "s",
                    *quantiles("shriven_tick_to_order_seconds"),
                    thresholds=((0.5, RED),),
                    width=12,
                ),
            ),
        ),
        process_row("task"),
    ),
    "stages",
)

DENIED = f'{TASKS},outcome="DENIED"'
RISK = Board(
    "shriven-risk",
    "Risk",
    "Which orders are approved, which denied, and by which check.",
    PIPELINE,
    (
        Row(
            "At a glance",
            (
                _output("orders.decisions", "Decisions", "Decisions a second."),
                number(
                    "Denied, 1 h",
                    "Share of the last hour's decisions that denied. What is normal depends on the "
                    "strategy; a step is news.",
                    "percentunit",
                    f"sum(increase(shriven_decisions_total{{{DENIED}}}[1h])) / "
                    f"(sum(increase(shriven_decisions_total{{{TASKS}}}[1h])) > 0)",
                    nothing="no decisions",
                ),
                number(
                    "Kill switch, 5 m",
                    "Orders the kill switch denied in five minutes.",
                    "short",
                    f'sum(increase(shriven_decisions_total{{{TASKS},code="KILL_SWITCH"}}[5m]))',
                    thresholds=((0.5, RED),),
                ),
                number(
                    "Stale data, 5 m",
                    "Orders denied for stale data in five minutes: look at the books.",
                    "short",
                    f'sum(increase(shriven_decisions_total{{{TASKS},code="STALE_DATA"}}[5m]))',
                    thresholds=((0.5, ORANGE),),
                ),
                number(
                    "Breaches, 1 h",
                    "Risk events of the last hour.",
                    "short",
                    f"sum(increase(shriven_risk_events_total{{{TASKS}}}[1h]))",
                    thresholds=((1, YELLOW),),
                ),
            ),
        ),
        Row(
            "Flow",
            (
                graph(
                    "Decisions",
                    "By outcome, a second.",
                    "short",
                    (rate("shriven_decisions_total", "outcome"), "{{outcome}}"),
                    stacked=True,
                ),
                graph(
                    "Denials by check",
                    "First failing check of each denied order, in the interval.",
                    "short",
                    (_grown("shriven_decisions_total", "code", ',outcome="DENIED"'), "{{code}}"),
                    stacked=True,
                ),
                graph(
                    "Risk events",
                    "By severity and check, in the interval.",
                    "short",
                    (
                        _grown("shriven_risk_events_total", "severity, code"),
                        "{{severity}} {{code}}",
                    ),
                ),
                output_rate("orders[.]decisions|risk[.]events", "Decisions and events", width=12),
                graph(
                    "Requests",
                    "Order requests a second, what there was to decide.",
                    "short",
                    (
                        rate(
                            "shriven_output_records_total",
                            "topic",
                            f'{TASKS},topic="orders.requests"',
                        ),
                        "{{topic}}",
                    ),
                    width=12,
                ),
            ),
        ),
        process_row("task"),
    ),
    "stages",
)

ROUTING = Board(
    "shriven-routing",
    "Routing",
    "Orders on their way: states, reasons, commands to the venue, fills.",
    PIPELINE,
    (
        Row(
            "At a glance",
            (
                _output(
                    "orders.events", "Order events", "Steps of the order state machine a second."
                ),
                _output("venue.commands", "Commands", "Commands to the venue a second."),
                _output("fills", "Fills", "Fills a second."),
                number(
                    "In doubt, 10 m",
                    "Orders whose fate at the venue is not known. Any is critical.",
                    "short",
                    f'sum(increase(shriven_order_events_total{{{TASKS},status="IN_DOUBT"}}[10m]))',
                    thresholds=((0.5, RED),),
                ),
                number(
                    "Rejected, 1 h",
                    "Orders the venue refused in the last hour.",
                    "short",
                    f'sum(increase(shriven_order_events_total{{{TASKS},status="REJECTED"}}[1h]))',
                    thresholds=((1, YELLOW),),
                ),
            ),
        ),
        Row(
            "Flow",
            (
                graph(
                    "States reached",
                    "Order events by the state reached, in the interval.",
                    "short",
                    (_grown("shriven_order_events_total", "status"), "{{status}}"),
                    stacked=True,
                ),
                graph(
                    "Reasons",
                    "Order events that carry a reason, in the interval.",
                    "short",
                    (_grown("shriven_order_reasons_total", "reason"), "{{reason}}"),
                ),
                graph(
                    "Fills",
                    "By side and liquidity, in the interval.",
                    "short",
                    (_grown("shriven_fills_total", "side, liquidity"), "{{side}} {{liquidity}}"),
                    stacked=True,
                ),
                output_rate(
                    "orders[.]events|venue[.]commands|fills", "Events, commands, fills", width=24
                ),
            ),
        ),
        process_row("task"),
    ),
    "stages",
)

VENUE = Board(
    "shriven-venue",
    "Venue",
    "The simulated venue: what it reports on our orders.",
    PIPELINE,
    (
        Row(
            "At a glance",
            (
                _output("venue.reports", "Reports", "Execution reports a second."),
                number(
                    "Maker share, 1 h",
                    "Share of the last hour's fills that added liquidity.",
                    "percentunit",
                    f'sum(increase(shriven_fills_total{{{TASKS},liquidity="MAKER"}}[1h])) / '
                    f"(sum(increase(shriven_fills_total{{{TASKS}}}[1h])) > 0)",
                    nothing="no fills",
                ),
                number(
                    "Refused, 1 h",
                    "Share of the last hour's reports that refuse an order or a cancel.",
                    "percentunit",
                    f'sum(increase(shriven_execution_reports_total{{{TASKS},kind=~"REJECTED|CANCEL_REJECTED"}}[1h]))'
                    f" / (sum(increase(shriven_execution_reports_total{{{TASKS}}}[1h])) > 0)",
                    thresholds=((0.1, YELLOW), (0.5, RED)),
                    nothing="no reports",
                ),
                FRESHNESS,
            ),
        ),
        Row(
            "Flow",
            (
                graph(
                    "Reports by kind",
                    "In the interval.",
                    "short",
                    (_grown("shriven_execution_reports_total", "kind"), "{{kind}}"),
                    stacked=True,
                    width=12,
                ),
                graph(
                    "Fills by liquidity",
                    "In the interval.",
                    "short",
                    (_grown("shriven_fills_total", "liquidity"), "{{liquidity}}"),
                    stacked=True,
                    width=12,
                ),
                output_rate("venue[.](commands|reports)", "Commands and reports", width=12),
                graph(
                    "Spread",
                    "Beside the fills: spread over mid of the last quote.",
                    "percentunit",
                    (f"max by (symbol) (shriven_spread_ratio{{{TASKS}}})", "{{symbol}}"),
                    minimum=None,
                    width=12,
                ),
            ),
        ),
        process_row("task"),
    ),
    "stages",
)
