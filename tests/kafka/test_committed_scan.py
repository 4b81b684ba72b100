"""Committed records of whole topics. Oracle: what the test committed, and the broker's own last
stable offset.
"""

from __future__ import annotations

import pytest

from schemas.records import ControlCommand
from schemas.vocabulary import ControlKind, ControlScope
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.scan import TopicMissing, committed
from streams.log.kafka.transport import OffsetOutOfRange
from tests.kafka.edge_topics import EdgeTopics

pytestmark = pytest.mark.broker


def test_a_scan_ends_where_aborted_records_and_markers_are_the_last(cluster: Cluster) -> None:
    """Records, then an end behind records that nobody is shown, told in one answer: the position is
    past them.
    """
    topics = EdgeTopics(cluster, ("control",))
    kill = topics.framed(
        "control",
        ControlCommand(
            5, int(ControlKind.KILL), int(ControlScope.SYSTEM), 0, 0, 0, "", "", "o", "w"
        ),
    )
    topics.write("control", [kill] * 3)
    topics.write("control", [kill] * 4, commit=False)
    name = cluster.name("control")
    assert [each.offset for each in topics.read("control")] == [0, 1, 2]
    for start in range(10):
        found = [
            each.offset
            for chunk in committed(topics.log, "test", [name], {(name, 0): start})
            for each in chunk
        ]
        assert found == [0, 1, 2][start:]
    topics.write("control", [kill])
    assert [each.offset for each in topics.read("control")] == [0, 1, 2, 9]
    assert [
        each.offset
        for chunk in committed(topics.log, "test", [name], ends={(name, 0): 2})
        for each in chunk
    ] == [0, 1]
    with pytest.raises(OffsetOutOfRange, match="retention has removed"):
        list(committed(topics.log, "test", [name], {(name, 0): -1}))
    with pytest.raises(TopicMissing, match="sq topics apply"):
        list(committed(topics.log, "test", [cluster.name("nothing")]))
