"""What a strategy of either kind reads must be declared."""

from __future__ import annotations

from schemas.errors import WrongUse


class UndeclaredRead(WrongUse):
    """A strategy reads what it does not declare in READS, or an instrument that there is none of.
    """

    code = "undeclared_read"
