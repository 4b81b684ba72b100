"""Every metric of the lag exporter: name, type, labels, help. Dashboards, rules and documentation
read this table; beside it stand only the metrics that every process has. ``environment`` is the one
that a group, topic or shard belongs to, whichever environment the exporter was started in: one
exporter watches a whole cluster. Prometheus keeps it (``honor_labels``).

Conventions: what is unknown is *absent*, never -1 or NaN, and ``shriven_consumer_lag_unknown``
names the reason. ``purpose`` is ``live`` or ``replay`` (planned replays and backtests: progress,
not pages). Members are on ``shriven_consumer_member_info`` only, so that a rebalance starts no new
value series. When the exporter cannot reach the cluster ``shriven_lag_exporter_up`` is 0 at once,
and after three intervals (25 s) the value series disappear.
"""

from __future__ import annotations

from typing import NamedTuple

from jobs.live.shard_state import STATES as STATES_OF_A_SHARD

PARTITION_OF_GROUP = ("environment", "group", "topic", "partition", "purpose")
PARTITION = ("environment", "topic", "partition")

STATES = (
    "OK",
    "CATCHING_UP",
    "FALLING_BEHIND",
    "STALLED",
    "STOPPED",
    "REWOUND",
    "NO_MEMBERS",
    "TXN_BLOCKED",
    "DATA_LOSS",
)
"""Values of the label ``state``."""

SHARD_STATES = tuple(state.replace(" ", "_") for state in STATES_OF_A_SHARD)
"""Values of the label ``state`` of ``shriven_shard_state``."""

REASONS = (
    "no_commit",
    "below_log_start",
    "beyond_log_end",
    "open_txn",
    "fetch_timeout",
    "no_timestamp",
    "topic_gone",
    "not_authorized",
    "one_look",
)
"""Values of the label ``reason``: why lag in seconds (or records, or the state) is unknown.

``no_commit`` the group owns the partition and has committed nothing; ``below_log_start`` retention
removed the record at the position; ``beyond_log_end`` the position lies behind the partition's end:
the topic was made anew; ``open_txn`` the position lies inside an open transaction (a reader of
uncommitted records); ``fetch_timeout`` the record at the position could not be read in time;
``topic_gone`` the topic does not exist; ``not_authorized`` the cluster refuses to show it;
``one_look`` no state yet: the window has not been watched.
"""

PURPOSES = ("live", "replay")
"""Values of the label ``purpose``."""


class Metric(NamedTuple):
    """One metric: ``kind`` is gauge or counter; counters' names end with ``_total``."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


METRICS: tuple[Metric, ...] = (
    # one series per (group, topic, partition)
    Metric(
        "shriven_consumer_lag_records",
        "gauge",
        (*PARTITION_OF_GROUP, "isolation"),
        "Committed records after the group's position, up to the last stable offset. Short lags "
        "are counted: transaction markers and aborted records are not in them. Long lags may "
        "contain markers.",
    ),
    Metric(
        "shriven_consumer_lag_seconds",
        "gauge",
        PARTITION_OF_GROUP,
        "Age of the record at the group's position, by its Kafka timestamp; 0 when everything "
        "committed is read; absent when unknown.",
    ),
    Metric(
        "shriven_consumer_lag_unknown",
        "gauge",
        (*PARTITION_OF_GROUP, "reason"),
        "1 where lag in seconds is unknown, with the reason.",
    ),
    Metric(
        "shriven_consumer_position_offset",
        "gauge",
        PARTITION_OF_GROUP,
        "Offset that the group has committed: the next record to read.",
    ),
    Metric(
        "shriven_consumer_eta_drain_seconds",
        "gauge",
        PARTITION_OF_GROUP,
        "Lag / (consume rate - produce rate) over the window; 0 when caught up; absent when the "
        "lag does not shrink.",
    ),
    Metric(
        "shriven_consumer_retention_margin_seconds",
        "gauge",
        PARTITION_OF_GROUP,
        "Time until retention may remove the record at the position: a lower bound, negative once "
        "it may go any moment; absent if kept for ever.",
    ),
    Metric(
        "shriven_consumer_replay_speed_ratio",
        "gauge",
        PARTITION_OF_GROUP,
        "Replay groups: seconds of log time read per second, over the window.",
    ),
    Metric(
        "shriven_consumer_replay_progress_ratio",
        "gauge",
        PARTITION_OF_GROUP,
        "Replay groups: share of the partition's present records that is read, 0 to 1.",
    ),
    # one series per (group, topic) and state
    Metric(
        "shriven_consumer_state",
        "gauge",
        ("environment", "group", "topic", "purpose", "state"),
        "1 for the worst state of the group's partitions of the topic, 0 for the others.",
    ),
    # one series per group
    Metric(
        "shriven_consumer_group_members",
        "gauge",
        ("environment", "group", "purpose"),
        "Members; those of a task's group are the owners of its shard.",
    ),
    Metric(
        "shriven_consumer_group_info",
        "gauge",
        ("environment", "group", "topology", "shard"),
        "1: the task whose group it is, or whose standby's; empty for other groups.",
    ),
    # one series per owned partition: the only place where members are labels
    Metric(
        "shriven_consumer_member_info",
        "gauge",
        ("environment", "group", "topic", "partition", "member", "host", "job_version"),
        "1: who owns the partition. member is the instance id where there is one.",
    ),
    # one series per partition of the cluster
    Metric(
        "shriven_partition_log_start_offset",
        "gauge",
        PARTITION,
        "First offset that retention has left.",
    ),
    Metric(
        "shriven_partition_last_stable_offset",
        "gauge",
        PARTITION,
        "End for readers of committed records.",
    ),
    Metric(
        "shriven_partition_high_watermark_offset",
        "gauge",
        PARTITION,
        "End of what is replicated, open transactions included.",
    ),
    Metric(
        "shriven_open_transaction_hold_records",
        "gauge",
        PARTITION,
        "Offsets held back by open transactions: high watermark - last stable offset.",
    ),
    Metric(
        "shriven_open_transaction_age_seconds",
        "gauge",
        PARTITION,
        "Age of the first record of the oldest open transaction; 0 when none is open.",
    ),
    # one series per topic
    Metric(
        "shriven_topic_retention_seconds",
        "gauge",
        ("environment", "topic"),
        "Retention by time; absent when kept for ever.",
    ),
    Metric(
        "shriven_topic_timestamp_type_info",
        "gauge",
        ("environment", "topic", "timestamp_type"),
        "1: what the topic's timestamps mean, CreateTime or LogAppendTime.",
    ),
    Metric(
        "shriven_clock_skew_records_total",
        "counter",
        ("environment", "topic"),
        "Records met at a position whose timestamp lies in the future; their lag counts as 0 s.",
    ),
    # one series per shard of an open topology and state
    Metric(
        "shriven_shard_state",
        "gauge",
        ("environment", "topology", "shard", "state"),
        "1 for the state of a shard of an open topology, 0 for the others: from its claim, its "
        "owners and what its last owner said.",
    ),
    Metric(
        "shriven_shard_quarantined",
        "gauge",
        ("environment", "topology", "shard", "topic", "partition", "offset"),
        "1 while a shard is quarantined, whether its member lives or not; with the record that its "
        "process died at, where that is known.",
    ),
    # one series per market
    Metric(
        "shriven_expected_quiet",
        "gauge",
        ("environment", "market"),
        "1 while the market's calendar says that no messages are expected; multiply 'no message' "
        "alerts by 1 - it.",
    ),
    # the exporter itself
    Metric(
        "shriven_lag_exporter_up",
        "gauge",
        ("environment",),
        "1 if the cluster answered the last collection and that is younger than 25 s (three "
        "intervals and one request); of every environment on it.",
    ),
    Metric(
        "shriven_lag_exporter_unread_total",
        "counter",
        ("cause",),
        "Groups, partitions and topics that a collection could not read though the cluster "
        "answers, by cause.",
    ),
    Metric(
        "shriven_lag_exporter_last_success_timestamp_seconds",
        "gauge",
        (),
        "Unix time of the last complete collection.",
    ),
    Metric(
        "shriven_lag_exporter_collection_seconds", "gauge", (), "Duration of the last collection."
    ),
    Metric(
        "shriven_lag_exporter_collections_total", "counter", (), "Collections, complete or not."
    ),
    Metric(
        "shriven_lag_exporter_errors_total",
        "counter",
        ("cause",),
        "What went wrong in collections, by cause.",
    ),
    Metric(
        "shriven_lag_exporter_fetches_total",
        "counter",
        (),
        "Bounded fetches made to look at records.",
    ),
    Metric(
        "shriven_lag_exporter_fetches_saved_total",
        "counter",
        (),
        "Looks answered from memory, since the position had not moved.",
    ),
    Metric("shriven_lag_exporter_groups", "gauge", (), "Groups in the last collection."),
    Metric("shriven_lag_exporter_series", "gauge", (), "Series exposed, this one included."),
)

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
