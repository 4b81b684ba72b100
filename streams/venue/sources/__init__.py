"""What the venue's prices come from: a recorded order book or an assumed one (``models.py``)."""
