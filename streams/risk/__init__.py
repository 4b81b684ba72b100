"""Pre-trade risk: every request passes all checks in one fixed order, or is denied with a code.

``orders.requests``, ``orders.events``, ``fills``, ``md.marks``, ``control``, ``ref.instruments``
->  ``orders.decisions``, ``risk.events``

Start reading at ``check.py`` (what a check is), then ``codes.py`` (the table of the checks in their
order; docs/risk_codes.md is made from it) and the modules of ``checks/``, ``evaluation.py`` (how
the table is compiled), ``prices.py`` and ``account.py`` (what an order may cost and the account can
pay, decision 23), ``liquidation.py`` (when it cannot any more), ``limits.py`` (limits as decimal
text in stated units), ``instruments.py`` and ``exposure.py`` (positions, working orders, marks),
``booking.py``, ``kill_switch.py``, then ``stage.py``.

A decision carries the first failing code with its observed value and limit, and one bit for every
failing check. Cancels pass whatever the state of the market or of the kill switch, except for an
order that does not exist. The orders of a liquidation are risk's own.
"""
