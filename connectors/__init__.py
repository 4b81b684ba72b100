"""The outside world, one folder each: what comes in becomes a closed log of external topics, what
goes out leaves from one.

- :mod:`connectors.instruments` and ``instruments.toml``: instrument specifications, shipped and
  overridden;
- :mod:`connectors.captures`: recordings of a venue's frames -> ``ref.instruments``, ``md.*`` and
  ``import.dlq``;
- :mod:`connectors.tables`: tables of trades, quotes, bars, CSV or Parquet -> the same topics;
- :mod:`connectors.simulators`: generated markets, in the shape of recorded ones;
- :mod:`connectors.control`: an operator's command into a log;
- :mod:`connectors.live_feed`: a recording to a cluster's topics, at the pace of its event times;
- :mod:`connectors.pulling`: from a cluster to a folder: topologies to verify, recordings to
  backtest, archives;
- :mod:`connectors.blocks`: records to blocks of a topic, and the manifest that closes a log; every
  connector writes through it.
"""
