"""The PostgreSQL projection as a job: a Faust worker that follows the topics, and a rebuild that
reads them once.

- ``worker.py``: the Faust app: an agent that takes events in batches and hands them to
  ``connectors.postgres``;
- ``consumer.py``: Faust's consumer made to read committed records only, from the marks in the
  tables;
- ``credentials.py``: a cluster's librdkafka settings as what aiokafka wants;
- ``rebuild.py``: the same tables from the topics, and the proof that both are equal;
- ``place.py``: which cluster, database and schema, and what all of the above need of them.

Faust hosts this because it is asynchronous, stateless and idempotent:
docs/decisions/0010-no-trading-stage-on-faust.md says what it must not host. Start reading at
``worker.py``.
"""
