"""Kafka as we meet it: does the cluster answer, how long do commits take, what is written. The
brokers' own JMX metrics are not scraped.
"""

from __future__ import annotations

from infra.grafana.board import EVERYWHERE, PIPELINE, TASKS, TOPOLOGIES, Board, Row
from infra.grafana.boards.common import process_row, quantile, quantiles, rate
from infra.grafana.panels import GREEN, RED, YELLOW, graph, number, states
from infra.prometheus import objectives as at

KAFKA = Board(
    "shriven-kafka",
    "Kafka",
    "The cluster as exporter and tasks see it: reachability, commits, batches, topics, registry.",
    PIPELINE,
    (
        Row(
            "At a glance",
            (
                number(
                    "Cluster",
                    "Whether the exporter's last look at the cluster was complete and is recent. "
                    "BrokerUnreachable fires when not.",
                    "none",
                    f"min(shriven_lag_exporter_up{{{EVERYWHERE}}})",
                    names={0: ("away", RED), 1: ("answers", GREEN)},
                    nothing="no exporter",
                ),
                number(
                    "Members connected",
                    "Share of members with a living group session.",
                    "percentunit",
                    f"avg(shriven_members_connected{{{TOPOLOGIES}}})",
                    thresholds=((1, GREEN),),
                    low_is_bad=True,
                    nothing="no member",
                ),
                number(
                    "Commit, p99",
                    "Commits slower than this: one in a hundred. CommitsSlow fires above 100 ms.",
                    "s",
                    f"max(shriven:commit_seconds:p99_rate5m{{{TASKS}}} > 0)",
                    thresholds=((at.COMMIT_SECONDS / 2, YELLOW), (at.COMMIT_SECONDS, RED)),
                    nothing="no commits",
                ),
                number(
                    "Batches",
                    "Transactions a second, all shards.",
                    "short",
                    f"sum(rate(shriven_batches_total{{{TASKS}}}[$__rate_interval]))",
                ),
                number(
                    "Registry errors, 5 m",
                    "Failed calls to the schema registry. What runs is not harmed by it.",
                    "short",
                    f"sum(increase(shriven_registry_errors_total{{{TOPOLOGIES}}}[5m]))",
                    thresholds=((0.5, YELLOW),),
                ),
            ),
        ),
        Row(
            "Transactions",
            (
                graph(
                    "Commit",
                    "From the start of the commit to its acknowledgement. Each output partition "
                    "adds about 0.4 ms.",
                    "s",
                    *quantiles("shriven_commit_seconds"),
                    thresholds=((at.COMMIT_SECONDS, RED),),
                ),
                graph(
                    "Work of a batch",
                    "From its first record to the start of its commit; bounded to 20 ms.",
                    "s",
                    *quantiles("shriven_batch_seconds"),
                ),
                graph(
                    "Records of a batch",
                    "Small when caught up, thousands when catching up.",
                    "short",
                    (quantile(0.5, "shriven_batch_records"), "p50"),
                    (quantile(0.99, "shriven_batch_records"), "p99"),
                ),
                graph(
                    "Batches",
                    "Transactions a second by shard.",
                    "short",
                    (rate("shriven_batches_total", "topology, shard"), "{{topology}}.{{shard}}"),
                ),
                graph(
                    "Written by the tasks",
                    "Bytes of record bodies a second.",
                    "Bps",
                    (rate("shriven_output_bytes_total", "topic"), "{{topic}}"),
                    stacked=True,
                ),
                graph(
                    "Registry errors",
                    "By cause, in the interval.",
                    "short",
                    (
                        "sum by (cause) "
                        f"(increase(shriven_registry_errors_total{{{TOPOLOGIES}}}[$__rate_interval]))",
                        "{{cause}}",
                    ),
                ),
            ),
        ),
        Row(
            "Topics",
            (
                graph(
                    "Written",
                    "Offsets a second by which topics grow, markers included.",
                    "short",
                    (
                        "sum by (topic) "
                        f"(deriv(shriven_partition_high_watermark_offset{{{EVERYWHERE}}}[$__rate_interval]))",
                        "{{topic}}",
                    ),
                    minimum=None,
                ),
                graph(
                    "Kept",
                    "Offsets between the first kept and the high watermark.",
                    "short",
                    (
                        f"sum by (topic) (shriven_partition_high_watermark_offset{{{EVERYWHERE}}}"
                        f" - shriven_partition_log_start_offset{{{EVERYWHERE}}})",
                        "{{topic}}",
                    ),
                ),
                graph(
                    "Held back by open transactions",
                    "High watermark minus last stable offset.",
                    "short",
                    (
                        f"sum by (topic) (shriven_open_transaction_hold_records{{{EVERYWHERE}}})",
                        "{{topic}}",
                    ),
                ),
            ),
        ),
        Row(
            "The exporter",
            (
                states(
                    "Answers",
                    "Whether the exporter reaches the cluster.",
                    f"min by (instance) (shriven_lag_exporter_up{{{EVERYWHERE}}})",
                    "{{instance}}",
                    {0: ("away", RED), 1: ("answers", GREEN)},
                    width=8,
                ),
                graph(
                    "A collection takes",
                    "Seconds of the last collection.",
                    "s",
                    (
                        "max by (instance) "
                        f"(shriven_lag_exporter_collection_seconds{{{EVERYWHERE}}})",
                        "{{instance}}",
                    ),
                ),
                graph(
                    "Errors",
                    "Of collections, by cause, in the interval; 'unread' where the cluster answers "
                    "and what is asked for cannot be read.",
                    "short",
                    (
                        "sum by (cause) "
                        f"(increase(shriven_lag_exporter_unread_total{{{EVERYWHERE}}}[$__rate_interval]))",
                        "{{cause}} unread",
                    ),
                    (
                        "sum by (cause) "
                        f"(increase(shriven_lag_exporter_errors_total{{{EVERYWHERE}}}[$__rate_interval]))",
                        "{{cause}}",
                    ),
                    nothing="no error",
                ),
                graph(
                    "Looks at records",
                    "Fetches made, and saved since the position had not moved, a second.",
                    "short",
                    (
                        f"sum(rate(shriven_lag_exporter_fetches_total{{{EVERYWHERE}}}[$__rate_interval]))",
                        "made",
                    ),
                    (
                        f"sum(rate(shriven_lag_exporter_fetches_saved_total{{{EVERYWHERE}}}[$__rate_interval]))",
                        "saved",
                    ),
                ),
                graph(
                    "Groups and series",
                    "How much is exposed.",
                    "short",
                    (f"max(shriven_lag_exporter_groups{{{EVERYWHERE}}})", "groups"),
                    (f"max(shriven_lag_exporter_series{{{EVERYWHERE}}})", "series"),
                ),
                graph(
                    "Collections",
                    "Collections a second, and age of the last complete one.",
                    "short",
                    (
                        f"sum(rate(shriven_lag_exporter_collections_total{{{EVERYWHERE}}}[$__rate_interval]))",
                        "a second",
                    ),
                    (
                        f"time() - max(shriven_lag_exporter_last_success_timestamp_seconds{{{EVERYWHERE}}})",
                        "age of the last, s",
                    ),
                    thresholds=((at.EXPORTER_AGE_SECONDS, RED),),
                ),
            ),
            folded=True,
        ),
        process_row("lag|member"),
    ),
    "kafka",
)
