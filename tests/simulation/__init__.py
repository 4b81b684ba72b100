"""The simulator: the real runner over an in-memory Kafka, in virtual time, under a seeded scheduler
that breaks things.

- ``broker.py``: what brokers know: partitions with markers, transactions, the last stable offset,
  epochs, time-outs, retention;
- ``log.py``: that broker behind the runner's protocols (``streams/log/kafka/transport.py``), with a
  network in between that can fail;
- ``clock.py``, ``process.py``, ``scheduler.py``: virtual time, processes that can be paused, killed
  and interleaved, and who chooses;
- ``world.py``: one schedule: a feeder, owners of one task, an observer, faults, then calm;
- ``checker.py``: the history checker, with Jepsen's names;
- ``mutations.py``: the table of what is broken on purpose, in ``broken_*.py``; each must be caught.

One seed is one schedule: ``python -m tests.simulation --seed N`` runs it again and tells its story.
Start reading at ``world.py``.
"""
