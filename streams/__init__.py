"""What the pipeline computes: no Kafka, no files and no clock in any stage. One folder for each
stage, and what they run in.

In the order of the pipeline: aggregation, toxicity, signals (strategies and sizing), risk, routing,
venue, portfolio, reporting. Stages meet only through topics; they import ``schemas`` and
``streams.numeric`` and nothing else of ours. ``runtime`` runs them, over ``log``.
"""
