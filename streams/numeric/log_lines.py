"""Lines of the topic ``strategy.log``, for strategies of both kinds: how many and how long they may
be, and what a template and its values say.

>>> render("{symbol}: {} held, {order} works", [7, -3, 0, 1], {7: "BTCUSDT"})
'BTCUSDT: -3 held, 00000000000000000001 works'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.records import LogLine
from streams.numeric.bad_strategy import BadStrategy
from streams.numeric.identity import HALF_BITS, text_of_halves

TOPIC = "strategy.log"
LINE_MAX = 1_000
"""Characters of a line; a longer one is cut."""
LINES_MAX = 100_000
"""Lines that a run keeps of a strategy."""
VALUES_MAX = 8
"""Values of a template."""

REFUSALS = (
    "nothing is ordered of {symbol}: it has no price yet, or its book is out of sync",
    "nothing is ordered of {symbol}: {} is less than one lot at {}",
    "nothing is ordered of {symbol}: the equity is unknown while a position has no price",
)
"""Why a target leads to no order; templates."""
NO_PRICE, NO_LOT, NO_EQUITY = range(3)

_PLACE = re.compile(r"\{([a-z]*)\}")
_WIDTH = {"": 1, "symbol": 1, "order": 2}
"""Values that a place of a template takes: a whole number, the number of an instrument, the two
halves of an order's id."""


def values_in(name: str, template: Any) -> int:
    """How many values a strategy's template takes. Raises BadStrategy for one that is none."""
    places = _PLACE.findall(template) if isinstance(template, str) else ["not a text"]
    rest = _PLACE.sub("", template) if isinstance(template, str) else ""
    count = sum(_WIDTH.get(place, VALUES_MAX + 1) for place in places)
    if count > VALUES_MAX or "{" in rest or "}" in rest:
        what = f"strategy {name} has {template!r:.200} in LOGS"
        advice = f"give a text with {{}}, {{symbol}} or {{order}} for at most {VALUES_MAX} values"
        raise BadStrategy(f"{what}; {advice}")
    return count


def render(template: str, values: Sequence[int], symbols: Mapping[int, str]) -> str:
    """The text of a line."""
    rest = iter(values)

    def text(place: re.Match[str]) -> str:
        value = next(rest)
        if place[1] == "symbol":
            return symbols.get(value, str(value))
        return id_text(value, next(rest)) if place[1] == "order" else str(value)

    return _PLACE.sub(text, template)


def id_text(high: int, low: int) -> str:
    """An id; halves that are those of no id are shown."""
    is_id = all(0 <= half < 1 << HALF_BITS for half in (high, low))
    return text_of_halves(high, low) if is_id else f"{high}:{low}"


def write_line(
    counter: Any,
    write: Callable[[Any], None],
    place: tuple[int, int, int, int],
    text: str,
) -> None:
    """Write a line, cut to LINE_MAX, unless a run has LINES_MAX.

    Args:
        counter: its ``logged`` counts the lines.
        place: account, strategy, clock and sequence.
    """
    if counter.logged >= LINES_MAX:
        return
    counter.logged += 1
    if counter.logged == LINES_MAX:
        text = f"the log is full: a run keeps {LINES_MAX} lines, later ones are left out"
    if not text.isascii():
        text = text.encode(
            "utf-8", "backslashreplace"
        ).decode()  # half of a surrogate pair is no text
    if len(text) > LINE_MAX:
        text = f"{text[: LINE_MAX - 3]}..."
    write(LogLine(*place, text))
