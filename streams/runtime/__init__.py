"""The runtime: what turns stages and a log into a run that can be killed, resumed, replayed and
proved.

Each room imports only itself and the rooms above it in this list (``tests/test_import_arrows.py``):

- ``tools/``: what reads, writes or compiles sources: the lint of stages and strategies, the code
  digest, generated modules, addresses of arrays;
- ``order/``: feeds of input partitions, which rows are valid, the merge that puts them in order,
  dead letters, skips;
- ``schedule/``: the topology, the upstream pass over an input batch, and the scheduler that calls
  the stages of the order side record by record; what they emit;
- ``journal/``: batches, their journal records and digests, snapshots, typed divergences;
- ``recovery/``: the task (take-over and batch loop as numbered steps), the execution of a batch,
  recovery, the run folder;
- ``verify/``: a journal executed again and compared with every byte that was written;
- ``live/``: what only a cluster has.

``failures.py`` has the errors of stages, for all rooms. Start reading at ``recovery/task.py``. Why
it is so: docs/design.md, sections 5 to 7. Where to look when a run diverges: docs/README.md.
"""
