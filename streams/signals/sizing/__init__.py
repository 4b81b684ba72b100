"""Sizing: from a strategy's view to the order that brings the position there.

``signals``, ``orders.events``, ``fills``, ``md.marks``, ``ref.instruments``  ->
``orders.requests``; ``orders.decisions``, ``risk.events``

- target = direction x size, scaled by min(strength, 2); a view weaker than the threshold (0.6) asks
  for nothing; direction 0 asks for flat;
- size is the signal's, else the setting, else 1 % of the account's starting cash at the first bid
  of the instrument, rounded down to the lot, but not less than what is safely tradable and not more
  than the instrument allows (``sizes.py``);
- order = target - position - what works already, rounded down to the lot, as a market order;
  nothing where that is zero, so that a view that is repeated while its order works sends nothing;
- where shorts are off or the instrument cannot be sold short, a negative target is flat, and what
  was not sold is a decision: denied, SHORT_NOT_ALLOWED. So is a target below one lot (MIN_QUANTITY)
  and a signal whose size is negative (INVALID_QUANTITY);
- an order that is denied, rejected or cancelled is not sent again until the next signal.

Before `trade_from`, and for `warmup` after the first mark, views are noted and not traded.

Read ``handlers.py`` first: the rules, over the records of ``records.py``. ``stage.py`` is what a
topology names; it writes records into rows, calls the handlers, and emits the rows they wrote.
"""

from streams.signals.sizing.faults import BadSize, QuantityTooLarge, UnknownInstrument
from streams.signals.sizing.settings import Settings
from streams.signals.sizing.sizes import scaled
from streams.signals.sizing.stage import Sizing

__all__ = ["BadSize", "QuantityTooLarge", "Settings", "Sizing", "UnknownInstrument", "scaled"]
