"""Fill models: how the queue position of a resting order moves. One file each; the contract and the
table of names are in ``streams/venue/models.py``.

- ``risk_averse.py``  the default: only what trades, or what the displayed size leaves no room for
- ``log_prob.py``     a cancellation is shared out by the logarithms of what is ahead and behind
- ``log_prob_2.py``   the same, with more of it behind us
"""
