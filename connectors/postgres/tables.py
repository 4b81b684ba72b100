"""What each record does to which table.

A statement's parameters are the record's fields by name, enums as their symbols, and
``log_partition`` and ``log_offset``. Statements of one topic run in the log's order; statements of
different topics write different columns, so that no row depends on how topics were interleaved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connectors.named import named
from schemas.catalogue import topic
from schemas.records import Instrument
from schemas.vocabulary import RequestKind

TABLES = ("instruments", "orders", "fills", "positions", "pnl")
"""The tables of records, each with the topics' content; ``marks`` and ``migrations`` are about
them.
"""

TOPICS = ("ref.instruments", "orders.requests", "orders.events", "fills", "positions", "pnl")
"""The topics projected."""

Values = dict[str, Any]


def _decimal(raw: str, *precisions: str) -> str:
    """SQL of an exact decimal: ``raw`` at the sum of the instrument's precisions; null while the
    instrument is not known.
    """
    return (
        f"scaled({raw}, (SELECT {' + '.join(precisions)} FROM instruments WHERE instrument = "
        "%(instrument)s))"
    )


def _price(name: str) -> str:
    return _decimal(f"%({name})s::numeric", "price_precision")


def _quantity(name: str) -> str:
    return _decimal(f"%({name})s::numeric", "quantity_precision")


def _amount(name: str) -> str:
    return _decimal(f"%({name})s::numeric", "price_precision", "quantity_precision")


def _own_amount(name: str) -> str:
    """An amount of a record that carries its own precision."""
    return f"scaled(%({name})s::numeric, %(amount_precision)s)"


INSTRUMENT = """
INSERT INTO instruments (instrument, venue, symbol, kind, base, quote, price_precision, quantity_precision, expiry_ns, valid_from_ns)
VALUES (%(instrument)s, %(venue)s, %(symbol)s, %(kind)s, %(base)s, %(quote)s, %(price_precision)s, %(quantity_precision)s, %(expiry)s, %(valid_from)s)
ON CONFLICT (instrument) DO UPDATE SET venue = EXCLUDED.venue, symbol = EXCLUDED.symbol, kind = EXCLUDED.kind, base = EXCLUDED.base,
    quote = EXCLUDED.quote, expiry_ns = EXCLUDED.expiry_ns, valid_from_ns = EXCLUDED.valid_from_ns
"""

FILL_IN = (
    """
    UPDATE orders SET
        requested_quantity = scaled(requested_quantity_raw, %(quantity_precision)s),
        requested_price = scaled(requested_price_raw, %(price_precision)s),
        quantity = scaled(quantity_raw, %(quantity_precision)s), price = scaled(price_raw, %(price_precision)s),
        filled_quantity = scaled(filled_quantity_raw, %(quantity_precision)s)
    WHERE instrument = %(instrument)s
    """,
    """
    UPDATE fills SET price = scaled(price_raw, %(price_precision)s), quantity = scaled(quantity_raw, %(quantity_precision)s),
        fee = scaled(fee_raw, %(price_precision)s + %(quantity_precision)s)
    WHERE instrument = %(instrument)s
    """,
    """
    UPDATE positions SET quantity = scaled(quantity_raw, %(quantity_precision)s),
        cost = scaled(cost_raw, %(price_precision)s + %(quantity_precision)s),
        realized = scaled(realized_raw, %(price_precision)s + %(quantity_precision)s),
        fees = scaled(fees_raw, %(price_precision)s + %(quantity_precision)s)
    WHERE instrument = %(instrument)s
    """,
)
"""What a newly known instrument gives to rows that came before it: their decimals."""

NEW_ORDER = f"""
INSERT INTO orders (order_id, account, strategy, instrument, side, order_type, time_in_force, post_only, requested_time_ns,
    requested_quantity_raw, requested_quantity, requested_price_raw, requested_price)
VALUES (%(order_id)s, %(account)s, %(strategy)s, %(instrument)s, %(side)s, %(order_type)s, %(time_in_force)s, %(post_only)s, %(event_time)s,
    %(quantity)s, {_quantity("quantity")}, %(price)s, {_price("price")})
ON CONFLICT (order_id) DO UPDATE SET account = EXCLUDED.account, strategy = EXCLUDED.strategy, instrument = EXCLUDED.instrument, side = EXCLUDED.side,
    order_type = EXCLUDED.order_type, time_in_force = EXCLUDED.time_in_force, post_only = EXCLUDED.post_only,
    requested_time_ns = EXCLUDED.requested_time_ns, requested_quantity_raw = EXCLUDED.requested_quantity_raw,
    requested_quantity = EXCLUDED.requested_quantity, requested_price_raw = EXCLUDED.requested_price_raw, requested_price = EXCLUDED.requested_price
"""

CANCEL_ORDER = """
INSERT INTO orders (order_id, cancel_requested_time_ns) VALUES (%(order_id)s, %(event_time)s)
ON CONFLICT (order_id) DO UPDATE SET cancel_requested_time_ns = EXCLUDED.cancel_requested_time_ns
"""

# who an order is for: the request says so, and where there is none (yet) the event does
ORDER_EVENT = f"""
INSERT INTO orders AS known (order_id, account, strategy, instrument, side, status, reason, event_time_ns,
    quantity_raw, quantity, price_raw, price, filled_quantity_raw, filled_quantity, events)
VALUES (%(order_id)s, %(account)s, %(strategy)s, %(instrument)s, %(side)s, %(status)s, %(reason)s, %(event_time)s,
    %(quantity)s, {_quantity("quantity")}, %(price)s, {_price("price")}, %(filled_quantity)s, {_quantity("filled_quantity")}, 1)
ON CONFLICT (order_id) DO UPDATE SET
    account = CASE WHEN known.requested_time_ns IS NULL THEN EXCLUDED.account ELSE known.account END,
    strategy = CASE WHEN known.requested_time_ns IS NULL THEN EXCLUDED.strategy ELSE known.strategy END,
    instrument = CASE WHEN known.requested_time_ns IS NULL THEN EXCLUDED.instrument ELSE known.instrument END,
    side = CASE WHEN known.requested_time_ns IS NULL THEN EXCLUDED.side ELSE known.side END,
    status = EXCLUDED.status, reason = EXCLUDED.reason, event_time_ns = EXCLUDED.event_time_ns,
    quantity_raw = EXCLUDED.quantity_raw, quantity = EXCLUDED.quantity, price_raw = EXCLUDED.price_raw, price = EXCLUDED.price,
    filled_quantity_raw = EXCLUDED.filled_quantity_raw, filled_quantity = EXCLUDED.filled_quantity, events = known.events + 1
"""

REFUSED_EVENT = """
INSERT INTO orders AS known (order_id, refused_events, refused_reason) VALUES (%(order_id)s, 1, %(reason)s)
ON CONFLICT (order_id) DO UPDATE SET refused_events = known.refused_events + 1, refused_reason = EXCLUDED.refused_reason
"""

FILL = f"""
INSERT INTO fills (log_partition, log_offset, order_id, account, strategy, instrument, event_time_ns, side, price_raw, price, quantity_raw, quantity,
    liquidity, fee_raw, fee, venue_trade_id)
VALUES (%(log_partition)s, %(log_offset)s, %(order_id)s, %(account)s, %(strategy)s, %(instrument)s, %(event_time)s, %(side)s,
    %(price)s, {_price("price")}, %(quantity)s, {_quantity("quantity")}, %(liquidity)s, %(fee)s, {_amount("fee")}, %(venue_trade_id)s)
"""

POSITION = f"""
INSERT INTO positions (account, strategy, instrument, event_time_ns, order_id, quantity_raw, quantity,
    cost_raw, cost, realized_raw, realized, fees_raw, fees)
VALUES (%(account)s, %(strategy)s, %(instrument)s, %(event_time)s, %(order_id)s, %(quantity)s, {_quantity("quantity")},
    %(cost)s, {_amount("cost")}, %(realized)s, {_amount("realized")}, %(fees)s, {_amount("fees")})
ON CONFLICT (account, strategy, instrument) DO UPDATE SET event_time_ns = EXCLUDED.event_time_ns, order_id = EXCLUDED.order_id,
    quantity_raw = EXCLUDED.quantity_raw, quantity = EXCLUDED.quantity, cost_raw = EXCLUDED.cost_raw, cost = EXCLUDED.cost,
    realized_raw = EXCLUDED.realized_raw, realized = EXCLUDED.realized, fees_raw = EXCLUDED.fees_raw, fees = EXCLUDED.fees
"""

PNL = f"""
INSERT INTO pnl (log_partition, log_offset, account, event_time_ns, amount_precision, realized_raw, realized, unrealized_raw, unrealized,
    fees_raw, fees, cash_raw, cash, equity_raw, equity, reason, flags)
VALUES (%(log_partition)s, %(log_offset)s, %(account)s, %(event_time)s, %(amount_precision)s,
    %(realized)s, {_own_amount("realized")}, %(unrealized)s, {_own_amount("unrealized")},
    %(fees)s, {_own_amount("fees")}, %(cash)s, {_own_amount("cash")},
    %(equity)s, {_own_amount("equity")}, %(reason)s, %(flags)s)
"""


def statement(name: str, record: Any) -> str:
    """The statement that a record of the topic ``name`` runs."""
    if name == "orders.requests":
        return NEW_ORDER if record.kind == RequestKind.NEW else CANCEL_ORDER
    if name == "orders.events":
        return REFUSED_EVENT if record.refused else ORDER_EVENT
    return {"ref.instruments": INSTRUMENT, "fills": FILL, "positions": POSITION, "pnl": PNL}[name]


def reader(name: str) -> Callable[[Any, int, int], Values]:
    """Function from (record, partition, offset) of the topic ``name`` to a statement's parameters.
    """
    fields = named(topic(name).record)

    def values(record: Any, partition: int, offset: int) -> Values:
        return {**fields(record), "log_partition": partition, "log_offset": offset}

    return values


def precisions(record: Instrument) -> tuple[int, int]:
    """What the integers of an instrument mean: (price, quantity) decimals."""
    return record.price_precision, record.quantity_precision
