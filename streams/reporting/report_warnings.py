"""What a reader must know before believing the numbers: one sentence each, with a stable code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.records import Instrument, PnL
from schemas.vocabulary import Flag, InstrumentKind, OrderReason, RiskCode, Side
from streams.reporting.wording import clock, count, duration, money, plural

if TYPE_CHECKING:
    from streams.reporting.document import ReportInput, Result

SIMULATED = int(Flag.SIMULATED)
BUY = int(Side.BUY)


def warnings(
    records: ReportInput, everything: ReportInput, result: Result, checks: list[dict[str, Any]]
) -> list[dict[str, str]]:
    """Rows of `code` and `text`, the gravest first."""
    rows: list[dict[str, str]] = []

    def warn(code: str, text: str) -> None:
        rows.append({"code": code, "text": text})

    for check in checks:
        if not check["ok"]:
            sides = f"expected {check['expected']}, found {check['observed']}"
            warn(
                "CHECK_FAILED",
                f"The books do not agree: {check['name']}; {sides}. Believe no number here.",
            )
    ruined = ruin(records)
    if ruined is not None:
        worth = f"{money(ruined.equity or 0, ruined.amount_precision)} {result.currency}"
        warn(
            "RUIN",
            f"The account was ruined at {clock(ruined.event_time)}: its equity was {worth}. Nobody "
            "could have traded on.",
        )
    elif "ACCOUNT_HALTED" in account_events(records):
        at = clock(account_events(records)["ACCOUNT_HALTED"])
        warn(
            "RUIN",
            f"The account was ruined at {at} and halted: what it held was worth less than nothing.",
        )
    forced = liquidation(records)
    if forced is not None:
        warn(
            "LIQUIDATED",
            f"The account was liquidated at {clock(forced)}: its money fell below the maintenance "
            "margin of its positions.",
        )
    if is_simulated(records):
        warn(
            "SIMULATED_DATA",
            "The market was generated, not recorded: this page shows how the pipeline works, and "
            "says nothing about real markets.",
        )
    if not records.pnl:
        warn("NO_EQUITY", "The run has no P&L records: equity, returns and drawdown are unknown.")
    elif (result.measures["days"].value or 0.0) < 1.0:
        warn(
            "SHORT_SAMPLE",
            f"{duration(result.last_time - result.first_time)} of trading is less than a day: "
            "annualised numbers, ratios and quantiles would mean nothing and are left out.",
        )
    if result.valued_at is not None and records.pnl[-1].equity is None:
        warn(
            "NO_VALUE_AT_END",
            "At the end an open position has no price (its book is stale or empty). Balance, "
            f"equity and the result are those of {clock(result.valued_at)}, the last time it had "
            "one; fees and fills after that are not in them.",
        )
    if records.facts.get("made_before"):
        warn(
            "MADE_BEFORE",
            f"Made by version {records.facts['made_before']}: the numbers are computed again by "
            "the rules of this version.",
        )
    if records.facts.get("data", "book") != "book":
        warn(
            "ASSUMED_FILLS",
            f"No order book was traded on, but {records.facts['data']}. Assumed: "
            f"{records.facts['fill_rule']}.",
        )
    for line in records.instruments:
        marks = records.quotes.get(line.instrument)
        has_depth = records.facts.get("has_depth", True)
        has_marks = marks is not None and bool(len(marks.event_time))
        is_quoted = marks is not None and (marks.bid_price.any() or marks.ask_price.any())
        if not is_quoted and (has_marks or not has_depth):
            warn("NO_BOOK", no_book(line.symbol, has_depth))
    if not records.fills:
        warn("NO_FILLS", "Nothing was traded: no order was filled.")
    for line in records.instruments:
        crossed, held = funding_instants(line, records, result)
        if crossed:
            warn(
                "FUNDING_NOT_MODELLED",
                f"{line.symbol} is a perpetual: the run crosses "
                f"{plural(crossed, 'funding instant')}, {count(held)} of them with an open "
                "position. Funding is not modelled, so the result leaves those payments out.",
            )
    if result.carried:
        warn(
            "NO_PRICE",
            f"{plural(result.carried, 'minute')} had no price to value the account with; equity is "
            "carried over from before.",
        )
    for instrument, trip in result.open_trips:
        line = result.lines[instrument]
        side = "long" if trip.position > 0 else "short"
        warn(
            "OPEN_AT_END",
            f"A {side} position in {line.symbol} is open at the end; it is valued at the touch and "
            "is in no round trip.",
        )
    if records.fills and not any(fill.fee for fill in records.fills):
        warn("NO_FEES", "No fill paid a fee: real trading would have cost more.")
    latency = records.facts.get("latency")
    if (
        isinstance(latency, dict)
        and latency
        and not any(_positive(value) for value in latency.values())
    ):
        warn("NO_LATENCY", "Orders reach the venue in no time here; real ones do not.")
    others: dict[int, bool] = {
        row.account: True for row in everything.pnl if row.account != result.account
    }
    if others:
        warn(
            "OTHER_ACCOUNTS",
            f"Left out of this report: {plural(len(others), 'other account')} of the run.",
        )
    return rows


def no_book(symbol: str, has_depth: bool) -> str:
    """Why an instrument was never quoted, and what follows."""
    if has_depth:
        return (
            f"The book of {symbol} never synced: no snapshot continues its updates, "
            "so it was never quoted."
        )
    return (
        f"The data hold no depth of {symbol}, so it was never quoted: bars, features of trades and "
        "signals are made, and no order can be filled."
    )


def ruin(records: ReportInput) -> PnL | None:
    """The first record of an account that is worth nothing or less, though it began with something.
    """
    if not any(row.equity is not None and row.equity > 0 for row in records.pnl[:1]):
        return None
    return next((row for row in records.pnl if row.equity is not None and row.equity <= 0), None)


def liquidation(records: ReportInput) -> int | None:
    """When the account was first liquidated (ns), by the orders cancelled or denied for it."""
    times = [
        event.event_time
        for event in records.order_events
        if event.reason == OrderReason.LIQUIDATION
    ]
    times += [
        decision.event_time
        for decision in records.decisions
        if decision.code == RiskCode.LIQUIDATION
    ]
    return min(times, default=account_events(records).get("LIQUIDATION"))


def account_events(records: ReportInput) -> dict[str, int]:
    """When the account was first liquidated and ruined (ns), by code, as risk says."""
    first: dict[str, int] = {}
    for event in records.facts.get("account_events") or []:
        first.setdefault(event["code"], event["time"])
    return first


def is_simulated(records: ReportInput) -> bool:
    """True where the run says so, or its instruments are flagged."""
    return records.facts.get("provenance") == "simulated" or any(
        line.flags & SIMULATED for line in records.instruments
    )


def funding_instants(line: Instrument, records: ReportInput, result: Result) -> tuple[int, int]:
    """Funding instants in (first, last] of the run, and how many met a position opened before them
    and not closed before them.
    """
    interval = line.funding_interval
    if line.kind != InstrumentKind.PERPETUAL or interval <= 0:
        return 0, 0
    first, last = result.first_time // interval + 1, result.last_time // interval
    crossed = max(0, last - first + 1)
    held, position, begun = 0, 0, 0
    for fill in records.fills:
        if fill.instrument != line.instrument:
            continue
        if position:
            held += fill.event_time // interval - begun // interval
        position += fill.quantity if fill.side == BUY else -fill.quantity
        begun = fill.event_time
    if position:
        held += max(0, result.last_time // interval - begun // interval)
    return crossed, held


def _positive(value: Any) -> bool:
    text = str(value)
    return any(digit in text for digit in "123456789")
