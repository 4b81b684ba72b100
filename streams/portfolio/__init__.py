"""Positions, cash and P&L of every account, in exact integers.

``fills``, ``md.marks``, ``ref.instruments``  ->  ``positions`` (after each fill), ``pnl`` (each minute of event time and at the end).

Start reading at ``streams/numeric/cost.py`` (average cost: open, add, reduce, flip, with examples that run), then
``valuation.py`` (what a position is worth, and when that cannot be said), then ``stage.py``. The one law of this folder holds after
every event, to the last digit:

    realized + unrealized - fees == change of cash + change of market value
"""
