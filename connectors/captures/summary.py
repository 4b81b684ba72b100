"""What an import says about itself when it is done."""

from __future__ import annotations

from typing import Any

import msgspec

from connectors.captures.lines import Damage


class FeedSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument of an import.

    Attributes:
        missing_trades: trade ids that never came. depth_gaps: updates that do not continue the one before. snapshots: 0: the book never syncs.
    """

    instrument: int
    venue: str
    symbol: str
    missing_trades: int
    depth_gaps: int
    snapshots: int


class ImportSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What an import made of a recording.

    Attributes:
        counts: records by topic. reasons: dead-lettered lines by reason. set_aside: lines by stream or kind of trade.
        first_time, last_time: range of event times, ns UTC; 0 without records.
        damages: files that could not be read to their end; not empty: the command exits 1.
    """

    lines: int
    counts: dict[str, int]
    reasons: dict[str, int]
    set_aside: dict[str, int]
    instruments: list[FeedSummary]
    first_time: int
    last_time: int
    damages: list[Damage]

    @property
    def symbols(self) -> list[str]:
        """Symbols that occurred, as ``venue:SYMBOL``."""
        return [f"{each.venue}:{each.symbol}" for each in self.instruments]

    @property
    def truncated(self) -> list[str]:
        """Names of the files that could not be read to their end."""
        return [damage.file for damage in self.damages]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {**plain, "symbols": self.symbols, "truncated": self.truncated}
