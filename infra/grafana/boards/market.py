"""Market-data stages: aggregation, toxicity and microstructure."""

from __future__ import annotations

from infra.grafana.board import EVERYWHERE, PIPELINE, TASKS, Board, Row
from infra.grafana.boards.common import (
    FRESHNESS,
    WORST_LAG,
    input_rate,
    output_rate,
    process_row,
    quantile,
    quantiles,
    rate,
)
from infra.grafana.panels import GREEN, ORANGE, RED, YELLOW, graph, number, states

BY = "symbol"
NAME = "{{symbol}}"
QUIET = number(
    "Market",
    "What the calendar says. A closed market silences FeedQuiet and BookStale.",
    "none",
    f"min(shriven_expected_quiet{{{EVERYWHERE}}})",
    names={0: ("open", GREEN), 1: ("closed", YELLOW)},
    nothing="no calendar",
)

AGGREGATION = Board(
    "shriven-aggregation",
    "Aggregation",
    "From depth and trades to books, quotes, marks and bars.",
    PIPELINE,
    (
        Row(
            "At a glance",
            (
                FRESHNESS,
                WORST_LAG,
                QUIET,
                number(
                    "Stale books",
                    "Symbols whose last quote is flagged stale, gapped, crossed or one-sided. "
                    "Their orders are denied.",
                    "none",
                    f"sum(shriven_book_stale{{{TASKS}}})",
                    thresholds=((1, RED),),
                ),
                number(
                    "Quotes",
                    "Quotes a second.",
                    "short",
                    f'sum(rate(shriven_output_records_total{{{TASKS},topic="md.quotes"}}[$__rate_interval]))',
                ),
                number(
                    "Tick to quote, p99",
                    "Kafka timestamp of a record to the acknowledged commit with the quotes it "
                    "made.",
                    "s",
                    quantile(0.99, "shriven_tick_to_quote_seconds") + " > 0",
                    thresholds=((0.1, YELLOW), (0.5, RED)),
                    nothing="no quotes",
                ),
            ),
        ),
        Row(
            "Flow",
            (
                input_rate("md[.].+|ref[.].+", "Market data"),
                output_rate("md[.](quotes|bars|marks)", "Quotes, bars, marks"),
                graph(
                    "Tick to quote",
                    "Kafka timestamp of a market-data record to the acknowledged commit with the "
                    "quotes it made.",
                    "s",
                    *quantiles("shriven_tick_to_quote_seconds"),
                    thresholds=((0.5, RED),),
                ),
                graph(
                    "Mid price",
                    "Of the last quote.",
                    "none",
                    (f"max by ({BY}) (shriven_mid_price{{{TASKS}}})", NAME),
                    minimum=None,
                ),
                graph(
                    "Spread",
                    "Spread over mid of the last quote.",
                    "percentunit",
                    (f"max by ({BY}) (shriven_spread_ratio{{{TASKS}}})", NAME),
                    minimum=None,
                ),
                graph(
                    "Volume of a bar",
                    "Volume of the last closed bar.",
                    "short",
                    (f"max by ({BY}) (shriven_bar_volume{{{TASKS}}})", NAME),
                ),
                states(
                    "Books",
                    "Stale: the last quote is flagged stale, gapped, crossed or one-sided.",
                    f"max by ({BY}) (shriven_book_stale{{{TASKS}}})",
                    NAME,
                    {0: ("in sync", GREEN), 1: ("stale", RED)},
                ),
                graph(
                    "Lag of market data",
                    "Age of the last record consumed while more is there, by topic; 0 when caught "
                    "up.",
                    "s",
                    (
                        f'max by (topic) (shriven_input_lag_seconds{{{TASKS},topic=~"md[.].+"}})',
                        "{{topic}}",
                    ),
                    width=12,
                ),
            ),
        ),
        Row(
            "Detail",
            (
                graph(
                    "Position",
                    "Offset of the next record to read.",
                    "short",
                    (
                        "max by (topology, shard, topic) "
                        f'(shriven_position{{{TASKS},topic=~"md[.].+"}})',
                        "{{topology}}.{{shard}} {{topic}}",
                    ),
                    width=12,
                ),
                graph(
                    "Waiting in the tasks",
                    "Records that have arrived in the tasks and are not consumed.",
                    "short",
                    (
                        f'sum by (topic) (shriven_input_lag_records{{{TASKS},topic=~"md[.].+"}})',
                        "{{topic}}",
                    ),
                    width=12,
                ),
                graph(
                    "Bytes out",
                    "Bytes of record bodies a second, by topic.",
                    "Bps",
                    (
                        rate("shriven_output_bytes_total", "topic", f'{TASKS},topic=~"md[.].+"'),
                        "{{topic}}",
                    ),
                    width=12,
                ),
                graph(
                    "Timestamps of the future",
                    "Records whose Kafka timestamp is ahead of our clock, in the interval.",
                    "short",
                    (
                        "sum by (topology, shard) "
                        f"(increase(shriven_input_clock_skew_records_total{{{TASKS}}}[$__rate_interval]))",
                        "{{topology}}.{{shard}}",
                    ),
                    width=12,
                ),
            ),
            folded=True,
        ),
        process_row("task"),
    ),
    "stages",
)

TOXICITY = Board(
    "shriven-toxicity",
    "Toxicity",
    "How informed the flow is: VPIN, order-flow and depth imbalance.",
    PIPELINE,
    (
        Row(
            "At a glance",
            (
                number(
                    "VPIN",
                    "Highest of the symbols: share of volume that is one-sided, over the window of "
                    "buckets.",
                    "percentunit",
                    f"max(shriven_vpin_ratio{{{TASKS}}})",
                    nothing="warming up",
                ),
                number(
                    "VPIN over noise",
                    "VPIN minus what unsigned noise would give at this number of trades a bucket. "
                    "Near 0: nothing but noise.",
                    "percentunit",
                    f"max(shriven_vpin_excess_ratio{{{TASKS}}})",
                    thresholds=((0.05, YELLOW), (0.15, ORANGE)),
                    minimum=None,
                    nothing="warming up",
                ),
                number(
                    "Depth imbalance",
                    "Strongest over the symbols, -1 all ask to 1 all bid, best five levels.",
                    "percentunit",
                    f"max(shriven_depth_imbalance_ratio{{{TASKS}}})",
                    minimum=None,
                ),
                number(
                    "Buckets",
                    "Volume buckets closed a second.",
                    "short",
                    f'sum(rate(shriven_output_records_total{{{TASKS},topic="md.toxicity"}}[$__rate_interval]))',
                ),
                FRESHNESS,
                WORST_LAG,
            ),
        ),
        Row(
            "Flow",
            (
                graph(
                    "VPIN",
                    "Of the last bucket, and what unsigned noise would give less.",
                    "percentunit",
                    (f"max by ({BY}) (shriven_vpin_ratio{{{TASKS}}})", NAME + " VPIN"),
                    (f"max by ({BY}) (shriven_vpin_excess_ratio{{{TASKS}}})", NAME + " over noise"),
                    minimum=None,
                    width=12,
                ),
                graph(
                    "Depth imbalance",
                    "(bid - ask) / (bid + ask) quantity over the best five levels.",
                    "percentunit",
                    (f"max by ({BY}) (shriven_depth_imbalance_ratio{{{TASKS}}})", NAME),
                    minimum=None,
                    width=12,
                ),
                output_rate("md[.](features|toxicity)", "Features and buckets", width=12),
                input_rate("md[.](trades|depth)", "Market data", width=12),
            ),
        ),
        process_row("task"),
    ),
    "stages",
)

OFF = "switched off"
MICROSTRUCTURE = Board(
    "shriven-microstructure",
    "Microstructure",
    "What trading costs and who takes: spreads, flow, volatility. Of jobs that switch the stage on.",
    PIPELINE,
    (
        Row(
            "At a glance",
            (
                number(
                    "Realised spread",
                    "Least of the symbols: what makers kept of the effective spread a second later. "
                    "Below 0 takers knew more.",
                    "none",
                    f"min(shriven_realised_spread{{{TASKS}}})",
                    minimum=None,
                    nothing=OFF,
                ),
                number(
                    "VPIN rank",
                    "Highest of the symbols: share of the last VPINs that are not above the last.",
                    "percentunit",
                    f"max(shriven_vpin_rank_ratio{{{TASKS}}})",
                    thresholds=((0.9, YELLOW), (0.99, ORANGE)),
                    nothing="warming up or switched off",
                ),
                number(
                    "Volatility",
                    "Highest of the symbols, over the window of intervals.",
                    "percentunit",
                    f"max(shriven_realised_volatility_ratio{{{TASKS}}})",
                    nothing="warming up or switched off",
                ),
                number(
                    "Records",
                    "Intervals measured a second.",
                    "short",
                    f'sum(rate(shriven_output_records_total{{{TASKS},topic="md.microstructure"}}[$__rate_interval]))',
                    nothing=OFF,
                ),
                FRESHNESS,
                WORST_LAG,
            ),
        ),
        Row(
            "Cost and flow",
            (
                graph(
                    "Spread of a trade",
                    "Effective, and what makers kept of it a second later.",
                    "none",
                    (f"max by ({BY}) (shriven_effective_spread{{{TASKS}}})", NAME + " effective"),
                    (f"max by ({BY}) (shriven_realised_spread{{{TASKS}}})", NAME + " realised"),
                    minimum=None,
                    width=12,
                ),
                graph(
                    "Flow",
                    "Of aggressors by volume, -1 all sold to 1 all bought; and of the best levels.",
                    "none",
                    (f"max by ({BY}) (shriven_flow_imbalance_ratio{{{TASKS}}})", NAME + " trades"),
                    (f"max by ({BY}) (shriven_order_flow_ratio{{{TASKS}}})", NAME + " book"),
                    minimum=None,
                    width=12,
                ),
                graph(
                    "Volatility",
                    "Over the window of intervals.",
                    "percentunit",
                    (f"max by ({BY}) (shriven_realised_volatility_ratio{{{TASKS}}})", NAME),
                    width=12,
                ),
                output_rate("md[.]microstructure", "Records", width=12),
            ),
        ),
        process_row("task"),
    ),
    "stages",
)
