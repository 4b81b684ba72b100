"""What the checks find of a request: compiled from the table in ``codes.py``.

The text of a function has a line for each check, in the table's order. It is made when this module
is imported, and compiled into the handlers: no check is called by a pointer or chosen at run time.
"""

from __future__ import annotations

import inspect  # lint: allow dynamic: what a check's function reads, by names of parameters
from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.errors import WrongUse
from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inner_kernel
from streams.numeric.int128 import high, join, larger, low, smaller, wide
from streams.numeric.shared import shared_step
from streams.numeric.table import table_at
from streams.numeric.wide import DECIMAL_LIMIT
from streams.risk.check import RiskCheck
from streams.risk.codes import CANCEL_CHECKS, CHECKS, ORDER_CHECKS
from streams.risk.instruments import INSTRUMENT

CODES = tuple(np.int64(each.CHECK.code) for each in CHECKS)
NO_CODE = np.int64(RiskCode.NONE)
MOST_HIGH: Any = np.int64(high(DECIMAL_LIMIT - 1))
MOST_LOW: Any = np.uint64(low(DECIMAL_LIMIT - 1))
"""Limbs of the largest amount of a decimal field."""


class BadCheck(WrongUse):
    """A module of ``checks/`` is not what ``check.RiskCheck`` asks for."""

    code = "bad_risk_check"


def read_by(check: RiskCheck, name: str, given: Sequence[str]) -> list[str]:
    """What a function of a check reads. Raises BadCheck for what it is not given."""
    function = getattr(check, name)
    found = list(inspect.signature(getattr(function, "py_func", function)).parameters)
    for each in found:
        if each not in given:
            what = f"{name} of the check {check.CHECK.code.name} reads {each!r}"
            raise BadCheck(f"{what}; it is given what it names of: {', '.join(given)}")
    return found


def bound(name: str, checks: Sequence[RiskCheck], given: str, line: str, end: str) -> Any:
    """A function of what is given: a line for each check's function of this name, then the end.

    ``line``: with ``{call}`` of the function, and ``{code}``. Where a place is given the checks may
    read ``listed`` too; the lines of those that need it follow the others.
    """
    parameters = given.split()
    readable = [*parameters, "listed"] if "place" in parameters else parameters
    space: dict[str, Any] = {"NOTHING": np.int64(0), "wide": wide}
    space |= {"table_at": table_at, "INSTRUMENT": INSTRUMENT}
    always: list[str] = []
    of_listed: list[str] = []
    for check in checks:
        code, read = int(check.CHECK.code), read_by(check, name, readable)
        space[f"{name}_{code}"] = getattr(check, name)
        space[f"BIT_{code}"] = np.int64(1 << code)
        needs_listed = any(each in OF_LISTED for each in read)
        text = line.format(code=code, call=f"{name}_{code}({', '.join(read)})")
        (of_listed if needs_listed else always).append(text)
    if of_listed:
        always += ["if place >= 0:", "    listed = table_at(risk.instruments, INSTRUMENT)[place]"]
        always += ["    " + each for each in of_listed]
    body = ["failed = NOTHING", *always, end]
    source = "\n    ".join([f"def bound({', '.join(parameters)}):", *body])
    exec(source, space)  # noqa: S102  # lint: allow dynamic: a table of ours, and our own text
    return shared_step(space["bound"])


OF_LISTED = ("listed", "payable")
"""What is there only where the instrument is listed."""
SET_BIT = "if {call}: failed |= BIT_{code}"
failed_checks = bound(
    "fails", ORDER_CHECKS, "risk place request clock payable", SET_BIT, "return failed"
)
"""The bit set of the checks a new order fails; 0 if it may go. ``place``: of its instrument, -1
where that is not listed; ``payable``: False where the account cannot pay for it."""
failed_of_cancel = bound("fails", CANCEL_CHECKS, "risk request", SET_BIT, "return failed")
"""The same of a cancel."""
_figures = bound(
    "shows",
    CHECKS,
    "risk instruments place code request clock",
    "if code == {code}: return {call}",
    "return wide(1), wide(0)",
)


@inner_kernel
def first_code(failed: Any) -> Any:
    """The code of the first failing check."""
    for code in CODES:
        if failed >> code & 1:
            return code
    return NO_CODE


@inner_kernel
def explain(risk: Any, place: Any, code: Any, request: Any, clock: Any) -> Any:
    """(observed, limit) of the check that failed first; units as in docs/risk_codes.md. What has
    more than 38 digits is the largest that has.
    """
    instruments = table_at(risk.instruments, INSTRUMENT)
    observed, limit = _figures(risk, instruments, place, code, request, clock)
    return _shown(observed), _shown(limit)


@inner_kernel
def _shown(amount: Any) -> Any:
    """An amount, cut to the digits of a decimal field."""
    most = join(MOST_HIGH, MOST_LOW)
    return larger(-most, smaller(amount, most))
