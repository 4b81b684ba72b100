"""Decimal text of one instrument to exact integers, and what is wrong with it where it is not a
price or a quantity.

Texts repeat: a price level is sent again whenever its size changes. So both converters are
dictionaries that compute what they miss; they hold valid values only, and are emptied when they are
full, so that a long recording does not grow them.
"""

from __future__ import annotations

from schemas.errors import BadData
from schemas.records import Instrument
from streams.numeric import fixed

REMEMBERED_MAX = 1 << 17


class BadField(Exception):
    """A field that cannot be used: ``reason`` is the dead letter's code, ``detail`` says it in
    words.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class Remembered(dict[str, int]):
    """Text to integer at a precision, refusing what is below ``minimum``.

    Args:
        name: "price" or "quantity", for the reason.
        precision: decimals of the unit.
        minimum: smallest allowed value.
    """

    def __init__(self, name: str, precision: int, minimum: int) -> None:
        super().__init__()
        self.name = name
        self.precision = precision
        self.minimum = minimum

    def __missing__(self, text: str) -> int:
        try:
            value = fixed.parse(text, self.precision)
        except BadData as problem:
            raise BadField(f"{problem.code}", f"{self.name}: {problem}") from None
        if value < self.minimum:
            kind = "negative" if value < 0 else "zero"
            raise BadField(f"{kind}_{self.name}", f"{self.name} {text}")
        if len(self) >= REMEMBERED_MAX:
            self.clear()
        self[text] = value
        return value


class Numbers:
    """The converters of one instrument.

    Attributes:
        price: text of a price, above 0. quantity: text of a quantity, 0 allowed (it removes a
            level).
        best: text of a ticker's price, where 0 says that the side is empty.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.price = Remembered("price", instrument.price_precision, 1)
        self.best = Remembered("price", instrument.price_precision, 0)
        self.quantity = Remembered("quantity", instrument.quantity_precision, 0)
        self._tick = instrument.tick_size
        self._lot = instrument.lot_size

    def is_off(self, price: int, quantity: int) -> bool:
        """True if the price is off the tick or the quantity off the lot: kept and flagged, for
        those rules bind orders.
        """
        return price % self._tick != 0 or quantity % self._lot != 0

    def levels(self, rows: list[tuple[str, str]]) -> list[tuple[int, int]]:
        """(price, quantity) of each level, in the order given. Raises BadField."""
        price, quantity = self.price, self.quantity
        return [(price[level], quantity[size]) for level, size in rows]

    def any_off(self, levels: list[tuple[int, int]]) -> bool:
        """True if any level is off the tick or the lot."""
        tick, lot = self._tick, self._lot
        if tick > 1 and lot > 1:
            return any(price % tick or quantity % lot for price, quantity in levels)
        if tick > 1:
            return any(price % tick for price, _ in levels)
        return lot > 1 and any(quantity % lot for _, quantity in levels)
