"""The table of the checks: what a module of it must be, and the order in which it decides."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import readable_checks
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.vocabulary import RiskCode
from streams.risk.codes import CHECKS, LIMITS, ORDER_CHECKS
from streams.risk.evaluation import BadCheck, bound, first_code
from streams.risk.instruments import INSTRUMENT
from streams.risk.settings import Settings


@settings(deadline=None)  # the first call compiles
@given(st.sets(st.sampled_from([each.CHECK.code for each in ORDER_CHECKS]), min_size=1))
def test_the_first_code_is_that_of_the_readable_rule(codes: set[RiskCode]) -> None:
    """Oracle: four codes by name, then the lowest number (``readable_checks.py``)."""
    failed = sum(1 << code for code in codes)
    assert first_code(failed) == readable_checks.first_code(failed)


def test_a_function_that_reads_what_it_is_not_given_is_refused_by_name() -> None:
    def fails(listed: Any, spread: Any) -> Any:
        return spread

    planted: Any = SimpleNamespace(CHECK=CHECKS[0].CHECK, fails=fails)
    with pytest.raises(BadCheck, match=r"fails of the check KILL_SWITCH reads 'spread'"):
        bound("fails", [planted], "risk place", "if {call}: failed |= BIT_{code}", "return failed")
    with pytest.raises(BadCheck, match="reads 'listed'; it is given what it names of: risk"):
        bound("fails", [planted], "risk", "if {call}: failed |= BIT_{code}", "return failed")


def test_what_needs_an_instrument_is_not_asked_without_one() -> None:
    """Oracle: by hand: of two checks that always fail, the one that reads a row is left out."""

    def everywhere(place: Any) -> Any:
        return True

    def of_a_row(listed: Any) -> Any:
        raise AssertionError("asked without a row")

    first, second = CHECKS[0].CHECK, CHECKS[1].CHECK
    checks: Any = [
        SimpleNamespace(CHECK=first, fails=everywhere),
        SimpleNamespace(CHECK=second, fails=of_a_row),
    ]
    line = "if {call}: failed |= BIT_{code}"
    asked = bound("fails", checks, "risk place", line, "return failed")
    assert asked(None, -1) == 1 << first.code


def test_limits_keep_their_numbers_their_fields_and_their_settings() -> None:
    """Oracle: the seven there were when they stood in four files, with their defaults; a number is
    given once and none is left out.
    """
    known = ["min_quantity", "max_quantity", "min_notional", "max_notional", "max_position"]
    known += ["price_collar_bp", "mark_age_max"]
    assert [each.name for each in LIMITS][:7] == known
    assert [each.bit for each in LIMITS] == list(range(len(LIMITS)))
    given_none = Settings()
    assert [getattr(given_none, name) for name in known] == [*[""] * 5, "500", "5000000000"]
    fields = [each.removesuffix("_high") for each in INSTRUMENT.names or ()]
    assert [each for each in fields if each in known] == known
