"""Aggregation: md.trades and md.depth in; md.quotes, md.bars and md.marks out.

It owns the order book of each instrument (``streams.numeric.book``) and is the only stage that
changes it. Start reading at ``stage.py`` (one function per input record), then ``quotes.py``,
``bars.py``, ``marks.py``; ``state.py`` declares settings and state.
"""
