"""Sections of the page: instruments, calendar, rolling statistics; and the helpers of tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from streams.reporting import charts, detail_charts
from streams.reporting.headlines import amount, tone
from streams.reporting.metrics import PERIODS_PER_DAY
from streams.reporting.pictures import figure
from streams.reporting.wording import MONTHS, count, money, number, percent

if TYPE_CHECKING:
    from streams.reporting.document import Report

MOST_DAYS_A_TABLE = 16
WIDE_ONLY = "n less"
"""Class of a number's cell that narrow screens leave out."""


def cell(text: str, kind: str = "n") -> str:
    """A table's cell."""
    return f"<td class='{kind}'>{escape(text)}</td>"


def ratio_cell(value: float | None, signed: bool = False, kind: str = "n") -> str:
    """A ratio in per cent; empty where it is unknown."""
    return cell("" if value is None else percent(value, signed=signed), kind)


def signed_cell(report: Report, text: str | None, kind: str = "n") -> str:
    """An exact amount with its sign and colour."""
    if text is None:
        return cell("unknown", kind)
    value = amount(report, text)
    shown = money(value, report.result.amount_precision, signed=True)
    return cell(shown, f"{kind} {tone(value)}".rstrip())


def heads(first: str, titles: Sequence[tuple[str, str]]) -> str:
    """The row of headings: the first, then titles with their classes."""
    others = "".join(f"<th class='{kind}'>{title}</th>" for title, kind in titles)
    return f"<tr><th>{first}</th>{others}</tr>"


def table(head: str, body: str, kind: str = "") -> str:
    """A table of these rows."""
    start = f"<table class={kind} style='margin-top:10px'>" if kind else "<table>"
    return f"{start}<thead>{head}</thead><tbody>{body}</tbody></table>"


def section(title: str, lead: str, body: str, kind: str = "") -> str:
    """A section of the page; `lead` may hold markup."""
    start = f"<section class={kind}>" if kind else "<section>"
    return f"{start}<h2>{title}</h2><p class=lead>{lead}</p>{body}</section>"


def name_of(report: Report, instrument: int) -> str:
    """An instrument's symbol, with its venue where another venue has the same."""
    rows = report.model["instruments"]
    mine = next(row for row in rows if row["instrument"] == instrument)
    is_alone = sum(row["symbol"] == mine["symbol"] for row in rows) == 1
    return str(mine["symbol"] if is_alone else f"{mine['symbol']} {mine['venue']}")


def instruments(report: Report) -> str:
    """Profit by instrument, where there are several; the last row is the account."""
    rows, model = report.model["profit_by_instrument"], report.model
    if len(rows) < 2:
        return ""
    titles = (
        ("Realized", WIDE_ONLY), ("Unrealized", WIDE_ONLY), ("Fees", WIDE_ONLY), ("Net", "n"),
        ("Contribution", "n"), ("Turnover", WIDE_ONLY), ("Fills", WIDE_ONLY), ("Won", "n"),
    )  # fmt: skip
    account = {
        "instrument": None, **model["balance"], "contribution": model["total_return"],
        "turnover": model["turnover"], "fills": len(report.records.fills),
        "win_rate": model["win_rate"],
    }  # fmt: skip
    body = "".join(_instrument_row(report, row) for row in (*rows, account))
    volume = money(amount(report, model["costs"]["volume"]), report.result.amount_precision, 0)
    lead = (
        f"Of the account's balance, {escape(report.result.currency)}; contribution is net profit "
        f"over the starting capital. Volume together: {volume}."
    )
    return section("Result by instrument", lead, table(heads("Symbol", titles), body))


def _instrument_row(report: Report, row: dict[str, Any]) -> str:
    precision = report.result.amount_precision
    fees = "unknown" if row["fees"] is None else money(amount(report, row["fees"]), precision)
    cells = (
        signed_cell(report, row["realized"], WIDE_ONLY),
        signed_cell(report, row["unrealized"], WIDE_ONLY),
        cell(fees, WIDE_ONLY),
        signed_cell(report, row["net"]),
        ratio_cell(row["contribution"], signed=True),
        cell("" if row["turnover"] is None else number(row["turnover"]), WIDE_ONLY),
        cell(count(row["fills"]), WIDE_ONLY),
        ratio_cell(row["win_rate"]),
    )
    place = row["instrument"]
    name = "Account" if place is None else name_of(report, place)
    return f"<tr><th scope=row>{escape(name)}</th>{''.join(cells)}</tr>"


def returns_tables(report: Report) -> str:
    """Months by year where there are two, and days where the run is shorter than two months."""
    calendar = report.model["calendar"]
    daily = calendar["daily"] or []
    months = month_table(calendar) if len(calendar["monthly"]) > 1 else ""
    days = day_tables(report, daily) if len(daily) > 1 else ""
    if not months and not days:
        return ""
    lead = "Change of equity after fees over equity before it, UTC"
    lead += "; small: buy and hold." if months else "."
    return section("Returns by month" if months else "Returns by day", lead, months + days, "long")


def month_table(calendar: dict[str, Any]) -> str:
    """A row for each month of the year, a column for each year, the year's own return below."""
    years = [row["period"] for row in calendar["yearly"]]
    by_month = {row["period"]: row for row in calendar["monthly"]}
    body = ""
    for place, name in enumerate(MONTHS, 1):
        found = [by_month.get(f"{year}-{place:02d}") for year in years]
        if any(found):
            cells = "".join(map(_return_cell, found))
            body += f"<tr><th scope=row>{name}</th>{cells}</tr>"
    cells = "".join(map(_return_cell, calendar["yearly"]))
    body += f"<tr><th scope=row>Year</th>{cells}</tr>"
    return f"<div class=scroll>{table(heads('', [(year, 'n') for year in years]), body)}</div>"


def _return_cell(row: dict[str, Any] | None) -> str:
    """A return in its colour, and buy and hold's below it."""
    if row is None:
        return "<td class=n></td>"
    gain, held = row["return"], row["benchmark_return"]
    below = "" if held is None else percent(held, signed=True)
    shown = "none" if gain is None else percent(gain, signed=True)
    kind = "" if not gain else "gain" if gain > 0 else "loss"
    return f"<td class='n {kind}'>{shown}<br><span class=digest>{below}</span></td>"


def day_tables(report: Report, rows: list[dict[str, Any]]) -> str:
    """Days with profit, return and buy and hold; many in two columns."""
    parts = 2 if len(rows) > MOST_DAYS_A_TABLE else 1
    size = -(-len(rows) // parts)
    head = heads("Day", [("Profit", "n"), ("Return", "n"), ("Buy and hold", "n")])
    tables = []
    for first in range(0, len(rows), size):
        body = ""
        for row in rows[first : first + size]:
            gain = row["return"]
            kind = "n" if not gain else "n gain" if gain > 0 else "n loss"
            shown = cell("none" if gain is None else percent(gain, signed=True), kind)
            held = ratio_cell(row["benchmark_return"], signed=True)
            profit = signed_cell(report, row["profit"])
            body += f"<tr><td>{row['period']}</td>{profit}{shown}{held}</tr>"
        tables.append(f"<div>{table(head, body)}</div>")
    return f"<div class=split>{''.join(tables)}</div>" if parts > 1 else tables[0]


def rolling_statistics(report: Report) -> str:
    """The window's statistics along the run."""
    found = report.detail.rolling
    if found is None:
        return ""
    days = found.window // PERIODS_PER_DAY
    window = f"{days} days that end" if days > 1 else "day that ends" if days else "hour that ends"
    lead = f"Of the {window} at each moment, from the returns of its minutes after fees."
    if not found.sharpe:
        lead += " An hour has no Sharpe ratio: annualised it would mean nothing."
    widths = (charts.WIDE, charts.NARROW)
    drawn = [detail_charts.rolling_chart(report, found, width) for width in widths]
    return section("Rolling statistics", lead, figure("rolling", *drawn))
