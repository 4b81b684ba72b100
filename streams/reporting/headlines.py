"""The few numbers on top of the page, each with its sample size, mark and interval, and the one
sentence that sums up the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.reporting.metrics import MINUTE, SECOND
from streams.reporting.wording import count, duration, money, number, percent, plural, utc

if TYPE_CHECKING:
    from streams.reporting.document import Report

DENIALS_SHOWN = 3
MARKS = {"in-sample": "in-sample", "out-of-sample": "out-of-sample"}


def sample_mark(report: Report) -> str:
    """In- or out-of-sample as the run declares it; undeclared otherwise."""
    return MARKS.get(str(report.records.facts.get("sample", "")), "sample undeclared")


def headlines(report: Report) -> list[dict[str, Any]]:
    """Rows of name, title, value (text or null), tone, note, samples, sample_unit, kind, interval,
    mark and explanation.
    """
    result = report.result
    balance = {
        name: None if text is None else amount(report, text)
        for name, text in report.model["balance"].items()
    }
    net, fees, gross = balance["net"], balance["fees"], balance["gross"]
    whole = result.measures["total_return"].value
    minutes = {"samples": len(result.samples), "sample_unit": "minutes"}
    by_name = {row["name"]: row for row in report.model["metrics"]}
    rows = [
        {
            "name": "net",
            "title": "Net result",
            "value": cash(report, net, signed=True),
            "tone": tone(net),
            "kind": "observed",
            **minutes,
            "note": None if whole is None else percent(whole, signed=True) + " of capital",
            "explanation": "equity was never known",
        },
        {
            "name": "maximum_drawdown",
            "title": "Maximum drawdown",
            "kind": "observed",
            **minutes,
            **_metric(by_name["maximum_drawdown"], percent),
            "note": _longest(report),
        },
        {
            "name": "sharpe",
            "title": "Sharpe ratio, annual",
            "kind": "estimate",
            **minutes,
            **_metric(by_name["sharpe"], number),
            "note": None,
        },
        {
            "name": "trades",
            "title": "Round trips",
            "value": count(len(result.trips)),
            "kind": "observed",
            "samples": len(result.trips),
            "sample_unit": "round trips",
            "note": plural(len(report.records.fills), "fill"),
            "explanation": "",
        },
        {
            "name": "win_rate",
            "title": "Win rate",
            "kind": "estimate",
            "samples": len(result.trips),
            "sample_unit": "round trips",
            **_metric(by_name["win_rate"], percent),
            "note": _factor(report),
        },
        {
            "name": "fees",
            "title": "Fees paid",
            "value": cash(report, fees),
            "kind": "observed",
            "samples": len(report.records.fills),
            "sample_unit": "fills",
            "note": _burden(fees, gross),
            "explanation": "equity was never known",
        },
    ]
    mark = sample_mark(report)
    for row in rows:
        row.setdefault("interval", None)
        row.setdefault("tone", "")
        row["mark"] = mark
    return rows


def sentence(report: Report) -> str:
    """What happened, in words."""
    result, facts = report.result, report.records.facts
    balance = {
        name: None if text is None else amount(report, text)
        for name, text in report.model["balance"].items()
    }
    name = str(facts.get("strategy") or "The strategy")
    span = duration(result.last_time - result.first_time)
    net, gross, fees = balance["net"], balance["gross"], balance["fees"]
    if net is None or gross is None or fees is None:
        return f"{name} ran for {span}; without P&L records its result is unknown."
    if not report.records.fills:
        return f"{name} watched for {span} and did not trade.{denials(report)}{ruin(report)}"
    verb = "made" if net > 0 else "lost" if net < 0 else "ended level with"
    start = cash(report, balance["start"])
    parts = [f"{name} {verb} {cash(report, abs(net))} on {start} in {span}"]
    trips = len(result.trips)
    if trips:
        won = result.measures["win_rate"].value
        parts.append(
            f", over {plural(trips, 'round trip')} of which {percent(won) if won else 'none'} won"
        )
    if fees > 0 and gross > 0 > net:
        parts.append(
            f". Before fees it was {cash(report, gross)} ahead; fees of {cash(report, fees)} took "
            "more than that"
        )
    elif fees > 0 and gross > 0:
        parts.append(
            f". Fees of {cash(report, fees)} took {percent(fees / gross)} of what it earned before "
            "them"
        )
    elif fees > 0:
        parts.append(
            f". {cash(report, abs(gross))} were lost before fees, {cash(report, fees)} to fees"
        )
    return "".join(parts) + "." + ruin(report)


def denials(report: Report) -> str:
    """Why nothing of what was asked for was traded: how many orders were denied, the commonest
    reasons, and the settings that decide.
    """
    orders = report.model["orders"]
    asked, denied = orders["requested"], orders["denied"]
    if not denied:
        return ""
    which = f"{denied:,} of {asked:,} orders were denied"
    if denied == asked:
        which = f"Its {plural(denied, 'order')} {'was' if denied == 1 else 'were all'} denied"
    rows = [row for row in orders["denied_by_code"] if row["code"] != "UNKNOWN_ORDER"]
    reasons = [
        f"{row['orders']:,} {row['code']} "
        f"({row['meaning']}{'; see ' + row['setting'] if row['setting'] else ''})"
        for row in rows[:DENIALS_SHOWN]
    ]
    more = len(rows) - DENIALS_SHOWN
    rest = f", and {plural(more, 'code')} more" if more > 0 else ""
    return f" {which}: {', '.join(reasons)}{rest}."


def ruin(report: Report) -> str:
    """That the account was liquidated or ruined, and when; empty where it was not."""
    events = report.records.facts.get("account_events") or []
    halted = next((event for event in events if event["code"] == "ACCOUNT_HALTED"), None)
    if halted is not None:
        return f" The account was ruined at {utc(halted['time'], 0)} and halted."
    breaches = sum(
        event["code"] == "LIQUIDATION" and event["severity"] != "INFO" for event in events
    )
    return f" Its positions were liquidated {plural(breaches, 'time')}." if breaches else ""


def amount(report: Report, text: str) -> int:
    """Exact decimal text back to units of the account."""
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(report.result.amount_precision, "0"))


def cash(report: Report, value: int | None, signed: bool = False) -> str | None:
    """An amount of the account with its currency."""
    return (
        None
        if value is None
        else f"{money(value, report.result.amount_precision, signed=signed)} "
        f"{report.result.currency}"
    )


def tone(value: int | None) -> str:
    """Colour class of a profit."""
    return "" if not value else "gain" if value > 0 else "loss"


def _metric(row: dict[str, Any], form: Any) -> dict[str, Any]:
    interval = row["interval"]
    return {
        "value": None if row["value"] is None else form(row["value"]),
        "explanation": row["explanation"],
        "interval": f"{form(interval[0])} to {form(interval[1])}" if interval else None,
    }  # fmt: skip


def _longest(report: Report) -> str | None:
    seconds = report.result.measures["maximum_drawdown_duration"].value
    if not seconds:
        return None
    whole = min(
        int(seconds) * SECOND, max(MINUTE, report.result.last_time - report.result.first_time)
    )
    return f"{duration(whole)} under water"


def _factor(report: Report) -> str | None:
    value = report.result.measures["profit_factor"].value
    return None if value is None else f"profit factor {number(value)}"


def _burden(fees: int | None, gross: int | None) -> str | None:
    if fees is None or gross is None or fees <= 0:
        return None
    if gross <= 0:
        return "and no gross profit"
    return (
        f"{percent(fees / gross)} of gross profit"
        if fees <= gross
        else f"{number(fees / gross, 1)} × gross profit"
    )
