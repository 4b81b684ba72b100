"""Whether the venue's own best bid and ask bound what orders take: what ``--ticker`` says, and what
is fixed of it when a run begins.

``auto`` is a question: it is answered once, by what there is to read, and the answer stands in the
genesis record. So a restart, a replay, a pull and a proof read what the run itself has read. A
configuration that says nothing means off: that is what it meant before there was a choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from jobs.configuration import AUTO, CAP, OFF, Configuration
from jobs.granularity import holds
from streams.log.local import LocalLog

TICKERS = "md.book_tickers"


def rule_of(stages: Mapping[str, Mapping[str, Any]]) -> str:
    """The rule that these stages' settings name."""
    return str(stages.get("venue", {}).get("ticker", OFF))


def uses_ticker(configuration: Configuration) -> bool:
    """True if the simulated venue reads the recorded best bid and ask."""
    return rule_of(configuration.stages) == CAP


def holds_tickers(log: LocalLog) -> bool:
    """True if a recording has a best bid and ask of the venue's own."""
    return holds(log, TICKERS)


def settled(
    configuration: Configuration, has_tickers: bool, begun: Mapping[str, Any] | None = None
) -> Configuration:
    """The configuration with ``auto`` answered: as the run was begun, else cap where there are
    tickers.

    Args:
        begun: the facts of the genesis record, where there is one.
    """
    asked = rule_of(configuration.stages)
    before: Mapping[str, Mapping[str, Any]] | None = (
        begun.get("configuration", {}).get("stages", {}) if begun is not None else None
    )
    if before is not None and asked in (AUTO, rule_of(before)):
        # as it is written there, for it is part of the identity
        return _with(configuration, before.get("venue", {}).get("ticker"))
    if asked == AUTO:
        return _with(configuration, CAP if has_tickers else None)
    return configuration


def _with(configuration: Configuration, rule: Any) -> Configuration:
    """The configuration under this rule; None: it says nothing, which is off."""
    venue = {
        name: value
        for name, value in configuration.stages.get("venue", {}).items()
        if name != "ticker"
    }
    venue |= {} if rule is None else {"ticker": rule}
    others = {name: settings for name, settings in configuration.stages.items() if name != "venue"}
    return msgspec.structs.replace(
        configuration, stages={**others, **({"venue": venue} if venue else {})}
    )
