"""The runtime: what turns stages and a log into a run that can be killed, resumed, replayed and proved.

- ``topology.py``: the stages in order, which topics join them, and who reads what; ``loop.py`` writes their fused loop as a module;
- ``feed.py`` reads one input topic ahead, ``merge.py`` puts the inputs in order (or repeats a journal's order);
- ``engine.py`` runs a batch: kernels ahead over the slice, ledgers record by record; ``runner.py`` calls the compiled loops;
- ``execution.py``: one batch from inputs to output bodies; ``task.py``: the batch loop, its commits, recovery and snapshots;
- ``journal.py`` and ``snapshot.py``: their records; ``verify.py``: the journal executed again and compared;
- ``code.py``: digests of the sources; ``lint.py``: what a stage may not do; ``context.py``: what a ledger's handler is handed.

Start reading at ``task.py``. Why it is so: docs/design.md, sections 5 to 7. Where to look when a run diverges: docs/README.md.
"""
