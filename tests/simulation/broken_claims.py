"""Claims of a topology, broken on purpose; ``mutations.py`` says what each is, and by what it must
be caught.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobs.live import topic_ownership
from schemas.errors import CorruptLog
from schemas.records import ClaimedTopic, TopologyClaim
from schemas.vocabulary import ClaimKind


def _own_claim(
    log: Any, cluster: Any, topology: str, topics: Any, shards: int, schema_id: int
) -> int:
    mine = topic_ownership.open_claims(topic_ownership.read_claims(log, cluster)).get(topology)
    if mine is not None:
        return mine[0]
    owned = [ClaimedTopic(name) for name in topics]
    claim = TopologyClaim(
        topology, int(ClaimKind.CLAIM), -1, "", owned, shards, "simulated"
    )
    return topic_ownership._append(log, cluster, schema_id, claim)


def _garbage_raises(log: Any, cluster: Any, *arguments: Any) -> int:
    claimed = topic_ownership.claim(log, cluster, *arguments)
    found: list[str] = []
    topic_ownership.read_claims(log, cluster, found.append)
    if found:
        raise CorruptLog(found[0])
    return claimed


CLAIMS: dict[str, Callable[..., int]] = {
    "own-claim-believed": _own_claim,
    "garbage-claim-raises": _garbage_raises,
}
