"""A real Apache Kafka broker and schema registry on this machine, for ``sq kafka up`` and for tests
that break one.

- ``local.py``: the cluster of ``sq kafka up|down|status``: both services, their ports, kept in one
  folder;
- ``broker.py`` / ``registry.py``: one service each, to be owned by a test: start, stop, kill,
  pause, restart;
- ``process.py`` / ``container.py``: what such a service runs as: a JVM process, or a container
  where an engine answers;
- ``artifacts.py`` / ``java.py``: the pinned versions, fetched once per user with Maven; which Java
  runs them;
- ``ports.py``: free ports, chosen once;
- ``ready.py``: when a service counts as up: it has answered, and a record went through it.

Start reading at ``local.py``.
"""
