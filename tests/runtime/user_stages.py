"""The stages of docs/extending/add-a-stage.md for tests, and runs with them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from jobs.configuration import build, read_file
from jobs.runs import Backtest, Run
from tests.page_files import files_of
from tests.scenario import backtest

FILES = files_of("add-a-stage.md")


def run_of_page(market: Path, out: Path, **options: Any) -> Run:
    """The page's configuration, in the folder of its files."""
    return Backtest(build({**read_file(Path("run.toml")), **options}), market, out).run()


def with_stage(market: Path, out: Path, text: str, **options: Any) -> Run:
    """A run with one stage, mine.py."""
    Path("mine.py").write_text(text)
    return backtest(market, out, "noop-python", stages={"mine": {"file": "mine.py"}}, **options)


def spread_with(old: str, new: str) -> str:
    """The text of spread.py with a change."""
    assert old in FILES["spread.py"]
    return FILES["spread.py"].replace(old, new)


def timeless(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records without the clock at their emission."""
    return [
        {name: each for name, each in record.items() if name != "event_time"} for record in records
    ]


def expected_spreads(quotes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What spread.py makes of one instrument's quotes, in Python integers."""
    found: list[dict[str, Any]] = []
    total = 0
    for quote in quotes:
        if quote["flags"]:
            continue
        spread = quote["ask_price"] - quote["bid_price"]
        total += spread
        middle, mean = (quote["ask_price"] + quote["bid_price"]) // 2, total // (len(found) + 1)
        own = {"spread": spread, "middle": middle, "mean": mean}
        found.append({"instrument": quote["instrument"], **own})
    return found


def expected_costs(fills: list[dict[str, Any]], window: int = 10) -> list[dict[str, Any]]:
    """What costs.py makes of fills."""
    found: list[dict[str, Any]] = []
    for place, fill in enumerate(fills, 1):
        fees = [int(each["fee"]) for each in fills[max(0, place - window) : place]]
        mean = float(Fraction(sum(fees), window)) if len(fees) == window else None
        own = {"instrument": fill["instrument"], "fills": len(fees), "fees": sum(fees)}
        is_maker = fill["liquidity"] == "MAKER"
        more = {"is_maker": is_maker, "order": fill["order_id"], "mean": mean}
        found.append({**own, **more})
    return found
