"""The exporter through a broker that is killed and comes back (F4, F5): nothing invented meanwhile,
the truth again after.

Oracle: the group's position and the records that the test itself wrote.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lag_cases import LagCase, wait_for
from prometheus_client import CollectorRegistry

from infra.kafka.broker import Broker
from jobs.lag.exporter import LagExporter
from jobs.lag.quiet import Calendar
from streams.log.kafka.cluster import Cluster

pytestmark = pytest.mark.broker


def test_a_killed_broker_makes_values_absent_and_a_restarted_one_brings_them_back(
    own_broker: Callable[..., Broker],
) -> None:
    broker = own_broker()
    broker.start()
    case = LagCase(Cluster(bootstrap=broker.bootstrap))
    case.transaction(8)
    case.read(5)
    exporter = LagExporter(case.watch(request_seconds=2.0), 0.3, Calendar())
    registry = CollectorRegistry(auto_describe=False)
    registry.register(exporter)

    def lag() -> float | None:
        place = {
            "environment": "local",
            "group": case.group(),
            "topic": case.topic,
            "partition": "0",
        }
        labels = {**place, "purpose": "live", "isolation": "read_committed"}
        return registry.get_sample_value("shriven_consumer_lag_records", labels)

    def is_up() -> float | None:
        return registry.get_sample_value("shriven_lag_exporter_up", {"environment": "local"})

    exporter.start()
    try:
        wait_for(lambda: lag() == 3, "three records behind")
        broker.kill()
        wait_for(
            lambda: is_up() == 0 and lag() is None, "values are absent while the broker is away"
        )
        wait_for(
            lambda: registry.get_sample_value(
                "shriven_lag_exporter_errors_total", {"cause": "broker_unreachable"}
            ),
            "the cause is counted",
        )
        assert "does not answer" in exporter.problem
        broker.start()
        wait_for(lambda: is_up() == 1 and lag() == 3, "the truth is back")
        case.transaction(2, name="after")
        wait_for(lambda: lag() == 5, "and goes on")
    finally:
        exporter.stop()
