"""Consumer lag, as the exporter measures it for every group of the cluster."""

from __future__ import annotations

from infra.grafana.board import CONSUMERS, EVERYWHERE, GROUPS, Board, Row
from infra.grafana.boards.common import process_row
from infra.grafana.panels import (
    BLUE,
    GREEN,
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
NAMES = {
    place: (name, colour)
    for place, (name, colour) in enumerate(
        zip(STATES, (GREEN, BLUE, YELLOW, ORANGE, ORANGE, PURPLE, ORANGE, PURPLE, RED), strict=True)
    )
}
LIVE = f'{GROUPS},purpose="live"'
REPLAY = f'{GROUPS},purpose="replay"'
BY = "group, topic"
NAME = "{{group}} {{topic}}"

GLANCE = Row(
    "At a glance",
    (
        number(
            "Worst lag",
            "Age of the oldest unread record over the live groups chosen.",
            "s",
            f"max(shriven_consumer_lag_seconds{{{LIVE}}})",
            thresholds=((1, YELLOW), (at.LAG_SECONDS, RED)),
            nothing="unknown",
        ),
        number(
            "Records behind",
            "Committed records that the live groups have not read, in all. Markers and aborted "
            "records do not count in short lags.",
            "short",
            f"sum(shriven_consumer_lag_records{{{LIVE}}})",
        ),
        number(
            "Not OK",
            "Live groups and topics in a state other than OK and CATCHING_UP.",
            "none",
            f'count(shriven_consumer_state{{{LIVE},state!~"OK|CATCHING_UP"}} == 1) or vector(0)',
            thresholds=((1, ORANGE),),
        ),
        number(
            "Data lost",
            "Live groups and topics whose unread records are gone.",
            "none",
            f'count(shriven_consumer_state{{{LIVE},state="DATA_LOSS"}} == 1) or vector(0)',
            thresholds=((1, RED),),
        ),
        number(
            "Oldest open transaction",
            "It holds back every reader of committed records. Ours last milliseconds.",
            "s",
            f"max(shriven_open_transaction_age_seconds{{{EVERYWHERE}}})",
            thresholds=((1, YELLOW), (at.TRANSACTION_AGE_SECONDS, RED)),
        ),
        number(
            "Retention margin",
            "Least share of the retention time that is left before unread records go. "
            "RetentionMarginLow fires below 20 %.",
            "percentunit",
            f"min(shriven_consumer_retention_margin_seconds{{{LIVE}}} / on (environment, topic) "
            "group_left () shriven_topic_retention_seconds)",
            thresholds=((at.RETENTION_RATIO, GREEN),),
            low_is_bad=True,
            minimum=None,
            nothing="kept for ever",
        ),
    ),
)

MAIN = Row(
    "Groups",
    (
        states(
            "State",
            "Worst state of the group's partitions of each topic. What each means: docs/runbooks.",
            enumerated("shriven_consumer_state", LIVE, STATES, BY),
            NAME,
            NAMES,
            height=10,
        ),
        graph(
            "Lag in seconds",
            "Age of the record at the position; 0 when everything committed is read. No line: "
            "unknown, the reason is in the table below.",
            "s",
            (f"max by ({BY}) (shriven_consumer_lag_seconds{{{LIVE}}})", NAME),
            thresholds=((at.LAG_SECONDS, RED),),
            width=12,
            height=10,
        ),
        graph(
            "Lag in records",
            "Committed records not read.",
            "short",
            (f"sum by ({BY}) (shriven_consumer_lag_records{{{LIVE}}})", NAME),
            width=12,
        ),
        graph(
            "Read",
            "Offsets a second by which positions move.",
            "short",
            (
                f"sum by ({BY}) "
                f"(deriv(shriven_consumer_position_offset{{{LIVE}}}[$__rate_interval]))",
                NAME,
            ),
            width=6,
            minimum=None,
        ),
        graph(
            "Written",
            "Offsets a second by which the ends of topics move.",
            "short",
            (
                "sum by (topic) "
                f'(deriv(shriven_partition_last_stable_offset{{{EVERYWHERE},topic=~"$topic"}}[$__rate_interval]))',
                "{{topic}}",
            ),
            width=6,
            minimum=None,
        ),
        graph(
            "Caught up in",
            "Lag over what is read more than written. No line: the lag does not shrink.",
            "s",
            (f"max by ({BY}) (shriven_consumer_eta_drain_seconds{{{LIVE}}})", NAME),
        ),
        graph(
            "Retention margin",
            "Time until unread records may be removed.",
            "s",
            (f"min by ({BY}) (shriven_consumer_retention_margin_seconds{{{LIVE}}})", NAME),
            minimum=None,
        ),
        graph(
            "Members",
            "Members of the group; those of a task's group are the owners of its shard.",
            "none",
            (
                f'max by (group) (shriven_consumer_group_members{{{EVERYWHERE},group=~"$group"}})',
                "{{group}}",
            ),
        ),
    ),
)

TRANSACTIONS = Row(
    "Transactions",
    (
        graph(
            "Held back",
            "Offsets between the last stable offset and the high watermark: what open transactions "
            "keep from readers.",
            "short",
            (
                "sum by (topic) "
                f'(shriven_open_transaction_hold_records{{{EVERYWHERE},topic=~"$topic"}})',
                "{{topic}}",
            ),
            width=12,
        ),
        graph(
            "Oldest open transaction",
            "TransactionBlocked fires above 5 s.",
            "s",
            (
                "max by (topic) "
                f'(shriven_open_transaction_age_seconds{{{EVERYWHERE},topic=~"$topic"}})',
                "{{topic}}",
            ),
            thresholds=((at.TRANSACTION_AGE_SECONDS, RED),),
            width=12,
        ),
    ),
)

REPLAYS = Row(
    "Replays and backtests",
    (
        graph(
            "Progress",
            "Share of the present records that a replay group has read.",
            "percentunit",
            (f"min by ({BY}) (shriven_consumer_replay_progress_ratio{{{REPLAY}}})", NAME),
            nothing="no replay",
        ),
        graph(
            "Speed",
            "Seconds of log time read a second.",
            "none",
            (f"max by ({BY}) (shriven_consumer_replay_speed_ratio{{{REPLAY}}})", NAME),
            nothing="no replay",
        ),
        graph(
            "Replay caught up in",
            "When a replay reaches the present end.",
            "s",
            (f"max by ({BY}) (shriven_consumer_eta_drain_seconds{{{REPLAY}}})", NAME),
            nothing="no replay",
        ),
    ),
    folded=True,
)

TRUTH = Row(
    "Who, and what is not known",
    (
        rows(
            "Who owns what",
            "Owner of each partition, from the group or, for a task, from its topology's owners.",
            "none",
            "max by (group, topic, partition, member, host, job_version) "
            f"(shriven_consumer_member_info{{{GROUPS}}})",
            nothing="no members",
        ),
        rows(
            "Unknown",
            "Where lag in seconds is unknown, and why.",
            "none",
            f"max by (group, topic, partition, reason) (shriven_consumer_lag_unknown{{{GROUPS}}} "
            "== 1)",
            nothing="everything is known",
        ),
        graph(
            "Timestamps of the future",
            "Records met whose timestamp is ahead of our clock, in the interval.",
            "short",
            (
                "sum by (topic) "
                f'(increase(shriven_clock_skew_records_total{{{EVERYWHERE},topic=~"$topic"}}[$__rate_interval]))',
                "{{topic}}",
            ),
        ),
        rows(
            "What timestamps mean",
            "CreateTime: the producer's clock; LogAppendTime: the broker's.",
            "none",
            "max by (topic, timestamp_type) "
            f'(shriven_topic_timestamp_type_info{{{EVERYWHERE},topic=~"$topic"}})',
            width=8,
        ),
        graph(
            "First offset kept",
            "It moves when retention removes records.",
            "short",
            (
                "max by (topic) "
                f'(shriven_partition_log_start_offset{{{EVERYWHERE},topic=~"$topic"}})',
                "{{topic}}",
            ),
        ),
    ),
    folded=True,
)

LAG = Board(
    "shriven-lag",
    "Consumer lag",
    "Every consumer group of the cluster: how far behind in records and seconds, in which state, "
    "how long until caught up, how long until retention.",
    CONSUMERS,
    (GLANCE, MAIN, TRANSACTIONS, REPLAYS, TRUTH, process_row("lag")),
    "kafka",
)
