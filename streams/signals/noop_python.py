"""A strategy that does nothing: the cost of handing quotes to plain Python."""

from __future__ import annotations

from typing import Any

from schemas.records import Quote
from streams.signals.strategy import Strategy


class Noop(Strategy):
    """Takes every quote and does nothing."""

    NAME = "noop-python"
    WAKES = ("quotes",)

    def on_quote(self, quote: Quote, context: Any) -> None:
        """Nothing."""
