"""The order of everything behind the upstream pass: one compiled scheduler.

``records.py``: its tables. ``calls.py``: calling a stage by address. ``scheduler.py``: the compiled
loop, which returns to Python where a Python stage has a record to take, a table is full, or the
input batch ends. ``compiled_stage.py``: what a stage says of itself so that the scheduler calls it.
``wiring.py``: the tables of one topology. ``windows.py``: upstream events, a window at a time.
``driver.py``: what is done in Python when the scheduler returns.
"""
