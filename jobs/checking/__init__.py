"""``sq check``: the quality of a recording, and a certificate that anyone can compute again.

- :mod:`~jobs.checking.kinds`: what each kind of finding means; begin here;
- :mod:`~jobs.checking.checker`: the topics of a folder, one after the other, in bounded memory;
- :mod:`~jobs.checking.trades`: ids of trades, by the rule that imports have;
- :mod:`~jobs.checking.tickers`: the book's top against the venue's own best bid and ask;
- :mod:`~jobs.checking.bars`: bars, and bars of trades against them; :mod:`~jobs.checking.hours`:
  when a venue has none;
- :mod:`~jobs.checking.document`: findings, as a table, JSON and the certificate.

Rows are counted by the compiled steps of ``streams/numeric/checking``.
"""
