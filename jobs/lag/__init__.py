"""Consumer lag of every group on a cluster: how far behind, in records and in seconds, why, and
since when.

Reads group offsets, end offsets and, bounded, the records at the positions; writes Prometheus
metrics (``sq lag --serve``, ``python -m jobs.lag``) and rows (``sq lag``). It works for any group
on any cluster and writes nothing to it.
"""
