"""Scripted series for ``promtool test rules``: a healthy minute-by-minute world, and how a fault
changes it.

Time is in minutes from the start; a sample every 15 s. A series is a list of phases (until minute,
value, growth a minute); ``GONE`` is a series that its target no longer exposes (Prometheus writes a
stale marker then).
"""

from __future__ import annotations

from typing import NamedTuple

INTERVAL_SECONDS = 15
END_MINUTE = 120
GONE = "gone"
ABSENT = "absent"
"""A series that is not there yet."""

Phase = tuple[float, float | str, float]
Series = dict[str, tuple[Phase, ...]]


def values(phases: tuple[Phase, ...]) -> str:
    """promtool's notation of the phases, one value a sample."""
    words: list[str] = []
    step = INTERVAL_SECONDS / 60
    minute = 0.0
    for until, value, growth in phases:
        count = round((until - minute) / step)
        minute = until
        if count <= 0:
            continue
        if value == GONE:
            words += ["stale", f"_x{count - 1}"] if count > 1 else ["stale"]
        elif value == ABSENT:
            words.append(f"_x{count}")
        else:
            words.append(f"{value:g}{growth * step:+g}x{count - 1}")
    return " ".join(words)


def constant(value: float) -> tuple[Phase, ...]:
    """The same value throughout."""
    return ((END_MINUTE, value, 0),)


def growing(a_minute: float) -> tuple[Phase, ...]:
    """A counter that grows evenly throughout."""
    return ((END_MINUTE, 0, a_minute),)


def during(first: float, last: float, value: float, otherwise: float = 0) -> tuple[Phase, ...]:
    """``value`` from ``first`` to ``last``, else ``otherwise``."""
    return ((first, otherwise, 0), (last, value, 0), (END_MINUTE, otherwise, 0))


def stepping(*minutes: float, by: float = 1, start: float = 0) -> tuple[Phase, ...]:
    """A counter that grows by ``by`` at each of ``minutes``."""
    phases: list[Phase] = []
    value = start
    for minute in minutes:
        phases.append((minute, value, 0))
        value += by
    return (*phases, (END_MINUTE, value, 0))


class World(NamedTuple):
    """The healthy world's label sets."""

    member: str = 'environment="e",job="member",instance="m0",topology="pipeline"'
    task: str = 'environment="e",job="task",instance="t0",topology="pipeline",shard="0"'
    lag: str = 'environment="e",job="lag",instance="l0"'


W = World()
SHARD = f'{W.member},shard="0"'
GROUP = f'{W.lag},group="pipeline.0",topic="md.depth",purpose="live"'


T = W.task
TASK_TARGET = 'instance="t0"'
MEMBER_TARGET = 'instance="m0"'
LAG_TARGET = 'instance="l0"'
SECOND = SHARD.replace("m0", "m1")
STATE = f'shriven_task_state{{{T},state="%s"}}'
"""% the state."""


def state(name: str, group: str = GROUP) -> str:
    """The series of one lag state of a group."""
    return f'shriven_consumer_state{{{group},state="{name}"}}'


LAG_STATES = (
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
SHARD_STATES = ("running", "recovering", "frozen", "halted", "quarantined", "drained", "no_owner")
FACT = f'{W.lag},topology="pipeline",shard="0"'
"""Labels of what the lag exporter says of a shard."""
TASK_STATES = ("starting", "recovering", "standby", "running", "draining")
FEED = f'shriven_input_records_total{{{W.task},topic="md.depth"}}'
MARGIN = f'shriven_consumer_retention_margin_seconds{{{GROUP},partition="0"}}'
LAG = f'shriven_consumer_lag_records{{{GROUP},partition="0",isolation="read_committed"}}'
RETENTION_SECONDS = 604800


def latency(metric: str, share_late: float, a_minute: float = 400) -> Series:
    """Histogram series of which a share lies above 500 ms (and none above 2 s)."""
    early = a_minute * (1 - share_late)
    rates = {"0.1": early, "0.5": early, "2.0": a_minute, "+Inf": a_minute}
    found: Series = {
        f'{metric}_bucket{{{W.task},le="{bound}"}}': growing(rate) for bound, rate in rates.items()
    }
    found[f"{metric}_count{{{W.task}}}"] = growing(a_minute)
    return found


def ending(code: str) -> str:
    """The series of endings of children by this code."""
    return f'shriven_task_endings_total{{{SHARD},code="{code}"}}'


def healthy() -> Series:
    """Everything as it should be."""
    series: Series = {
        f"up{{{W.lag}}}": constant(1),
        f"up{{{W.task.split(',topology')[0]}}}": constant(1),
        f"up{{{W.member.split(',topology')[0]}}}": constant(1),
        'up{job="alertmanager",instance="a0"}': constant(1),
        'prometheus_rule_evaluation_failures_total{job="prometheus",rule_group="shriven-lag"}': constant(
            0
        ),
        f"shriven_lag_exporter_up{{{W.lag}}}": constant(1),
        f"shriven_lag_exporter_last_success_timestamp_seconds{{{W.lag}}}": growing(60),
        f"process_start_time_seconds{{{W.task.split(',topology')[0]}}}": constant(-100000),
        f"shriven_shard_owned{{{SHARD}}}": constant(1),
        f"shriven_members_connected{{{W.member}}}": constant(1),
        f"shriven_rebalances_total{{{W.member}}}": constant(1),
        f"shriven_quarantined{{{SHARD}}}": constant(0),
        f"shriven_halted{{{SHARD}}}": constant(0),
        FEED: growing(60000),
        LAG: constant(5),
        MARGIN: constant(RETENTION_SECONDS - 60),
        f'shriven_topic_retention_seconds{{{W.lag},topic="md.depth"}}': constant(RETENTION_SECONDS),
        f'shriven_open_transaction_age_seconds{{{W.lag},topic="md.depth",partition="0"}}': constant(
            0
        ),
        f'shriven_expected_quiet{{{W.lag},market="binance"}}': constant(0),
        f'shriven_book_stale{{{W.task},symbol="BTCUSDT"}}': constant(0),
        f'shriven_account_drawdown_ratio{{{W.task},account="1"}}': constant(0.01),
        f'shriven_clock_skew_records_total{{{W.lag},topic="md.depth"}}': constant(0),
        f'shriven_decisions_total{{{W.task},outcome="DENIED",code="KILL_SWITCH"}}': constant(0),
        f'shriven_order_events_total{{{W.task},status="IN_DOUBT"}}': constant(0),
        f'shriven_dead_letters_total{{{W.task},reason="malformed_record"}}': constant(0),
        f'shriven_registry_errors_total{{{W.member},cause="unreachable"}}': constant(0),
        f"shriven_snapshots_rejected_total{{{W.task}}}": constant(0),
        f"shriven_input_clock_skew_records_total{{{W.task}}}": constant(0),
        **latency("shriven_freshness_seconds", 0),
        **latency("shriven_commit_seconds", 0),
    }
    for name in ("fenced", "task_restarts", "unknown_outcomes", "replay_divergence"):
        series[f"shriven_{name}_total{{{SHARD}}}"] = constant(0)
    for code in (
        "drained",
        "killed",
        "fenced",
        "transport_failed",
        "offset_out_of_range",
        "topic_changed",
    ):
        series[ending(code)] = constant(0)
    for name in LAG_STATES:
        series[state(name)] = constant(name == "OK")
    for name in SHARD_STATES:
        series[f'shriven_shard_state{{{FACT},state="{name}"}}'] = constant(name == "running")
    series[f'shriven_consumer_group_info{{{FACT},group="pipeline.0"}}'] = constant(1)
    series[f"shriven_lag_exporter_groups{{{W.lag}}}"] = constant(3)
    series[f'shriven_lag_exporter_unread_total{{{W.lag},cause="not_authorized"}}'] = constant(0)
    for name in TASK_STATES:
        series[f'shriven_task_state{{{W.task},state="{name}"}}'] = constant(name == "running")
    return series


def all_gone(series: Series, labels: str, minute: float) -> Series:
    """Every series of a target that ends at ``minute``."""
    return {
        name: ((minute, phases[0][1], phases[0][2]), (END_MINUTE, GONE, 0))
        for name, phases in series.items()
        if labels in name
    }


def shard_in(name: str, first: float, last: float) -> Series:
    """The shard is in a state, by the facts on the cluster, from ``first`` to ``last``; running
    otherwise.
    """
    return {
        f'shriven_shard_state{{{FACT},state="running"}}': during(first, last, 0, 1),
        f'shriven_shard_state{{{FACT},state="{name}"}}': during(first, last, 1),
    }


def in_state(name: str, first: float, last: float, group: str = GROUP) -> Series:
    """A group is in a lag state from ``first`` to ``last``, OK otherwise."""
    return {
        state("OK", group): during(first, last, 0, 1),
        state(name, group): during(first, last, 1),
    }
