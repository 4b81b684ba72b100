"""Generated markets in the shape of recorded ones: :func:`connectors.simulators.market.generate` writes ``ref.instruments``, ``md.depth``,
``md.trades`` and ``md.book_tickers``, every record flagged SIMULATED, and ``sim.truth``, which no stage may read.

:mod:`~connectors.simulators.draws` are the random numbers, :mod:`~connectors.simulators.matching` the order book,
:mod:`~connectors.simulators.traders` who sends what, :mod:`~connectors.simulators.market` the loop over simulated time and the log.
"""
