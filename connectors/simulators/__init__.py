"""Generated markets in the shape of recorded ones: :func:`connectors.simulators.market.generate`
writes ``ref.instruments``, ``md.depth``, ``md.trades`` and ``md.book_tickers``, every record
flagged SIMULATED, and ``sim.truth``, which no stage may read.

:mod:`~connectors.simulators.market` is the loop over time and the log,
:mod:`~connectors.simulators.order_flow` who sends what and the book they meet in, one kernel; the
draws are those of :mod:`streams.numeric.draws`.
"""
