"""What an order-side stage may know and do besides its record: the clock, the account traded,
declared files, emitting, and the next built id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from schemas.checking import strategy_checks
from schemas.errors import ShrivenError, WrongUse
from schemas.records import OrderRequest
from streams.numeric.identity import (
    EARLY_ORDINAL,
    LAST_BITS,
    ORDINAL_BITS,
    first_characters,
    last_characters,
)
from streams.runtime.failures import BadEmission

SEQUENCE_BLOCK_BITS = LAST_BITS - ORDINAL_BITS
"""Inputs that differ in these bits alone have ids with the same first characters."""


class UndeclaredArtefact(WrongUse):
    """A strategy asked for a file that it does not declare."""

    code = "undeclared_artefact"


def artefact_of(owner: str, artefacts: Mapping[str, Any], name: str) -> Any:
    """The value of a declared file.

    Raises UndeclaredArtefact: the owner declares none of that name.
    """
    if name not in artefacts:
        has = ", ".join(artefacts) or "none"
        raise UndeclaredArtefact(
            f"{owner} declares no artefact {name!r}, it has: {has}; name its file in ARTEFACTS"
        )
    return artefacts[name]


class StageContext:
    """UpstreamOutput to every order-side stage call.

    ``clock``: ns. ``account``: the one that this shard trades. ``sequence``: records consumed since
    genesis, the present one included. Ids are (journal id 24 bits, shard 10, input sequence 48,
    ordinal 18) in 20 base-32 characters; the ordinal counts ids since the sequence last changed,
    from 0, or from ``EARLY_ORDINAL`` for the order-side stages that nothing of the order side leads
    to: what they make does not depend on what the others made of the same input.
    """

    __slots__ = (
        "_block", "_first_characters", "account", "artefacts", "clock", "emit", "first",
        "journal_id", "last_sequence", "ordinal", "pending",
        "sequence", "services", "shard",
    )  # fmt: skip

    def __init__(
        self,
        journal_id: int,
        shard: int = 0,
        first: int = 0,
        account: int = 1,
        artefacts: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.clock = 0
        self.account = account
        self.artefacts = artefacts
        self.sequence = 0
        self.pending: list[Any] = []
        self.emit: Callable[[Any], None] = self.pending.append
        self.journal_id = journal_id
        self.shard = shard
        self.last_sequence = -1
        self.first = first
        self.ordinal = first
        self._block = -1
        self._first_characters = ""
        self.services: Any = None

    def __getattr__(self, name: str) -> Any:
        """What a strategy may ask besides: its services answer (``streams/signals/services.py``).
        """
        if name.startswith("_") or name == "services" or not hasattr(type(self.services), name):
            raise AttributeError(f"the context has no {name!r}")
        return getattr(self.services, name)

    def check_what_strategies_emit(self, note: Callable[[Any], None] | None = None) -> None:
        """From now on a signal or a request for an order that its schema does not allow is refused
        as it is emitted, not where it is read.

        Only here is the line known that made it, and no reader has a chance to choke on it first.

        Args:
            note: is given each request for an order at once: who reads open orders counts those on
                their way.
        """
        append, find = self.pending.append, strategy_checks().get

        def emit(record: Any) -> None:
            check = find(record.__class__)
            if check is not None:
                try:
                    check(record)
                except ShrivenError as problem:
                    raise BadEmission(
                        f"a stage emitted {record!r:.400}: {problem.text}"
                    ) from problem
                if note is not None and record.__class__ is OrderRequest:
                    note(record)
            append(record)

        self.emit = emit

    def artefact(self, name: str) -> Any:
        """The value of a file that the strategy declares in ARTEFACTS; it cannot be changed.

        Raises:
            UndeclaredArtefact: there is none of that name.
        """
        return artefact_of("the strategy", self.artefacts, name)

    def order_id(self) -> str:
        """The next id."""
        sequence = self.sequence
        if sequence != self.last_sequence:
            self.last_sequence = sequence
            self.ordinal = self.first
        ordinal = self.ordinal
        if ordinal >= self.first + EARLY_ORDINAL:
            raise OverflowError("more than 131,072 ids on one input record")
        self.ordinal = ordinal + 1
        block = sequence >> SEQUENCE_BLOCK_BITS
        if block != self._block:
            self._first_characters = first_characters(self.journal_id, self.shard, sequence)
            self._block = block
        return self._first_characters + last_characters(sequence, ordinal)
