"""The simulated exchange: commands in, execution reports out, against the recorded market.

From ``venue.commands``, ``md.trades`` and ``md.depth`` to ``venue.reports``. The pipeline runs in
venue time: an order decided at clock t reaches the venue at t + feed + entry, and a report made at
v is delivered at v + response - feed. Start reading at ``stage.py``; then

- ``latency_queue.py``  commands on their way in and reports on their way out (the latency legs)
- ``matching.py``  what a command does on arrival; fills by walking the recorded book
- ``resting.py``   what trades and depth updates do to our resting orders
- ``models.py``    the seams: fill models (``fill_models/``), venues (``venues/``), their names
- ``queue.py``     what printed at a level; whom a changed size is told
- ``levels.py``    the price levels we rest at or took from
- ``orders.py``    the table of working orders and the memory of closed ones
- ``rules.py``     the order rules; ``fees.py`` a rate of the notional, rounded
- ``state.py``     settings, state and capacities; ``index.py`` a lookup table for kernels

Our own orders never change the recorded book and never match each other; what we take from a level
is remembered until the level's displayed size changes.
"""
