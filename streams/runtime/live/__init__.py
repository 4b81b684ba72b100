"""The same stages over a log that goes on: batches as transactions, the journal as cursor, recovery
by replay.

- ``task.py``: the batch loop of one shard, its numbered steps, take-over, drain; start reading
  here;
- ``recovery.py``: from the last good snapshot and the journal after it to a running state; the same
  loop makes a standby;
- ``execution.py``: a batch from what has arrived (or from a journal's order) to output bodies; the
  stages are built at the first batch;
- ``arrival.py`` fills the inputs, control first; ``feed.py``: one of them; ``merge.py``: the order
  over what has arrived;
- ``stored.py``: journal and snapshots as they lie in their topics; ``published.py``: an output read
  along with its journal;
- ``spec.py``: what a task is given; ``topics.py``: topics stay what they were;
- ``verify.py``: the journal executed again and every output compared, from the log alone.

It knows the log only by ``streams.log.kafka.transport``. Why it is so: docs/design.md, sections 5,
7 and 10.
"""
