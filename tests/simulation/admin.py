"""The simulated brokers' facts, behind the runner's protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streams.log.kafka.transport import Partition, TopicFacts
from tests.simulation.broker import SimulatedBroker
from tests.simulation.network import Network


class SimulatedAdmin:
    """Implements ``transport.Admin``."""

    def __init__(self, broker: SimulatedBroker, network: Network) -> None:
        self.broker = broker
        self.network = network

    def describe(self, topics: Sequence[str]) -> Mapping[str, TopicFacts]:
        """Facts of the topics that exist."""
        self.network.before("describe")
        facts = self.broker.describe(topics)
        self.network.after("describe")
        return facts

    def trim(self, partition: Partition, before: int) -> None:
        """Delete the records before this offset."""
        self.network.before("trim")
        self.broker.delete_records(partition, before)

    def open_ranges(self, partitions: Sequence[Partition]) -> Mapping[Partition, tuple[int, int]]:
        """Where a transaction is open."""
        self.network.before("open ranges")
        self.broker.settle()
        held = {key: self.broker.partition(key) for key in partitions}
        self.network.after("open ranges")
        return {
            key: (each.last_stable_offset, each.end)
            for key, each in held.items()
            if each.last_stable_offset < each.end
        }
