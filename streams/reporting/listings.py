"""The long tables of the page: round trips, and every number with its sample and interval."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from streams.reporting import charts
from streams.reporting.fill_sections import excursion_figure
from streams.reporting.headlines import sample_mark, tone
from streams.reporting.metrics import SECOND
from streams.reporting.pictures import figure
from streams.reporting.sections import name_of
from streams.reporting.wording import (
    clock,
    count,
    decimal_text,
    duration,
    first_clause,
    moment,
    money,
    number,
    percent,
    plural,
    sized,
)

if TYPE_CHECKING:
    from streams.reporting.document import Report

MOST_TRIPS = 24


def round_trips(report: Report) -> str:
    """Distribution, excursions and table of round trips."""
    result = report.result
    if not result.trips:
        return ""
    shown, said = chosen_trips(report)
    several = len({trip.instrument: 0 for trip in result.trips}) > 1
    titles = [("Opened", ""), *([("Symbol", "")] if several else []), ("Side", "")]
    titles += [(title, "n less") for title in ("Quantity", "Entry", "Exit")]
    titles += [
        ("Held", "n"),
        ("Fees", "n less"),
        ("Worst", "n less"),
        ("Best", "n less"),
        ("Net", "n"),
    ]
    head = "".join(f"<th class='{kind or 't'}'>{title}</th>" for title, kind in titles)
    body = "".join(trip_row(report, at, several) for at in shown)
    drawn = figure(
        "trips", charts.trips_chart(report, charts.WIDE), charts.trips_chart(report, charts.NARROW)
    )
    lead = f"From flat to flat, profit after fees in {escape(result.currency)}. {said}"
    return (
        f"<section class=long><h2>Round trips</h2><p class=lead>{lead}</p>{drawn}"
        f"{excursion_figure(report)}<table style='margin-top:14px'><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></section>"
    )


def chosen_trips(report: Report) -> tuple[list[int], str]:
    """Places of all of a few; of many the best and the worst, in the order of time."""
    result = report.result
    trips = result.trips
    if len(trips) <= MOST_TRIPS:
        return list(range(len(trips))), "All of them, in the order of time."
    half = MOST_TRIPS // 2
    order = sorted(
        range(len(trips)), key=lambda at: (trips[at].net * result.scale(trips[at].instrument), at)
    )
    said = f"The {half} best and {half} worst of {count(len(trips))}; all are in round_trips.csv."
    return sorted([*order[:half], *order[-half:]]), said


def trip_row(report: Report, place: int, several: bool) -> str:
    """One round trip as a table row."""
    result = report.result
    trip, excursion = result.trips[place], report.detail.excursions[place]
    line = result.lines[trip.instrument]
    unit = line.price_precision + line.quantity_precision
    scale = result.scale(trip.instrument)
    size = trip.quantity * line.multiplier
    entry, leave = (
        (each * 2 + size) // (2 * size) if size else 0
        for each in (trip.entry_notional, trip.exit_notional)
    )
    when = (
        moment(trip.opened)
        if result.last_time - result.first_time > 86_400 * SECOND
        else clock(trip.opened)
    )
    net = trip.net * scale
    cells = [f"<td>{when}</td>"]
    cells += [f"<td>{escape(name_of(report, trip.instrument))}</td>"] if several else []
    cells.append(f"<td>{'Long' if trip.long else 'Short'}</td>")
    cells += [
        f"<td class='n less'>{decimal_text(trip.quantity, line.quantity_precision)}</td>",
        f"<td class='n less'>{money(entry, line.price_precision, line.price_precision)}</td>",
        f"<td class='n less'>{money(leave, line.price_precision, line.price_precision)}</td>",
        f"<td class=n>{duration(trip.closed - trip.opened)}</td>",
        f"<td class='n less'>{money(trip.fees, unit)}</td>",
        f"<td class='n less'>{money(excursion.adverse, unit, signed=True)}</td>",
        f"<td class='n less'>{money(excursion.favourable, unit, signed=True)}</td>",
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
        head = (
            f"<tr><th>{name}</th><th class=n>Value</th><th class='n less'>95 % interval</th><th "
            "class='n less'>Sample</th></tr>"
        )
        parts.append(f"<table><thead>{head}</thead><tbody>{body}</tbody></table>")
    span = report.result.last_time - report.result.first_time
    conventions = (
        f"{escape(sample_mark(report).capitalize())}; {trials(report)}. Over the time traded, "
        f"{duration(span)}: minute samples of equity after fees, a year of 365 × 1,440 minutes, "
        "risk-free rate 0, standard deviation with ddof 1; intervals assume independent minutes."
    )
    columns = "".join(f"<div>{part}</div>" for part in parts)
    return (
        f"<section class=long><h2>All numbers</h2><p class=lead>{conventions}</p><div "
        f"class=flow>{columns}</div></section>"
    )


def trials(report: Report) -> str:
    """How many variants were tried before this one, as far as the run says."""
    tried = report.records.facts.get("trials")
    return "number of trials undeclared" if tried is None else plural(int(tried), "trial")


def metric_row(report: Report, row: dict[str, Any]) -> str:
    """One metric; a null one says why."""
    name = f"<td title=\"{escape(row['definition'])}\">{escape(row['title'])}"
    if row["value"] is None:
        why = (
            f"<br><span class=digest>{escape(first_clause(row['explanation']))}</span></td><td "
            "class=n>none</td>"
        )
        sample = escape(sized(row["samples"], row["sample_unit"]))
        return (
            f"<tr data-metric={row['name']}>{name}{why}<td class='n less'></td>"
            f"<td class='n less'>{sample}</td></tr>"
        )
    shown = escape(metric_text(report, row["value"], row["unit"]))
    value = f'<data value="{row["value"]!r}">{shown}</data>'
    interval = (
        " to ".join(metric_text(report, each, row["unit"]) for each in row["interval"])
        if row["interval"]
        else ""
    )
    return (
        f"<tr data-metric={row['name']}>{name}</td><td class=n>{value}</td><td class='n "
        f"less'>{escape(interval)}</td><td class='n "
        f"less'>{escape(sized(row['samples'], row['sample_unit']))}</td></tr>"
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
