"""The golden dashboard: is it fresh, does it run, what broke."""

from __future__ import annotations

from infra.grafana.board import EVERYWHERE, PIPELINE, TASKS, TOPOLOGIES, Board, Row
from infra.grafana.boards.common import (
    FIRING,
    FRESHNESS,
    OPEN_ALERTS,
    RUNNING,
    TICK_TO_ORDER,
    WORST_LAG,
    process_row,
    quantiles,
    rate,
)
from infra.grafana.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    YELLOW,
    enumerated,
    graph,
    number,
    rows,
    states,
)
from infra.prometheus import objectives as at

TASK_STATES = ("running", "starting", "recovering", "standby", "draining")
TASK_STATE_NAMES = {
    0: ("running", GREEN),
    1: ("starting", BLUE),
    2: ("recovering", YELLOW),
    3: ("standby", GREY),
    4: ("draining", PURPLE),
}

SHARD_STATES = ("running", "recovering", "drained", "no_owner", "frozen", "halted", "quarantined")
SHARD_STATE_NAMES = {
    0: ("running", GREEN),
    1: ("recovering", YELLOW),
    2: ("drained", GREY),
    3: ("no owner", RED),
    4: ("frozen", ORANGE),
    5: ("halted", RED),
    6: ("quarantined", RED),
}

SERVICE = Row(
    "Service",
    (
        FRESHNESS,
        number(
            "Error budget left, 30 d",
            "Share of the month's late batches that may still come. Below 0 the objective is "
            "missed.",
            "percentunit",
            f"min(shriven:freshness_budget_remaining:ratio{{{TOPOLOGIES}}})",
            thresholds=((0, ORANGE), (0.5, GREEN)),
            low_is_bad=True,
            minimum=None,
            nothing="no traffic",
        ),
        WORST_LAG,
        RUNNING,
        TICK_TO_ORDER,
        OPEN_ALERTS,
    ),
)

FLOW = Row(
    "Flow",
    (
        graph(
            "Records in",
            "Records consumed a second, by topic.",
            "short",
            (rate("shriven_input_records_total", "topic"), "{{topic}}"),
            stacked=True,
        ),
        graph(
            "Records out",
            "Records that came out a second, by topic, published or not.",
            "short",
            (rate("shriven_output_records_total", "topic"), "{{topic}}"),
            stacked=True,
        ),
        graph(
            "Lag as the tasks see it",
            "Age of the last record consumed while more is there, by topic; 0 when caught up. The "
            "exporter's view is on the dashboard Consumer lag.",
            "s",
            (
                f"max by (topology, shard, topic) (shriven_input_lag_seconds{{{TASKS}}})",
                "{{topology}}.{{shard}} {{topic}}",
            ),
            thresholds=((at.LAG_SECONDS, RED),),
        ),
        graph(
            "Freshness",
            "Kafka timestamp of a batch's oldest record to its acknowledged commit, less the job's "
            "linger. Dashed: the objective's 500 ms.",
            "s",
            *quantiles("shriven_freshness_seconds"),
            thresholds=((at.FRESHNESS_SECONDS, RED),),
        ),
        graph(
            "Tick to order",
            "Kafka timestamp of a market-data record to the acknowledged commit with the orders it "
            "made.",
            "s",
            *quantiles("shriven_tick_to_order_seconds"),
            thresholds=((at.FRESHNESS_SECONDS, RED),),
        ),
        graph(
            "Late batches",
            "Share of batches later than 500 ms. FreshnessBurnFast: 5 m and 1 h above 14.4 %; "
            "FreshnessBurnSlow: 30 m and 6 h above 6 %.",
            "percentunit",
            *(
                (
                    "max by (topology) "
                    f"(shriven:freshness_errors:ratio_rate{window}{{{TOPOLOGIES}}})",
                    f"{{{{topology}}}} {window}",
                )
                for window in ("5m", "30m", "1h", "6h")
            ),
            thresholds=((at.SLOW_BURN_RATIO, YELLOW), (at.FAST_BURN_RATIO, RED)),
        ),
    ),
)

TASKS_ROW = Row(
    "Shards",
    (
        states(
            "State of each shard",
            "The task's state. A long recovery fires an alert; a shard that is given up has no "
            "task.",
            enumerated("shriven_task_state", TASKS, TASK_STATES, "topology, shard"),
            "{{topology}}.{{shard}}",
            TASK_STATE_NAMES,
            width=8,
        ),
        states(
            "Owners of each shard",
            "Members that own the shard: exactly one. None or two fire alerts.",
            f"sum by (topology, shard) (shriven_shard_owned{{{TASKS}}})",
            "{{topology}}.{{shard}}",
            {0: ("none", RED), 1: ("one", GREEN), 2: ("two", RED), 3: ("three", RED)},
            width=8,
        ),
        states(
            "Given up",
            "Quarantined: the child ended too often in a row. Halted: its end cannot be healed by "
            "a start. Neither is started again.",
            f"max by (topology, shard) (shriven_quarantined{{{TASKS}}}) + 2 * max by (topology, "
            f"shard) (shriven_halted{{{TASKS}}})",
            "{{topology}}.{{shard}}",
            {
                0: ("no", GREEN),
                1: ("quarantined", RED),
                2: ("halted", RED),
                3: ("quarantined, halted", RED),
            },
            width=8,
        ),
        states(
            "Shards, by the cluster's facts",
            "Of every open topology: from its claim, its owners and what its last owner said. "
            "Normal: running. It holds when nothing of ours lives.",
            enumerated("shriven_shard_state", TASKS, SHARD_STATES, "topology, shard"),
            "{{topology}}.{{shard}}",
            SHARD_STATE_NAMES,
        ),
        rows(
            "Quarantined at",
            "Records at which the processes of quarantined shards died.",
            "none",
            "max by (topology, shard, topic, partition, offset) "
            f"(shriven_shard_quarantined{{{TASKS}}})",
            nothing="none is quarantined",
        ),
        graph(
            "Children that ended",
            "By error code, in the interval; 'drained' is a clean end.",
            "short",
            (
                "sum by (topology, shard, code) "
                f"(increase(shriven_task_endings_total{{{TASKS}}}[$__rate_interval]))",
                "{{topology}}.{{shard}} {{code}}",
            ),
        ),
        graph(
            "Recoveries",
            "Recoveries finished by the present processes: one at every start over an old journal.",
            "short",
            (
                f"sum by (topology, shard) (shriven_recoveries_total{{{TASKS}}})",
                "{{topology}}.{{shard}}",
            ),
        ),
        graph(
            "Standbys",
            "Members that follow the shard, journal records that the last of them is behind, and "
            "standbys that have halted: promoted no more.",
            "short",
            (
                f"sum by (topology, shard) (shriven_shard_followed{{{TASKS}}})",
                "{{topology}}.{{shard}} standbys",
            ),
            (
                f"max by (topology, shard) (shriven_standby_lag_records{{{TASKS}}})",
                "{{topology}}.{{shard}} records behind",
            ),
            (
                f"sum by (topology, shard) (shriven_standby_halted{{{TASKS}}})",
                "{{topology}}.{{shard}} halted",
            ),
            nothing="no standby",
        ),
        graph(
            "Restarts, fencing, unknown outcomes",
            "In the interval. A restart is healed; a fence means that two owners met; an unknown "
            "outcome was resolved from the journal.",
            "short",
            (
                "sum by (topology, shard) "
                f"(increase(shriven_task_restarts_total{{{TASKS}}}[$__rate_interval]))",
                "{{topology}}.{{shard}} restarts",
            ),
            (
                "sum by (topology, shard) "
                f"(increase(shriven_fenced_total{{{TASKS}}}[$__rate_interval]))",
                "{{topology}}.{{shard}} fenced",
            ),
            (
                "sum by (topology, shard) "
                f"(increase(shriven_unknown_outcomes_total{{{TASKS}}}[$__rate_interval]))",
                "{{topology}}.{{shard}} unknown outcomes",
            ),
        ),
        graph(
            "Dead letters",
            "Records that went to the dead-letter topic, by reason, in the interval. Normal: none.",
            "short",
            (
                "sum by (topology, shard, reason) "
                f"(increase(shriven_dead_letters_total{{{TASKS}}}[$__rate_interval]))",
                "{{topology}}.{{shard}} {{reason}}",
            ),
        ),
        graph(
            "Replay divergence and rejected snapshots",
            "Since the processes began. Anything above 0 is a finding.",
            "short",
            (
                f"sum by (topology, shard) (shriven_replay_divergence_total{{{TASKS}}})",
                "{{topology}}.{{shard}} diverged",
            ),
            (
                f"sum by (topology, shard) (shriven_snapshots_rejected_total{{{TASKS}}})",
                "{{topology}}.{{shard}} snapshots rejected",
            ),
            thresholds=((1, RED),),
        ),
        graph(
            "Recovery",
            "Mean time of the recoveries of the present processes; the bar is "
            f"{at.RECOVERY_SECONDS:g} s for a restart in the same slot.",
            "s",
            (
                f"sum by (topology, shard) (shriven_recovery_seconds_sum{{{TASKS}}})"
                f" / (sum by (topology, shard) (shriven_recovery_seconds_count{{{TASKS}}}) > 0)",
                "{{topology}}.{{shard}}",
            ),
            thresholds=((at.RECOVERY_SECONDS, RED),),
            nothing="no recovery",
        ),
        graph(
            "Rebalances",
            "Assignments of shards that members have seen, in the interval.",
            "short",
            (
                "sum by (topology) "
                f"(increase(shriven_rebalances_total{{{TOPOLOGIES}}}[$__rate_interval]))",
                "{{topology}}",
            ),
        ),
    ),
)

DETAIL = Row(
    "Journal and snapshots",
    (
        graph(
            "Journal",
            "Journal records a second: one a batch.",
            "short",
            (
                "sum by (topology, shard) "
                f"(rate(shriven_batches_total{{{TASKS}}}[$__rate_interval]))",
                "{{topology}}.{{shard}}",
            ),
        ),
        graph(
            "Batches since the last snapshot",
            "What a restart executes again; the first snapshot comes after a million records.",
            "short",
            (
                f"max by (topology, shard) (shriven_journal_sequence{{{TASKS}}}) - max by "
                f"(topology, shard) (shriven_snapshot_sequence{{{TASKS}}})",
                "{{topology}}.{{shard}}",
            ),
            nothing="no snapshot yet",
        ),
        graph(
            "Snapshot size",
            "Of the last snapshot.",
            "bytes",
            (
                f"max by (topology, shard) (shriven_snapshot_bytes{{{TASKS}}})",
                "{{topology}}.{{shard}}",
            ),
            nothing="no snapshot yet",
        ),
        graph(
            "Snapshot time",
            "Time the last snapshot took; batches go on meanwhile.",
            "s",
            (
                f"max by (topology, shard) (shriven_snapshot_seconds{{{TASKS}}})",
                "{{topology}}.{{shard}}",
            ),
            nothing="no snapshot yet",
        ),
        graph(
            "Executed again",
            "Records executed again in recoveries, since the process began.",
            "short",
            (
                f"sum by (topology, shard) (shriven_recovered_records_total{{{TASKS}}})",
                "{{topology}}.{{shard}}",
            ),
        ),
        graph(
            "Clock behind wall",
            "Wall clock minus the pipeline's clock. Large where recorded data is fed, small when "
            "live.",
            "s",
            (
                f"max by (topology, shard) (shriven_event_time_lag_seconds{{{TASKS}}})",
                "{{topology}}.{{shard}}",
            ),
            minimum=None,
        ),
    ),
    folded=True,
)

_CANARY = (
    "sum by (topology, shard, witness) "
    "(increase(shriven_canary_{0}_total{{{1}}}[$__rate_interval]))"
)
_BY_WITNESS = "{{topology}}.{{shard}} {{witness}}"

CANARY_ROW = Row(
    "Canary",
    (
        graph(
            "Canary",
            "Marked ticks without a committed trace in time, those whose trace came after all, and "
            "traces met twice, in the interval. Normal: none.",
            "short",
            *(
                (_CANARY.format(name, TASKS), f"{_BY_WITNESS} {word}")
                for name, word in (("lost", "lost"), ("late", "late"), ("duplicates", "twice"))
            ),
            nothing="no canary",
        ),
        graph(
            "Ticks",
            "Marked ticks written and seen, in the interval.",
            "short",
            *((_CANARY.format(name, TASKS), f"{_BY_WITNESS} {name}") for name in ("sent", "seen")),
            nothing="no canary",
        ),
        graph(
            "Tick to committed trace",
            "From the moment a marked tick is written to the moment its committed trace is read, "
            "over all shards and witnesses.",
            "s",
            *quantiles("shriven_canary_seconds"),
            nothing="no canary",
        ),
    ),
    folded=True,
)

MONITORING = Row(
    "Monitoring itself",
    (
        states(
            "Targets",
            "Whether Prometheus can read each process.",
            "max by (job, instance) (up)",
            "{{job}} {{instance}}",
            {0: ("down", RED), 1: ("up", GREEN)},
        ),
        graph(
            "Errors logged",
            "By code, in the interval.",
            "short",
            (
                "sum by (job, code) "
                f"(increase(shriven_errors_total{{{EVERYWHERE}}}[$__rate_interval]))",
                "{{job}} {{code}}",
            ),
            nothing="none logged",
        ),
    ),
    folded=True,
)

OVERVIEW = Board(
    "shriven-overview",
    "Overview",
    "Is the pipeline fresh, does every shard run, what broke. Start here; the links at the top "
    "lead to each part.",
    PIPELINE,
    (
        SERVICE,
        Row("What fires", (FIRING,)),
        FLOW,
        TASKS_ROW,
        CANARY_ROW,
        DETAIL,
        process_row("member|task|sink|canary"),
        MONITORING,
    ),
    "overview",
)
