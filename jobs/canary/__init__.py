"""The canary: marked ticks into the input topics of running topologies, and what came of them, read
as committed.

``sightings`` counts what was sent and seen, and knows nothing of Kafka; ``watching`` reads a
shard's journal and quotes; ``flight`` sends, watches and adds up. Read ``flight`` first. What a
tick is, and why it can touch nothing: ``streams/runtime/order/canary.py`` and decision 16.
"""
