"""The rehearsal runs what a shard's process will run: batches, and a state taken up. Oracle: the
state it was taken from.
"""

from __future__ import annotations

from typing import Any

import pytest

from jobs.configuration import Configuration
from jobs.live.deployment import Deployment, published
from jobs.live.rehearsal import rehearse
from streams.log.kafka.cluster import Cluster
from streams.runtime.recovery.execution import Execution


def test_a_rehearsal_takes_a_state_up_as_a_shards_next_owner_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found on a new machine: the kernels of that were compiled in the forks of the first member
    that joined, 37 s of a shard that stood still.
    """
    taken: list[tuple[dict[str, bytes], dict[str, bytes]]] = []
    restore = Execution.restore

    def noted(self: Execution, instruments: Any, states: dict[str, bytes], *more: Any) -> None:
        restore(self, instruments, states, *more)
        taken.append((states, self.stage_states()))

    monkeypatch.setattr(Execution, "restore", noted)
    deployment = Deployment(
        job="pipeline",
        topology="pipeline",
        configuration=Configuration(strategy="ema-cross"),
        cluster=Cluster(bootstrap="nowhere:1"),
    )
    outputs = deployment.outputs()
    deployment.publish = published(outputs, "orders", "pipeline")
    rehearse(deployment, outputs)
    ((given, found),) = taken
    assert given == found
    assert len(given) > 5
