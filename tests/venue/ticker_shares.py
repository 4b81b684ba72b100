"""How many taker fills beat the venue's own best bid and ask: the share that must be near zero if
no phantom size is sold.

    python tests/venue/ticker_shares.py FOLDER

backtests ``lifter.py`` on each recording in the folder, without latency and with 5 ms, without and
with the recorded ticker, and prints one line for each. The oracle is ``md.book_tickers``, the
exchange's own stream, which no stage but the venue reads.

A fill beats the ticker if its price is better than every best ask (bid) that was valid at some
moment of the fill's instant: the last one before it and all that bear its time, for the venue
stamps whole milliseconds. With latency the order was sent for the price at its decision; the ticker
alone says how often the market itself had become better by the time the order arrived.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from contextlib import redirect_stdout
from io import StringIO
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from jobs.sq import main
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.vocabulary import Liquidity, Side
from streams.log.local import LocalLog

LIFTER = Path(__file__).with_name("lifter.py")
MILLISECOND = 1_000_000


class Shares(NamedTuple):
    """Counts: taker fills; better than the ticker when filled; better than the ticker at the
    decision; and the ticker itself so.
    """

    fills: int
    beat_at_fill: int
    beat_at_decision: int
    ticker_improved: int

    def line(self) -> str:
        """Counts and shares as a table's cells."""
        parts = [f"{self.fills:5}"]
        for number in self[1:]:
            parts.append(f"{number:5} ({100 * number / max(1, self.fills):5.2f} %)")
        return " | ".join(parts)


def records_of(folder: Path, topic: str) -> list[Any]:
    """All records of a topic."""
    decoder = codec(topic_of(topic).record)
    with LocalLog.open(folder) as log:
        return [
            record
            for block in log.reader(topic).blocks()
            for record in decoder.decode_records(block.body, block.count)
        ]


def lift(recording: Path, out: Path, latency: int, *flags: str, every: int = 7) -> None:
    """``sq backtest`` of the lifter with all latency on the way to the venue (ns)."""
    legs = f"feed=0,entry={latency}ns,response=0"
    money = ("--cash", "100000000USDT", "--latency", legs)
    command = [
        "backtest",
        str(recording),
        "--strategy",
        f"{LIFTER}:Lifter",
        "--set",
        f"every={every}",
        *money,
        *flags,
        "--out",
        str(out),
        "--json",
    ]
    with redirect_stdout(StringIO()):
        code = main(command)
    if code != 0:
        raise RuntimeError(f"sq {' '.join(command)} failed")


def shares(recording: Path, run: Path) -> Shares:
    """Taker fills of the run against the recording's tickers."""
    tickers = records_of(recording, "md.book_tickers")
    times = list(accumulate((each.event_time for each in tickers), max))
    decided = {each.order_id: each.event_time for each in records_of(run, "orders.decisions")}
    counts = [0, 0, 0, 0]

    def best_of(time: int, sign: int) -> int | None:
        """The best ticker price valid at some moment of the instant, signed so that less is better;
        null before the first.
        """
        valid = tickers[max(0, bisect_left(times, time) - 1) : bisect_right(times, time)]
        return min(
            (sign * (each.ask_price if sign > 0 else each.bid_price) for each in valid),
            default=None,
        )

    for fill in records_of(run, "fills"):
        sign = 1 if fill.side == Side.BUY else -1
        then, here, price = (
            best_of(decided[fill.order_id], sign),
            best_of(fill.event_time, sign),
            sign * fill.price,
        )
        if then is None or here is None or fill.liquidity != Liquidity.TAKER:
            continue
        for place, found in enumerate((True, price < here, price < then, here < then)):
            counts[place] += found
    return Shares(*counts)


def table() -> None:
    """The table of the documents."""
    sys.stdout.write(
        "recording | latency | ticker | fills | better than the ticker at the fill | than at the "
        "decision | ticker itself improved\n"
    )
    for recording in sorted(Path(sys.argv[1]).iterdir()):
        for latency in (0, 5):
            for ticker in ("off", "auto"):
                with TemporaryDirectory() as folder:
                    lift(recording, Path(folder) / "run", latency * MILLISECOND, "--ticker", ticker)
                    sys.stdout.write(
                        f"{recording.name} | {latency} ms | {ticker} | "
                        f"{shares(recording, Path(folder) / 'run').line()}\n"
                    )


if __name__ == "__main__":
    table()
