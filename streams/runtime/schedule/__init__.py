"""What happens to an input batch: the upstream pass, and behind it one compiled scheduler.

``topology.py``: the stages, and who reads what. ``engine.py``: an input batch through every stage.
``loop.py``, ``runner.py``: the fused loop of the upstream pass. ``python_stage.py``: what a stage
of the order side offers. ``compiled_strategy.py``: a strategy that the scheduler calls.

Of the scheduler: ``records.py``: its tables. ``wiring.py``: the tables of one topology.
``scheduler.py``: the compiled loop, which returns to Python where a Python stage has a record to
take, a table is full, or the input batch ends. ``windows.py``: upstream events, a window at a time.
``driver.py``: what is done in Python when the scheduler returns.
"""
