"""What a shard's process tells of itself between batches."""

from __future__ import annotations

from typing import Any

from jobs.live.deployment import Deployment
from streams.runtime.live.spec import BatchFacts, Observer


class Telling(Observer):
    """Observer of one task.

    Args:
        deployment: the job.
        shard: which.
    """

    def __init__(self, deployment: Deployment, shard: int) -> None:
        self.deployment = deployment
        self.shard = shard
        self.repeated = 0
        self.port = 0

    def step(self, name: str) -> None:
        """A step of the batch loop was done."""

    def state(self, name: str) -> None:
        """The task is in another state."""

    def committed(self, facts: BatchFacts) -> None:
        """A batch was committed."""

    def recovered(self, batches: int, seconds: float) -> None:
        """The state was rebuilt."""
        self.repeated = batches

    def positions(self, task: Any) -> None:
        """Called between batches."""

    def close(self) -> None:
        """Take down what was put up."""
