"""How long an indicator may look back, and what is said of a period that it may not have."""

from __future__ import annotations

from schemas.errors import WrongUse

PERIOD_MAX = 1_000_000
"""Of what keeps a mean only."""
WINDOW_MAX = 65_536
"""Of what keeps its last inputs: 512 KiB for each instrument, written with each snapshot."""


class BadPeriod(WrongUse):
    """A period that is too short, or longer than what is kept."""

    code = "bad_period"


def check_period(period: int, most: int = PERIOD_MAX, least: int = 1) -> int:
    """The period. Raises BadPeriod."""
    if not least <= period <= most:
        raise BadPeriod(
            f"a period is a number of inputs from {least} to {most}, not {period}; choose another"
        )
    return int(period)
