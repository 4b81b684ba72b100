"""The checks, a module each: what it must have stands in ``streams/risk/check.py``, their order in
``streams/risk/codes.py``."""
