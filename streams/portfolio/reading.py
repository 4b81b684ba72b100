"""What others read of the portfolio: strategies through their context, checks and tests.

The stage answers ``holding``, ``unrealized``, ``cash``, ``equity``, ``value``, ``accounts`` and
``amount_precision``; how it keeps its state is its own matter.
"""

from __future__ import annotations

from typing import NamedTuple


class PositionView(NamedTuple):
    """One strategy's position in one instrument, in Python integers."""

    quantity: int = 0
    """signed, in the instrument's quantity unit"""
    cost: int = 0
    """signed total cost, never an average: of units 10^-(price_precision + quantity_precision)"""
    realized: int = 0
    """realized profit before fees, in the unit of cost"""
    fees: int = 0
    """fees less rebates, in the unit of cost"""
