"""The order side's common case, compiled: what sizing, risk, routing, portfolio and reporting do
with a plain market order.

Sizing, routing, portfolio and reporting are compiled stages: the entry calls their handlers on their
own records, and nothing of them is lent. Risk owns the contract and every uncommon case. Its twin
(``express.py`` beside it) holds rows of its state while a run of events is plain; at the first
event that is not, the state goes back to it, and it does it. Records and states are the
same either way: batches below ``session.RECORDS_MIN`` records run without this folder, and
``tests/runtime/test_express.py`` compares both record for record, state for state.

``steps.py``: a signal, a mark, a report. ``text.py``: the entry, written into the venue's loop.
``session.py``: lending and taking back.
"""
