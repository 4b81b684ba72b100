"""What a risk check is: the module ``checks/<name>.py`` with these names, and a line of the table
in ``codes.py``.

A module holds everything of its check: the row of the published table, the report's words, the
limits that an operator may set, and two compiled functions. A function names what it reads as its
parameters, and is given just that:

| parameter | what |
|---|---|
| ``risk`` | the header (``records.RISK``) |
| ``place`` | of the instrument in its table, -1 where it is not listed |
| ``request`` ``clock`` | the OrderRequest's row, and when it is judged |
| ``listed`` | the row of the instrument (``instruments.INSTRUMENT``) |
| ``payable`` | of ``fails``: False where the account cannot pay for the order (``account.py``) |
| ``instruments`` | of ``shows``: the table of all instruments |

A function that takes ``listed`` or ``payable`` is not called for an instrument that is not listed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from schemas.records import Instrument
from schemas.vocabulary import RiskCode
from streams.risk.records import OFF


class Unit(NamedTuple):
    """The unit of a limit's text: its decimals, of an instrument's price and quantity precision,
    and whether the integer has up to 38 digits or 64 bits."""

    decimals: Callable[[int, int], int]
    has_38_digits: bool


BASE_UNITS = Unit(lambda price, quantity: quantity, True)
QUOTE_UNITS = Unit(lambda price, quantity: price + quantity, True)
BASIS_POINT_DECIMALS = 2
BASIS_POINTS = Unit(lambda price, quantity: BASIS_POINT_DECIMALS, False)
NANOSECONDS = Unit(lambda price, quantity: 0, False)


def no_limit(instrument: Instrument) -> int:
    """For most limits an instrument says nothing."""
    return OFF


class Limit(NamedTuple):
    """A number that an operator sets: in ``[risk]``, or with ``sq control ... limit``.

    It is a field of each instrument's row, OFF where it is not checked: two limbs
    ``<name>_high`` and ``<name>_low`` where it has 38 digits, else one word.
    """

    name: str
    bit: int
    """Its number for ever: the bit in ``changed_limits``, and its place among the fields."""
    unit: Unit
    default: str = ""
    """Text of the setting where none is given; "" takes the instrument's own."""
    own: Callable[[Instrument], int] = no_limit
    """What the instrument itself says."""


class Check(NamedTuple):
    """What a check says of itself."""

    code: RiskCode
    denies: str
    """This and the next three: a row of docs/risk_codes.md."""
    observed: str
    limit: str
    set_by: str
    meaning: str
    """In the report of a run: what a denial means,"""
    governed_by: str = ""
    """and what governs it, as it is typed; "" where it is about the order or the market."""
    limits: tuple[Limit, ...] = ()


class RiskCheck(Protocol):
    """A module of ``checks/``. Its functions are compiled: every order is asked ``fails``, so that
    is an ``inlined_kernel``, and ``shows`` an ``inner_kernel`` (``numeric/borrowing.py``)."""

    CHECK: Check
    fails: Callable[..., Any]
    """True if the order is to be denied. Other checks may fail too: no check hides another."""
    shows: Callable[..., Any]
    """(observed, limit) of a denial with this code, as wide integers (``int128.py``)."""
