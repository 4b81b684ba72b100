"""Owns the records of routing (``streams/numeric/pooled_state.py``), and the fills of orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from streams.numeric.pool import CHAIN
from streams.numeric.pooled_state import EMPTY_CHAIN, PooledState, linked
from streams.routing import records as r

GROWS: dict[Any, str] = {
    r.ORDERS_FULL: "orders",
    r.TRADES_FULL: "trades",
    r.COMMANDS_FULL: "commands",
    r.EVENTS_FULL: "events",
    r.FILLS_FULL: "fills",
}
"""Fault -> the table that is to grow."""


class State(PooledState):
    """The records of one routing stage.

    Args:
        closed_orders: closed orders that are kept.
        lengths: rows of tables at first.
    """

    NAME = "routing"
    HEADER = r.ROUTING
    STATE_FIELDS = ()
    ROWS: ClassVar[Any] = {}
    LENGTHS: ClassVar[Any] = {
        "orders": 64, "trades": 64,
        "commands": 16, "events": 16, "fills": 16,
    }  # fmt: skip
    OUTPUTS = r.OUTPUTS
    OUTPUT_ROWS: ClassVar[Any] = {"commands": r.COMMAND, "events": r.EVENT, "fills": r.FILL}
    POOLS: ClassVar[Any] = {"orders": r.ORDER, "trades": r.TRADE}
    CHAINS: ClassVar[Any] = {"live": "orders", "closed": "orders"}
    KEYS: ClassVar[Any] = {}
    KEY_FIELDS: ClassVar[Any] = {"trades": ("order_place", "venue_trade_id")}

    def __init__(self, closed_orders: int, lengths: Mapping[str, int] | None = None) -> None:
        super().__init__(lengths)
        self.row["closed_orders"] = closed_orders

    # -- the fills of orders: in the snapshot behind the orders, in their order

    def taken(self, pool: str) -> Any:
        """Places of a pool's rows that are in use; those of fills order by order."""
        places = super().taken(pool if pool != "trades" else "orders")
        if pool != "trades":
            return places
        chains = self.tables["orders"].rows["trades"][places]
        return self.places_of("trades", chains["first"], chains["count"])

    def chained(self, chain: str) -> Any:
        """Copies of a chain's orders; of their fills only the number."""
        rows = super().chained(chain)
        rows["trades"]["first"] = rows["trades"]["last"] = 0
        return rows

    def contents(self) -> dict[str, bytes]:
        """The orders of both chains, and the fills of all of them, which name no order."""
        trades = self.tables["trades"].rows[self.taken("trades")]
        for name in ("order_place", "next_row", "previous_row"):
            trades[name] = 0
        return super().contents() | {"trades": trades.tobytes()}

    def is_whole(
        self, name: str, contents: Mapping[str, bytes], values: Mapping[str, int]
    ) -> bool:
        """There are as many fills as the orders have."""
        if name != "trades":
            return super().is_whole(name, contents, values)
        orders = b"".join(contents[chain] for chain in self.CHAINS)
        if len(orders) % int(r.ORDER.itemsize):
            return False
        count = int(np.frombuffer(orders, r.ORDER)["trades"]["count"].sum())
        return len(contents[name]) == count * int(r.TRADE.itemsize)

    def take_contents(self, contents: Mapping[str, bytes]) -> None:
        """Orders first, then to each its fills."""
        super().take_contents(contents)
        orders, places = self.tables["orders"].rows["trades"], self.taken("orders")
        counts = orders["count"][places]
        orders[places] = EMPTY_CHAIN
        found = np.frombuffer(contents["trades"], r.TRADE)
        self.take_rows("trades", {})
        self.reserve("trades", len(found))
        self.row["trades"]["taken"] = self.row["trades"]["used"] = len(found)
        trades = self.tables["trades"].rows[: len(found)]
        linked(trades, 0, found)
        trades["order_place"] = np.repeat(places, counts)
        is_filled = counts > 0
        ends = np.cumsum(counts)[is_filled]
        starts = ends - counts[is_filled]
        trades["next_row"][ends - 1] = trades["previous_row"][starts] = -1
        chains = np.rec.fromarrays([starts, ends - 1, counts[is_filled]], dtype=CHAIN)
        orders[places[is_filled]] = chains
        self._index_pool("trades")
