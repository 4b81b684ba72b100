"""Portfolio and reporting: positions, money, performance."""

from __future__ import annotations

from infra.grafana.board import PIPELINE, TASKS, Board, Row
from infra.grafana.boards.common import output_rate, process_row
from infra.grafana.panels import RED, YELLOW, Panel, graph, number, rows
from infra.prometheus import objectives as at

BY = "topology, shard, account"
NAME = "{{topology}}.{{shard}} account {{account}}"
GAIN = f"sum(delta(shriven_account_equity{{{TASKS}}}[$__range]))"


def _money(name: str, title: str, description: str, **more: object) -> Panel:
    return number(
        title,
        description,
        "none",
        f"sum(shriven_account_{name}{{{TASKS}}})",
        minimum=None,
        nothing="nothing valued yet",
        **more,
    )


EQUITY = _money(
    "equity",
    "Equity",
    "Cash plus market value, all accounts, in their currency.",
)
PNL_GRAPH = graph(
    "Profit and loss",
    "Realized before fees, unrealized, and fees paid, by account.",
    "none",
    (f"max by ({BY}) (shriven_account_realized{{{TASKS}}})", NAME + " realized"),
    (f"max by ({BY}) (shriven_account_unrealized{{{TASKS}}})", NAME + " unrealized"),
    (f"max by ({BY}) (shriven_account_fees{{{TASKS}}})", NAME + " fees"),
    minimum=None,
)
EQUITY_GRAPH = graph(
    "Equity",
    "Cash plus market value, by account.",
    "none",
    (f"max by ({BY}) (shriven_account_equity{{{TASKS}}})", NAME),
    minimum=None,
)
DRAWDOWN_GRAPH = graph(
    "Drawdown",
    "Fall of equity from its peak since the process began. DrawdownHigh fires above 10 %.",
    "percentunit",
    (f"max by ({BY}) (shriven_account_drawdown_ratio{{{TASKS}}})", NAME),
    thresholds=((at.DRAWDOWN_RATIO, RED),),
)
POSITIONS_GRAPH = graph(
    "Positions",
    "Signed position by account, strategy and symbol.",
    "none",
    (
        f"max by ({BY}, strategy, symbol) (shriven_position_quantity{{{TASKS}}})",
        NAME + " {{strategy}} {{symbol}}",
    ),
    minimum=None,
)
DRAWDOWN = number(
    "Drawdown",
    "Worst account, since the process began.",
    "percentunit",
    f"max(shriven_account_drawdown_ratio{{{TASKS}}})",
    thresholds=((at.DRAWDOWN_RATIO / 2, YELLOW), (at.DRAWDOWN_RATIO, RED)),
    nothing="nothing valued yet",
)

PORTFOLIO = Board(
    "shriven-portfolio",
    "Portfolio",
    "Positions and money by account, as the ledger booked them.",
    PIPELINE,
    (
        Row(
            "At a glance",
            (
                EQUITY,
                _money("cash", "Cash", "All accounts."),
                _money("realized", "Realized", "Before fees, all accounts."),
                _money("unrealized", "Unrealized", "Longs at bid, shorts at ask, all accounts."),
                _money("fees", "Fees", "Paid so far, all accounts."),
                DRAWDOWN,
            ),
        ),
        Row(
            "Money",
            (
                EQUITY_GRAPH._replace(width=12),
                PNL_GRAPH._replace(width=12),
                DRAWDOWN_GRAPH._replace(width=12),
                POSITIONS_GRAPH._replace(width=12),
            ),
        ),
        Row(
            "Flow",
            (
                output_rate("positions|pnl|fills", "Positions, valuations, fills", width=12),
                rows(
                    "Positions now",
                    "Signed, in units of the symbol.",
                    "none",
                    f"max by ({BY}, strategy, symbol) (shriven_position_quantity{{{TASKS}}})",
                    nothing="no position yet",
                ),
            ),
        ),
        process_row("task"),
    ),
    "stages",
)

REPORTING = Board(
    "shriven-reporting",
    "Reporting",
    "How the accounts do over the range chosen above. The performance report itself is written "
    "when a topology is closed.",
    PIPELINE,
    (
        Row(
            "At a glance",
            (
                number(
                    "Return",
                    "What equity gained over the range, of what it was at the beginning, all "
                    "accounts.",
                    "percentunit",
                    f"{GAIN} / (sum(shriven_account_equity{{{TASKS}}}) - {GAIN})",
                    minimum=None,
                    nothing="nothing valued yet",
                ),
                DRAWDOWN,
                number(
                    "Fees of the range",
                    "Fees paid since the beginning of the range, all accounts.",
                    "none",
                    f"sum(delta(shriven_account_fees{{{TASKS}}}[$__range]))",
                    minimum=None,
                    nothing="nothing valued yet",
                ),
                number(
                    "Fills of the range",
                    "Fills since the beginning of the range.",
                    "short",
                    f"sum(increase(shriven_fills_total{{{TASKS}}}[$__range]))",
                ),
            ),
        ),
        Row(
            "Course",
            (
                graph(
                    "Gain",
                    "Change of equity in the interval, by account.",
                    "none",
                    (
                        f"sum by ({BY}) "
                        f"(delta(shriven_account_equity{{{TASKS}}}[$__rate_interval]))",
                        NAME,
                    ),
                    minimum=None,
                    width=12,
                ),
                DRAWDOWN_GRAPH._replace(width=12),
                PNL_GRAPH._replace(width=12),
                graph(
                    "Fills",
                    "By side, in the interval.",
                    "short",
                    (
                        "sum by (side) "
                        f"(increase(shriven_fills_total{{{TASKS}}}[$__rate_interval]))",
                        "{{side}}",
                    ),
                    stacked=True,
                    width=12,
                ),
            ),
        ),
        Row(
            "Performance report",
            (
                rows(
                    "Performance report",
                    "Each metric of the report written when the topology was closed; what each "
                    "means: streams/reporting/metrics.py.",
                    "none",
                    f"max by ({BY}, name) (shriven_performance{{{TASKS}}})",
                    nothing="written when the topology is closed: sq stop --close",
                    width=24,
                ),
            ),
            folded=True,
        ),
        process_row("task"),
    ),
    "stages",
)
