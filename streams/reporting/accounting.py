"""Orders, costs, the balance and its cross-checks: what the report says beside the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.records import Fill, OrderEvent, PnL, RiskDecision
from schemas.vocabulary import (
    DecisionOutcome,
    Liquidity,
    OrderReason,
    OrderStatus,
    RequestKind,
    RiskCode,
    Side,
)
from streams.reporting.metrics import MINUTE
from streams.reporting.wording import ORDER_REASONS, clock, day, decimal_text, utc

if TYPE_CHECKING:
    from streams.reporting.document import ReportInput, Result

CANCEL = int(RequestKind.CANCEL)
BUY = int(Side.BUY)
FINAL = frozenset(int(status) for status in (
    OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED,
    OrderStatus.DENIED, OrderStatus.REPLACED,
))  # fmt: skip


def last_events(events: Sequence[OrderEvent]) -> dict[str, OrderEvent]:
    """The last event of each order that was not a refused one, in the order the orders appeared."""
    latest: dict[str, OrderEvent] = {}
    for event in events:
        if not event.refused:
            latest[event.order_id] = event
    return latest


def orders(
    events: Sequence[OrderEvent],
    decisions: Sequence[RiskDecision],
    denials: Mapping[int, tuple[str, str]],
) -> dict[str, Any]:
    """How far orders came, and why some came no further. Counts of orders, by the names the schemas
    use; ``denials``: see ``document.ReportInput``.
    """
    latest = last_events(events)
    statuses: dict[str, int] = {}
    reasons: dict[tuple[int, int], int] = {}
    for event in latest.values():
        name = OrderStatus(event.status).name
        statuses[name] = statuses.get(name, 0) + 1
        if event.reason not in (OrderReason.NONE, OrderReason.UNKNOWN, OrderReason.RISK_DENIED):
            key = (event.status, event.reason)
            reasons[key] = reasons.get(key, 0) + 1
    reached = {
        event.order_id: True
        for event in events
        if event.status == OrderStatus.ACCEPTED and not event.refused
    }
    codes: dict[int, int] = {}
    approved = asked = cancels = 0
    for decision in decisions:
        if decision.kind == CANCEL:
            cancels += 1
        else:
            asked += 1
            approved += decision.outcome == DecisionOutcome.APPROVED
        if decision.outcome == DecisionOutcome.DENIED:
            codes[decision.code] = codes.get(decision.code, 0) + 1
    if not decisions:
        asked, approved = len(latest), len(latest) - statuses.get("DENIED", 0)
    part = sum(
        1
        for event in latest.values()
        if event.status != OrderStatus.FILLED and event.filled_quantity > 0
    )
    still = sum(1 for event in latest.values() if event.status not in FINAL)
    return {
        "requested": asked, "approved": approved, "denied": asked - approved,
        "accepted": len(reached), "filled": statuses.get("FILLED", 0),
        "partly_filled": part, "open_at_end": still, "cancel_requests": cancels,
        "final_status": dict(sorted(statuses.items())),
        "denied_by_code": [
            {"code": RiskCode(code).name, "orders": number, "meaning": denials.get(code, ("",
            ""))[0],
             "setting": denials.get(code, ("", ""))[1]}
            for code, number in sorted(codes.items(), key=lambda item: (-item[1], item[0]))
        ],
        "ended_by_reason": [
            {"status": OrderStatus(status).name, "reason": OrderReason(reason).name,
            "orders": number,
             "meaning": ORDER_REASONS.get(OrderReason(reason).name, "")}
            for (status, reason), number in sorted(reasons.items(), key=lambda item: (-item[1],
            item[0]))
        ],
        "refused_events": sum(event.refused for event in events),
    }  # fmt: skip


def costs(fills: Sequence[Fill], result: Result) -> dict[str, Any]:
    """Fees and volume, all and by liquidity: exact decimals in the account's currency, shares and
    rates as floats.
    """
    sums: dict[int, list[int]] = {int(Liquidity.MAKER): [0, 0, 0], int(Liquidity.TAKER): [0, 0, 0]}
    for fill in fills:
        scale = result.scale(fill.instrument)
        row = sums.setdefault(fill.liquidity, [0, 0, 0])
        row[0] += 1
        row[1] += fill.price * fill.quantity * result.lines[fill.instrument].multiplier * scale
        row[2] += fill.fee * scale
    volume, fees = sum(row[1] for row in sums.values()), sum(row[2] for row in sums.values())
    return {
        "fees": result.exact(fees), "volume": result.exact(volume),
        "fee_basis_points": fees * 10_000 / volume if volume else None,
        "by_liquidity": [
            {"liquidity": Liquidity(kind).name, "fills": row[0], "volume": result.exact(row[1]),
            "fees": result.exact(row[2]),
             "share_of_volume": row[1] / volume if volume else None,
             "fee_basis_points": row[2] * 10_000 / row[1] if row[1] else None}
            for kind, row in sorted(sums.items())
        ],
    }  # fmt: skip


def balance(pnl: Sequence[PnL], result: Result) -> dict[str, int | None]:
    """Where the account stands at its last valued record: start + realized + unrealized - fees =
    end, all of that instant.
    """
    last = next((row for row in reversed(pnl) if row.equity is not None), None)
    if last is None:
        return dict.fromkeys(("start", "realized", "unrealized", "fees", "end", "net", "gross"))
    scale = 10 ** (result.amount_precision - last.amount_precision)
    realized, unrealized, fees, end = (
        last.realized * scale,
        (last.unrealized or 0) * scale,
        last.fees * scale,
        (last.equity or 0) * scale,
    )
    return {
        "start": result.start, "realized": realized, "unrealized": unrealized, "fees": fees,
        "end": end,
        "net": end - (result.start or 0), "gross": realized + unrealized,
    }  # fmt: skip


def checks(
    records: ReportInput, result: Result, found: dict[str, int | None]
) -> list[dict[str, Any]]:
    """The identities a true report keeps; each row has `name`, `ok`, and both sides as exact text.
    """
    rows: list[dict[str, Any]] = []

    def check(
        name: str,
        expected: int | None,
        observed: int | None,
        precision: int = result.amount_precision,
    ) -> None:
        sides = [
            None if side is None else decimal_text(side, precision) for side in (expected, observed)
        ]
        rows.append(
            {"name": name, "ok": expected == observed, "expected": sides[0], "observed": sides[1]}
        )

    cash = stated_cash(records.facts.get("cash"), result.amount_precision)
    if cash is not None and result.start is not None:
        check("starting capital is the run's cash", cash, result.start)
    if found["end"] is not None:
        net, last = (found["gross"] or 0) - (found["fees"] or 0), records.pnl[-1]
        # of the end, whether it could be valued or not
        booked_fees = last.fees * 10 ** (result.amount_precision - last.amount_precision)
        check("change of equity = realized + unrealized - fees", net, found["net"])
        check(
            "last sample of equity = the ledger's last equity",
            found["end"],
            result.samples[-1] if result.samples else result.start,
        )
        check(
            "fees of the fills = fees of the ledger",
            sum(fill.fee * result.scale(fill.instrument) for fill in records.fills),
            booked_fees,
        )
    if records.positions:
        booked: dict[tuple[int, int], tuple[int, int, int]] = {}
        for position in records.positions:
            booked[position.strategy, position.instrument] = (
                position.instrument,
                position.realized,
                position.cost,
            )
        realized = sum(
            amount * result.scale(instrument) for instrument, amount, _ in booked.values()
        )
        cost = sum(amount * result.scale(instrument) for instrument, _, amount in booked.values())
        flow = sum(trip.gross * result.scale(trip.instrument) for trip in result.trips)
        for instrument, trip in result.open_trips:
            paid = trip.exit_notional - trip.entry_notional
            flow += (paid if trip.position > 0 else -paid) * result.scale(instrument)
        check(
            "round trips before fees + cost of what is open = realized of the positions",
            realized,
            flow + cost,
        )
    if records.order_events and records.fills:
        filled = sum(event.filled_quantity for event in last_events(records.order_events).values())
        check(
            "filled quantity of the orders = quantity of the fills",
            filled,
            sum(fill.quantity for fill in records.fills),
            0,
        )
    if records.reports:
        wrong = sum(result.measures[name] != measure for name, measure in result.recomputed.items())
        check(
            "numbers of the reports topic = numbers of the fills and the ledger (differences)",
            0,
            wrong,
            0,
        )
    return rows


def stated_cash(text: Any, precision: int) -> int | None:
    """The run's cash (``1000000USDT``, or without the currency) in units of 10^-precision; null
    where it is not stated.
    """
    digits = str(text or "").rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    whole, _, part = digits.partition(".")
    if not (whole + part).isdecimal() or len(part) > precision:
        return None
    return int(whole + part.ljust(precision, "0"))


def profit_by_period(result: Result) -> dict[str, Any]:
    """Change of equity by minutes, hours, days or months, whichever gives about forty rows or less;
    exact decimals.
    """
    minutes = len(result.samples)
    name, length = next(
        ((name, length) for name, length, most in _PERIODS if minutes <= most), ("month", 0)
    )
    rows: list[dict[str, Any]] = []
    before = result.start or 0
    keys = _period_keys(result, length)
    for at, key in enumerate(keys):
        if at + 1 < minutes and keys[at + 1] == key:
            continue
        change = result.samples[at] - before
        growth = change / before if before > 0 else None
        rows.append(
            {
                "from": utc(key, 0),
                "label": _label(key, name),
                "profit": result.exact(change),
                "return": growth,
            }
        )
        before = result.samples[at]
    return {"period": name, "rows": rows}


_PERIODS = (
    ("5 minutes", 5, 180),
    ("15 minutes", 15, 600),
    ("hour", 60, 2880),
    ("day", 1440, 86_400),
)


def _period_keys(result: Result, length: int) -> list[int]:
    """Start (ns) of the period each sample falls in."""
    if length:
        return [(time - 1) // (length * MINUTE) * (length * MINUTE) for time in result.times]
    stamps = (np.array(result.times, np.int64) - 1).astype("datetime64[ns]")
    return [
        int(stamp)
        for stamp in stamps.astype("datetime64[M]").astype("datetime64[ns]").astype(np.int64)
    ]


def _label(key: int, name: str) -> str:
    if name == "month":
        return utc(key, 0)[:7]
    return day(key, year=False) if name == "day" else clock(key, seconds=False)
