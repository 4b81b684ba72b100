"""Members that claim their topology before they run, several at once on a fresh environment, with
records between the claims that are none.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from jobs.live.topic_ownership import TOPIC, claim, open_claims, read_claims
from jobs.live.topology_status import begun_id
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES
from streams.runtime.journal.journal import decode_entry
from streams.runtime.live.spec import TaskSpec
from tests.simulation.broken_claims import CLAIMS
from tests.simulation.broker import SimulatedBroker
from tests.simulation.checker import Violation
from tests.simulation.clock import SECOND
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Network
from tests.simulation.process import Process
from tests.simulation.stand_in import OUTPUTS, SCHEMA_ID
from tests.simulation.subjects import LiveSubject
from tests.simulation.world import Feed

CLUSTER = Cluster(bootstrap="simulated:0")
GARBAGE = (b"", b"garbage", b"\0\0\0\0\x07", b"\0\0\0\0\x07\xff\xff\xff\xff", b"\x02" * 40)


class ClaimingSubject(LiveSubject):
    """The runner over the stand-in execution, each process behind a claim: two or three members
    start together on an empty environment.
    """

    together = 3

    def __init__(self, mutation: str = "") -> None:
        super().__init__(mutation)
        self.others = [*self.others, (TOPIC, 0)]

    def feed(self, source: random.Random) -> list[Feed]:
        """Garbage among the claims, before and while members start."""
        waits = [int(source.choice((0, 0.05)) * SECOND) for _ in range(source.randint(0, 3))]
        garbage = [Feed(wait, (TOPIC, 0), [source.choice(GARBAGE)], "plain", 0) for wait in waits]
        return [*garbage, *super().feed(source)]

    def specified(self, process: Process, log: SimulatedLog) -> TaskSpec:
        """With the journal id of the topology's claim, part of the identity, as
        ``jobs.live.deployment.prepared`` has it.
        """
        claiming: Callable[..., int] = CLAIMS.get(self.mutation, claim)
        claimed = claiming(log, CLUSTER, "pipeline", list(OUTPUTS), 1, SCHEMA_ID)
        spec = super().specified(process, log)
        number = begun_id(log, CLUSTER, "pipeline", 1, claimed)
        facts = {
            **spec.facts,
            "journal_id": number,
            "identity": {"subject": "stand-in", "journal_id": number},
        }
        return msgspec.structs.replace(spec, facts=facts)

    def judge(self, broker: SimulatedBroker) -> list[Violation]:
        """The journal's id is the first claim's, whoever wrote its first record."""
        log = SimulatedLog(broker, Network(broker.clock))
        claims = open_claims(read_claims(log, CLUSTER))
        first = next(
            (record.value for record in broker.committed(*self.journal) if record.value), None
        )
        if first is None:
            return []
        found = decode_entry(first[HEADER_BYTES:]).facts["journal_id"]
        if found != claims["pipeline"][0]:
            return [
                Violation(
                    "split-claim",
                    f"the journal's id is {found}, the topology's first claim lies at offset "
                    f"{claims['pipeline'][0]}",
                )
            ]
        return []
