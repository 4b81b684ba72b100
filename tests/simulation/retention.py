"""How far retention may go: what no recovery needs any more."""

from __future__ import annotations

from collections.abc import Sequence

from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import Partition
from streams.runtime.journal.journal import decode_entry
from streams.runtime.live.snapshots import read_snapshots
from tests.simulation.broker import SimulatedBroker
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Network


def deletable(
    broker: SimulatedBroker, journal: Partition, snapshots: Partition, inputs: Sequence[Partition]
) -> dict[Partition, int]:
    """Input positions of the last snapshot that its journal record vouches for; nothing if there is
    none.
    """
    reader = SimulatedLog(broker, Network(broker.clock)).reader("")
    for snapshot in read_snapshots(reader, snapshots):
        record = broker.at(journal, snapshot.journal_offset)
        if record is None or record.value is None or record not in broker.committed(*journal):
            continue
        entry = decode_entry(record.value[HEADER_BYTES:])
        if snapshot.belongs_to(entry):
            return {key: place[0] for key, place in zip(inputs, snapshot.feeds, strict=True)}
    return {}
