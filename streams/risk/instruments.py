"""One instrument as a row of risk's state: its specification, limits, last mark, exposure. The
fields of limits are those that the checks declare (``codes.LIMITS``).
"""

from __future__ import annotations

import numpy as np

from streams.numeric.stage_records import amounts, words
from streams.risk.codes import LIMITS

TERMS = words(
    "price_precision quantity_precision tick_size lot_size shortable settled_in_cash "
    "initial_rate maintenance_rate fee_rate"
)
LIMIT_FIELDS = amounts(*(each.name for each in LIMITS if each.unit.has_38_digits)) + words(
    " ".join(each.name for each in LIMITS if not each.unit.has_38_digits)
)
INSTRUMENT = np.dtype(
    words("instrument precision multiplier")
    + amounts("scale")
    + TERMS
    + LIMIT_FIELDS
    + words("changed_limits is_marked bid_price ask_price last_price book_time mark_flags")
    + words("long_price short_price first_holding last_holding")
    + amounts("position", "working_buy", "working_sell", "worth_buy", "worth_sell", "cost")
)
"""``scale``: from its notional unit to the account's. Rates are in 1e-8: initial and maintenance
margin of the value, and the higher of the venue's fees, 0 where both are rebates. Limits are OFF
where not set, in the units of ``check.Limit``. ``changed_limits``: a bit for each limit that an
operator set for this instrument alone; a new specification does not touch them. ``long_price``:
last usable bid, what longs are worth, 0 before there was one; ``short_price``: last usable ask.
``worth_buy``: working buys at their worst prices; ``cost``: of the position, on a perpetual.
"""
SPECIFIED = tuple(name for name, _ in TERMS + LIMIT_FIELDS)
"""Fields that a specification sets, beside those of ``stage_records.list_instrument``."""
