"""Skips as records. Oracles: the module's own examples run as written; the stages of the core,
whose state and output a skip must not touch.
"""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage_context import state_bytes

from schemas.catalogue import TOPICS, UnknownTopic
from schemas.codec import codec
from schemas.records import ControlCommand, Instrument
from schemas.vocabulary import ControlKind
from streams.risk.stage import Risk
from streams.risk.stage import Settings as RiskSettings
from streams.routing.stage import Routing
from streams.routing.stage import Settings as RoutingSettings
from streams.runtime.order import skip
from streams.runtime.order.skip import BadSkip, SkipRequest, skip_command, skip_of, skip_request

CONSUMED = [name for name, entry in TOPICS.items() if entry.kind != "runtime"]


class Silent:
    """A context that no stage may use."""

    clock = 5

    def emit(self, record: object) -> None:
        raise AssertionError(record)


def test_the_examples_hold() -> None:
    assert doctest.testmod(skip).failed == 0


@given(
    st.sampled_from(CONSUMED),
    st.integers(0, 999),
    st.integers(0, 10**17),
    st.sampled_from(["pipeline", "market"]),
    st.integers(0, 2**62),
)
def test_a_request_survives_the_control_topic(
    topic: str, partition: int, offset: int, topology: str, at: int
) -> None:
    request = SkipRequest(topic, partition, offset, topology)
    body = codec("ControlCommand").encode_records([skip_command(request, "why", "who", at)])
    assert skip_of(codec("ControlCommand").decode_records(body, 1)[0]) == request


@pytest.mark.parametrize(
    "place",
    [
        "md.trades",
        "md.trades/0",
        "md.trades/0/-1",
        "md.trades/x/1",
        "md.trades/0/1/2",
        "pipeline.journal/0/5",
        "/0/1",
    ],
)
def test_a_place_that_is_none_is_refused_and_on_the_topic_changes_nothing(place: str) -> None:
    with pytest.raises(BadSkip):
        skip_request(place, "pipeline")
    assert (
        skip_of(
            ControlCommand(1, int(ControlKind.SKIP), 1, 0, 0, 0, place, "pipeline", "who", "why")
        )
        is None
    )


def test_unknown_topics_and_missing_reasons_are_named() -> None:
    with pytest.raises(UnknownTopic, match=r"md\.trades"):
        skip_request("md.trade/0/1", "pipeline")
    with pytest.raises(BadSkip, match="needs --reason"):
        skip_command(SkipRequest("md.trades", 0, 1, "pipeline"), " ", "who", 1)


def test_other_commands_are_no_skips() -> None:
    for kind in set(ControlKind) - {ControlKind.SKIP}:
        assert (
            skip_of(
                ControlCommand(1, int(kind), 1, 0, 0, 0, "md.trades/0/1", "pipeline", "who", "why")
            )
            is None
        )


def test_no_stage_acts_on_a_skip() -> None:
    line = Instrument(
        1, "test", "T", 2, "T", "USDT", 2, 3, 1, 1, 1, 9, 0, 1, True, 0, None, 5, 5, 0
    )
    command = skip_command(SkipRequest("md.trades", 0, 1, "pipeline"), "why", "who", 5)
    for stage in (Risk([line], RiskSettings()), Routing([line], RoutingSettings())):
        before = state_bytes(stage)
        stage.on_control_command(command, Silent())
        assert state_bytes(stage) == before
