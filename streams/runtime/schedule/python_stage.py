"""What a stage of the order side is to the engine: a :class:`PythonStage`, and what it may have
besides. Each of those is a protocol of one or two members, which the engine asks for by its name.

A stage has one method per input, ``on_trade(record, context)`` for ``md.trades``: see
:func:`streams.runtime.schedule.loop.handler_name`. A compiled stage of the order side has the
same shell, and the addresses of its handlers (:class:`streams.numeric.stage_calls.CompiledStage`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable


class PythonStage(Protocol):
    """A stage of the order side.

    Attributes:
        NAME: in journals, snapshots and messages.
        INPUTS, OUTPUTS: topics.
        state: all that it remembers, as declared data.
    """

    NAME: str
    state: Any

    @property
    def INPUTS(self) -> Sequence[str]: ...

    @property
    def OUTPUTS(self) -> Sequence[str]: ...


@runtime_checkable
class HasTimer(Protocol):
    """Wakes at ``state.timer``, ns of the run's clock."""

    def on_timer(self, deadline: int, context: Any) -> None:
        """The clock has reached the deadline; ``state.timer`` must move on."""


@runtime_checkable
class HasEnd(Protocol):
    """Acts at the end of the input."""

    def on_end(self, context: Any) -> None:
        """No record comes any more."""


@runtime_checkable
class CompiledElsewhere(Protocol):
    """Stands for a compiled strategy, in whose place it is called.

    ``COMPILED_ELSEWHERE``: one of the order side or of the upstream pass.
    """

    COMPILED_ELSEWHERE: str


ORDER_SIDE, UPSTREAM = "order side", "upstream"


@runtime_checkable
class KeepsOwnState(Protocol):
    """Its state is no declared struct: it is compiled, or in another process."""

    def encoded_state(self) -> bytes:
        """Canonical bytes of the state."""

    def take_state(self, encoded: bytes) -> None:
        """Become what :meth:`encoded_state` gave."""


@runtime_checkable
class KeepsOwnBooks(Protocol):
    """Has order books of its own, which take the records of ``md.depth``."""

    def take_books(self, content: bytes, sequence: int) -> None:
        """Become these books, as a snapshot has them, behind so many input records."""


@runtime_checkable
class ChecksState(Protocol):
    """Looks at its state behind each batch."""

    def check_state(self) -> None:
        """Raises StageFailed where the state is not what the stage declares."""


@runtime_checkable
class WritesLines(Protocol):
    """Has lines of a log that are written behind each batch."""

    def write_lines(self) -> None:
        """Emit them."""


@runtime_checkable
class ReadsStages(Protocol):
    """Reads other stages' state."""

    def read_from(self, stages: Any) -> None:
        """Find it; called once, when all stages are built."""


@runtime_checkable
class ServesStrategies(Protocol):
    """Gives strategies' context what they declare to read and do."""

    def services_for(self, context: Any, stages: Any) -> Any:
        """The services of this context; called once."""
