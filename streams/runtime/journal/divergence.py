"""What a verification finds: one kind of change at one place, typed; its words are for people."""

from __future__ import annotations

import enum

import msgspec


class Kind(enum.StrEnum):
    """What was changed."""

    INPUT = "input"
    CODE = "code"
    OUTPUT = "output"
    JOURNAL = "journal"
    FILE = "file"
    RETENTION = "retention"
    """Nothing: the cluster has removed records that are needed, as it was told to."""


class Divergence(msgspec.Struct, frozen=True):
    """Something that is not as the run says.

    Attributes:
        kind: what was changed.
        text: what it is, with its place, for people.
        batch: sequence of the journal record it shows at; 0: at none.
        topic: where it shows; empty: in no topic.
        record: offset of the first record that differs; -1: none can be named.
        field: the first field of it that differs; empty: the record as a whole.
    """

    kind: Kind
    text: str
    batch: int = 0
    topic: str = ""
    record: int = -1
    field: str = ""

    def within(self, text: str) -> Divergence:
        """The same, told in a longer sentence."""
        return msgspec.structs.replace(self, text=text)


class Difference(msgspec.Struct, frozen=True):
    """How two bodies of one topic differ first; see :class:`Divergence` for the fields."""

    text: str
    topic: str
    record: int = -1
    field: str = ""
