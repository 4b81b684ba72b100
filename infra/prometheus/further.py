"""Rows besides the fault catalogue: alerts that no catalogue fault covers, and what must stay
silent (a quiet market, a planned replay, ...).
"""

from __future__ import annotations

from infra.prometheus.rows import Row
from infra.prometheus.script import (
    ABSENT,
    END_MINUTE,
    FEED,
    GONE,
    GROUP,
    LAG,
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
    constant,
    during,
    ending,
    growing,
    healthy,
    in_state,
    latency,
    shard_in,
    state,
    stepping,
)

CANARY = (
    'shriven_canary_%s_total{environment="e",job="canary",instance="c0",topology="pipeline",'
    'shard="0",witness="md.depth"}'
)

OTHERS: tuple[Row, ...] = (
    Row(
        "late",
        "a fifth of all batches is late for twenty minutes",
        "Overview: freshness",
        {
            f'shriven_freshness_seconds_bucket{{{T},le="{bound}"}}': (
                (20, 0, 400),
                (40, 8000, 200),
                (END_MINUTE, 12000, 400),
            )
            for bound in ("0.1", "0.5")
        },
        ((19, ()), (35, ("FreshnessBurnFast",)), (55, ("FreshnessBurnSlow",))),
    ),
    Row(
        "canary lost",
        "a shard stands still: the canary's ticks leave no trace",
        "Overview: canary",
        {
            CANARY % "sent": growing(12),
            CANARY % "lost": ((20, 0, 0), (25, 0, 12), (END_MINUTE, 60, 0)),
        },
        ((19, ()), (22, ("CanaryLost",)), (31, ())),
    ),
    Row(
        "canary twice",
        "a canary's tick is met a second time",
        "Overview: canary",
        {CANARY % "sent": growing(12), CANARY % "duplicates": stepping(20)},
        ((19, ()), (21, ("CanaryTwice",)), (85, ())),
    ),
    Row(
        "quiet behind a canary",
        "the feed stops, and the canary's ticks alone arrive",
        "Aggregation: records a second",
        {FEED: ((20, 0, 60000), (END_MINUTE, 1200000, 12)), CANARY % "seen": growing(12)},
        ((19, ()), (30, ("FeedQuiet",))),
    ),
    Row(
        "a little late",
        "eight in a hundred batches are late, for hours",
        "Overview: freshness",
        latency("shriven_freshness_seconds", 0.08),
        ((10, ()), (60, ("FreshnessBurnSlow",))),
    ),
    Row(
        "stalled",
        "a group stands still before records",
        "Lag: state",
        in_state("STALLED", 20, 30),
        ((19, ()), (22, ("ConsumerStalled",)), (31, ())),
    ),
    Row(
        "holiday, and stalled",
        "the market is closed and a group stands still all the same",
        "Lag: state",
        {
            **in_state("STOPPED", 20, 30),
            f'shriven_expected_quiet{{{W.lag},market="binance"}}': constant(1),
        },
        ((19, ()), (22, ("ConsumerStalled",)), (31, ())),
    ),
    Row(
        "abandoned",
        "a group has records to read and no members",
        "Lag: members",
        in_state("NO_MEMBERS", 20, 30),
        ((19, ()), (22, ("ConsumerWithoutMembers",)), (31, ())),
    ),
    Row(
        "rewound",
        "a group's position goes back",
        "Lag: position",
        in_state("REWOUND", 20, 22),
        ((19, ()), (21, ("ConsumerRewound",)), (23, ())),
    ),
    Row(
        "all members killed",
        "every process of a topology is gone at once",
        "Overview: owners by shard",
        {
            **all_gone(healthy(), MEMBER_TARGET, 20),
            **all_gone(healthy(), TASK_TARGET, 20),
            f"up{{{W.member.split(',topology')[0]}}}": during(20, 90, 0, 1),
            **shard_in("no_owner", 20, END_MINUTE),
        },
        (
            (19, ()),
            (20.75, ("ShardWithoutOwner",)),
            (22, ("ProcessDown", "ShardWithoutOwner")),
            (110, ("ShardWithoutOwner",)),
        ),
    ),
    Row(
        "halted",
        "a stage raised: the task halts",
        "Overview: task state",
        {STATE % "running": during(20, 30, 0, 1), f"shriven_halted{{{SHARD}}}": during(20, 30, 1)},
        ((19, ()), (21, ("TaskHalted",)), (31, ())),
    ),
    Row(
        "standby halted",
        "a standby executes something else than its leader, and ends; the leader goes on",
        "Overview: standbys",
        {f"shriven_standby_halted{{{SHARD}}}": during(20, 30, 1)},
        ((19, ()), (21, ("StandbyHalted",)), (31, ())),
    ),
    Row(
        "long recovery",
        "recovery takes three minutes",
        "Overview: task state, recovery time",
        {STATE % "running": during(20, 23, 0, 1), STATE % "recovering": during(20, 23, 1)},
        ((19, ()), (22, ("RecoverySlow",)), (24, ())),
    ),
    Row(
        "kill switch",
        "an operator has thrown the kill switch, and a strategy goes on asking",
        "Risk: denials by code",
        {f'shriven_decisions_total{{{T},outcome="DENIED",code="KILL_SWITCH"}}': stepping(20, 20.5)},
        ((19, ()), (21, ("KillSwitchDenials",)), (30, ())),
    ),
    Row(
        "in doubt",
        "the venue's answer to an order is missing",
        "Routing: order states",
        {f'shriven_order_events_total{{{T},status="IN_DOUBT"}}': stepping(20)},
        ((19, ()), (21, ("OrderInDoubt",)), (35, ())),
    ),
    Row(
        "drawdown",
        "an account loses a tenth",
        "Portfolio: drawdown",
        {f'shriven_account_drawdown_ratio{{{T},account="1"}}': during(20, 30, 0.12, 0.01)},
        ((19, ()), (21, ("DrawdownHigh",)), (31, ())),
    ),
    Row(
        "no feed",
        "market data stops in open hours",
        "Aggregation: input",
        {FEED: ((20, 0, 60000), (35, 1200000, 0), (END_MINUTE, 1200000, 60000))},
        ((19, ()), (27, ("FeedQuiet",)), (37, ())),
    ),
    Row(
        "broken rules",
        "a rule group fails to evaluate",
        "Prometheus' own page",
        {
            'prometheus_rule_evaluation_failures_total{job="prometheus",rule_group="shriven-lag"}': stepping(
                20
            )
        },
        ((19, ()), (21, ("RuleEvaluationFailing",)), (30, ())),
    ),
    Row(
        "no rights",
        "the lag exporter's user may not see the groups any more",
        "Lag: groups",
        {
            f'shriven_lag_exporter_unread_total{{{W.lag},cause="not_authorized"}}': (
                (20, 0, 0),
                (30, 0, 12),
                (END_MINUTE, 120, 0),
            ),
            f"shriven_lag_exporter_groups{{{W.lag}}}": during(20, 30, 0, 3),
        },
        ((19, ()), (23, ("LagExporterBlind",)), (37, ())),
    ),
    Row(
        "never started",
        "no lag exporter was ever there",
        "Overview: monitoring itself",
        {},
        ((5, ("LagExporterDown",)),),
        without=(LAG_TARGET,),
    ),
)



def _few_late(count: int) -> Series:
    """A topology's first batches, all of them late."""
    late = ((20, ABSENT, 0), (21, 0, count), (END_MINUTE, count, 0))
    none = ((20, ABSENT, 0), (END_MINUTE, 0, 0))
    bucket = f'shriven_freshness_seconds_bucket{{{T},le="%s"}}'
    return {
        **{bucket % bound: none for bound in ("0.1", "0.5")},
        **{bucket % bound: late for bound in ("2.0", "+Inf")},
        f"shriven_freshness_seconds_count{{{T}}}": late,
    }


REPLAY = GROUP.replace("pipeline.0", "replay.1").replace('purpose="live"', 'purpose="replay"')
SILENT: tuple[Row, ...] = (
    Row("healthy", "nothing happens", "", {}, ((5, ()), (30, ()))),
    Row(
        "quiet market",
        "the market is closed: no data, stale books, caught-up groups",
        "Aggregation: expected quiet",
        {
            FEED: ((20, 0, 60000), (END_MINUTE, 1200000, 0)),
            f'shriven_book_stale{{{T},symbol="BTCUSDT"}}': during(20, END_MINUTE, 1),
            f'shriven_expected_quiet{{{W.lag},market="binance"}}': during(20, END_MINUTE, 1),
            LAG: during(20, END_MINUTE, 0, 5),
            MARGIN: ((20, RETENTION_SECONDS - 60, 0), (END_MINUTE, 1000, -60)),
            **latency("shriven_freshness_seconds", 0, 0),
        },
        ((19, ()), (30, ()), (45, ())),
    ),
    Row(
        "planned replay",
        "a replay group reads a day from its start, with pauses, and is deleted",
        "Lag: replay progress",
        {
            f'shriven_consumer_lag_records{{{REPLAY},partition="0",isolation="read_committed"}}': (
                (20, ABSENT, 0),
                (60, 5e6, -1e5),
                (END_MINUTE, GONE, 0),
            ),
            f'shriven_consumer_retention_margin_seconds{{{REPLAY},partition="0"}}': (
                (20, ABSENT, 0),
                (60, 3600, -60),
                (END_MINUTE, GONE, 0),
            ),
            state("CATCHING_UP", REPLAY): (
                (20, ABSENT, 0),
                (30, 1, 0),
                (60, 0, 0),
                (END_MINUTE, GONE, 0),
            ),
            state("STALLED", REPLAY): (
                (20, ABSENT, 0),
                (30, 0, 0),
                (40, 1, 0),
                (60, 0, 0),
                (END_MINUTE, GONE, 0),
            ),
            state("REWOUND", REPLAY): (
                (20, ABSENT, 0),
                (40, 0, 0),
                (45, 1, 0),
                (60, 0, 0),
                (END_MINUTE, GONE, 0),
            ),
            state("NO_MEMBERS", REPLAY): (
                (20, ABSENT, 0),
                (45, 0, 0),
                (55, 1, 0),
                (60, 0, 0),
                (END_MINUTE, GONE, 0),
            ),
            state("DATA_LOSS", REPLAY): (
                (20, ABSENT, 0),
                (55, 0, 0),
                (60, 1, 0),
                (END_MINUTE, GONE, 0),
            ),
        },
        ((19, ()), (25, ()), (35, ()), (43, ()), (50, ()), (58, ()), (62, ())),
    ),
    Row(
        "deploy",
        "members are replaced one after the other: drained, counters begin at 0 again",
        "Overview: annotations",
        {
            **all_gone(healthy(), MEMBER_TARGET, 20),
            f"shriven_shard_owned{{{SECOND}}}": ((20, ABSENT, 0), (END_MINUTE, 1, 0)),
            f"shriven_members_connected{{{W.member.replace('m0', 'm1')}}}": (
                (20, ABSENT, 0),
                (END_MINUTE, 1, 0),
            ),
            f"shriven_task_restarts_total{{{SECOND}}}": ((20, ABSENT, 0), (END_MINUTE, 0, 0)),
            ending("drained").replace("m0", "m1"): ((20, ABSENT, 0), (END_MINUTE, 1, 0)),
            FEED: ((20, 5e8, 60000), (END_MINUTE, 0, 60000)),
        },
        ((19, ()), (20.5, ()), (21, ()), (30, ())),
    ),
    Row(
        "drained for an hour",
        "a topology is stopped: it drains, and stays down while records wait for it",
        "Overview: shards",
        {
            **all_gone(healthy(), MEMBER_TARGET, 20),
            **all_gone(healthy(), TASK_TARGET, 20),
            **shard_in("drained", 20, 80),
            **in_state("NO_MEMBERS", 21, 80),
            LAG: ((20, 5, 0), (80, 5, 60000), (END_MINUTE, 5, 0)),
        },
        ((19, ()), (20.75, ()), (25, ()), (60, ())),
    ),
    Row(
        "ended for good",
        "a topology is closed: its groups and its shards are no longer told of",
        "Overview: shards",
        {
            **all_gone(healthy(), MEMBER_TARGET, 20),
            **all_gone(healthy(), TASK_TARGET, 20),
            **{
                name: ((20, phases[0][1], 0), (END_MINUTE, GONE, 0))
                for name, phases in healthy().items()
                if "shriven_consumer" in name
            },
            **{
                name: ((20, phases[0][1], 0), (END_MINUTE, GONE, 0))
                for name, phases in healthy().items()
                if "shriven_shard_state" in name
            },
        },
        ((19, ()), (20.75, ()), (25, ()), (60, ())),
    ),
    Row(
        "catching up",
        "a consumer was away for a minute and works off its backlog",
        "Lag: CATCHING_UP, estimate",
        {
            **in_state("CATCHING_UP", 20, 60),
            LAG: ((20, 5, 0), (60, 1e6, -25000), (END_MINUTE, 5, 0)),
        },
        ((19, ()), (30, ()), (59, ())),
    ),
    Row(
        "late start",
        "the first fourteen batches of a topology, all late, and no more",
        "Overview: freshness",
        _few_late(14),
        ((21, ()), (24, ()), (40, ())),
    ),
    Row(
        "fed at once",
        "a recording of 50,580 records is read within seconds: its feed is quiet after five "
        "minutes, not at once",
        "Aggregation: records a second",
        {
            FEED: ((20, ABSENT, 0), (END_MINUTE, 50580, 0)),
            f'shriven_expected_quiet{{{W.lag},market="binance"}}': during(24, END_MINUTE, 1),
        },
        ((21, ()), (23.5, ()), (40, ())),
    ),
    Row(
        "one late batch",
        "one batch in a thousand is late",
        "Overview: freshness",
        latency("shriven_freshness_seconds", 0.001),
        ((30, ()),),
    ),
)
