"""Tables that a user brings, CSV or Parquet, and what they become: ``ref.instruments``,
``md.trades``, ``md.book_tickers`` or ``md.bars``, and ``import.dlq`` of a closed local log, as an
import of a recording makes them.

Where to start reading: :mod:`~connectors.tables.importing` (the import), then

- :mod:`~connectors.tables.trades`, :mod:`~connectors.tables.quotes`,
  :mod:`~connectors.tables.bars`: the kinds of table, a module each;
- :mod:`~connectors.tables.kinds`: what a kind says of itself;
- :mod:`~connectors.tables.columns`: the column map, and the names that are known without one;
- :mod:`~connectors.tables.batches`: files to rows of text, in bounded memory;
- :mod:`~connectors.tables.parquet`: the same of Parquet, the one module that needs polars;
- :mod:`~connectors.tables.rows`: a batch, and where the fields of its rows lie;
- :mod:`~connectors.tables.fields`: a batch's fields to integers, or why not;
- :mod:`~connectors.tables.repeated`: ids that come twice;
- :mod:`~connectors.tables.sorting`: rows that do not lie in order of time;
- :mod:`~connectors.tables.instrument`: which instrument it is;
- :mod:`~connectors.tables.zones`: the zone of times that name none;
- :mod:`~connectors.tables.binance_public`: the exchange's public files, by the maps of ``maps/``;
- :mod:`~connectors.tables.lean`: folders of LEAN, whose times count from a midnight;
- :mod:`~connectors.tables.kite_candles`: historical candles of Kite, JSON as rows;
- :mod:`~connectors.tables.detecting`: what a file seems to be.
"""
