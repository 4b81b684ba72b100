"""``sq charges``: what an executed order costs in India."""

from __future__ import annotations

import argparse
import json
from typing import Any

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

HELP = """\
What an executed order in shares, futures or options costs on NSE or BSE on a day: brokerage, STT,
the exchange's charge, SEBI's fee, stamp duty and GST, each with its rate and where the rate comes
from. The table is dated, from October 2024 on.

examples:
  sq charges intraday --side sell --quantity 400 --price 1100 --on 2026-05-04
  sq charges option --side sell --quantity 75 --price 102.35 --on 2026-03-31 --json
  sq charges delivery --side buy --quantity 50 --price 1000 --on 2025-06-02 --brokerage 20
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "charges", help="what an order costs in India", description=HELP,
        formatter_class=HelpFormatter,
    )  # fmt: skip
    command.add_argument(
        "product", choices=("delivery", "intraday", "future", "option"), help="what is traded"
    )
    command.add_argument("--side", required=True, choices=("buy", "sell"), help="of the order")
    command.add_argument(
        "--exchange", default="nse", choices=("nse", "bse"), help="where (default: nse)"
    )
    command.add_argument(
        "--quantity", required=True, type=int, metavar="N", help="shares; of contracts lots x lot"
    )
    command.add_argument(
        "--price", required=True, metavar="RUPEES", help="of a share; of an option its premium"
    )
    command.add_argument("--on", required=True, metavar="DAY", help="day of the trade")
    command.add_argument(
        "--brokerage", metavar="RUPEES", help="for the order, of another broker than Zerodha"
    )
    command.add_argument("--json", action="store_true", help="print as JSON, amounts in paise")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """A line for each charge, and the total."""
    from datetime import date

    from connectors.reference.charges import PAISE, charges
    from streams.numeric import fixed

    try:
        day = date.fromisoformat(arguments.on)
    except ValueError:
        raise WrongUse(f"--on {arguments.on!r} is no day; write it like 2026-12-31") from None
    found = charges(
        arguments.product, arguments.exchange, arguments.side, arguments.quantity,
        arguments.price, day, arguments.brokerage,
    )  # fmt: skip
    total = sum(each.paise for each in found)
    if arguments.json:
        print(json.dumps({"charges": [each._asdict() for each in found], "total_paise": total}))
        return 0
    for each in found:
        amount = fixed.format(each.paise, PAISE)
        print(f"  {each.name:10} {amount:>12}  {each.rule}  ({each.source})")
    print(f"  {'total':10} {fixed.format(total, PAISE):>12}  rupees")
    return 0
