"""Sections of the page about fills: the market after them, inventory, excursions."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from streams.reporting import charts, detail_charts
from streams.reporting.headlines import tone
from streams.reporting.markouts import MOMENTS, QUOTES
from streams.reporting.pictures import figure
from streams.reporting.sections import (
    WIDE_ONLY,
    cell,
    heads,
    name_of,
    ratio_cell,
    section,
    table,
)
from streams.reporting.wording import MINUS, count, money, number, percent, words

if TYPE_CHECKING:
    from streams.reporting.document import Report

WIDTHS = (charts.WIDE, charts.NARROW)


def fills_and_market(report: Report) -> str:
    """Spread captured, markouts, and what was held."""
    found = report.model["markouts"]
    if not found:
        return ""
    rows = found["rows"]
    together = [row for row in rows if row["instrument"] is None] or rows
    drawn = figure("markouts", *(detail_charts.markout_chart(together, width) for width in WIDTHS))
    lead = (
        "Side × (mid − fill price), weighted by volume, before fees: at the fill against the "
        "quote just before it (the spread captured; negative: paid), and against the mid some "
        "time later (the markout). Circles: maker, squares: taker."
    )
    if found["source"] != QUOTES:
        lead += " This folder has no quotes: the mids are those of the marks, one a second."
    body = drawn + markout_table(report, rows) + inventory_table(report)
    return section("Fills and the market after them", lead, body, "long")


def markout_table(report: Report, rows: list[dict[str, Any]]) -> str:
    """Basis points and the amount by moment; one row by instrument and liquidity."""
    shown = [moment for moment in MOMENTS if moment.name in rows[0]]
    several = any(row["instrument"] is None for row in rows)
    titles = [("Fills", WIDE_ONLY), *((moment.title.capitalize(), "n") for moment in shown)]
    body = ""
    for row in rows:
        name = words(row["liquidity"])
        if several:
            place = row["instrument"]
            name = f"{'All' if place is None else name_of(report, place)}, {name.lower()}"
        fills = cell(count(max(row[moment.name]["fills"] for moment in shown)), WIDE_ONLY)
        cells = "".join(_markout_cell(report, row[moment.name]) for moment in shown)
        body += f"<tr><th scope=row>{escape(name)}</th>{fills}{cells}</tr>"
    return table(heads("", titles), body, "markouts")


def _markout_cell(report: Report, one: dict[str, Any]) -> str:
    """Basis points, and the amount below them."""
    if one["basis_points"] is None:
        return cell("none")
    precision = report.result.amount_precision + 1
    whole, _, part = one["amount"].partition(".")
    value = int(whole + part.ljust(precision, "0"))
    cash = f"<span class='digest less'>{money(value, precision, signed=True)}</span>"
    rate = f"{basis_points(one['basis_points'])}<span class=less> bp</span>"
    return f"<td class='n {tone(value)}'>{rate}<br>{cash}</td>"


def basis_points(value: float) -> str:
    """Three decimals below one, two above: columns stay narrow."""
    text = f"{value:+.{3 if abs(value) < 1 else 2}f}"
    return text.replace("-", MINUS) if value else "0"


def inventory_table(report: Report) -> str:
    """Average and extreme positions; the pictures of the prices show them over time."""
    titles = (
        ("Average", "n"), ("Average size", "n"), ("Largest long", WIDE_ONLY),
        ("Largest short", WIDE_ONLY), ("Long", WIDE_ONLY), ("Short", WIDE_ONLY), ("Flat", "n"),
    )  # fmt: skip
    body = ""
    for row in report.model["inventory"]:
        average, size = (
            "" if row[name] is None else number(row[name], 3, signed=name == "average")
            for name in ("average", "average_size")
        )
        cells = (
            cell(average),
            cell(size),
            cell(row["largest_long"].replace("-", MINUS), WIDE_ONLY),
            cell(row["largest_short"].replace("-", MINUS), WIDE_ONLY),
            ratio_cell(row["time_long"], kind=WIDE_ONLY),
            ratio_cell(row["time_short"], kind=WIDE_ONLY),
            ratio_cell(row["time_flat"]),
        )
        name = escape(f"{name_of(report, row['instrument'])}, {row['base']}")
        body += f"<tr><th scope=row>{name}</th>{''.join(cells)}</tr>"
    text = "Averages are weighted by time; the position over time is under each price."
    lead = f"<p class=lead style='margin-top:14px'>{text}</p>"
    return lead + table(heads("Inventory", titles), body)


def excursion_figure(report: Report) -> str:
    """MAE and MFE of the round trips, in the section of the round trips."""
    found = report.model["excursions"]
    if not found:
        return ""
    worst, best = (number(found[name], 2, signed=True) for name in ("average_mae", "average_mfe"))
    text = (
        "Worst and best profit before fees, at the touch (MAE and MFE): on average "
        f"{worst} and {best} {escape(report.result.currency)}."
    )
    if found["kept_of_mfe"] is not None:
        text += f" Before fees {percent(found['kept_of_mfe'])} of the best was kept."
    text += " Triangles up won after fees, triangles down did not."
    drawn = (detail_charts.excursion_chart(report, width) for width in WIDTHS)
    lead = f"<h3>While they were open</h3><p class=lead>{text}</p>"
    return lead + figure("excursions", *drawn)
