"""From a cluster to a folder: ranges of offsets become topics of a local log, bodies as they are,
without registry framing.

- :mod:`connectors.pulling.offset_range`: one partition's range into one local topic, the fast path
  everything goes through;
- :mod:`connectors.pulling.topology`: a topology's journal, inputs and outputs, so that its run is
  proven from the folder alone;
- :mod:`connectors.pulling.recording`: market data by time, as a recording that a backtest takes;
- :mod:`connectors.pulling.archive`: what a journal still needs, kept before retention removes it.

Start reading at ``topology.py``.
"""
