"""Positions, cash and P&L of every account, in exact integers.

``fills``, ``md.marks``, ``ref.instruments``  ->  ``positions`` (after each fill), ``pnl`` (each
minute of event time and at the end).

Start reading at ``streams/numeric/cost.py`` (average cost: open, add, reduce, flip, with examples
that run), then ``records.py`` (what the state is), ``booking.py`` (a fill), ``valuation.py`` (what
a position is worth, and when that cannot be said) and ``handlers.py`` (what each record and timer
does). All of these are compiled. ``stage.py`` is the shell that the driver calls, ``state.py``
owns the memory, ``reading.py`` is what other stages read. The one law of this folder holds after
every event, to the last digit:

    realized + unrealized - fees == change of cash + change of market value
"""
