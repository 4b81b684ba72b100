"""What an import says about itself when it is done."""

from __future__ import annotations

from typing import Any

import msgspec

from connectors.captures.lines import Damage


class FeedSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument of an import.

    Attributes:
        missing_trades: trade ids that never came. depth_gaps: updates that do not continue the one
            before. snapshots: those placed.
        updates: depth updates. behind: records behind the time that their instrument's records of
            the topic had reached.
    """

    instrument: int
    venue: str
    symbol: str
    missing_trades: int
    depth_gaps: int
    snapshots: int
    updates: int = 0
    behind: int = 0

    @property
    def has_no_book(self) -> bool:
        """True if its book never syncs: updates came, and no snapshot that they continue."""
        return bool(self.updates) and not self.snapshots


class ImportSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What an import made of a recording.

    Attributes:
        counts: records by topic. reasons: dead-lettered lines by reason. set_aside: lines by stream
            or kind of trade.
        first_time, last_time: range of event times, ns UTC; 0 without records.
        damages: where files could not be read; not empty: the command exits 1.
        stamped_ahead, stamped_behind: records whose time was not believed; they have an estimated
            one.
        units: times by their unit. unit_changes: (line, unit) where a market's unit changed.
    """

    lines: int
    counts: dict[str, int]
    reasons: dict[str, int]
    set_aside: dict[str, int]
    instruments: list[FeedSummary]
    first_time: int
    last_time: int
    damages: list[Damage]
    stamped_ahead: int = 0
    stamped_behind: int = 0
    units: dict[str, int] = {}
    unit_changes: list[tuple[int, str]] = []

    @property
    def symbols(self) -> list[str]:
        """Symbols that occurred, as ``venue:SYMBOL``."""
        return [f"{each.venue}:{each.symbol}" for each in self.instruments]

    @property
    def truncated(self) -> list[str]:
        """Names of the files that could not be read to their end."""
        return list(dict.fromkeys(damage.file for damage in self.damages))

    def remarks(self) -> list[str]:
        """What whoever uses the recording should know, a sentence each."""
        said = [
            f"{each.symbol}: its book never syncs, for no snapshot continues its {each.updates:,} "
            "updates: there are no quotes of it"
            for each in self.instruments
            if each.has_no_book
        ]
        for count, where in ((self.stamped_ahead, "ahead of"), (self.stamped_behind, "behind")):
            if count:
                what = "1 record was" if count == 1 else f"{count:,} records were"
                said.append(
                    f"{what} stamped far {where} the neighbours: each has an estimated time "
                    "(ESTIMATED_TIME)"
                )
        behind = sum(each.behind for each in self.instruments)
        if behind:
            what = "1 record is" if behind == 1 else f"{behind:,} records are"
            said.append(
                f"{what} behind the time that its instrument had reached, and counts at that time"
            )
        said += [f"times are in {unit} from line {line:,} on" for line, unit in self.unit_changes]
        return said

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {**plain, "symbols": self.symbols, "truncated": self.truncated}
