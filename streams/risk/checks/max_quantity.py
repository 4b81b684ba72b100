"""The largest order that the venue, or an operator, accepts."""

from __future__ import annotations

from typing import Any

from schemas.records import Instrument
from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import join, wide
from streams.risk.check import BASE_UNITS, Check, Limit
from streams.risk.records import OFF


def own(instrument: Instrument) -> int:
    """An instrument has 0 where it says none."""
    return instrument.maximum_quantity if instrument.maximum_quantity > 0 else OFF


CHECK = Check(
    RiskCode.MAX_QUANTITY,
    denies="the quantity is above the maximum",
    observed="quantity",
    limit="maximum",
    set_by="`max_quantity`",
    meaning="larger than the limit on order size",
    governed_by="[risk] max_quantity, [sizing] size",
    limits=(Limit("max_quantity", 1, BASE_UNITS, own=own),),
)


@inlined_kernel
def fails(listed: Any, request: Any) -> Any:
    """The order is larger."""
    most = join(listed.max_quantity_high, listed.max_quantity_low)
    return most >= 0 and request.quantity > most


@inner_kernel
def shows(listed: Any, request: Any) -> Any:
    """Both quantities."""
    most = join(listed.max_quantity_high, listed.max_quantity_low)
    return wide(request.quantity), most
