"""Every alert, in one table. Each has a runbook ``docs/runbooks/<name>.md`` and a dashboard where
the fault is seen.

Severities: ``critical`` somebody acts now, ``warning`` somebody acts today, ``info`` is written
down only, ``none`` is the dead-man's switch.

What an alert may not do: page for a quiet market (``QUIET``), for a planned replay
(``purpose="live"`` everywhere) or, beside the cause, for its consequences (``UNLESS_BROKER``).
Counters of rare events exist from 0 on, so their first increase is seen.
"""

from __future__ import annotations

from infra.prometheus import objectives as at
from infra.prometheus.expressions import (
    AT_RECORD,
    CANARY_DATA,
    GROUP,
    MARKET_DATA,
    QUIET,
    RECORD,
    SHARD,
    TASK,
    TOPOLOGY,
    UNLESS_BROKER,
    WATCHED,
    Alert,
    enough,
    given_up,
    grew,
    grew_or_born,
    of_task,
    shard_in,
    state,
)

FRESHNESS = (
    Alert(
        "FreshnessBurnFast",
        f"shriven:freshness_errors:ratio_rate5m > {at.FAST_BURN_RATIO}"
        f" and shriven:freshness_errors:ratio_rate1h > {at.FAST_BURN_RATIO}{enough('1h')}",
        "2m",
        "critical",
        "shriven-overview",
        "{{ $labels.topology }}: {{ $value | humanizePercentage }} of batches are later than 500 "
        "ms; the month's budget is gone in two days",
        "freshness",
    ),
    Alert(
        "FreshnessBurnSlow",
        f"shriven:freshness_errors:ratio_rate30m > {at.SLOW_BURN_RATIO}"
        f" and shriven:freshness_errors:ratio_rate6h > {at.SLOW_BURN_RATIO}{enough('6h')}",
        "15m",
        "warning",
        "shriven-overview",
        "{{ $labels.topology }}: {{ $value | humanizePercentage }} of batches are later than 500 "
        "ms; the month's budget is gone in five days",
        "freshness",
    ),
)

LAG = (
    Alert(
        "ConsumerFallingBehind",
        state("FALLING_BEHIND"),
        "5m",
        "warning",
        "shriven-lag",
        f"{GROUP} reads slower than is written",
        "lag",
    ),
    Alert(
        "ConsumerStalled",
        state("STALLED|STOPPED"),
        "1m",
        "critical",
        "shriven-lag",
        f"{GROUP} has records to read and does not move",
        "lag",
    ),
    Alert(
        "ConsumerWithoutMembers",
        of_task(
            "max by (environment, group) "
            '(shriven_consumer_state{purpose="live",state="NO_MEMBERS"}) == 1'
            " and on (environment, group) sum by (environment, group) "
            '(shriven_consumer_lag_records{purpose="live"}) > 0'
        ),
        "1m",
        "critical",
        "shriven-lag",
        "group {{ $labels.group }} has records to read and nobody who reads them",
        "lag",
    ),
    Alert(
        "ConsumerRewound",
        state("REWOUND"),
        "0s",
        "warning",
        "shriven-lag",
        f"{GROUP} has gone back: records will be read twice",
        "lag",
    ),
    Alert(
        "ConsumerDataLoss",
        state("DATA_LOSS"),
        "0s",
        "critical",
        "shriven-lag",
        f"{GROUP}: records at its position are gone unread",
        "lag",
    ),
    Alert(
        "RetentionMarginLow",
        "min by (environment, group, topic) "
        '(shriven_consumer_retention_margin_seconds{purpose="live"}'
        " / on (environment, topic) group_left () shriven_topic_retention_seconds) < "
        f"{at.RETENTION_RATIO}"
        " and on (environment, group, topic) max by (environment, group, topic) "
        '(shriven_consumer_lag_records{purpose="live"}) > 0',
        "1m",
        "critical",
        "shriven-lag",
        f"{GROUP}: retention removes unread records soon, {{{{ $value | humanizePercentage }}}} of "
        "the retention time is left",
        "lag",
    ),
    Alert(
        "TransactionBlocked",
        "max by (environment, topic) (shriven_open_transaction_age_seconds) > "
        f"{at.TRANSACTION_AGE_SECONDS:g}"
        " or max by (environment, topic) "
        '(shriven_consumer_state{purpose="live",state="TXN_BLOCKED"}) == 1',
        "5s",
        "critical",
        "shriven-lag",
        "an open transaction holds back every reader of {{ $labels.topic }}",
        "lag",
    ),
    Alert(
        "ClockSkew",
        f"{grew_or_born('shriven_input_clock_skew_records_total', '10m', 'by (environment)')}"
        f" or {grew('shriven_clock_skew_records_total', '10m', 'by (environment)')}",
        "0s",
        "warning",
        "shriven-lag",
        "records carry timestamps of the future: a producer's clock is ahead of ours",
        "lag",
    ),
)

TASKS = (
    Alert(
        "ShardWithoutOwner",
        f"{shard_in('no_owner')} {UNLESS_BROKER}",
        "15s",
        "critical",
        "shriven-overview",
        f"{SHARD} runs nowhere",
        "tasks",
    ),
    Alert(
        "DuplicateOwner",
        f"sum {TASK} (shriven_shard_owned) > 1",
        "10s",
        "critical",
        "shriven-overview",
        f"{SHARD} has two owners",
        "tasks",
    ),
    Alert(
        "TaskFenced",
        grew("shriven_fenced_total", "5m"),
        "0s",
        "critical",
        "shriven-overview",
        f"{SHARD}: an owner was fenced by another",
        "tasks",
    ),
    Alert(
        "TaskRestarted",
        grew("shriven_task_restarts_total", "5m"),
        "0s",
        "info",
        "shriven-overview",
        f"{SHARD} was started again",
        "tasks",
    ),
    Alert(
        "TaskCrashLoop",
        grew("shriven_task_restarts_total", "10m", least=f">= {at.CRASH_LOOP_RESTARTS}"),
        "2m",
        "critical",
        "shriven-overview",
        f'{SHARD} ended {{{{ $value | printf "%.0f" }}}} times in ten minutes',
        "tasks",
    ),
    Alert(
        "ShardQuarantined",
        f"{given_up('shriven_quarantined', AT_RECORD)} or max {AT_RECORD} "
        "(shriven_shard_quarantined) == 1",
        "0s",
        "critical",
        "shriven-overview",
        f"{SHARD} is given up after crashes{RECORD}",
        "tasks",
    ),
    Alert(
        "TaskHalted",
        f"{given_up('shriven_halted')} or {shard_in('halted')}",
        "0s",
        "critical",
        "shriven-overview",
        f"{SHARD} has halted",
        "tasks",
    ),
    Alert(
        "StandbyHalted",
        f"max {TASK} (shriven_standby_halted) == 1",
        "0s",
        "warning",
        "shriven-overview",
        f"{SHARD}: a standby halted",
        "tasks",
    ),
    Alert(
        "TaskLostInput",
        grew('shriven_task_endings_total{code=~"offset_out_of_range|topic_changed"}', "10m"),
        "0s",
        "critical",
        "shriven-overview",
        f"{SHARD}: an input is not the one it read, or its records are gone",
        "tasks",
    ),
    Alert(
        "DeadLetterFlood",
        grew('shriven_task_endings_total{code="dead_letter_flood"}', "10m"),
        "0s",
        "critical",
        "shriven-overview",
        f"{SHARD} has halted before a flood of dead letters: its input or its decoder is broken",
        "tasks",
    ),
    Alert(
        "ReplayDiverged",
        grew("shriven_replay_divergence_total", "1h"),
        "0s",
        "critical",
        "shriven-overview",
        f"{SHARD}: replay gave other records",
        "tasks",
    ),
    Alert(
        "DeadLetters",
        grew_or_born(
            "shriven_dead_letters_total", "10m", "by (environment, topology, shard, reason)"
        ),
        "0s",
        "warning",
        "shriven-overview",
        f'{SHARD}: {{{{ $value | printf "%.0f" }}}} records became dead letters: {{{{ '
        f"$labels.reason }}}}",
        "tasks",
    ),
    Alert(
        "UnknownOutcome",
        grew("shriven_unknown_outcomes_total", "5m"),
        "0s",
        "warning",
        "shriven-overview",
        f"{SHARD}: the answer to a commit never came; the journal says whether it happened",
        "tasks",
    ),
    Alert(
        "RecoverySlow",
        f'max {TASK} (shriven_task_state{{state="recovering"}}) == 1',
        "1m",
        "warning",
        "shriven-overview",
        f"{SHARD} has been recovering for a minute",
        "tasks",
    ),
    Alert(
        "SnapshotRejected",
        grew_or_born("shriven_snapshots_rejected_total", "1h"),
        "0s",
        "warning",
        "shriven-overview",
        f"{SHARD}: a snapshot does not match its journal and was passed over",
        "tasks",
    ),
    Alert(
        "CommitsSlow",
        f"shriven:commit_seconds:p99_rate5m > {at.COMMIT_SECONDS}",
        "2m",
        "warning",
        "shriven-kafka",
        f"{SHARD}: one commit in a hundred takes {{{{ $value | humanizeDuration }}}}",
        "tasks",
    ),
    Alert(
        "RebalanceStorm",
        f"max {TOPOLOGY} (increase(shriven_rebalances_total[5m])) > {at.REBALANCES}",
        "0s",
        "warning",
        "shriven-overview",
        '{{ $labels.topology }}: shards are moved about, {{ $value | printf "%.0f" }} times in '
        "five minutes",
        "tasks",
    ),
    Alert(
        "MemberDisconnected",
        "min by (environment, topology, instance) (shriven_members_connected) == 0 "
        f"{UNLESS_BROKER}",
        "1m",
        "warning",
        "shriven-overview",
        "a member of {{ $labels.topology }} ({{ $labels.instance }}) has lost the group",
        "tasks",
    ),
    Alert(
        "RegistryErrors",
        grew_or_born("shriven_registry_errors_total", "5m", "by (environment, cause)"),
        "1m",
        "warning",
        "shriven-kafka",
        "a member was started without an answer of the schema registry: {{ $labels.cause }}",
        "tasks",
    ),
)

TRADING = (
    Alert(
        "FeedQuiet",
        f"(sum {TASK} ({MARKET_DATA}) <= {at.CANARY_SLACK} * sum {TASK} ({CANARY_DATA}) or sum "
        f"{TASK} ({MARKET_DATA}) == 0) and on (environment, topology, shard) sum {TASK} "
        f"({WATCHED}) {QUIET} {UNLESS_BROKER}",
        "1m",
        "warning",
        "shriven-aggregation",
        f"{SHARD} has had no market data for five minutes, and the market is open",
        "trading",
    ),
    Alert(
        "BookStale",
        f"max by (environment, topology, shard, symbol) (shriven_book_stale) == 1 {QUIET} "
        f"{UNLESS_BROKER}",
        "1m",
        "warning",
        "shriven-aggregation",
        "the book of {{ $labels.symbol }} is stale: its orders are denied",
        "trading",
    ),
    Alert(
        "KillSwitchDenials",
        grew('shriven_decisions_total{code="KILL_SWITCH"}', "5m"),
        "0s",
        "warning",
        "shriven-risk",
        f"{SHARD}: orders are denied by the kill switch",
        "trading",
    ),
    Alert(
        "OrderInDoubt",
        grew('shriven_order_events_total{status="IN_DOUBT"}', "10m"),
        "0s",
        "critical",
        "shriven-routing",
        f"{SHARD}: nobody knows what the venue did with an order",
        "trading",
    ),
    Alert(
        "DrawdownHigh",
        "max by (environment, topology, shard, account) (shriven_account_drawdown_ratio) > "
        f"{at.DRAWDOWN_RATIO}",
        "0s",
        "warning",
        "shriven-portfolio",
        "account {{ $labels.account }} is {{ $value | humanizePercentage }} below its peak",
        "trading",
    ),
)

PLATFORM = (
    Alert(
        "BrokerUnreachable",
        "min by (environment) (shriven_lag_exporter_up) == 0",
        "10s",
        "critical",
        "shriven-kafka",
        "the cluster does not answer",
        "platform",
    ),
    Alert(
        "LagExporterDown",
        f'absent(up{{job="lag"}}) or max by (environment) (up{{job="lag"}}) == 0'
        " or min by (environment) (time() - shriven_lag_exporter_last_success_timestamp_seconds) "
        f"> {at.EXPORTER_AGE_SECONDS:g} {UNLESS_BROKER}",
        "30s",
        "warning",
        "shriven-lag",
        "nobody measures consumer lag: every lag alert is blind",
        "platform",
    ),
    Alert(
        "LagExporterBlind",
        "sum by (environment, cause) (increase(shriven_lag_exporter_unread_total[5m])) > 0"
        " or on (environment) (min by (environment) (shriven_lag_exporter_groups) == 0 and on () "
        'count(up{job=~"member|task"}) > 0)',
        "1m",
        "warning",
        "shriven-lag",
        "the lag exporter cannot read what it should ({{ if $labels.cause }}{{ $labels.cause }}{{ "
        "else }}it sees no group{{ end }}): alerts on lag and on shards are blind there",
        "platform",
    ),
    Alert(
        "ProcessDown",
        'max by (environment, job, instance) (up{job=~"task|member|sink|canary"}) == 0',
        "1m",
        "warning",
        "shriven-overview",
        "a {{ $labels.job }} process ({{ $labels.instance }}) ended without a word",
        "platform",
    ),
    Alert(
        "AlertmanagerDown",
        'absent(up{job="alertmanager"}) or up{job="alertmanager"} == 0',
        "1m",
        "critical",
        "shriven-overview",
        "nobody is told of alerts",
        "platform",
    ),
    Alert(
        "CanaryLost",
        f"{grew('shriven_canary_lost_total', '5m')} {UNLESS_BROKER}",
        "0s",
        "critical",
        "shriven-overview",
        f'{SHARD}: {{{{ $value | printf "%.0f" }}}} marked ticks went in and no committed trace '
        "came out in time",
        "platform",
    ),
    Alert(
        "CanaryTwice",
        grew("shriven_canary_duplicates_total", "1h"),
        "0s",
        "critical",
        "shriven-overview",
        f"{SHARD}: a marked tick came out twice: exactly once is broken",
        "platform",
    ),
    Alert(
        "RuleEvaluationFailing",
        "sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[5m])) > 0",
        "0s",
        "critical",
        "shriven-overview",
        "rules of {{ $labels.rule_group }} cannot be evaluated",
        "platform",
    ),
    Alert(
        "DeadMansSwitch",
        "vector(1)",
        "0s",
        "none",
        "shriven-overview",
        "always fires; whoever stops receiving it knows that monitoring is down",
        "platform",
    ),
)

ALERTS: tuple[Alert, ...] = (*FRESHNESS, *LAG, *TASKS, *TRADING, *PLATFORM)
BY_NAME: dict[str, Alert] = {alert.name: alert for alert in ALERTS}
