"""Which fields a figure shows, and which of them share a panel: up to three of one unit."""

from __future__ import annotations

HORIZONS = ("100ms", "1s", "5s", "30s", "60s")
Panels = tuple[tuple[str, ...], ...]

GROUPS: dict[str, tuple[tuple[str, Panels], ...]] = {
    "md.features": (
        ("the book", (
            ("spread",), ("weighted_mid",), ("imbalance_1", "imbalance_3", "imbalance_5"),
            ("imbalance_10", "pressure"),
        )),
        ("flow", (
            ("order_flow_imbalance",), ("order_flow_events",), ("buy_volume", "sell_volume"),
            ("trade_count",),
        )),
    ),
    "md.toxicity": (
        ("volume buckets", (
            ("vpin", "vpin_null", "vpin_excess"), ("imbalance_sum",), ("buy_volume", "sell_volume"),
            ("order_flow_imbalance",), ("trade_count",),
        )),
    ),
    "md.microstructure": (
        ("spread and impact, mean of a trade", (
            *(
                (f"effective_spread_{each}", f"realised_spread_{each}", f"price_impact_{each}")
                for each in HORIZONS
            ),
            ("spread_trades_100ms", "spread_trades_1s", "spread_trades_5s"),
            ("spread_trades_30s", "spread_trades_60s", "refused_trades"),
        )),
        ("price impact", (
            ("kyle_lambda", "kyle_error"), ("kyle_r_squared",), ("amihud",), ("roll_spread",),
        )),
        ("volatility", (
            ("realised_volatility",), ("return_deviation", "ewma_volatility"), ("momentum",),
            ("quote_volatility",),
            ("variance_ratio_2", "variance_ratio_5", "variance_ratio_10"),
        )),
        ("trades", (
            ("buy_trades", "sell_trades"),
            ("trade_imbalance", "flow_imbalance", "recent_flow_imbalance"),
            ("bulk_bought", "bulk_sold"), ("bulk_bought_share",),
            ("hawkes_buy_intensity", "hawkes_sell_intensity"), ("vpin_rank",),
        )),
        ("order flow", (
            ("order_flow_1", "order_flow_2", "order_flow_3"), ("order_flow_4", "order_flow_5"),
            ("integrated_order_flow",),
        )),
        ("the touch", (
            ("weighted_mid", "microprice"), ("quoted_spread",), ("quoted_depth",),
            ("bid_depth", "ask_depth"), ("quote_slope",), ("log_quote_slope",), ("quoted_time",),
        )),
    ),
}  # fmt: skip
MEANS = {
    f"{name}_{each}": f"spread_trades_{each}"
    for each in HORIZONS
    for name in ("effective_spread", "realised_spread", "price_impact")
}
"""A sum over trades, and the field with their number."""
