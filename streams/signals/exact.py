"""Numbers that a user's code hands over, as the Python numbers that records hold: the same number,
or an error that names it.
"""

from __future__ import annotations

import operator
from typing import Any, cast

import numpy as np

from streams.signals.declared import BadStrategy


def exact_int(name: str, value: Any) -> int:
    """A NumPy integer, an enum or a whole number of another type as a Python integer.

    Raises BadStrategy, naming the argument.
    """
    try:
        return int(operator.index(value))
    except TypeError:
        if isinstance(value, float | np.floating) and value == value // 1:
            return int(value)
        raise BadStrategy(
            f"{name} is {value!r}, a {type(value).__name__}; give a whole number, in units of the "
            "instrument"
        ) from None


def exact_symbol(value: Any) -> int:
    """An enum's number as a Python integer.

    Anything else is left as it is: the check of the record names the symbols there are.
    """
    try:
        return exact_int("", value)
    except BadStrategy:
        return cast(int, value)


def exact_order_id(value: Any) -> str:
    """The id of an order, as ``self.order`` and the open orders give it. Raises BadStrategy."""
    if isinstance(value, str):
        return value
    raise BadStrategy(
        f"order_id is {value!r:.100}, a {type(value).__name__}; give the id that self.order "
        "returned, or that of one of context.open_orders()"
    )


def exact_float(name: str, value: Any) -> float:
    """A number of any type as a Python float, if that is the same number.

    Raises BadStrategy, naming the argument.
    """
    if isinstance(value, int | float | np.integer | np.floating) and (
        float(value) == value or value != value
    ):
        return float(value)
    raise BadStrategy(
        f"{name} is {value!r}, a {type(value).__name__}; give a number that a float can be"
    )
