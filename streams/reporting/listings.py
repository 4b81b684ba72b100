"""The long tables of the page: round trips, and every number with its sample and interval."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from streams.reporting import charts
from streams.reporting.headlines import sample_mark, tone
from streams.reporting.metrics import SECOND
from streams.reporting.pictures import figure
from streams.reporting.wording import clock, count, decimal_text, duration, first_clause, moment, money, number, percent, plural, sized

if TYPE_CHECKING:
    from streams.reporting.document import Report
    from streams.reporting.round_trips import RoundTrip

MOST_TRIPS = 24


def round_trips(report: Report) -> str:
    """Distribution and table of round trips."""
    result = report.result
    if not result.trips:
        return ""
    shown, said = chosen_trips(report)
    several = len({trip.instrument: 0 for trip in result.trips}) > 1
    head = (
        "<tr><th>Opened</th>" + ("<th>Symbol</th>" if several else "") + "<th>Side</th><th class='n less'>Quantity</th><th class='n less'>Entry</th>"
        "<th class='n less'>Exit</th><th class=n>Held</th><th class='n less'>Fees</th><th class=n>Net</th></tr>"
    )
    body = "".join(trip_row(report, trip, several) for trip in shown)
    drawn = figure("trips", charts.trips_chart(report, charts.WIDE), charts.trips_chart(report, charts.NARROW))
    return (
        f"<section class=long><h2>Round trips</h2><p class=lead>From flat to flat, profit after fees in {escape(result.currency)}. {said}</p>{drawn}"
        f"<table style='margin-top:14px'><thead>{head}</thead><tbody>{body}</tbody></table></section>"
    )


def chosen_trips(report: Report) -> tuple[list[RoundTrip], str]:
    """All of a few; of many the best and the worst, in the order of time."""
    result = report.result
    trips = result.trips
    if len(trips) <= MOST_TRIPS:
        return trips, "All of them, in the order of time."
    half = MOST_TRIPS // 2
    order = sorted(range(len(trips)), key=lambda at: (trips[at].net * result.scale(trips[at].instrument), at))
    shown = sorted([*order[:half], *order[-half:]])
    return [trips[at] for at in shown], f"The {half} best and {half} worst of {count(len(trips))}; all are in round_trips.csv."


def trip_row(report: Report, trip: RoundTrip, several: bool) -> str:
    """One round trip as a table row."""
    result = report.result
    line = result.lines[trip.instrument]
    unit = line.price_precision + line.quantity_precision
    scale = result.scale(trip.instrument)
    size = trip.quantity * line.multiplier
    entry, leave = ((each * 2 + size) // (2 * size) if size else 0 for each in (trip.entry_notional, trip.exit_notional))
    when = moment(trip.opened) if result.last_time - result.first_time > 86_400 * SECOND else clock(trip.opened)
    net = trip.net * scale
    cells = [f"<td>{when}</td>", f"<td>{escape(line.symbol)}</td>" if several else "", f"<td>{'Long' if trip.long else 'Short'}</td>"]
    cells += [
        f"<td class='n less'>{decimal_text(trip.quantity, line.quantity_precision)}</td>",
        f"<td class='n less'>{money(entry, line.price_precision, line.price_precision)}</td>",
        f"<td class='n less'>{money(leave, line.price_precision, line.price_precision)}</td>",
        f"<td class=n>{duration(trip.closed - trip.opened)}</td>", f"<td class='n less'>{money(trip.fees, unit)}</td>",
        f"<td class='n {tone(net)}'>{money(net, result.amount_precision, signed=True)}</td>",
    ]  # fmt: skip
    return f"<tr>{''.join(cells)}</tr>"


def metrics(report: Report) -> str:
    """Every metric with its sample, interval and definition."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in report.model["metrics"]:
        groups.setdefault(row["group"], []).append(row)
    parts = []
    for name in ("Return", "Risk", "Round trips", "Activity"):
        body = "".join(metric_row(report, row) for row in groups.get(name, ()))
        head = f"<tr><th>{name}</th><th class=n>Value</th><th class='n less'>95 % interval</th><th class='n less'>Sample</th></tr>"
        parts.append(f"<table><thead>{head}</thead><tbody>{body}</tbody></table>")
    span = report.result.last_time - report.result.first_time
    conventions = (
        f"{escape(sample_mark(report).capitalize())}; {trials(report)}. Over the time traded, {duration(span)}: minute samples of equity "
        "after fees, a year of 365 × 1,440 minutes, risk-free rate 0, standard deviation with ddof 1; intervals assume independent minutes."
    )
    columns = "".join(f"<div>{part}</div>" for part in parts)
    return f"<section class=long><h2>All numbers</h2><p class=lead>{conventions}</p><div class=flow>{columns}</div></section>"


def trials(report: Report) -> str:
    """How many variants were tried before this one, as far as the run says."""
    tried = report.records.facts.get("trials")
    return "number of trials undeclared" if tried is None else plural(int(tried), "trial")


def metric_row(report: Report, row: dict[str, Any]) -> str:
    """One metric; a null one says why."""
    name = f"<td title=\"{escape(row['definition'])}\">{escape(row['title'])}"
    if row["value"] is None:
        why = f"<br><span class=digest>{escape(first_clause(row['explanation']))}</span></td><td class=n>none</td>"
        sample = escape(sized(row["samples"], row["sample_unit"]))
        return f"<tr data-metric={row['name']}>{name}{why}<td class='n less'></td><td class='n less'>{sample}</td></tr>"
    value = f'<data value="{row["value"]!r}">{escape(metric_text(report, row["value"], row["unit"]))}</data>'
    interval = " to ".join(metric_text(report, each, row["unit"]) for each in row["interval"]) if row["interval"] else ""
    return (
        f"<tr data-metric={row['name']}>{name}</td><td class=n>{value}</td><td class='n less'>{escape(interval)}</td>"
        f"<td class='n less'>{escape(sized(row['samples'], row['sample_unit']))}</td></tr>"
    )


def metric_text(report: Report, value: float, unit: str) -> str:
    """A metric's value with its unit, as people read it."""
    if unit == "ratio":
        return percent(value)
    if unit == "seconds":
        return duration(round(value * SECOND))
    if unit == "count":
        return count(int(value))
    if unit == report.result.currency:
        return f"{number(value)} {unit}"
    return number(value, 3 if unit == "days" else 2)
