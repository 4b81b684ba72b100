"""Topic digests of many scenarios, written down: whoever rebuilds the house shows by them that
nothing else changed.

``scenarios.py`` is the table, ``digests.json`` what each gave when it was written: the run's
identity apart, every output topic's count and SHA-256. ``python -m tests.digests --write`` writes
them again; a commit that does so says which results changed, and why.
"""
