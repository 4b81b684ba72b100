"""Metrics of our processes: what is exposed is what is declared, and each event moves exactly the
series it should (MON-1, BUS-10).

Oracle: prometheus-client's own parser of the exposition text, and the declarations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from jobs.telemetry import document, metrics
from jobs.telemetry.task import MemberMetrics, ProcessMetrics, TaskMetrics, UnknownState

BATCH: dict[str, Any] = {
    "inputs": {"md.trades": 3, "md.depth": 4},
    "outputs": {"orders.requests": 1},
    "output_bytes": {"orders.requests": 60},
    "seconds": 0.004,
    "commit_seconds": 0.003,
    "sequence": 9,
}
T = (("shard", "1"), ("topology", "pipeline"))


def samples(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every series as Prometheus would read it, without bucket series and the process' own."""
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            if not sample.name.endswith("_bucket") and not sample.name.startswith("process_"):
                found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def moved(registry: CollectorRegistry, action: Callable[[], object]) -> dict[str, float]:
    """What an action changes: series, written ``name{label=value}`` without the task's labels ->
    new value (or -1: gone).
    """
    before = samples(registry)
    action()
    after = samples(registry)
    changed = {
        key: after.get(key, -1.0) for key in before | after if before.get(key) != after.get(key)
    }
    return {
        name + "".join(f"{{{k}={v}}}" for k, v in labels if (k, v) not in T): value
        for (name, labels), value in changed.items()
    }


TASK_EVENTS: list[tuple[Callable[[TaskMetrics], object], dict[str, float]]] = [
    (
        lambda task: task.batch(**BATCH),
        {
            "shriven_input_records_total{topic=md.trades}": 3,
            "shriven_input_records_total{topic=md.depth}": 4,
            "shriven_output_records_total{topic=orders.requests}": 1,
            "shriven_output_bytes_total{topic=orders.requests}": 60,
            "shriven_batches_total": 1,
            "shriven_batch_seconds_count": 1,
            "shriven_batch_seconds_sum": 0.004,
            "shriven_batch_records_count": 1,
            "shriven_batch_records_sum": 7,
            "shriven_commit_seconds_count": 1,
            "shriven_commit_seconds_sum": 0.003,
            "shriven_journal_sequence": 9,
        },
    ),
    (
        lambda task: task.tick_to_quote(0.25),
        {"shriven_tick_to_quote_seconds_count": 1, "shriven_tick_to_quote_seconds_sum": 0.25},
    ),
    (
        lambda task: task.tick_to_order(0.25),
        {"shriven_tick_to_order_seconds_count": 1, "shriven_tick_to_order_seconds_sum": 0.25},
    ),
    (
        lambda task: task.end_to_end(1.25, 1.0),
        {
            "shriven_end_to_end_seconds_count": 1,
            "shriven_end_to_end_seconds_sum": 1.25,
            "shriven_freshness_seconds_count": 1,
            "shriven_freshness_seconds_sum": 0.25,
        },
    ),
    (
        lambda task: task.end_to_end(-1, 0.0),
        {"shriven_end_to_end_seconds_count": 1, "shriven_freshness_seconds_count": 1},
    ),
    (
        lambda task: task.input("md.depth", 100, 5, 0.5),
        {
            "shriven_position{topic=md.depth}": 100,
            "shriven_input_lag_records{topic=md.depth}": 5,
            "shriven_input_lag_seconds{topic=md.depth}": 0.5,
        },
    ),
    (lambda task: task.event_time_lag(3.5), {"shriven_event_time_lag_seconds": 3.5}),
    (
        lambda task: task.dead_letters("malformed_record", 2),
        {"shriven_dead_letters_total{reason=malformed_record}": 2},
    ),
    (
        lambda task: task.recovered(1.5, 1000, 8),
        {
            "shriven_recoveries_total": 1,
            "shriven_recovery_seconds_count": 1,
            "shriven_recovery_seconds_sum": 1.5,
            "shriven_recovered_records_total": 1000,
            "shriven_journal_sequence": 8,
        },
    ),
    (
        lambda task: task.state("running"),
        {"shriven_task_state{state=starting}": 0, "shriven_task_state{state=running}": 1},
    ),
    (
        lambda task: task.snapshot(64, 0.1, 7),
        {
            "shriven_snapshot_bytes": 64,
            "shriven_snapshot_seconds": 0.1,
            "shriven_snapshot_sequence": 7,
        },
    ),
]


@pytest.mark.parametrize(("event", "expected"), TASK_EVENTS)
def test_an_event_of_a_task_moves_exactly_its_series(
    event: Callable[[TaskMetrics], object], expected: dict[str, float]
) -> None:
    registry = CollectorRegistry()
    task = TaskMetrics("pipeline", 1, registry)
    assert moved(registry, lambda: event(task)) == expected


MEMBER_EVENTS: list[tuple[Callable[[MemberMetrics], object], dict[str, float]]] = [
    (lambda member: member.owned(1, True), {"shriven_shard_owned": 1}),
    (lambda member: member.rebalanced(), {"shriven_rebalances_total": 1}),
    (lambda member: member.connected(True), {"shriven_members_connected": 1}),
    (lambda member: member.restarted(1), {"shriven_task_restarts_total": 1}),
    (lambda member: member.quarantined(1), {"shriven_quarantined{offset=}{partition=}{topic=}": 1}),
    (
        lambda member: member.quarantined(1, "md.depth", 1, 70),
        {"shriven_quarantined{offset=70}{partition=1}{topic=md.depth}": 1},
    ),
    (lambda member: member.halted(1), {"shriven_halted": 1}),
    (
        lambda member: member.ended(1, "fenced"),
        {"shriven_task_endings_total{code=fenced}": 1, "shriven_fenced_total": 1},
    ),
    (
        lambda member: member.ended(1, "outcome_unknown"),
        {
            "shriven_task_endings_total{code=outcome_unknown}": 1,
            "shriven_unknown_outcomes_total": 1,
        },
    ),
    (
        lambda member: member.ended(1, "diverged"),
        {"shriven_task_endings_total{code=diverged}": 1, "shriven_replay_divergence_total": 1},
    ),
    (
        lambda member: member.ended(1, "never_seen"),
        {"shriven_task_endings_total{code=never_seen}": 1},
    ),
]


@pytest.mark.parametrize("place", [(), ("md.depth", 1, 70)])
def test_a_shard_that_is_tried_again_is_as_it_was_before_it_was_given_up(place: Any) -> None:
    registry = CollectorRegistry()
    member = MemberMetrics("pipeline", 2, registry)

    def both() -> None:
        member.quarantined(1, *place)
        member.halted(1)
        member.tried_again(1)

    assert moved(registry, both) == {}


@pytest.mark.parametrize(("event", "expected"), MEMBER_EVENTS)
def test_an_event_of_a_member_moves_exactly_its_series(
    event: Callable[[MemberMetrics], object], expected: dict[str, float]
) -> None:
    registry = CollectorRegistry()
    member = MemberMetrics("pipeline", 2, registry)
    assert moved(registry, lambda: event(member)) == expected


def test_unknown_lag_is_absent_and_no_old_value() -> None:
    registry = CollectorRegistry()
    task = TaskMetrics("pipeline", 1, registry)
    task.input("md.depth", 100, 5, 0.5)
    expected = {
        "shriven_input_lag_records{topic=md.depth}": -1.0,
        "shriven_input_lag_seconds{topic=md.depth}": -1.0,
    }
    assert moved(registry, lambda: task.input("md.depth", 100, None, None)) == expected
    assert moved(registry, lambda: task.input("md.depth", 100, 0, 0.0)) == dict.fromkeys(
        expected, 0.0
    )


def test_a_state_that_is_not_declared_is_refused() -> None:
    with pytest.raises(UnknownState, match="states are starting"):
        TaskMetrics("pipeline", 0, CollectorRegistry()).state("rnning")


def test_what_is_exposed_is_what_is_declared() -> None:
    process = ProcessMetrics("1.0", "ab" * 32)
    process.error("defect")
    task = TaskMetrics("pipeline", 1, process.registry)
    member = MemberMetrics("pipeline", 2, process.registry)
    for event, _ in TASK_EVENTS:
        event(task)
    for change, _ in MEMBER_EVENTS:
        change(member)
    declared = {
        metric.name.removesuffix("_total"): metric
        for metric in (*metrics.PROCESS, *metrics.MEMBER, *metrics.TASK, *metrics.LIBRARY)
    }
    exposed = {
        family.name: family
        for family in text_string_to_metric_families(generate_latest(process.registry).decode())
    }
    assert set(exposed) == set(declared)
    for name, family in exposed.items():
        metric = declared[name]
        assert (family.type, family.documentation) == (metric.kind, metric.help) or name.startswith(
            "process_"
        ), name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample


def test_rare_events_have_a_series_before_they_happen() -> None:
    """A counter that appears with its first event has no increase: the alert on it would miss
    exactly that event.
    """
    registry = CollectorRegistry()
    MemberMetrics("pipeline", 2, registry)
    TaskMetrics("pipeline", 1, registry, inputs=["md.depth"], outputs=["fills"])
    found = samples(registry)
    for name in ("fenced", "unknown_outcomes", "replay_divergence", "task_restarts"):
        for shard in ("0", "1"):
            assert found[f"shriven_{name}_total", (("shard", shard), ("topology", "pipeline"))] == 0
    assert found["shriven_input_records_total", (T[0], ("topic", "md.depth"), T[1])] == 0
    assert found["shriven_output_records_total", (T[0], ("topic", "fills"), T[1])] == 0
    for reason in metrics.DEAD_LETTER_REASONS:
        assert found["shriven_dead_letters_total", (("reason", reason), *T)] == 0


def test_names_say_their_unit_and_no_two_tables_declare_one_name() -> None:
    every = [*metrics.OURS, *document.lag_metrics()]
    assert len({metric.name for metric in every}) == len(every)
    for metric in every:
        assert metric.name.startswith("shriven_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith("."), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
        assert list(metric.buckets) == sorted(set(metric.buckets)), metric.name
        for unit in ("seconds", "bytes", "ratio"):
            if metric.unit == unit:
                assert metric.name.removesuffix("_total").endswith(unit), metric.name


def test_the_page_of_metrics_is_the_generated_one() -> None:
    assert document.PATH.read_text(encoding="utf-8") == document.page(), (
        "run: python -m jobs.telemetry.document"
    )


def test_series_of_a_task_stay_within_a_budget() -> None:
    """Every catalogue topic as input and output, all reasons: what one shard costs a Prometheus."""
    from schemas.catalogue import TOPICS

    registry = CollectorRegistry()
    task = TaskMetrics("pipeline", 0, registry)
    counts = dict.fromkeys(TOPICS, 1)
    task.batch(
        inputs=counts,
        outputs=counts,
        output_bytes=counts,
        seconds=0.1,
        commit_seconds=0.1,
        sequence=1,
    )
    for topic in TOPICS:
        task.input(topic, 1, 1, 1.0)
    for event, _ in TASK_EVENTS:
        event(task)
    series = sum(
        len(family.samples)
        for family in text_string_to_metric_families(generate_latest(registry).decode())
    )
    assert series < 400
