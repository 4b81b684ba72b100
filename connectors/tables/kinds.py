"""What a table's rows are: of which topic, which fields they need, by which names columns go."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from connectors.tables.columns import ColumnMap
    from connectors.tables.fields import Fields
    from connectors.tables.rows import Batch
    from schemas.records import Instrument


class Source(msgspec.Struct, frozen=True):
    """What rows of a batch are made from.

    Attributes:
        unit: of the times. side_column: name of the side's column, empty without one.
        interval: of bars, ns; 0 else.
    """

    batch: Batch
    fields: Fields
    wanted: ColumnMap
    instrument: Instrument
    unit: str
    side_column: str = ""
    interval: int = 0

    def has(self, field: str) -> bool:
        """True if a column is this field."""
        return field in self.batch.starts


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of table.

    Attributes:
        name: of its rows, many. one: one of them, with its article.
        topic: that they become. record: of the topic.
        time: field of the record that rows lie in order of. id: field that tells rows apart.
        names: by field, the names that columns go by, in lower case, words parted by an underscore.
        needed: fields that a table must have.
        is_numbered: True if rows without an id are numbered from 1.
        prices, quantities: fields of these precisions.
        rows: rows of the record; right where ``Fields`` has found nothing wrong.
        duplicate: reason of a dead letter for an id that came before.
    """

    name: str
    one: str
    topic: str
    record: str
    time: str
    id: str
    names: dict[str, tuple[str, ...]]
    needed: tuple[str, ...]
    is_numbered: bool
    prices: tuple[str, ...]
    quantities: tuple[str, ...]
    rows: Callable[[Source], Any]
    duplicate: str


def plain_name(name: str) -> str:
    """``isBuyerMaker``, ``Is Buyer Maker`` and ``is_buyer_maker`` are one name."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip().strip('"').strip())
    return re.sub(r"[\s\-.]+", "_", parted).lower()
