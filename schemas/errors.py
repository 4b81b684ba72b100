"""The errors a user can meet: what happened, and what to do.

Every package derives its own from these four. ``exit_code`` is what the ``sq`` command ends with: 1
the data or a check says no, 2 wrong use. ``restart_helps`` decides what the parent of a live shard
does when its process ends by the error: start another one, or halt the shard at once.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class ShrivenError(Exception):
    """Base of all typed errors: ``text`` says what happened and what to do, ``code`` is a stable
    name for programs and dead letters.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    restart_helps: ClassVar[bool] = True
    """False where the same start meets the same error again."""
    bars_owning: ClassVar[bool] = False
    """True where what this host executes is not what the journal says: it must not own the shard.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}: {self.text})"


class WrongUse(ShrivenError):
    """The command, configuration or call is wrong; nothing was done."""

    code = "wrong_use"
    exit_code = 2
    restart_helps = False


class BadData(ShrivenError):
    """Data that cannot be used: malformed, out of range, of another schema."""

    code = "bad_data"


class CorruptLog(BadData):
    """Stored bytes differ from what was written; the text locates them."""

    code = "corrupt_log"


class CapacityExceeded(ShrivenError):
    """A bounded table is full. ``setting`` names the setting that bounds it, ``limit`` its present
    value.
    """

    code = "capacity_exceeded"
    restart_helps = False

    def __init__(self, setting: str, limit: int, text: str = "") -> None:
        super().__init__(
            text or f"{setting} is full at {limit}; raise {setting} in the run's configuration"
        )
        self.setting = setting
        self.limit = limit

    def __reduce__(self) -> tuple[type[CapacityExceeded], tuple[str, int, str]]:
        return type(self), (self.setting, self.limit, self.text)


class AmountTooLarge(BadData):
    """A booked amount has more than the 38 digits of a decimal field. The text names the instrument
    and the record.
    """

    code = "amount_too_large"
    restart_helps = False


class AmountFault(NamedTuple):
    """What a stage's fault of that kind means, beside the names of settings among its FAULTS:
    ``text`` has ``{value}`` and ``{limit}`` in it.
    """

    text: str

    def error(self, instrument: str, value: int, limit: int) -> AmountTooLarge:
        """The error of one fault."""
        text = f"{instrument}: {self.text.format(value=value, limit=limit)}"
        return AmountTooLarge(
            f"{text}; correct the precisions in the instrument table, or leave the record out"
        )
