"""``docs/reference/features.md`` from the table below: ``python -m jobs.feature_page``.

A test compares it with the committed file, the fields with the schemas, the steps with the code.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from schemas.shapes import schemas

PATH = Path(__file__).resolve().parents[1] / "docs" / "reference" / "features.md"
PRICE = "10^-price_precision of the instrument"
QUANTITY = "10^-quantity_precision of the instrument"


class Measure(NamedTuple):
    """A measure.

    ``row``: of the list of features. ``name``: ``topic.field`` without ``md.``, or the module and
    step of ``streams.numeric.measures`` that a strategy or a stage calls. ``unit``: of a step; that
    of a field is its schema's.
    """

    row: str
    name: str
    formula: str
    warm_up: str
    unit: str = ""


NEVER_NULL, BOTH_SIDES = "none", "null without both sides"
FULL = "window full"
TRADED, GIVEN, INTERVALS = "null without trades", "parameters given", "window intervals"

FIELDS = (
    Measure("MIC-2", "features.spread", "ask - bid", "0 without both sides"),
    Measure("MIC-2", "features.imbalance_1", "(bid - ask) / (bid + ask), best level", BOTH_SIDES),
    Measure("MIC-2", "features.imbalance_3", "the same, 3 levels", BOTH_SIDES),
    Measure("MIC-2", "features.imbalance_5", "the same, 5 levels", BOTH_SIDES),
    Measure("MIC-2", "features.imbalance_10", "the same, 10 levels", BOTH_SIDES),
    Measure("MIC-2", "features.pressure", "the same, 4 levels by .4 .3 .2 .1", BOTH_SIDES),
    Measure("MIC-11", "features.weighted_mid", "(a qb + b qa) / (qa + qb)", BOTH_SIDES),
    Measure("MIC-8", "features.order_flow_imbalance", "sum of e_n, best level", NEVER_NULL),
    Measure("MIC-8", "features.order_flow_imbalance_wide", "the same, 128 bits", NEVER_NULL),
    Measure("MIC-8", "features.order_flow_events", "quote changes", NEVER_NULL),
    Measure("MIC-13", "features.buy_volume", "sum of quantities of buys", NEVER_NULL),
    Measure("MIC-13", "features.buy_volume_wide", "the same, 128 bits", NEVER_NULL),
    Measure("MIC-13", "features.sell_volume", "sum of quantities of sells", NEVER_NULL),
    Measure("MIC-13", "features.sell_volume_wide", "the same, 128 bits", NEVER_NULL),
    Measure("MIC-13", "features.trade_count", "trades", NEVER_NULL),
    Measure("MIC-1", "features.method", "the least reliable of the interval", NEVER_NULL),
    Measure("TOX-2", "toxicity.buy_volume", "buys of the bucket", NEVER_NULL),
    Measure("TOX-2", "toxicity.sell_volume", "sells of the bucket", NEVER_NULL),
    Measure("TOX-2", "toxicity.imbalance_sum", "sum of abs(buys - sells)", NEVER_NULL),
    Measure("TOX-2", "toxicity.vpin", "imbalance_sum / (window * bucket_size)", "window buckets"),
    Measure("TOX-3", "toxicity.vpin_null", "sqrt(2 / (pi n)), n trades a bucket", "window buckets"),
    Measure("TOX-3", "toxicity.vpin_excess", "vpin - vpin_null", "window buckets"),
    Measure("MIC-8", "toxicity.order_flow_imbalance", "sum of e_n of the bucket", NEVER_NULL),
    Measure("MIC-8", "toxicity.order_flow_imbalance_wide", "the same, 128 bits", NEVER_NULL),
    Measure("TOX-2", "toxicity.trade_count", "trades of the bucket", NEVER_NULL),
    Measure("MIC-1", "toxicity.method", "the least reliable of the bucket", NEVER_NULL),
    Measure("TOX-11", "toxicity.regime", "UNKNOWN until there is a calibration", NEVER_NULL),
)
"""Of what every job publishes."""

SPREADS = tuple(
    Measure("MIC-5 TOX-4", f"microstructure.{name}_{horizon}", formula, f"{passed} passed")
    for horizon, passed in (
        ("100ms", "100 ms"), ("1s", "1 s"), ("5s", "5 s"), ("30s", "30 s"), ("60s", "60 s"),
    )
    for name, formula in (
        ("spread_trades", "trades whose horizon ended"),
        ("effective_spread", "sum of 2 s (p - m)"),
        ("realised_spread", "sum of 2 s (p - m(tau))"),
        ("price_impact", "sum of 2 s (m(tau) - m)"),
    )
)  # fmt: skip
MICROSTRUCTURE = (
    *SPREADS,
    Measure("MIC-5", "microstructure.refused_trades", "trades without room to wait", NEVER_NULL),
    Measure("MIC-13", "microstructure.buy_trades", "trades that bought", NEVER_NULL),
    Measure("MIC-13", "microstructure.sell_trades", "trades that sold", NEVER_NULL),
    Measure("MIC-13", "microstructure.trade_imbalance", "(buys - sells) / trades", TRADED),
    Measure("MIC-13", "microstructure.flow_imbalance", "the same by volume", TRADED),
    Measure("MIC-13", "microstructure.recent_flow_imbalance", "the same, last trades",
            "trades of the setting"),
    Measure("MIC-1", "microstructure.method", "the least reliable of the interval", NEVER_NULL),
    Measure("MIC-3", "microstructure.kyle_lambda", "slope of the mid's change on signed volume",
            INTERVALS),
    Measure("MIC-3", "microstructure.kyle_error", "its standard error", INTERVALS),
    Measure("MIC-3", "microstructure.kyle_r_squared", "its R squared",
            f"{INTERVALS}; null where the mid stood"),
    Measure("MIC-4", "microstructure.amihud", "1e6 mean of abs(return) / turnover",
            f"{INTERVALS} with turnover"),
    Measure("MIC-7", "microstructure.roll_spread", "2 sqrt(-cov(dp_t, dp_(t-1)))",
            "trades of the setting; null where cov >= 0"),
    *(
        Measure("MIC-12", f"microstructure.variance_ratio_{q}", f"var({q}) / ({q} var(1))",
                f"{INTERVALS}; null where the mid stood")
        for q in (2, 5, 10)
    ),
    Measure("MIC-12", "microstructure.realised_volatility", "sqrt(sum of r^2), r = ln of mids",
            INTERVALS),
    Measure("MIC-12", "microstructure.return_deviation", "sqrt(sum of (r - mean)^2 / (n - 1))",
            INTERVALS),
    Measure("MIC-12", "microstructure.ewma_volatility", "sqrt(ema of r^2), weight 2 / (n + 1)",
            INTERVALS),
    Measure("MIC-12", "microstructure.momentum", "1e4 sum of r", INTERVALS),
    Measure("MIC-12", "microstructure.quote_volatility", "sqrt(sum of (dm)^2), quote to quote",
            NEVER_NULL),
    Measure("MIC-17", "microstructure.hawkes_buy_intensity", "mu + sum of a exp(-beta (t - t_i))",
            GIVEN),
    Measure("MIC-17", "microstructure.hawkes_sell_intensity", "the same of sells", GIVEN),
    Measure("MIC-1", "microstructure.bulk_bought_share", "F(dp / sigma)",
            f"{INTERVALS} with trades before it"),
    Measure("MIC-1", "microstructure.bulk_bought", "V F(dp / sigma), rounded down",
            "0 where the share is null"),
    Measure("MIC-1", "microstructure.bulk_sold", "V - bulk_bought", "0 where the share is null"),
    *(
        Measure("MIC-8", f"microstructure.order_flow_{level}", f"sum of e_n, level {level}",
                NEVER_NULL)
        for level in range(1, 6)
    ),
    Measure("MIC-8", "microstructure.integrated_order_flow",
            "sum of w e / sum of abs(w) / mean depth", "null without a depth update"),
    Measure("MIC-6", "microstructure.bid_depth", "best five bids at the end", "0 without a book"),
    Measure("MIC-6", "microstructure.ask_depth", "best five asks at the end", "0 without a book"),
    Measure("MIC-11", "microstructure.weighted_mid", "(a qb + b qa) / (qa + qb)", BOTH_SIDES),
    Measure("MIC-11", "microstructure.microprice", "m + G*(imbalance, spread)", "a table given"),
    Measure("MIC-6", "microstructure.quoted_time", "time that both sides stood", NEVER_NULL),
    Measure("MIC-6", "microstructure.quoted_spread", "mean of a - b over it", BOTH_SIDES),
    Measure("MIC-6", "microstructure.quoted_depth", "mean of qb + qa over it", BOTH_SIDES),
    Measure("MIC-6", "microstructure.quote_slope", "mean of (a - b) / (ln qb + ln qa)", BOTH_SIDES),
    Measure("MIC-6", "microstructure.log_quote_slope", "mean of ln(a / b) / (ln qb + ln qa)",
            BOTH_SIDES),
    Measure("TOX-2", "microstructure.vpin_rank", "share of the last VPINs <= the last one",
            "250 buckets with a VPIN"),
)  # fmt: skip
"""Of the topic that a job switches on."""

STEPS = (
    Measure("MIC-5", "spreads.quoted_spread", "ask - bid", NEVER_NULL, PRICE),
    Measure("MIC-5", "spreads.effective_spread", "2 s (p - m)", NEVER_NULL, PRICE),
    Measure("MIC-5", "spreads.realised_spread", "2 s (p - m(tau))", "tau passed", PRICE),
    Measure("MIC-5", "spreads.price_impact", "2 s (m(tau) - m)", "tau passed", PRICE),
    Measure(
        "MIC-5 TOX-4", "markouts.markouts_due",
        "sums of the three; the aggressor's markout is -realised", "100 ms, 1 5 30 60 s passed",
        PRICE,
    ),
    Measure(
        "MIC-3", "kyle.kyle_lambda", "slope of the mid's change on signed volume, error, R squared",
        FULL, "price per quantity, as given",
    ),
    Measure(
        "MIC-4", "amihud.amihud_value", "1e6 mean of abs(return) / turnover", FULL,
        "1 per million of the currency",
    ),
    Measure("MIC-7", "roll.roll_spread", "2 sqrt(-cov(dp_t, dp_(t-1)))",
            f"{FULL}; null where cov >= 0", "of the changes"),
    Measure("MIC-8", "order_flow.order_flow_of_levels", "sums of e_n, level by level", NEVER_NULL,
            QUANTITY),
    Measure("MIC-8", "order_flow.integrated_order_flow", "sum of w e / sum of abs(w) / mean depth",
            "depth above 0", "ratio"),
    Measure("MIC-9", "hasbrouck.hasbrouck_impact", "sum of r's answers to a buy, VAR with L lags",
            f"{FULL}, 3 L + 2 trades", "of r"),
    Measure("MIC-11", "weighted_mid.weighted_mid", "(a qb + b qa) / (qa + qb)", "both sides",
            PRICE),
    Measure("MIC-6", "quote_slope.quote_slope", "(a - b) / (ln qb + ln qa)", "both sides",
            PRICE),
    Measure("MIC-6", "quote_slope.log_quote_slope", "ln(a / b) / (ln qb + ln qa)", "both sides",
            "ratio"),
    Measure("MIC-1", "signing.sign_trade", "flag, else Lee-Ready, else the tick rule",
            "0 while unknown", "1 buy, -1 sell"),
    Measure("MIC-11", "microprice.microprice", "m + G*(imbalance, spread)", "a table", PRICE),
    Measure("MIC-12", "variance_ratio.variance_ratio", "var(q) / (q var(1)), unbiased", FULL,
            "ratio"),
    Measure("MIC-17", "hawkes.hawkes_intensities", "mu + sum of a exp(-beta (t - t_i))", NEVER_NULL,
            "events a second"),
    Measure("MIC-17", "hawkes.check_hawkes", "branching ratio (same + other) / beta", NEVER_NULL,
            "ratio 0 to 1"),
    Measure("MIC-1", "bulk.bulk_bought", "V F(dp / sigma)", "half while sigma is unknown",
            QUANTITY),
    Measure("TOX-3", "vpin_null.vpin_null_of_signs", "C(n-1, floor((n-1)/2)) / 2^(n-1)", NEVER_NULL,
            "ratio 0 to 1"),
    Measure("TOX-3", "vpin_null.vpin_null_of_bars", "E abs(u_1 + ... + u_k) / k, u uniform",
            NEVER_NULL, "ratio 0 to 1"),
)  # fmt: skip
"""Of ``streams/numeric/measures``."""

RECORDS = {
    "features": "MarketFeatures", "toxicity": "Toxicity", "microstructure": "Microstructure",
}  # fmt: skip
ABOUT = {
    "instrument",
    "event_time",
    "sequence",
    "interval",
    "flags",
    "reason",
    "bucket",
    "bucket_size",
    "window",
    *(
        field["name"]
        for field in schemas()["Microstructure"]["fields"]
        if field["unit"] == "MeasureReason"
    ),
}
"""Fields that say what a record is about, or why a measure is null, and measure nothing."""

HEAD = """\
# Measures of the market

Generated from the table in [`jobs/feature_page.py`](../../jobs/feature_page.py) by
`python -m jobs.feature_page`; edit that, not this.

Rows are those of the list of features (MIC: microstructure, TOX: toxicity). Below, s is the
aggressor's sign, p and V price and volume of a trade, m the mid, b, a, qb and qa the best prices
and quantities, e_n the order-flow event of Cont, Kukanov and Stoikov.
"""


def unit_of(measure: Measure) -> str:
    """The unit: of a field as its schema says it."""
    if measure.unit:
        return measure.unit
    topic, _, name = measure.name.partition(".")
    fields = schemas()[RECORDS[topic]]["fields"]
    return str(next(field["unit"] for field in fields if field["name"] == name))


def _table(rows: tuple[Measure, ...], title: str) -> str:
    lines = [f"| row | {title} | formula | unit | warm-up |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.row} | `{row.name}` | {row.formula} | {unit_of(row)} | {row.warm_up} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page."""
    published, chosen = (
        tuple(row._replace(name=f"md.{row.name}", unit=unit_of(row)) for row in rows)
        for rows in (FIELDS, MICROSTRUCTURE)
    )
    return (
        f"{HEAD}\n## Published\n\n{_table(published, 'field')}\n"
        "## Published where a job switches it on\n\n"
        "By the stage of [microstructure.md](../microstructure.md). Windows are settings: by "
        "default 60 intervals of a\nsecond, and 100 trades.\n\n"
        f"{_table(chosen, 'field')}\n## Steps\n\n"
        "Of `streams/numeric/measures`, for kernels and, but for those of markouts and levels, for "
        "plain Python\n(objects: `streams.signals.measures`, [indicators.md](../indicators.md)). "
        "A value that is not known is nan.\n\n"
        f"{_table(STEPS, 'step')}"
    )


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
