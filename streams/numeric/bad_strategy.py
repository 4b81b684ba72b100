"""What a strategy of either kind does must keep the contract."""

from __future__ import annotations

from schemas.errors import WrongUse


class BadStrategy(WrongUse):
    """A strategy that does not keep the contract, in its class or in what it asks for."""

    code = "bad_strategy"
