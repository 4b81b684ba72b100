"""Microstructure: md.trades, md.quotes, md.depth and md.toxicity in, with a view of the book; one
record of md.microstructure an interval and instrument out.

The stage runs where a job switches it on, and nowhere else. The formulas are the steps of
``streams/numeric/measures``. Start reading at ``stage.py`` (what each record does); then
``intervals.py`` (what the end of an interval measures) and ``publishing.py`` (what a record says,
and why a measure of it is null); ``state.py`` declares settings and state.
"""
