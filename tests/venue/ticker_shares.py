"""How many taker fills beat the venue's own best bid and ask: the share that must be near zero if no phantom size is sold.

    python tests/venue/ticker_shares.py FOLDER

backtests ``lifter.py`` on each recording in the folder, without latency and with 5 ms, without and with the recorded ticker, and
prints one line for each. The oracle is ``md.book_tickers``, the exchange's own stream, which the pipeline does not read unless asked.

A fill beats the ticker if its price is better than every best ask (bid) that was valid at some moment of the fill's instant: the last
one before it and all that bear its time, for the venue stamps whole milliseconds. With latency the order was sent for the price at its
decision; the ticker alone says how often the market itself had become better by the time the order arrived.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from jobs.configuration import build
from jobs.runs import Backtest
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.vocabulary import Liquidity, Side
from streams.log.local import LocalLog

LIFTER = Path(__file__).with_name("lifter.py")
MILLISECOND = 1_000_000


class Shares(NamedTuple):
    """Counts: taker fills; better than the ticker when filled; better than the ticker at the decision; and the ticker itself so."""

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
        return [record for block in log.reader(topic).blocks() for record in decoder.decode_records(block.body, block.count)]


def lift(recording: Path, out: Path, latency: int, ticker: str, every: int = 7) -> None:
    """Backtest the lifter with all latency on the way to the venue (ns)."""
    options = {
        "strategy": f"{LIFTER}:Lifter", "set": {"every": every}, "cash": "100000000USDT", "latency": f"feed=0,entry={latency}ns,response=0",
        "ticker": ticker,
    }  # fmt: skip
    Backtest(build(options), recording, out).run()


def shares(recording: Path, run: Path) -> Shares:
    """Taker fills of the run against the recording's tickers."""
    tickers = records_of(recording, "md.book_tickers")
    times = list(accumulate((each.event_time for each in tickers), max))
    decided = {each.order_id: each.event_time for each in records_of(run, "orders.decisions")}
    counts = [0, 0, 0, 0]

    def best_of(time: int, sign: int) -> int | None:
        """The best ticker price valid at some moment of the instant, signed so that less is better; null before the first."""
        valid = tickers[max(0, bisect_left(times, time) - 1) : bisect_right(times, time)]
        return min((sign * (each.ask_price if sign > 0 else each.bid_price) for each in valid), default=None)

    for fill in records_of(run, "fills"):
        sign = 1 if fill.side == Side.BUY else -1
        then, here, price = best_of(decided[fill.order_id], sign), best_of(fill.event_time, sign), sign * fill.price
        if then is None or here is None or fill.liquidity != Liquidity.TAKER:
            continue
        for place, found in enumerate((True, price < here, price < then, here < then)):
            counts[place] += found
    return Shares(*counts)


def main() -> None:
    """The table of the documents."""
    sys.stdout.write("recording | latency | ticker | fills | better than the ticker at the fill | than at the decision | ticker itself improved\n")
    for recording in sorted(Path(sys.argv[1]).iterdir()):
        for latency in (0, 5):
            for ticker in ("off", "cap"):
                with TemporaryDirectory() as folder:
                    lift(recording, Path(folder) / "run", latency * MILLISECOND, ticker)
                    sys.stdout.write(f"{recording.name} | {latency} ms | {ticker} | {shares(recording, Path(folder) / 'run').line()}\n")


if __name__ == "__main__":
    main()
