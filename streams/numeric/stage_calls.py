"""What a compiled stage says of itself, so that the scheduler calls it by address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from streams.numeric.stage_records import place_in


class Output(NamedTuple):
    """A topic that a stage's handlers write to: the addresses of the words that hold the address of
    its table (``numeric/table.py``), and the number of rows written and not taken.
    """

    topic: str
    table: int
    used: int


class StageCalls(NamedTuple):
    """How a stage is called.

    ``entry(kind, header, given, clock, outputs)`` is a kernel that takes and returns int64:
    ``given`` is the address of a row, or a timer's deadline; what it returns is above 0 for a fault
    that :meth:`CompiledStage.settle` sees to, and nothing was changed then.
    """

    entry: Any
    header: int
    """address of the stage's state"""
    out: int
    """address of what says where outputs are written"""
    kinds: Mapping[str, int]
    """the handler of each topic whose records are handed over as rows"""
    outputs: tuple[Output, ...]
    """in the order of emission"""
    timer: tuple[int, int] | None = None
    """address of the word with the next deadline, and the kind of its handler"""
    sequence: tuple[int, int] = (0, 0)
    """addresses of the words that hold a table of places in ``outputs``, in the order in which a
    handler wrote, and how many they are; zeros where the order is that of ``outputs``"""
    use_ids: Callable[[int], None] | None = None
    """has the handlers make ids of the ``ID_SOURCE`` at an address; None where they make none"""
    reads: Mapping[str, int] = MappingProxyType({})
    """the handlers that answer what others ask, by name (``portfolio_reads.py``)"""


@runtime_checkable
class CompiledStage(Protocol):
    """A stage whose handlers are compiled; what comes rarely it does in Python, on the same state.
    """

    def calls(self) -> StageCalls:
        """How the scheduler calls it; addresses stay as they are."""

    def settle(self, code: int, kind: int, context: Any) -> None:
        """See to a fault that a handler left: let a table grow, or raise what it stands for."""


def outputs_at(dtype: Any, address: int, names: Mapping[str, str]) -> tuple[Output, ...]:
    """The outputs in a record of ``dtype`` that has ``NAME`` and ``NAME_used`` of each of
    ``names``, given by topic in the order of emission.
    """
    return tuple(
        Output(topic, address + place_in(dtype, name), address + place_in(dtype, f"{name}_used"))
        for topic, name in names.items()
    )
