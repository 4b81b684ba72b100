"""Signals: market data in, signals (or orders) out: the strategies, their contract and their test
kit.

``strategy.py`` is the contract of a strategy in plain Python, ``template.py`` a file to copy,
``kit.py`` runs one over a list of records; ``catalogue.py`` finds a strategy by name or file.
``ema_cross.py`` (a kernel) and ``ema_cross_python.py`` are one rule written twice.
``indicators.py`` has the objects that a strategy in plain Python keeps; kernels have the same rules
in ``streams.numeric``.
"""
