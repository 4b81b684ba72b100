"""The fault catalogue (operations reference, section 9) as scripted series, and which alerts each
fault fires, moment by moment.

``promtool`` runs every row against the committed rules: the alerts named fire, **and no other
does**. A row is one fault (F1 ...), one alert that no catalogue fault covers, or something that
must stay silent. ``docs/reference/faults.md`` is generated from the same rows.
"""

from __future__ import annotations

from infra.prometheus.further import OTHERS, SILENT
from infra.prometheus.rows import Row
from infra.prometheus.script import (
    ABSENT,
    END_MINUTE,
    FACT,
    FEED,
    GONE,
    LAG_TARGET,
    MARGIN,
    MEMBER_TARGET,
    RETENTION_SECONDS,
    SECOND,
    SHARD,
    STATE,
    TASK_TARGET,
    Series,
    T,
    W,
    all_gone,
    during,
    ending,
    healthy,
    in_state,
    shard_in,
    state,
    stepping,
)

COMMITS_LATE: Series = {
    f'shriven_commit_seconds_bucket{{{T},le="0.1"}}': (
        (20, 0, 400),
        (25, 8000, 0),
        (END_MINUTE, 8000, 400),
    ),
    f'shriven_commit_seconds_bucket{{{T},le="0.5"}}': (
        (20, 0, 400),
        (25, 8000, 0),
        (END_MINUTE, 8000, 400),
    ),
    f'shriven_commit_seconds_bucket{{{T},le="2.0"}}': (
        (20, 0, 400),
        (25, 8000, 20),
        (END_MINUTE, 8100, 400),
    ),
    f'shriven_commit_seconds_bucket{{{T},le="+Inf"}}': (
        (20, 0, 400),
        (25, 8000, 20),
        (END_MINUTE, 8100, 400),
    ),
    f"shriven_commit_seconds_count{{{T}}}": ((20, 0, 400), (25, 8000, 20), (END_MINUTE, 8100, 400)),
}
RECORD_AT = 'topic="md.depth",partition="0",offset="7"'
BROKER_AWAY: Series = {
    f"shriven_lag_exporter_up{{{W.lag}}}": during(20, 30, 0, 1),
    f"shriven_lag_exporter_last_success_timestamp_seconds{{{W.lag}}}": (
        (20, 0, 60),
        (30, 1200, 0),
        (END_MINUTE, 1800, 60),
    ),
    f"shriven_members_connected{{{W.member}}}": during(20, 30, 0, 1),
    FEED: ((20, 0, 60000), (30, 1200000, 0), (END_MINUTE, 1200000, 60000)),
    **{
        name: ((20.75, phases[0][1], 0), (30.25, GONE, 0), (END_MINUTE, phases[0][1], 0))
        for name, phases in healthy().items()
        if "shriven_consumer_" in name or "shriven_open_" in name or "shriven_topic_" in name
    },
}
FAULTS: tuple[Row, ...] = (
    Row(
        "F1",
        "a child is killed; its parent starts it again, it recovers and goes on",
        "Overview: restarts, recovery time",
        {
            **all_gone(healthy(), TASK_TARGET, 20),
            f"shriven_task_restarts_total{{{SHARD}}}": stepping(20.25),
            ending("killed"): stepping(20.25),
            STATE.replace("t0", "t1") % "recovering": (
                (20.25, ABSENT, 0),
                (20.75, 1, 0),
                (END_MINUTE, 0, 0),
            ),
            STATE.replace("t0", "t1") % "running": (
                (20.25, ABSENT, 0),
                (20.75, 0, 0),
                (END_MINUTE, 1, 0),
            ),
            FEED.replace("t0", "t1"): ((20.25, ABSENT, 0), (END_MINUTE, 0, 60000)),
        },
        ((19, ()), (21, ("TaskRestarted",)), (30, ())),
    ),
    Row(
        "F2",
        "a process is paused, its shard is taken over, it wakes and is fenced",
        "Overview: fenced",
        {f"shriven_fenced_total{{{SHARD}}}": stepping(20), ending("fenced"): stepping(20)},
        ((19, ()), (21, ("TaskFenced",)), (30, ())),
    ),
    Row(
        "F3",
        "two processes own one shard; one is fenced, one survives",
        "Overview: owners by shard, fenced",
        {
            f"shriven_shard_owned{{{SECOND}}}": ((20, ABSENT, 0), (21, 1, 0), (END_MINUTE, 0, 0)),
            f"shriven_fenced_total{{{SECOND}}}": ((20, ABSENT, 0), (21, 0, 0), (END_MINUTE, 1, 0)),
            f"shriven_rebalances_total{{{W.member}}}": stepping(20, 21, start=1),
        },
        ((19, ()), (20.75, ("DuplicateOwner",)), (22, ("TaskFenced",)), (30, ())),
    ),
    Row(
        "F4",
        "the broker is killed and comes back after half a minute",
        "Kafka: cluster answers; Lag: CATCHING_UP",
        {
            f"shriven_lag_exporter_up{{{W.lag}}}": during(20, 20.75, 0, 1),
            **in_state("CATCHING_UP", 20.75, 22),
        },
        ((19, ()), (20.5, ("BrokerUnreachable",)), (22, ())),
    ),
    Row(
        "F5",
        "every broker is away for ten minutes",
        "Kafka: cluster answers",
        BROKER_AWAY,
        ((19, ()), (21, ("BrokerUnreachable",)), (29, ("BrokerUnreachable",)), (32, ())),
    ),
    Row(
        "F6",
        "too few replicas are in sync: commits are refused, children end and are started again "
        "until there are enough",
        "Overview: endings by code",
        {
            f"shriven_task_restarts_total{{{SHARD}}}": stepping(20, 21, 22, 23),
            ending("transport_failed"): stepping(20, 21, 22, 23),
        },
        ((19, ()), (20.5, ("TaskRestarted",)), (25, ("TaskCrashLoop", "TaskRestarted")), (40, ())),
    ),
    Row(
        "F7",
        "one member cannot reach the brokers; its shards go to another",
        "Overview: members connected",
        {
            f"shriven_members_connected{{{W.member}}}": during(20, 25, 0, 1),
            f"shriven_shard_owned{{{SHARD}}}": during(20.25, END_MINUTE, 0, 1),
            f"shriven_shard_owned{{{SECOND}}}": ((20.25, ABSENT, 0), (END_MINUTE, 1, 0)),
        },
        ((19, ()), (21.5, ("MemberDisconnected",)), (26, ())),
    ),
    Row(
        "F8",
        "commits take two seconds for five minutes, and one answer is lost",
        "Kafka: commit time; Overview: unknown outcomes",
        {
            **COMMITS_LATE,
            f"shriven_unknown_outcomes_total{{{SHARD}}}": stepping(22),
            f"shriven_task_restarts_total{{{SHARD}}}": stepping(22),
            ending("outcome_unknown"): stepping(22),
        },
        ((19, ()), (24.5, ("CommitsSlow", "TaskRestarted", "UnknownOutcome")), (40, ())),
    ),
    Row(
        "F9",
        "a producer dies with its transaction open",
        "Lag: age of the oldest open transaction, records held back",
        {
            f'shriven_open_transaction_age_seconds{{{W.lag},topic="md.depth",partition="0"}}': (
                (20, 0, 0),
                (21, 15, 60),
                (END_MINUTE, 0, 0),
            ),
            **in_state("TXN_BLOCKED", 20.25, 21),
        },
        ((19, ()), (20.5, ("TransactionBlocked",)), (22, ())),
    ),
    Row(
        "F10",
        "members come and go, a dozen times in five minutes",
        "Overview: rebalances; Lag: CATCHING_UP",
        {
            f"shriven_rebalances_total{{{W.member}}}": (
                (20, 1, 0),
                (24, 1, 3),
                (END_MINUTE, 13, 0),
            ),
            **in_state("CATCHING_UP", 20, 25),
        },
        ((19, ()), (24, ("RebalanceStorm",)), (35, ())),
    ),
    Row(
        "F11",
        "the disk under the broker's data is full: the broker stops",
        "Kafka: cluster answers",
        BROKER_AWAY,
        ((19, ()), (21, ("BrokerUnreachable",)), (32, ())),
    ),
    Row(
        "F12",
        "the newest snapshot is torn: recovery takes the one before",
        "Overview: snapshots rejected, recovery time",
        {
            **all_gone(healthy(), TASK_TARGET, 20),
            f"shriven_task_restarts_total{{{SHARD}}}": stepping(20.25),
            f"shriven_snapshots_rejected_total{{{T.replace('t0', 't1')}}}": (
                (20.25, ABSENT, 0),
                (END_MINUTE, 1, 0),
            ),
            'process_start_time_seconds{environment="e",job="task",instance="t1"}': (
                (20.25, ABSENT, 0),
                (END_MINUTE, 1215, 0),
            ),
        },
        ((19, ()), (21, ("SnapshotRejected", "TaskRestarted")), (85, ())),
    ),
    Row(
        "F12, journal",
        "a bit of the journal or of an input is flipped: recovery gives other records, and the "
        "task halts",
        "Overview: replay divergence, task state",
        {
            f"shriven_replay_divergence_total{{{SHARD}}}": stepping(20),
            STATE % "running": during(20, 40, 0, 1),
            f"shriven_halted{{{SHARD}}}": during(20, 40, 1),
        },
        ((19, ()), (21, ("ReplayDiverged", "TaskHalted")), (41, ("ReplayDiverged",)), (85, ())),
    ),
    Row(
        "F13",
        "a producer's clock is an hour ahead",
        "Lag: timestamps of the future",
        {
            f"shriven_input_clock_skew_records_total{{{T}}}": (
                (20, 0, 0),
                (21, 0, 100),
                (END_MINUTE, 100, 0),
            )
        },
        ((19, ()), (22, ("ClockSkew",)), (35, ())),
    ),
    Row(
        "F14",
        "records that cannot be decoded arrive",
        "Overview: dead letters by reason",
        {f'shriven_dead_letters_total{{{T},reason="malformed_record"}}': stepping(20, 21)},
        ((19, ()), (22, ("DeadLetters",)), (35, ())),
    ),
    Row(
        "F14, flood",
        "a build that decodes nothing is deployed: the task halts at the limit of dead letters",
        "Overview: dead letters by reason, endings by code, task state",
        {
            f'shriven_dead_letters_total{{{T},reason="malformed_record"}}': stepping(20, by=100),
            ending("dead_letter_flood"): stepping(20.25),
            STATE % "running": during(20.25, 30, 0, 1),
            f"shriven_halted{{{SHARD}}}": during(20.25, 30, 1),
        },
        ((19, ()), (21, ("DeadLetterFlood", "DeadLetters", "TaskHalted")), (42, ())),
    ),
    Row(
        "F15",
        "a member is started while the schema registry is away: it goes on with the ids of its "
        "journal, and nothing is dead-lettered",
        "Kafka: registry errors by cause",
        {
            f"shriven_registry_errors_total{{{W.member.replace('m0', 'm1')},"
            'cause="unreachable"}': (
                (20, ABSENT, 0),
                (END_MINUTE, 1, 0),
            ),
            'process_start_time_seconds{environment="e",job="member",instance="m1"}': (
                (20, ABSENT, 0),
                (END_MINUTE, 1190, 0),
            ),
        },
        ((19, ()), (22, ("RegistryErrors",)), (35, ())),
    ),
    Row(
        "F18",
        "a record kills the process that reads it: five restarts, then the shard is quarantined "
        "and its member ends; it is so until it is skipped",
        "Overview: restarts, quarantined; Lag: STALLED",
        {
            **all_gone(healthy(), TASK_TARGET, 20),
            **all_gone(healthy(), MEMBER_TARGET, 23),
            f"shriven_task_restarts_total{{{SHARD}}}": (
                (20, 0, 0),
                (20.5, 1, 0),
                (21, 3, 0),
                (21.5, 4, 0),
                (23, 5, 0),
                (END_MINUTE, GONE, 0),
            ),
            ending("killed"): (
                (20, 0, 0),
                (20.5, 1, 0),
                (21, 3, 0),
                (21.5, 4, 0),
                (23, 5, 0),
                (END_MINUTE, GONE, 0),
            ),
            f"shriven_quarantined{{{SHARD},{RECORD_AT}}}": (
                (22, ABSENT, 0),
                (23, 1, 0),
                (END_MINUTE, GONE, 0),
            ),
            f"shriven_shard_quarantined{{{FACT},{RECORD_AT}}}": (
                (22.25, ABSENT, 0),
                (90, 1, 0),
                (END_MINUTE, GONE, 0),
            ),
            **shard_in("quarantined", 22.25, 90),
            STATE.replace("t0", "t1") % "running": ((90, ABSENT, 0), (END_MINUTE, 1, 0)),
            FEED.replace("t0", "t1"): ((90, ABSENT, 0), (END_MINUTE, 0, 60000)),
            **in_state("NO_MEMBERS", 23.5, 90),
        },
        (
            (19, ()),
            (23.25, ("ShardQuarantined", "TaskCrashLoop", "TaskRestarted")),
            (40, ("ConsumerWithoutMembers", "ShardQuarantined")),
            (85, ("ConsumerWithoutMembers", "ShardQuarantined")),
            (92, ()),
        ),
    ),
    Row(
        "F19",
        "the feed leaves a gap: the book is stale until its next snapshot",
        "Aggregation: book state",
        {f'shriven_book_stale{{{T},symbol="BTCUSDT"}}': during(20, 25, 1)},
        ((19, ()), (22, ("BookStale",)), (26, ())),
    ),
    Row(
        "F21, retention",
        "a consumer is so slow that retention overtakes it",
        "Lag: retention margin, state",
        {
            state("OK"): during(20, 50, 0, 1),
            state("FALLING_BEHIND"): during(20, 40, 1),
            state("DATA_LOSS"): during(40, 50, 1),
            MARGIN: (
                (20, RETENTION_SECONDS - 60, 0),
                (40, 100000, -5000),
                (50, GONE, 0),
                (END_MINUTE, RETENTION_SECONDS, 0),
            ),
            ending("offset_out_of_range"): stepping(40),
        },
        (
            (19, ()),
            (30, ("ConsumerFallingBehind", "RetentionMarginLow")),
            (41, ("ConsumerDataLoss", "TaskLostInput")),
            (55, ()),
        ),
    ),
    Row(
        "F21, recreated",
        "a topic is deleted and made anew under the task: the task halts",
        "Overview: endings by code, task state",
        {
            ending("topic_changed"): stepping(20),
            STATE % "running": during(20, 30, 0, 1),
            f"shriven_halted{{{SHARD}}}": during(20, 30, 1),
        },
        ((19, ()), (21, ("TaskHalted", "TaskLostInput")), (35, ())),
    ),
    Row(
        "F23, exporter",
        "the lag exporter is gone",
        "Overview: monitoring itself",
        {**all_gone(healthy(), LAG_TARGET, 20), f"up{{{W.lag}}}": during(20, 30, 0, 1)},
        ((19, ()), (21, ("LagExporterDown",)), (31, ())),
    ),
    Row(
        "F23, Alertmanager",
        "Alertmanager is gone; the dead-man's switch stops arriving outside",
        "Overview: monitoring itself",
        {'up{job="alertmanager",instance="a0"}': during(20, 30, 0, 1)},
        ((19, ()), (22, ("AlertmanagerDown",)), (31, ())),
    ),
)

ROWS: tuple[Row, ...] = (*FAULTS, *OTHERS, *SILENT)

HEAD = """\
# Faults and alerts

Generated from [`infra/prometheus/faults.py`](../../infra/prometheus/faults.py) by
`python -m infra.prometheus.generate`; edit that, not this.

Every row is run by `promtool` against the committed rules, moment by moment: the alerts named
fire, no other does, and they clear. The fault begins in minute 20. The dead-man's switch fires
always and is left out. Each alert's page says what to do: [runbooks](../runbooks).
"""


def page() -> str:
    """``docs/reference/faults.md``."""
    parts = [HEAD]
    sections = (
        ("Faults of the catalogue", FAULTS),
        ("Further alerts", OTHERS),
        ("What must stay silent", SILENT),
    )
    for title, rows in sections:
        lines = [
            f"## {title}",
            "",
            "| fault | what happens | alerts, by minute | where it is seen |",
            "|---|---|---|---|",
        ]
        for row in rows:
            moments = "; ".join(f"{minute:g}: {_names(alerts)}" for minute, alerts in row.moments)
            lines.append(f"| {row.fault} | {row.what} | {moments} | {row.seen} |")
        parts.append("\n".join(lines) + "\n")
    parts.append(_matrix())
    return "\n".join(parts)


def _names(alerts: tuple[str, ...]) -> str:
    return ", ".join(f"[{name}](../runbooks/{name}.md)" for name in alerts) or "none"


def _matrix() -> str:
    """Which fault fires which alert: the catalogue's section 9.7."""
    fired = {
        row.fault: {name for _, alerts in row.moments for name in alerts}
        for row in (*FAULTS, *SILENT)
    }
    columns = sorted({name for names in fired.values() for name in names})
    lines = [
        "## Matrix",
        "",
        "`+` fires and clears, empty: stays silent.",
        "",
        "| alert | " + " | ".join(fired) + " |",
        "|---" * (len(fired) + 1) + "|",
    ]
    for name in columns:
        lines.append(
            f"| {name} | "
            + " | ".join("+" if name in names else "" for names in fired.values())
            + " |"
        )
    return "\n".join(lines) + "\n"
