"""A day of orders as the order side writes it, and a plain twin of the tables: dicts and integers,
no SQL.

The records are made from a seed: requests, acceptances, partial fills, cancels, refusals, positions
with their costs, P&L. Accounts lie on partitions, each written in order; instrument 2 becomes known
late.
"""

from __future__ import annotations

import random
from decimal import Context, Decimal
from typing import Any

from schemas.records import Fill, Instrument, OrderEvent, OrderRequest, PnL, Position
from schemas.vocabulary import (
    Liquidity,
    NullReason,
    OrderReason,
    OrderStatus,
    OrderType,
    RequestKind,
    Side,
    TimeInForce,
)

DIGITS = Context(prec=80)
PRECISIONS = {1: (2, 8), 2: (4, 3)}
Row = dict[str, Any]


def instrument(number: int) -> Instrument:
    precision = PRECISIONS[number]
    return Instrument(
        number,
        "test",
        f"T{number}",
        2,
        f"T{number}",
        "USDT",
        *precision,
        1,
        1,
        1,
        9,
        0,
        1,
        True,
        0,
        None,
        5,
        5,
        0,
    )


def orders_of_day(seed: int, count: int) -> list[list[tuple[str, Any]]]:
    """(topic, record) of each order in order; the account is 1 + its partition."""
    draw = random.Random(seed)
    held: dict[tuple[int, int], list[int]] = {}
    day = []
    for number in range(count):
        account, line, side = (
            draw.choice((1, 2)),
            draw.choice((1, 2)),
            draw.choice((Side.BUY, Side.SELL)),
        )
        order_id = f"{number:020}"
        quantity, price, at = (
            draw.randrange(1, 10**12),
            draw.randrange(1, 10**9),
            10**18 + number * 1_000_000,
        )
        who = (order_id, account, 7, line)
        records: list[tuple[str, Any]] = [
            (
                "orders.requests",
                OrderRequest(
                    *who,
                    at,
                    int(RequestKind.NEW),
                    int(side),
                    int(OrderType.LIMIT),
                    int(TimeInForce.GTC),
                    False,
                    quantity,
                    price,
                ),
            )
        ]

        terms = at, int(side), quantity, price

        def event(
            status: OrderStatus,
            filled: int,
            refused: bool = False,
            who: Any = who,
            terms: Any = terms,
        ) -> OrderEvent:
            reason = OrderReason.REFUSED_TRANSITION if refused else OrderReason.NONE
            return OrderEvent(*who, terms[0], int(status), int(reason), *terms[1:], filled, refused)

        records.append(("orders.events", event(OrderStatus.ACCEPTED, 0)))
        filled = 0
        for _ in range(draw.randrange(3)):
            part = draw.randrange(1, quantity - filled + 1)
            filled += part
            fee = draw.randrange(-(10**20), 10**20)
            records.append(
                ("fills", Fill(*who, at, int(side), price, part, int(Liquidity.TAKER), fee, number))
            )
            position = held.setdefault((account, line), [0, 0, 0])
            signed = part if side == Side.BUY else -part
            position[0] += signed
            position[1] += signed * price
            position[2] += fee
            records.append(
                (
                    "positions",
                    Position(
                        account, 7, line, at, order_id, position[0], position[1], 0, position[2]
                    ),
                )
            )
            done = filled == quantity
            records.append(
                (
                    "orders.events",
                    event(OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED, filled),
                )
            )
            if done:
                break
        if filled < quantity and draw.random() < 0.3:
            records.append(
                (
                    "orders.requests",
                    OrderRequest(
                        *who, at + 9, int(RequestKind.CANCEL), int(side), 2, 1, False, 0, 0
                    ),
                )
            )
            records.append(("orders.events", event(OrderStatus.CANCELLED, filled)))
        if draw.random() < 0.1:
            records.append(("orders.events", event(OrderStatus.ACCEPTED, filled, refused=True)))
        equity = None if draw.random() < 0.2 else draw.randrange(-(10**30), 10**30)
        reason = NullReason.NO_MARK if equity is None else NullReason.NONE
        records.append(
            ("pnl", PnL(account, at, 10, number, equity, 3, 10**25, equity, int(reason), 0))
        )
        day.append(records)
    return day


def exact(raw: int | None, decimals: int) -> Decimal | None:
    """The decimal of an integer."""
    return None if raw is None else Decimal(raw).scaleb(-decimals, DIGITS)


class Twin:
    """The tables' twin. Feed it every committed record with its place, each topic in its order."""

    def __init__(self) -> None:
        self.orders: dict[str, Row] = {}
        self.fills: dict[tuple[int, int], Row] = {}
        self.positions: dict[tuple[int, int, int], Row] = {}
        self.pnl: dict[tuple[int, int], Row] = {}

    def take(self, topic: str, partition: int, offset: int, record: Any) -> None:
        if topic == "fills":
            price, quantity = PRECISIONS[record.instrument]
            self.fills[partition, offset] = {
                "order_id": record.order_id, "side": Side(record.side).name,
                "price": exact(record.price, price),
                "quantity": exact(record.quantity, quantity), "fee": exact(record.fee,
                price + quantity), "fee_raw": record.fee,
            }  # fmt: skip
        elif topic == "positions":
            price, quantity = PRECISIONS[record.instrument]
            self.positions[record.account, record.strategy, record.instrument] = {
                "order_id": record.order_id, "quantity": exact(record.quantity, quantity),
                "cost": exact(record.cost, price + quantity),
                "fees": exact(record.fees, price + quantity), "cost_raw": record.cost,
            }  # fmt: skip
        elif topic == "pnl":
            self.pnl[partition, offset] = {
                "account": record.account, "realized": exact(record.realized, 10),
                "equity": exact(record.equity, 10),
                "reason": NullReason(record.reason).name,
            }  # fmt: skip
        elif topic in ("orders.requests", "orders.events"):
            self._take_order(topic, record)

    def _take_order(self, topic: str, record: Any) -> None:
        price, quantity = PRECISIONS[record.instrument]
        order = self.orders.setdefault(
            record.order_id, {"events": 0, "refused_events": 0, "cancel_requested_time_ns": None}
        )
        if topic == "orders.requests" and record.kind == RequestKind.NEW:
            order.update(
                account=record.account, instrument=record.instrument, side=Side(record.side).name,
                order_type=OrderType(record.order_type).name,
                requested_quantity=exact(record.quantity, quantity),
                requested_price=exact(record.price, price),
            )  # fmt: skip
        elif topic == "orders.requests":
            order["cancel_requested_time_ns"] = record.event_time
        elif record.refused:
            order["refused_events"] += 1
        else:
            order["events"] += 1
            order.update(
                status=OrderStatus(record.status).name,
                filled_quantity=exact(record.filled_quantity, quantity),
            )

    def differences(self, session: Any) -> list[str]:
        """Rows that are not the twin's, or missing."""
        keys = {
            "orders": ("order_id",),
            "fills": ("log_partition", "log_offset"),
            "pnl": ("log_partition", "log_offset"),
        }
        keys["positions"] = ("account", "strategy", "instrument")
        found = []
        for table, key in keys.items():
            cursor = session.execute(f"SELECT * FROM {table}".encode())
            names = [column.name for column in cursor.description]
            rows = {}
            for values in cursor.fetchall():
                row = dict(zip(names, values, strict=True))
                rows[row[key[0]] if len(key) == 1 else tuple(row[name] for name in key)] = row
            twin: dict[Any, Row] = getattr(self, table)
            found += [f"{table} {each} is missing" for each in twin.keys() - rows.keys()]
            found += [f"{table} {each} is too much" for each in rows.keys() - twin.keys()]
            for each in twin.keys() & rows.keys():
                wrong = {
                    name: (rows[each][name], value)
                    for name, value in twin[each].items()
                    if rows[each][name] != value
                }
                if wrong:
                    found.append(f"{table} {each}: {wrong}")
        return found
