"""What the shells of compiled stages have in common: calling a handler, and the snapshot."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from streams.numeric.stage_state import StageState

Records = TypeVar("Records", bound=StageState)


class StageShell(Generic[Records]):
    """A compiled stage as a topology names it.

    Attributes:
        state: its records.
    """

    ENTRY: ClassVar[Any]
    """``handle(kind, header, given, clock, outputs)``, see ``stage_calls.py``"""

    def __init__(self, state: Records) -> None:
        self.state = state
        self._header_address: int = state.header.ctypes.data
        self._out_address: int = state.outputs.ctypes.data

    def settle(self, code: int, kind: int, context: Any) -> None:
        """See to a fault that a handler left: let a table grow, or raise what it stands for."""
        raise NotImplementedError

    def _handle(self, kind: int, given: int, clock: int, context: Any = None) -> int:
        """Call a handler, again after each fault that was seen to; its code."""
        entry, header, out = type(self).ENTRY, self._header_address, self._out_address
        while (code := entry(kind, header, given, clock, out)) > 0:
            self.settle(code, kind, context)
        return int(code)

    def encoded_state(self) -> bytes:
        """The state in canonical form."""
        return self.state.encoded()

    def take_state(self, encoded: bytes) -> None:
        """Become what :meth:`encoded_state` gave. Raises BadState."""
        self.state.take(encoded)
