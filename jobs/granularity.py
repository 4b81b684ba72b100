"""What a run trades on: a recorded order book, the venue's own best prices, trades, or bars alone.

``--data auto`` is a question, like ``--ticker auto``: it is answered once, by the most telling data
that the recording has, and the answer stands in the genesis record. A configuration that says
nothing means a book.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from jobs.configuration import AUTO, BadConfiguration, Configuration
from jobs.quantities import duration_text
from schemas.codec import codec
from streams.log.local import LocalLog
from streams.numeric.assumed_top import DATA

BOOK, QUOTES, TRADES, BARS = DATA
HELD_IN = {BOOK: "md.depth", QUOTES: "md.book_tickers", TRADES: "md.trades", BARS: "md.bars"}
"""What a recording holds for each."""
MARKET_DATA = {
    BOOK: ("md.trades", "md.depth"),
    QUOTES: ("md.trades", "md.book_tickers"),
    TRADES: ("md.trades",),
    BARS: ("md.imported_bars",),
}
"""Market data that a run on each reads, in merge order."""
FILL_MODEL = "through"
FILL_RULES = {
    BOOK: "orders take what the recorded order book displays, less what printed there",
    QUOTES: "orders take what the recorded best prices show; a resting order fills once the other "
    "side stands at its price, or a print is beyond it",
    TRADES: "orders take at most the quantity of the last print, {spread} beyond its price or at "
    "what the last aggressor of their side paid, whichever is worse; a resting order fills by "
    "prints beyond its price, at most their quantity",
    BARS: "a bar is four prints, its open, low and high (the nearer to the open first), its close, "
    "a quarter of its volume each; orders take at most that, {spread} beyond the print's price; a "
    "resting order fills by prints beyond its price; an order on a bar's close waits for the next "
    "open",
}
"""What a page says of each."""
UNSIZED = "of an instrument without any volume in the data any quantity is assumed to fill"


def data_of(stages: Mapping[str, Mapping[str, Any]]) -> str:
    """What these stages' settings trade on."""
    return str(stages.get("aggregation", {}).get("data", BOOK))


def fill_rule(stages: Mapping[str, Mapping[str, Any]]) -> str:
    """The rule by which orders fill, as a sentence."""
    aggregation = stages.get("aggregation", {})
    ticks = int(aggregation.get("spread", 1))
    rule = FILL_RULES[data_of(stages)].format(spread=f"{ticks} tick{'' if ticks == 1 else 's'}")
    return f"{rule}; {UNSIZED}" if aggregation.get("unsized") else rule


def held(log: LocalLog) -> list[str]:
    """What the recording can be traded on, the most telling first."""
    return [data for data, topic in HELD_IN.items() if holds(log, topic)]


def holds(log: LocalLog, topic: str) -> bool:
    """True if there are records of the topic."""
    return topic in log.topics() and log.reader(topic).count > 0


def answered(
    configuration: Configuration, log: LocalLog, begun: Mapping[str, Any] | None = None
) -> Configuration:
    """The configuration with what it trades on: as the run was begun, as it asks, or by the
    recording; what follows from that is among its settings.

    Args:
        begun: the facts of the genesis record, where there is one.

    Raises:
        BadConfiguration: the recording does not hold what is asked for, or a setting needs a book.
    """
    asked = configuration.stages.get("aggregation", {}).get("data", AUTO)
    if begun is not None and asked == AUTO:
        asked = data_of(begun.get("configuration", {}).get("stages", {}))
    can_be = held(log)
    if asked == AUTO:
        asked = can_be[0] if can_be else BOOK
    elif asked != BOOK and asked not in can_be:
        has = ", ".join(can_be) or "no market data"
        what = f"--data {asked}: {log.path} has no {HELD_IN.get(asked, asked)}"
        raise BadConfiguration(f"{what}; it has {has}")
    if asked == BOOK:
        return _on_book(configuration)
    return _without_book(configuration, asked, log)


def check_data(name: str, stage: Any, feeds: Sequence[str], data: str) -> None:
    """Refuse a strategy that reads what these data do not make.

    Raises:
        BadConfiguration: names the topic, and what to do.
    """
    made = {"md.depth": BOOK, "md.trades": TRADES, "md.book_tickers": QUOTES}
    for topic in stage.INPUTS:
        if topic == MARKET_DATA[BARS][0]:
            what = f"strategy {name} reads {topic}, which comes before a bar has closed"
            raise BadConfiguration(f"{what}; wake on md.bars")
        lacks_bars = topic == "md.bars" and data == QUOTES and "md.trades" not in feeds
        if data != BOOK and (lacks_bars or (topic in made and topic not in feeds)):
            what = f"strategy {name} reads {topic}, and the run trades on data of {data}"
            raise BadConfiguration(f"{what}, which make none; give a recording of trades or depth")


def on_a_cluster(configuration: Configuration) -> Configuration:
    """The configuration of a deployment: it trades on the order book. Raises BadConfiguration for
    one that says otherwise.
    """
    data = configuration.stages.get("aggregation", {}).get("data", AUTO)
    if data not in (AUTO, BOOK):
        what = f"data is {data}, and a deployed topology trades on the order book"
        raise BadConfiguration(f"{what}; leave it out, or backtest with it")
    return _on_book(configuration)


def _on_book(configuration: Configuration) -> Configuration:
    """It says nothing then. Raises BadConfiguration."""
    aggregation = dict(configuration.stages.get("aggregation", {}))
    if "spread" in aggregation:
        raise BadConfiguration("--spread is of prices that are assumed; a book has its own")
    if aggregation.pop("data", None) is None:
        return configuration
    stages = {name: each for name, each in configuration.stages.items() if name != "aggregation"}
    if aggregation:
        stages["aggregation"] = aggregation
    return msgspec.structs.replace(configuration, stages=stages)


def _without_book(configuration: Configuration, data: str, log: LocalLog) -> Configuration:
    """What follows from the data, among the settings. Raises BadConfiguration."""
    stages = {name: dict(settings) for name, settings in configuration.stages.items()}
    aggregation, venue = stages.setdefault("aggregation", {}), stages.setdefault("venue", {})
    model = venue.get("queue_model", FILL_MODEL)
    if model != FILL_MODEL:
        what = f"--fill-model {model} needs a recorded order book; data of {data}"
        raise BadConfiguration(f"{what} fill by the model {FILL_MODEL}: leave the option out")
    if venue.get("ticker", AUTO) not in (AUTO, "off"):
        raise BadConfiguration(f"--ticker is for a recorded order book, not for data of {data}")
    venue.pop("ticker", None)
    venue["queue_model"] = FILL_MODEL
    aggregation["data"] = data
    if data == BARS:
        interval, unsized = _look_at_bars(log)
        _check_intervals(aggregation, interval)
        if unsized:
            aggregation["unsized"] = unsized
    return msgspec.structs.replace(configuration, stages=stages)


def _check_intervals(aggregation: dict[str, Any], interval: int) -> None:
    """Bars are published as they are, and as longer ones. Raises BadConfiguration."""
    wanted = aggregation.setdefault("intervals", [interval])
    wrong = [each for each in wanted if not isinstance(each, int) or each % interval]
    if wrong:
        what = f"[aggregation] intervals names {wrong[0]} ns"
        raise BadConfiguration(
            f"{what}; bars of {duration_text(interval)} make bars of multiples of {interval} ns"
        )


def _blocks(log: LocalLog) -> Iterator[Any]:
    """The rows of ``md.bars``, a block at a time."""
    decoder = codec("Bar")
    for block in log.reader(HELD_IN[BARS]).blocks():
        yield decoder.decode_with_ends(block.body, block.count)[0]


def _look_at_bars(log: LocalLog) -> tuple[int, list[int]]:
    """Their interval in ns, and the instruments of which none has a volume. Raises BadConfiguration
    where intervals differ.
    """
    intervals: set[int] = set()
    known: set[int] = set()
    sized: set[int] = set()
    for rows in _blocks(log):
        intervals.update(np.unique(rows["close_time"] - rows["open_time"]).tolist())
        known.update(np.unique(rows["instrument"]).tolist())
        sized.update(np.unique(rows["instrument"][rows["volume"] != 0]).tolist())
        if len(intervals) > 1:
            names = ", ".join(duration_text(each) for each in sorted(intervals))
            what = f"{log.path} has bars of {names}"
            raise BadConfiguration(f"{what}; trade on a recording of bars of one length")
    return intervals.pop(), sorted(known - sized)


def bar_times(log: LocalLog) -> tuple[int, int] | None:
    """When the first and the last bar open (ns UTC); None where there is none."""
    reader = log.reader(HELD_IN[BARS])
    if not reader.count:
        return None
    first = next(_blocks(log))["open_time"][0]
    decoder = codec("Bar")
    last = [
        decoder.decode_with_ends(block.body, block.count)[0]["open_time"][-1]
        for block in itertools.islice(reader.blocks(reader.end_offset - 1), 1)
    ]
    return int(first), int(last[0])

