"""The kill switch: latched per system, account, strategy or instrument, and lifted only by an operator's REARM of the same scope (RSK-4).

No timer and no restart lifts it: the switches are part of the state. It blocks new orders; routing cancels the working ones on the same
record. A KILL whose scope cannot be read covers the whole system, since a kill switch fails closed; a REARM that names no switch that is on
changes nothing and is reported.
"""

from __future__ import annotations

from schemas.records import ControlCommand
from schemas.vocabulary import ControlScope

SYSTEM = int(ControlScope.SYSTEM)
ACCOUNT = int(ControlScope.ACCOUNT)
STRATEGY = int(ControlScope.STRATEGY)
INSTRUMENT = int(ControlScope.INSTRUMENT)
SCOPE_UNIT = 1 << 32


def switch_key(scope: int, number: int) -> int:
    """The key of one switch: the scope and the number of what it covers."""
    return scope * SCOPE_UNIT + number


def command_key(command: ControlCommand) -> int:
    """The switch a KILL or REARM is about."""
    scope = command.scope
    if scope == ACCOUNT:
        return switch_key(ACCOUNT, command.account)
    if scope == STRATEGY:
        return switch_key(STRATEGY, command.strategy)
    if scope == INSTRUMENT:
        return switch_key(INSTRUMENT, command.instrument)
    return switch_key(SYSTEM, 0)


def is_killed(killed: list[int], account: int, strategy: int, instrument: int) -> bool:
    """True if any switch that is on covers an order of this account, strategy and instrument."""
    return (
        switch_key(SYSTEM, 0) in killed
        or switch_key(ACCOUNT, account) in killed
        or switch_key(STRATEGY, strategy) in killed
        or switch_key(INSTRUMENT, instrument) in killed
    )
