"""Recordings of a venue's web-socket frames, and what they become: ``ref.instruments``,
``md.trades``, ``md.depth``, ``md.book_tickers`` and ``import.dlq`` of a closed local log.

Where to start reading: :mod:`~connectors.captures.importer` (the import, line by line), then

- :mod:`~connectors.captures.lines`: files to numbered lines, however they end;
- :mod:`~connectors.captures.frames`: one line to one typed frame, or a reason why not;
- :mod:`~connectors.captures.numbers`: decimal text to exact integers;
- :mod:`~connectors.captures.sequences`: each trade and update once;
- :mod:`~connectors.captures.snapshots`: a REST snapshot goes before the first update that continues
  it;
- :mod:`~connectors.captures.cryptofeed`: captures of cryptofeed, whose lines are framed otherwise;
- :mod:`~connectors.captures.exchange_import`: its captures of Kraken, OKX, Coinbase and Deribit, by
  :mod:`~connectors.captures.exchange_frames`, :mod:`~connectors.captures.deribit_frames` and
  :mod:`~connectors.captures.exchange_books`;
- :mod:`~connectors.captures.tiling`: a log repeated N times with shifted times and ids, for
  benchmarks.
"""
