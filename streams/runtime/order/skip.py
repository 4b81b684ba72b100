"""Skipping one poisonous record: what the operator says, and how it reads on the ``control`` topic.

A record that makes a stage fail halts the task, and every restart meets it again. ``sq skip
TOPIC/PARTITION/OFFSET --reason "..."`` writes a SKIP command; the runner polls ``control`` before
anything else, dead-letters the record in its place and journals that it did. No stage acts on a
SKIP.

In the ControlCommand, ``name`` is the place, ``value`` the topology it is for (every topology of an
environment reads the same ``control``), ``reason`` and ``issued_by`` say why and who.

>>> request = SkipRequest("md.trades", 0, 1234, "pipeline")
>>> command = skip_command(request, "crossed book of 10:31", "ops", 1)
>>> command.name, command.value
('md.trades/0/1234', 'pipeline')
>>> skip_of(command)
SkipRequest(topic='md.trades', partition=0, offset=1234, topology='pipeline')
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from schemas.catalogue import topic as topic_of
from schemas.errors import WrongUse
from schemas.reasons import GOOD
from schemas.records import ControlCommand
from schemas.vocabulary import ControlKind, ControlScope

if TYPE_CHECKING:
    from streams.runtime.order.feed import Feed

PLACE = re.compile(r"([a-z][a-z0-9_.-]*)/(\d{1,9})/(\d{1,18})")
SKIP, SYSTEM = int(ControlKind.SKIP), int(ControlScope.SYSTEM)


class BadSkip(WrongUse):
    """A place that is none, or whose record no runner could skip."""

    code = "bad_skip"


class SkipRequest(NamedTuple):
    """One record not to be consumed: ``topic`` by its catalogue name, ``topology`` whose runner
    skips it.
    """

    topic: str
    partition: int
    offset: int
    topology: str

    @property
    def place(self) -> str:
        """``TOPIC/PARTITION/OFFSET``."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def skip_request(place: str, topology: str) -> SkipRequest:
    """What ``TOPIC/PARTITION/OFFSET`` names.

    Raises:
        BadSkip: it is no such text, or a topic of the runner's own.
        UnknownTopic.
    """
    match = PLACE.fullmatch(place)
    if match is None:
        raise BadSkip(
            f"{place!r} is no place; write TOPIC/PARTITION/OFFSET as the error names it, for "
            "example md.trades/0/1234"
        )
    entry = topic_of(match[1])
    if entry.kind == "runtime":
        raise BadSkip(
            f"{entry.name} is written by the {entry.owner} and consumed by none; name the input "
            "record that led to it"
        )
    return SkipRequest(match[1], int(match[2]), int(match[3]), topology)


def skip_command(
    request: SkipRequest, reason: str, operator: str, event_time: int
) -> ControlCommand:
    """The record for ``control``. Raises BadSkip without a reason: a skip is audited."""
    if not reason.strip():
        raise BadSkip("a skip needs --reason: why this record may be left out is asked later")
    return ControlCommand(
        event_time, SKIP, SYSTEM, 0, 0, 0, request.place, request.topology, operator, reason
    )


def skip_of(command: ControlCommand) -> SkipRequest | None:
    """The request that a command carries; None for another kind, and for a place that cannot be
    read: such a command changes nothing.
    """
    if command.kind != SKIP:
        return None
    try:
        return skip_request(command.name, command.value)
    except WrongUse:
        return None


def obey(control: Feed, count: int, feeds: Sequence[Feed], topology: str) -> None:
    """Leave out what the next so many commands say, of the next batch as of every later one."""
    for row in range(control.first, control.first + count):
        command = control.records[row] if control.status[row] == GOOD else None
        request = skip_of(command) if command is not None else None
        if command is None or request is None or request.topology != topology:
            continue
        for feed in feeds:
            if (feed.topic, feed.partition[1]) == (request.topic, request.partition):
                feed.skip(request.offset, f"left out by {command.issued_by}: {command.reason}")
