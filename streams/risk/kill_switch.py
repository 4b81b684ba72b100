"""The kill switch: latched per system, account, strategy or instrument, and lifted only by an
operator's REARM of the same scope (RSK-4).

No timer and no restart lifts it: the switches are part of the state. It blocks new orders;
routing cancels the working ones on the same record. A KILL whose scope cannot be read covers the
whole system, since a kill switch fails closed; a REARM that names no switch that is on changes
nothing and is reported.
"""

from __future__ import annotations

from typing import Any

from schemas.records import ControlCommand
from schemas.vocabulary import ControlScope
from streams.numeric.borrowing import inner_kernel
from streams.numeric.shared import shared_step
from streams.numeric.table import table_at
from streams.risk.records import SWITCH

SYSTEM = int(ControlScope.SYSTEM)
ACCOUNT = int(ControlScope.ACCOUNT)
STRATEGY = int(ControlScope.STRATEGY)
INSTRUMENT = int(ControlScope.INSTRUMENT)
SCOPE_UNIT = 1 << 32


@shared_step
def switch_key(scope: Any, number: Any) -> Any:
    """The key of one switch: the scope and the number of what it covers."""
    return scope * SCOPE_UNIT + number


def command_key(command: ControlCommand) -> Any:
    """The switch a KILL or REARM is about."""
    scope = command.scope
    if scope == ACCOUNT:
        return switch_key(ACCOUNT, command.account)
    if scope == STRATEGY:
        return switch_key(STRATEGY, command.strategy)
    if scope == INSTRUMENT:
        return switch_key(INSTRUMENT, command.instrument)
    return switch_key(SYSTEM, 0)


@inner_kernel
def is_killed(risk: Any, account: Any, strategy: Any, instrument: Any) -> Any:
    """True if any switch that is on covers an order of this account, strategy and instrument."""
    switches = table_at(risk.switches, SWITCH)
    for place in range(risk.switches_used):
        key = switches[place].key
        if (
            key == switch_key(SYSTEM, 0)
            or key == switch_key(ACCOUNT, account)
            or key == switch_key(STRATEGY, strategy)
            or key == switch_key(INSTRUMENT, instrument)
        ):
            return True
    return False
