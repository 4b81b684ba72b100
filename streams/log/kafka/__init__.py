"""The Kafka log: the same topics and records as the local log, on a cluster.

- ``cluster.py``: which cluster, how to reach it, and what things are called there (environment prefix);
- ``transport.py``: what the runner needs of a log: a reader of committed records and a transactional writer, as protocols, so that the same
  runner runs over the simulated log of the tests;
- ``framing.py``: registry framing of bodies (magic byte, schema id, Avro body).

Start reading at ``transport.py``.
"""
