"""The Kafka log: the same topics and records as the local log, on a cluster.

- ``cluster.py``: which cluster, how to reach it, and what things are called there (environment
  prefix);
- ``transport.py``: what the runner needs of a log: a reader of committed records and a
  transactional writer, as protocols, so that the same runner runs over the simulated log of the
  tests;
- ``client.py`` (readers, transactions), ``plain.py`` and ``admin.py`` implement it over
  confluent-kafka, ``bulk.py`` and ``native.py`` read fast;
- ``folder.py``: the same over a folder that was pulled;
- ``framing.py``: registry framing of bodies (magic byte, schema id, Avro body);
- ``topics.py``, ``applying.py``: the catalogue on a cluster; ``errors.py``: librdkafka's errors in
  words a person can act on.

Start reading at ``transport.py``.
"""
