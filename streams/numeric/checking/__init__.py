"""What is wrong with a recording, counted row by row: the compiled part of ``sq check``.

In: rows of md.trades, md.depth, md.book_tickers and the other market topics. Out: tallies, one for
each instrument and each ``Code``. Start reading at ``codes.py`` (what is counted), then
``tally.py`` (how), ``records.py`` (times, trades, quotes) and ``depth.py`` (the book, by
``streams.numeric.book``). What a count means to people is in ``jobs/checking``.
"""
