"""A journal that another version began, or that began as another topology, is not gone on with
(D2).

Oracle: the facts that the test changed, which the message must name; and
``streams/runtime/journal/made_by.py`` for the words.
"""

from __future__ import annotations

from typing import Any

import pytest

from streams.runtime.failures import OtherIdentity
from streams.runtime.journal.made_by import OtherVersion
from streams.runtime.live.evidence import LiveEvidence
from streams.runtime.verify.verify import Verifier
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Network
from tests.simulation.single import Stage
from tests.simulation.stand_in import make_stand_in


def test_a_topology_of_the_version_before_is_refused_in_the_same_words() -> None:
    stage = Stage()
    first = stage.task()
    first.log.spec.facts.pop("version")  # as that version wrote its genesis records
    first.prepare()
    words = "was made by version 0.1.0, verify with it"
    with pytest.raises(OtherVersion, match=words):
        stage.task().prepare()
    with pytest.raises(OtherVersion, match=words):
        stage.task().follow(0.1)
    log = SimulatedLog(stage.broker, Network(stage.clock))
    evidence = LiveEvidence(
        log,
        lambda _: stage.subject.spec(),
        lambda _: make_stand_in,
        lambda _: {},
        stage.subject.journal,
    )
    with pytest.raises(OtherVersion, match=words):
        Verifier(evidence).verify()


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        (
            {"cash": "1000USDT"},
            {"cash": "500USDT"},
            r"cash was '1000USDT', now '500USDT' \(--cash\)",
        ),
        ({"strategy": "a.py@1111"}, {"strategy": "a.py@2222"}, r"\(the file a.py was edited\)"),
        (
            {"parameters": {"fast": "5", "slow": "9"}},
            {"parameters": {"fast": "3", "slow": "9"}},
            r"parameters was \{'fast': '5'\}, now \{'fast': '3'\} \(--set\)",
        ),
    ],
)
def test_what_a_topology_began_with_stays_after_a_drain_and_the_error_says_so(
    before: dict[str, Any], now: dict[str, Any], says: str
) -> None:
    stage = Stage()
    stage.feed(10)
    task = stage.task()
    task.log.spec.facts["identity"] = before
    task.prepare()
    task.step(1.0)
    task.drain()
    other = stage.task()
    other.log.spec.facts["identity"] = now
    with pytest.raises(OtherIdentity, match=says) as caught:
        other.prepare()
    assert "--out" not in caught.value.text
    assert "--fresh" not in caught.value.text
    assert "sq stop pipeline --close" in caught.value.text
