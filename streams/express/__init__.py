"""The order side's common case, compiled: what sizing, risk, routing, portfolio and reporting do
with a plain market order.

All five are compiled stages: the entry calls their handlers on their own records, in the order in
which the driver would. At an event that it does not do it returns, and the stages in Python do it
with the same handlers. Records and states are the same either way: batches below
``session.RECORDS_MIN`` records run without this folder, and ``tests/runtime/test_express.py``
compares both record for record, state for state.

``steps.py``: a signal, a request, a mark, a report. ``text.py``: the entry, written into the
venue's loop. ``session.py``: what it works on, and where its records go.
"""
