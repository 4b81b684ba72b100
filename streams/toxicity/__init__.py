"""Toxicity: md.trades and md.quotes in, and a view of the book; md.features once a second and
md.toxicity once per volume bucket out.

Start reading at ``stage.py``; then ``depth.py`` (imbalance of the book), ``vpin.py`` (volume
buckets); ``state.py`` declares settings and state. Who was the aggressor of a trade is said by
``streams/numeric/measures/signing.py``.
"""
