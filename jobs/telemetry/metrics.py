"""Every metric of the stream jobs, in tables by who sets it. The lag exporter's are in
``jobs.lag.metrics``.

- ``PROCESS``: every process of ours, once.
- ``MEMBER``: the parent of a job (``sq run``): who owns which shard, and how its children end. A
  child that is fenced ends, and nobody would ever scrape a counter it raised last; so what ends a
  child is counted by its parent.
- ``TASK``: the child that runs one shard.
- ``DOMAIN``: what the shard's records say (orders, money, books), read from a batch's outputs after
  its commit.

Counters of rare events start at 0 for every label value that is known, so that the first event is
an increase.
"""

from __future__ import annotations

from jobs.telemetry.table import Metric
from schemas.reasons import REASONS

TASK_LABELS = ("topology", "shard")
LATENCY_BUCKETS = (
    0.0005,
    0.001,
    0.002,
    0.003,
    0.004,
    0.005,
    0.0075,
    0.01,
    0.015,
    0.02,
    0.03,
    0.05,
    0.1,
    0.2,
    0.3,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    60.0,
)
"""Seconds; 0.5 is the freshness objective, so it is a bound: the share within it is exact."""
COMMIT_BUCKETS = (
    0.0005,
    0.001,
    0.0015,
    0.002,
    0.003,
    0.004,
    0.005,
    0.0075,
    0.01,
    0.015,
    0.02,
    0.03,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    10.0,
)
BATCH_BUCKETS = (
    0.00005,
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.25,
    1.0,
)
RECORD_BUCKETS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0)
RECOVERY_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 300.0)

STATES = ("starting", "recovering", "standby", "running", "draining")
"""Values of ``state`` of ``shriven_task_state``; exactly one is 1."""
FENCED, UNKNOWN_OUTCOME, DIVERGED = "fenced", "outcome_unknown", "diverged"
ENDINGS = (
    "drained",
    "killed",
    "defect",
    FENCED,
    UNKNOWN_OUTCOME,
    DIVERGED,
    "transport_failed",
    "offset_out_of_range",
    "topic_changed",
    "other_identity",
    "unresolved_schema_id",
    "unanswered_schema_id",
    "stage_failed",
    "dead_letter_flood",
    "record_too_large",
)
"""Values of ``code`` of ``shriven_task_endings_total`` that are known beforehand: the error's code,
or how else a child ended.
"""
REGISTRY_CAUSES = ("unreachable", "timeout", "server_error")
"""Values of ``cause`` of ``shriven_registry_errors_total``: what a member starts in spite of, with
the ids of its journal.
"""
DEAD_LETTER_REASONS = tuple(REASONS.values())

PROCESS = (
    Metric(
        "shriven_build_info",
        "gauge",
        "Which build runs: always 1, the labels say it.",
        "1",
        ("version", "code", "python"),
    ),
    Metric(
        "shriven_errors_total",
        "counter",
        "Errors written to the log, by code.",
        "errors",
        ("code",),
    ),
)

MEMBER = (
    Metric(
        "shriven_shard_owned",
        "gauge",
        "1 while this member owns the shard; over all members exactly 1.",
        "1",
        TASK_LABELS,
    ),
    Metric(
        "shriven_task_restarts_total",
        "counter",
        "Children started again after they ended on their own.",
        "restarts",
        TASK_LABELS,
    ),
    Metric(
        "shriven_task_endings_total",
        "counter",
        "Children that ended, by error code; 'drained' is a clean end.",
        "endings",
        (*TASK_LABELS, "code"),
    ),
    Metric(
        "shriven_fenced_total",
        "counter",
        "Children that were fenced: another owner took their transactional id over.",
        "endings",
        TASK_LABELS,
    ),
    Metric(
        "shriven_unknown_outcomes_total",
        "counter",
        "Commits whose answer never came; the next owner resolved them from the journal.",
        "commits",
        TASK_LABELS,
    ),
    Metric(
        "shriven_replay_divergence_total",
        "counter",
        "Recoveries and standbys that did not reproduce what the journal says.",
        "recoveries",
        TASK_LABELS,
    ),
    Metric(
        "shriven_quarantined",
        "gauge",
        "1 while the shard is given up after too many crashes in a row; with the place of the "
        "record that was executed then, where one was.",
        "1",
        (*TASK_LABELS, "topic", "partition", "offset"),
    ),
    Metric(
        "shriven_halted",
        "gauge",
        "1 while the shard is given up since starting it again would not help: it has halted.",
        "1",
        TASK_LABELS,
    ),
    Metric(
        "shriven_shard_followed",
        "gauge",
        "1 while this member has a standby of the shard.",
        "1",
        TASK_LABELS,
    ),
    Metric(
        "shriven_standby_halted",
        "gauge",
        "1 while this member does not follow the shard any more since its standby failed for good; "
        "after a divergence it does not take the shard.",
        "1",
        TASK_LABELS,
    ),
    Metric(
        "shriven_rebalances_total",
        "counter",
        "Assignments of shards this member has seen.",
        "rebalances",
        ("topology",),
    ),
    Metric(
        "shriven_registry_errors_total",
        "counter",
        "Calls to the schema registry that failed when the member started; it went on with the ids "
        "of its journal.",
        "calls",
        ("topology", "cause"),
    ),
    Metric(
        "shriven_members_connected",
        "gauge",
        "1 while this member's group session is alive.",
        "1",
        ("topology",),
    ),
)

TASK = (
    Metric(
        "shriven_task_state",
        "gauge",
        "1 for the state the task is in, 0 for the others.",
        "1",
        (*TASK_LABELS, "state"),
    ),
    Metric(
        "shriven_input_records_total",
        "counter",
        "Records consumed, counted when their batch has committed.",
        "records",
        (*TASK_LABELS, "topic"),
    ),
    Metric(
        "shriven_output_records_total",
        "counter",
        "Records written or digested, counted when their batch has committed.",
        "records",
        (*TASK_LABELS, "topic"),
    ),
    Metric(
        "shriven_output_bytes_total",
        "counter",
        "Bytes of record bodies written or digested.",
        "bytes",
        (*TASK_LABELS, "topic"),
    ),
    Metric("shriven_batches_total", "counter", "Batches committed.", "batches", TASK_LABELS),
    Metric(
        "shriven_batch_seconds",
        "histogram",
        "Work of a batch, from its first record to the start of its commit.",
        "seconds",
        TASK_LABELS,
        BATCH_BUCKETS,
    ),
    Metric(
        "shriven_batch_records",
        "histogram",
        "Input records of a batch.",
        "records",
        TASK_LABELS,
        RECORD_BUCKETS,
    ),
    Metric(
        "shriven_commit_seconds",
        "histogram",
        "From the start of a batch's commit to its acknowledgement.",
        "seconds",
        TASK_LABELS,
        COMMIT_BUCKETS,
    ),
    Metric(
        "shriven_tick_to_quote_seconds",
        "histogram",
        "Kafka timestamp of a market-data record to the acknowledgement of the commit with the "
        "quotes it made.",
        "seconds",
        TASK_LABELS,
        LATENCY_BUCKETS,
    ),
    Metric(
        "shriven_tick_to_order_seconds",
        "histogram",
        "Kafka timestamp of a market-data record to the acknowledgement of the commit with the "
        "orders it made.",
        "seconds",
        TASK_LABELS,
        LATENCY_BUCKETS,
    ),
    Metric(
        "shriven_end_to_end_seconds",
        "histogram",
        "Kafka timestamp of a batch's oldest record to the acknowledgement of its commit.",
        "seconds",
        TASK_LABELS,
        LATENCY_BUCKETS,
    ),
    Metric(
        "shriven_freshness_seconds",
        "histogram",
        "shriven_end_to_end_seconds less the job's linger, at least 0; the freshness objective "
        "counts it.",
        "seconds",
        TASK_LABELS,
        LATENCY_BUCKETS,
    ),
    Metric(
        "shriven_journal_sequence",
        "gauge",
        "Sequence of the last committed journal record.",
        "records",
        TASK_LABELS,
    ),
    Metric(
        "shriven_standby_lag_records",
        "gauge",
        "Journal records committed by the owner and not executed again by this standby; only while "
        "it follows.",
        "records",
        TASK_LABELS,
    ),
    Metric(
        "shriven_input_lag_records",
        "gauge",
        "Records that have arrived in this task and are not consumed; the exporter measures the "
        "whole lag.",
        "records",
        (*TASK_LABELS, "topic"),
    ),
    Metric(
        "shriven_input_lag_seconds",
        "gauge",
        "Age of the last record consumed, by its Kafka timestamp, while more is there; 0 when "
        "caught up.",
        "seconds",
        (*TASK_LABELS, "topic"),
    ),
    Metric(
        "shriven_event_time_lag_seconds",
        "gauge",
        "Wall clock minus the pipeline's clock; large when recorded data is fed.",
        "seconds",
        TASK_LABELS,
    ),
    Metric(
        "shriven_position",
        "gauge",
        "Offset of the next record to read.",
        "offset",
        (*TASK_LABELS, "topic"),
    ),
    Metric(
        "shriven_dead_letters_total",
        "counter",
        "Records that went to the dead-letter topic, by reason.",
        "records",
        (*TASK_LABELS, "reason"),
    ),
    Metric(
        "shriven_recoveries_total",
        "counter",
        "Recoveries finished by this process.",
        "recoveries",
        TASK_LABELS,
    ),
    Metric(
        "shriven_recovery_seconds",
        "histogram",
        "Start of recovery to ready for the first new record.",
        "seconds",
        TASK_LABELS,
        RECOVERY_BUCKETS,
    ),
    Metric(
        "shriven_recovered_records_total",
        "counter",
        "Input records executed again during recovery.",
        "records",
        TASK_LABELS,
    ),
    Metric("shriven_snapshot_bytes", "gauge", "Size of the last snapshot.", "bytes", TASK_LABELS),
    Metric(
        "shriven_snapshot_seconds",
        "gauge",
        "Time the last snapshot took to be written.",
        "seconds",
        TASK_LABELS,
    ),
    Metric(
        "shriven_snapshot_sequence",
        "gauge",
        "Journal sequence of the last snapshot.",
        "records",
        TASK_LABELS,
    ),
    Metric(
        "shriven_snapshots_rejected_total",
        "counter",
        "Snapshots, or pieces of them, that recovery passed over, since they are torn or do not "
        "match the journal.",
        "snapshots",
        TASK_LABELS,
    ),
    Metric(
        "shriven_input_clock_skew_records_total",
        "counter",
        "Batches by whose end an input had a record with a Kafka timestamp of the future, counted "
        "an input; its age counts as 0.",
        "records",
        TASK_LABELS,
    ),
)

SYMBOL_LABELS = (*TASK_LABELS, "symbol")
ACCOUNT_LABELS = (*TASK_LABELS, "account")
DOMAIN = (
    Metric("shriven_mid_price", "gauge", "Mid of the last quote.", "price", SYMBOL_LABELS),
    Metric(
        "shriven_spread_ratio",
        "gauge",
        "Spread of the last quote over its mid.",
        "ratio",
        SYMBOL_LABELS,
    ),
    Metric(
        "shriven_book_stale",
        "gauge",
        "1 while the last quote is flagged stale, gapped, crossed or one-sided.",
        "1",
        SYMBOL_LABELS,
    ),
    Metric(
        "shriven_bar_volume", "gauge", "Volume of the last closed bar.", "quantity", SYMBOL_LABELS
    ),
    Metric("shriven_vpin_ratio", "gauge", "VPIN of the last bucket.", "ratio", SYMBOL_LABELS),
    Metric(
        "shriven_vpin_excess_ratio",
        "gauge",
        "VPIN minus what unsigned noise would give.",
        "ratio",
        SYMBOL_LABELS,
    ),
    Metric(
        "shriven_depth_imbalance_ratio",
        "gauge",
        "(bid - ask) / (bid + ask) quantity over the best five levels.",
        "ratio",
        SYMBOL_LABELS,
    ),
    Metric(
        "shriven_effective_spread",
        "gauge",
        "Effective spread, mean of the trades of the last record of md.microstructure.",
        "price",
        SYMBOL_LABELS,
    ),
    Metric(
        "shriven_realised_spread",
        "gauge",
        "What of it makers kept a second later; below 0 takers knew more.",
        "price",
        SYMBOL_LABELS,
    ),
    Metric(
        "shriven_flow_imbalance_ratio",
        "gauge",
        "(bought - sold) / (bought + sold) by aggressors in the last interval.",
        "ratio",
        SYMBOL_LABELS,
    ),
    Metric(
        "shriven_order_flow_ratio",
        "gauge",
        "Order flow of the best five levels in the last interval, over their mean quantity.",
        "ratio",
        SYMBOL_LABELS,
    ),
    Metric(
        "shriven_realised_volatility_ratio",
        "gauge",
        "Square root of the sum of squared log returns over the window of intervals.",
        "ratio",
        SYMBOL_LABELS,
    ),
    Metric(
        "shriven_vpin_rank_ratio",
        "gauge",
        "Share of the last VPINs that are not above the last one.",
        "ratio",
        SYMBOL_LABELS,
    ),
    Metric(
        "shriven_signals_total",
        "counter",
        "Signals, by direction.",
        "records",
        (*TASK_LABELS, "direction"),
    ),
    Metric(
        "shriven_signal_strength_ratio",
        "gauge",
        "Direction times strength of the last signal.",
        "ratio",
        (*TASK_LABELS, "strategy", "symbol"),
    ),
    Metric(
        "shriven_decisions_total",
        "counter",
        "Risk decisions, by outcome and code.",
        "records",
        (*TASK_LABELS, "outcome", "code"),
    ),
    Metric(
        "shriven_risk_events_total",
        "counter",
        "Breaches, by code and severity.",
        "records",
        (*TASK_LABELS, "code", "severity"),
    ),
    Metric(
        "shriven_order_events_total",
        "counter",
        "Steps of the order state machine, by the state reached.",
        "records",
        (*TASK_LABELS, "status"),
    ),
    Metric(
        "shriven_order_reasons_total",
        "counter",
        "Order events that carry a reason.",
        "records",
        (*TASK_LABELS, "reason"),
    ),
    Metric(
        "shriven_execution_reports_total",
        "counter",
        "Reports of the simulated venue, by kind.",
        "records",
        (*TASK_LABELS, "kind"),
    ),
    Metric(
        "shriven_fills_total",
        "counter",
        "Fills, by side and liquidity.",
        "records",
        (*TASK_LABELS, "side", "liquidity"),
    ),
    Metric(
        "shriven_position_quantity",
        "gauge",
        "Signed position.",
        "quantity",
        (*TASK_LABELS, "account", "strategy", "symbol"),
    ),
    Metric(
        "shriven_account_equity", "gauge", "Cash plus market value.", "currency", ACCOUNT_LABELS
    ),
    Metric("shriven_account_cash", "gauge", "Cash.", "currency", ACCOUNT_LABELS),
    Metric(
        "shriven_account_realized", "gauge", "Realized P&L before fees.", "currency", ACCOUNT_LABELS
    ),
    Metric(
        "shriven_account_unrealized",
        "gauge",
        "Unrealized P&L, longs at bid and shorts at ask.",
        "currency",
        ACCOUNT_LABELS,
    ),
    Metric("shriven_account_fees", "gauge", "Fees paid.", "currency", ACCOUNT_LABELS),
    Metric(
        "shriven_account_drawdown_ratio",
        "gauge",
        "Fall of equity from its peak since this process began, of that peak.",
        "ratio",
        ACCOUNT_LABELS,
    ),
    Metric(
        "shriven_performance",
        "gauge",
        "Metrics of the performance report, by name.",
        "as named",
        (*ACCOUNT_LABELS, "name"),
    ),
)

CANARY_LABELS = (*TASK_LABELS, "witness")
WITNESSES = ("md.depth", "md.trades", "md.quotes")
"""Values of ``witness``: the input whose tick a committed batch consumed, by the journal; or the
quote that was made of it.
"""
CANARY_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
CANARY = (
    Metric(
        "shriven_canary_sent_total",
        "counter",
        "Ticks written, and given to the broker or refused by it.",
        "ticks",
        CANARY_LABELS,
    ),
    Metric(
        "shriven_canary_seen_total",
        "counter",
        "Ticks whose committed trace was read in time.",
        "ticks",
        CANARY_LABELS,
    ),
    Metric(
        "shriven_canary_lost_total",
        "counter",
        "Ticks without a trace within the bound, or that no broker took.",
        "ticks",
        CANARY_LABELS,
    ),
    Metric(
        "shriven_canary_late_total",
        "counter",
        "Ticks that were counted as lost, and whose trace was read after all.",
        "ticks",
        CANARY_LABELS,
    ),
    Metric(
        "shriven_canary_duplicates_total",
        "counter",
        "Traces read a second time: exactly once is broken.",
        "ticks",
        CANARY_LABELS,
    ),
    Metric(
        "shriven_canary_seconds",
        "histogram",
        "From the moment a tick is written to the moment its committed trace is read; late ones "
        "included.",
        "seconds",
        CANARY_LABELS,
        CANARY_BUCKETS,
    ),
)

OURS: tuple[Metric, ...] = (*PROCESS, *MEMBER, *TASK, *DOMAIN, *CANARY)

LIBRARY = (
    Metric("process_cpu_seconds_total", "counter", "CPU time of the process.", "seconds"),
    Metric("process_resident_memory_bytes", "gauge", "Resident memory of the process.", "bytes"),
    Metric("process_open_fds", "gauge", "Open file descriptors.", "descriptors"),
    Metric(
        "process_max_fds", "gauge", "Most file descriptors the process may open.", "descriptors"
    ),
    Metric("process_start_time_seconds", "gauge", "When the process was started.", "unix seconds"),
    Metric("process_virtual_memory_bytes", "gauge", "Virtual memory of the process.", "bytes"),
)
"""What prometheus-client itself says of every process."""
