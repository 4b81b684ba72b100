"""Reference data: what venues publish about their instruments, kept with the time it holds from
and the time we came to know it, so that a later correction changes no past answer.

Where to start reading: :mod:`~connectors.reference.table` (the dated table and its look-ups), then

- :mod:`~connectors.reference.syncing`: a file into the table, changes only;
- :mod:`~connectors.reference.listing`: one instrument's terms, and the record they become;
- :mod:`~connectors.reference.binance`: ``exchangeInfo`` of spot and USD-M, with every filter;
- :mod:`~connectors.reference.kite`: Zerodha's dump of instruments;
- :mod:`~connectors.reference.reading`: which of the two a file is, and what else it may be;
- :mod:`~connectors.reference.lookup`: the specifications that an import takes of a table;
- :mod:`~connectors.reference.contracts`: names of derivatives, read and built;
- :mod:`~connectors.reference.calendars`: days and hours of trading;
- :mod:`~connectors.reference.charges`: what an order costs in India.
"""
