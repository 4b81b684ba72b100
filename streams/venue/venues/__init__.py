"""Venues: fees, tick and lot rules, latency. One file each; the contract and the table of names are
in ``streams/venue/models.py``.

- ``standard.py``          the default: rates of the notional, one tick and lot, constant latency
- ``brokered.py``          fees with a cap an order, a coarser tick from a price on, a slow gateway
"""
