"""The tear sheet: one self-contained HTML page.

Nothing is loaded from anywhere; without its small script everything but the read-out under the
pointer is still there. Numbers that also stand in report.json carry their exact value in ``<data
value="...">``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from streams.reporting import charts, hover
from streams.reporting.accounting import stated_cash
from streams.reporting.appearance import document
from streams.reporting.equity_chart import equity_chart
from streams.reporting.fill_sections import fills_and_market
from streams.reporting.footer import verification
from streams.reporting.headlines import amount, cash, headlines, sample_mark, sentence, tone
from streams.reporting.listings import metrics, round_trips
from streams.reporting.pictures import figure
from streams.reporting.sections import instruments, name_of, returns_tables, rolling_statistics
from streams.reporting.wording import (
    count,
    duration,
    first_clause,
    money,
    number,
    percent,
    period,
    plural,
    sized,
    words,
)

if TYPE_CHECKING:
    from streams.reporting.document import Report

MOST_INSTRUMENTS = 3


def page(report: Report) -> str:
    """The whole document."""
    title = f"{report.model['strategy'] or 'Run'} on {symbols(report)}"
    parts = [
        header(report, title), tiles(report), warnings(report), equity(report), instruments(report),
        *prices(report), orders_and_costs(report), fills_and_market(report), periods(report),
        returns_tables(report), rolling_statistics(report), round_trips(report), metrics(report),
        run(report), verification(report),
    ]  # fmt: skip
    return document(title, parts)


def symbols(report: Report) -> str:
    """What was traded, or watched."""
    named = [row["symbol"] for row in report.model["instruments"] if row["fills"]] or [
        row["symbol"] for row in report.model["instruments"]
    ]
    return ", ".join(dict.fromkeys(named)) or "nothing"


def header(report: Report, title: str) -> str:
    """Who, what, when, and the run in one sentence."""
    result = report.result
    venues = ", ".join(
        dict.fromkeys(
            f"{row['venue']} {row['kind'].lower()}" for row in report.model["instruments"]
        )
    )
    span = duration(result.last_time - result.first_time)
    return (
        "<header><div class=brand><span>ShrivenQuant tear sheet</span><span>Account "
        f"{result.account}, {escape(sample_mark(report))}</span></div><h1>{escape(title)}</h1>"
        f"<p class=where>{escape(venues)} · {period(result.first_time, result.last_time)} · "
        f"{span}</p>{traded(report)}<p "
        f"class=sentence>{escape(sentence(report))}</p>{ruined(report)}</header>"
    )


def ruined(report: Report) -> str:
    """Ruin and liquidation in red under the run's sentence: no number below is worth more than
    that.
    """
    texts = [
        row["text"] for row in report.model["warnings"] if row["code"] in ("RUIN", "LIQUIDATED")
    ]
    return "".join(f"<p class=ruin>{escape(text)}</p>" for text in texts)


def traded(report: Report) -> str:
    """What of the data was traded, where that is not all of it: every number on the page is over
    that time.
    """
    result, asked = report.result, report.model["period"]
    parts = []
    if result.first_time > result.data_from:
        why = [f"from {asked['asked_from'][:19]}"] if asked["asked_from"] else []
        why += [f"after {asked['warmup']} of warm-up"] if asked["warmup"] else []
        parts.append(
            f"the {duration(result.first_time - result.data_from)} of data before it only warmed "
            f"up ({', '.join(why) or 'no mark yet'})"
        )
    if asked["asked_to"]:
        parts.append(f"the end asked for is {asked['asked_to'][:19]}")
    if not parts:
        return ""
    return (
        "<p class=where>Every number here is over this time traded; "
        f"{escape('; '.join(parts))}.</p>"
    )


def tiles(report: Report) -> str:
    """The headline numbers, each with the sample behind it."""
    parts = []
    for row in headlines(report):
        if row["value"] is None:
            value = (
                "<div class='value none'>not stated: "
                f"{escape(first_clause(row['explanation']))}</div>"
            )
        else:
            size, _, unit = str(row["value"]).rpartition(" ")
            text = f"{escape(size)} <small>{escape(unit)}</small>" if size else escape(unit)
            value = f"<div class='value {row['tone']}'>{text}</div>"
        note = f"<div class=note>{escape(row['note'])}</div>" if row["note"] else ""
        interval = f"95 %: {escape(row['interval'])}<br>" if row["interval"] else ""
        basis = f"{interval}{sized(row['samples'], row['sample_unit'])}"
        parts.append(
            f"<div class=tile><div class=name>{escape(row['title'])}</div>{value}{note}<div "
            f"class=basis>{basis}</div></div>"
        )
    return f"<div class=tiles>{''.join(parts)}</div>"


def warnings(report: Report) -> str:
    """What to know before believing."""
    rows = report.model["warnings"]
    if not rows:
        return ""
    items = "".join(f"<li data-code={row['code']}>{escape(row['text'])}</li>" for row in rows)
    return (
        "<section class=warnings aria-labelledby=know><h2 id=know>Before you believe "
        f"it</h2><ul>{items}</ul></section>"
    )


def equity(report: Report) -> str:
    """Equity and drawdown."""
    if not report.result.samples:
        return ""
    drawn = figure(
        "equity",
        equity_chart(report, charts.WIDE),
        equity_chart(report, charts.NARROW),
        hover.equity_points(report),
    )
    unit, held = report.detail.curve.unit, report.model["benchmark"]
    text = f"After fees, at the end of each {unit} traded; the dotted line is the starting capital."
    if held:
        change = percent(held["total_return"], signed=True)
        text += f" Buy and hold ({change}) is {held['rule']}."
    if unit == "second" and report.detail.curve.drawdowns:
        deepest = percent(min(0.0, *report.detail.curve.drawdowns))
        text += f" The deepest drawdown by the second is {deepest}; the metrics are by the minute."
    return f"<section><h2>Equity and drawdown</h2><p class=lead>{escape(text)}</p>{drawn}</section>"


def prices(report: Report) -> list[str]:
    """Price with fills, position and toxicity of each instrument, the most traded first."""
    rows = sorted(report.model["instruments"], key=lambda row: (-row["fills"], row["instrument"]))
    parts = []
    for row in rows[:MOST_INSTRUMENTS]:
        instrument = row["instrument"]
        if not len(charts.price_points(report.records, instrument)[0]):
            continue
        drawn = figure(
            f"price{instrument}", charts.price_chart(report, instrument, charts.WIDE),
            charts.price_chart(report, instrument, charts.NARROW),
            hover.price_moments(report, instrument),
        )  # fmt: skip
        marks = (
            "<span><i class=b>▲</i> buy</span><span><i class=s>▼</i> sell</span><span>the tip is "
            "at the price</span>"
            if row["fills"]
            else ""
        )
        legend = (
            f"<p class=legend>{marks}<span>{escape(price_change(report, instrument))}</span></p>"
        )
        title = f"{escape(name_of(report, instrument))}: price, fills and toxicity"
        parts.append(f"<section><h2>{title}</h2>{legend}{drawn}</section>")
    if len(rows) > MOST_INSTRUMENTS:
        parts.append(
            f"<footer>Pictures of the {MOST_INSTRUMENTS} most traded of {count(len(rows))} "
            "instruments; fills.csv has all fills.</footer>"
        )
    return parts


def price_change(report: Report, instrument: int) -> str:
    """Where the price began and ended."""
    line = report.result.lines[instrument]
    mids = charts.price_points(report.records, instrument)[1]
    first, last = int(mids[0]), int(mids[-1])
    ends = [money(mid * 5, line.price_precision + 1, line.price_precision) for mid in (first, last)]
    return (
        f"from {ends[0]} to {ends[1]} {line.quote}, {percent((last - first) / first, signed=True)}"
    )


def bar(label: str, share: float, value: str, kind: str = "") -> str:
    """One labelled bar; `share` of the full width."""
    width = f"{max(0.0, min(1.0, share)) * 100:.1f}"
    return (
        f'<span>{escape(label)}</span><span class=bar><i class="{kind}" '
        f'style="width:{width}%"></i></span><b>{escape(value)}</b>'
    )


def orders_and_costs(report: Report) -> str:
    """How far orders came and what trading cost, side by side."""
    return (
        "<section><div "
        f"class=split><div>{order_funnel(report)}</div><div>{trading_costs(report)}</div></div></section>"
    )


def order_funnel(report: Report) -> str:
    """How far orders came, and what stopped the others."""
    orders = report.model["orders"]
    asked = max(1, orders["requested"])
    steps = (
        ("Requested", "requested"),
        ("Approved by risk", "approved"),
        ("Accepted by the venue", "accepted"),
        ("Filled", "filled"),
    )
    funnel = "".join(bar(title, orders[name] / asked, count(orders[name])) for title, name in steps)
    asides = (("partly_filled", "filled in part"), ("open_at_end", "open at the end"))
    aside = [f"{count(orders[name])} {text}" for name, text in asides if orders[name]]
    text = f"<h2>Orders and rejections</h2><div class=bars>{funnel}</div>"
    text += f"<p class=lead>{', '.join(aside)}.</p>" if aside else ""
    rows = [
        ("Risk: " + words(row["code"]), row["meaning"], row["orders"])
        for row in orders["denied_by_code"]
    ]
    for row in orders["ended_by_reason"]:
        rows.append(
            (
                f"{words(row['status'])}: {words(row['reason']).lower()}",
                row["meaning"],
                row["orders"],
            )
        )
    if rows:
        body = ""
        for name, why, stopped in rows:
            body += (
                f"<tr><td>{escape(name)}<br><span class=digest>{escape(why)}</span></td><td "
                f"class=n>{count(stopped)}</td></tr>"
            )
        text += (
            "<h3>Stopped on the way</h3><table><thead><tr><th>Why</th><th "
            f"class=n>Orders</th></tr></thead><tbody>{body}</tbody></table>"
        )
    elif orders["requested"]:
        text += "<p class=lead>No order was denied, rejected or cut short.</p>"
    return text


def trading_costs(report: Report) -> str:
    """From gross to net, and who paid the fees."""
    costs = report.model["costs"]
    text = "<h2>Costs</h2>" + bridge(report) + "<h3>Maker and taker</h3><div class=bars>"
    for row in costs["by_liquidity"]:
        share = row["share_of_volume"] or 0.0
        text += bar(words(row["liquidity"]), share, percent(share), row["liquidity"].lower())
    return text + "</div>" + liquidity_table(report)


def bridge(report: Report) -> str:
    """From profit before fees to the net result, as bars of one scale."""
    balance = {
        name: None if text is None else amount(report, text)
        for name, text in report.model["balance"].items()
    }
    if balance["net"] is None:
        return "<p class=lead>Unknown without P&amp;L records.</p>"
    fees = -(balance["fees"] or 0)
    steps = (
        ("Realized", balance["realized"]),
        ("Unrealized", balance["unrealized"]),
        ("Fees", fees),
        ("Net result", balance["net"]),
    )
    most = max(1, *(abs(value or 0) for _, value in steps))
    rows = "".join(
        bar(title, abs(value or 0) / most, cash(report, value, signed=True) or "", tone(value))
        for title, value in steps
    )
    return f"<div class=bars>{rows}</div>"


def liquidity_table(report: Report) -> str:
    """Fills, volume, fees and rate by liquidity."""
    result, costs = report.result, report.model["costs"]

    def row(name: str, fills: int, volume: str, fees: str, rate: float | None) -> str:
        cells = (count(fills), money(amount(report, volume), result.amount_precision, 0),
        money(amount(report, fees), result.amount_precision),
                 "" if rate is None else number(rate) + " bp")  # fmt: skip
        return (
            f"<tr><td>{name}</td>"
            + "".join(f"<td class=n>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
        )

    body = ""
    for each in costs["by_liquidity"]:
        body += row(
            words(each["liquidity"]),
            each["fills"],
            each["volume"],
            each["fees"],
            each["fee_basis_points"],
        )
    body += row(
        "All", len(report.records.fills), costs["volume"], costs["fees"], costs["fee_basis_points"]
    )
    head = (
        "<tr><th></th><th class=n>Fills</th><th class=n>Volume, "
        f"{escape(result.currency)}</th><th class=n>Fees</th><th class=n>Rate</th></tr>"
    )
    return f"<table style='margin-top:8px'><thead>{head}</thead><tbody>{body}</tbody></table>"


def periods(report: Report) -> str:
    """Profit by period, where there is more than one."""
    returns = report.model["returns"]
    if len(returns["rows"]) < 2:
        return ""
    name = {"5 minutes": "five minutes", "15 minutes": "quarter of an hour"}.get(
        returns["period"], returns["period"]
    )
    drawn = figure(
        "periods",
        charts.period_chart(report, charts.WIDE),
        charts.period_chart(report, charts.NARROW),
    )
    lead = (
        f"<p class=lead>Change of equity after fees, {escape(report.result.currency)}, times in "
        "UTC.</p>"
    )
    return f"<section><h2>Result by {escape(name)}</h2>{lead}{drawn}</section>"


_SETTINGS = (
    "strategy", "parameters", "cash", "leverage", "fees", "latency", "data", "fill_rule",
    "ticker", "fill_model", "venue_model", "short", "symbols",
    "from", "to", "warmup", "inputs", "provenance",
)  # fmt: skip
_TITLES = {
    "data": "Traded on",
    "fill_rule": "How orders fill",
    "ticker": "What orders can take",
    "fill_model": "Queue of resting orders",
    "venue_model": "Simulated venue",
    "warmup": "Warm-up",
}
_TAPE = "what printed is gone from the displayed book until the level's next update"
_MEANINGS = {
    (
        "ticker",
        "off",
    ): f"{_TAPE}; a recorded best bid and ask was not used (there is none, or --ticker off)",
    (
        "ticker",
        "cap",
    ): f"{_TAPE}; no order takes better than the recorded best bid and ask (--ticker cap)",
}


def run(report: Report) -> str:
    """How the run was set up."""
    facts = report.model["run"]
    rows = []
    facts = facts | {name: report.model["period"][f"asked_{name}"] for name in ("from", "to")}
    for name in _SETTINGS:
        value = facts.get(name)
        if value in (None, "", [], {}):
            continue
        if isinstance(value, dict):
            text = ", ".join(f"{key} {each}" for key, each in value.items())
        elif isinstance(value, list | tuple):
            text = ", ".join(str(each) for each in value)
        elif isinstance(value, bool):
            text = "on" if value else "off"
        else:
            cash_amount = stated_cash(value, 8) if name == "cash" else None
            text = (
                str(value)
                if cash_amount is None
                else f"{money(cash_amount, 8)} {report.result.currency}"
            )
            text = _MEANINGS.get((name, text), text)
            if name == "leverage":
                text += f": positions of at most {text} times the account's money"
        rows.append(
            f"<tr><th scope=row>{escape(_TITLES.get(name, words(name)))}</th><td "
            f"class=wrap>{escape(text)}</td></tr>"
        )
    for row in report.model["instruments"]:
        text = (
            f"{row['venue']} {row['kind'].lower()}: tick {row['tick_size']}, lot "
            f"{row['lot_size']}, {plural(row['fills'], 'fill')}"
        )
        name = escape(name_of(report, row["instrument"]))
        rows.append(f"<tr><th scope=row>{name}</th><td class=wrap>{escape(text)}</td></tr>")
    return (
        f"<section><h2>The run</h2><table><tbody>{''.join(rows)}</tbody></table></section>"
        if rows
        else ""
    )
