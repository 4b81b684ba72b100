"""``replay.mm``: a market maker at the touch of the recorded USD-M book, side by side with
hftbacktest 2.4.4.

    python -m tests.benchmarks.making [ROWS]

Both run one rule (``touching_compiled.py`` and ``peers/hftbacktest_engine.py``) over one recording,
with one queue model (risk-averse), one constant latency and one pair of fees. Their fills are
compared one by one, in price, size, side and time; the row is void where more than one in a hundred
has no equal.

- The recording is the capture, tiled, and records of one millisecond are put apart by a microsecond
  each, in our order: neither program then has to choose which of them comes first.
- ``value`` is compute only: our whole pipeline, from the recording's blocks (which it reads,
  decodes, validates and merges) to the rows of every topic; no file, no journal, no digest.
  ``with_files`` is the whole ``sq backtest``, which writes and digests all of them.
- Of the peer the loop of its strategy is timed; its events lie in memory in its own form, and its
  fills stay there.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from jobs.configuration import Configuration
from jobs.pipeline import NEVER, build_topology, read_instruments
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import Instrument
from schemas.vocabulary import DepthKind, OrderStatus, Side
from streams.log.local import LocalLog
from streams.runtime.order.blocks import BlockSource
from streams.runtime.order.dead_letters import DEAD_LETTERS
from streams.runtime.order.feed import Feed
from streams.runtime.order.merge import InputBatch, Merger
from streams.runtime.recovery.execution import Execution
from streams.runtime.schedule.runner import LoopRunner
from tests.benchmarks import pipeline, recordings
from tests.benchmarks.peers.install import HFTBACKTEST, hftbacktest_reason
from tests.benchmarks.serving import Server, rows_of
from tests.benchmarks.timing import RUNS, alternating, cores, row, seconds

Array = np.ndarray[Any, Any]

PEER = "hftbacktest"
ENGINE = Path(__file__).with_name("peers") / "hftbacktest_engine.py"
STRATEGY = Path(__file__).with_name("touching_compiled.py")
FOLDER = recordings.FOLDER / "hftbacktest"
APART = 1_000
"""ns between two records of one millisecond."""
FEED, ENTRY, RESPONSE = 2_000_000, 5_000_300, 5_000_100
"""Latency, ns; off the microsecond, so that nothing of ours arrives at the instant of a record."""
ROUND_TRIP = ENTRY + RESPONSE - FEED
"""From an order's sending to the venue's time at which its answer is delivered."""
MAKER_BP, TAKER_BP = 1, 4
"""Fees in basis points."""
SIZE, MOST = 1, 5
"""Lots in an order, and orders held at most."""
LARGER = (2, 10)
"""Lots of other orders, whose fills are compared and not timed."""
BATCH = 65_536
BEGIN = 60_000_000_000
"""ns from the first record to the first order: by then there is a mark, without which risk denies.
"""
EQUAL_MIN = 0.99
FILL = np.dtype([(name, "i8") for name in ("time", "side", "price", "quantity", "sent")])
"""As the peer's server writes them."""
REFUSED_BY_PEER = "the other refused the order: its book still shows what the tape took"
REFUSED_BY_US = "the other refused the order"
SPENT = (
    "same order, filled otherwise: here a print is spent once, there one beyond a price fills all"
)
FOLLOWS = "the other had no such order: it follows from a difference before"
EVENT = np.dtype(
    [
        ("ev", "u8"), ("exch_ts", "i8"), ("local_ts", "i8"), ("px", "f8"), ("qty", "f8"),
        ("order_id", "u8"), ("ival", "i8"), ("fval", "f8"),
    ],
    align=True,
)  # fmt: skip
"""hftbacktest's row."""
DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
SEEN = 1 << 31 | 1 << 30  # by the exchange and by the strategy
BUYING, SELLING = 1 << 29, 1 << 28
SIDES = BUYING | SELLING
NOTE = (
    "one lot at the touch on both sides; the peer's rule is compiled by numba and its events lie "
    "in memory; ours reads, decodes, validates and merges the recording and makes the rows of all "
    "topics; with_files is sq backtest, which writes, journals and digests them too"
)


def run(rows: int = 10_000_000, runs: int = RUNS) -> list[dict[str, Any]]:
    """The row; without the peer's environment ours alone, and why."""
    recording = untied(rows)
    why = hftbacktest_reason()
    if why:
        return [measure(recording, None, runs) | {"reason": why}]
    with Peer() as peer:
        return [measure(recording, peer, runs)]


def measure(recording: Path, peer: Peer | None, runs: int) -> dict[str, Any]:
    """``replay.mm``: alternating runs after one of each to warm up."""
    begin = begin_of(recording)
    configuration, total = chosen(begin), pipeline.rows_in(recording)
    counted: list[int] = []

    def our_rate() -> float:
        elapsed, fills = compute_only(recording, configuration)
        counted.append(fills)
        return total / elapsed

    def their_rate() -> float:
        assert peer is not None
        return total / float(peer.run(begin)[0]["seconds"])

    told: dict[str, Any] = {"rows": total, "cores": cores(), "note": NOTE}
    topics = pipeline.run(recording, configuration, PEER)[1]["topics"]
    told["orders"], fills = topics["orders.requests"]["count"], topics["fills"]["count"]
    our_rate()
    if peer is None:
        values, peer_values = [our_rate() for _ in range(runs)], None
    else:
        peer.load(recording)
        told |= agreement(recording, peer, begin)
        values, peer_values = alternating(our_rate, their_rate, runs)
    written = [total / pipeline.run(recording, configuration, PEER)[0] for _ in range(runs)]
    if set(counted) != {fills}:
        raise RuntimeError(f"compute only made {set(counted)} fills, the backtest {fills}")
    found = row("replay.mm", "rows/s", values, PEER, peer_values) | told
    found |= {"with_files": statistics.median(written)}
    found["runs"]["with_files"] = written
    if told.get("equal_share", 1.0) < EQUAL_MIN:
        found |= {"ratio": None, "reason": f"void: {told['difference']}"}
    return found


def agreement(recording: Path, peer: Peer, begin: int) -> dict[str, Any]:
    """What the row says of the fills, of larger orders too."""
    found = compared(recording, peer, begin, SIZE)
    larger = {str(size): compared(recording, peer, begin, size).share for size in LARGER}
    said = f"fills {found.ours} and {found.theirs}, of which {found.equal} are equal"
    classes = "; ".join(f"{count} of {why}" for why, count in found.reasons.items())
    return {
        "equal_share": found.share,
        "difference": f"{said}: {classes}" if classes else said,
        "equal_share_by_lots": larger,
    }


def compared(recording: Path, peer: Peer, begin: int, size: int) -> Comparison:
    """The fills of one run of each."""
    pipeline.run(recording, chosen(begin, size), PEER)
    log = LocalLog.open(recording)
    (instrument,) = read_instruments(log)
    log.close()
    return compare(our_fills(pipeline.RUN_FOLDER / PEER, instrument), peer.run(begin, size)[1])


def untied(rows: int) -> Path:
    """The tiled capture as both programs get it."""
    return recordings.kept(f"untied-{rows}", lambda folder: untie(recordings.tiled(rows), folder))


def untie(recording: Path, folder: Path) -> None:
    """Write the trades and the depth of a recording of one instrument, each at a time of its own.
    """
    source, log = LocalLog.open(recording), LocalLog.create(folder)
    trades, _ = rows_of(source, "md.trades")
    depth, levels = rows_of(source, "md.depth")
    (listed,) = read_instruments(source)
    source.close()
    put_apart(trades, depth)
    instrument = codec("Instrument").encode_records([free_of_minimum(listed)])
    log.writer("ref.instruments").append(instrument, 1)
    for topic, found in (("md.trades", trades), ("md.depth", depth)):
        writer, coder = log.writer(topic), codec(topic_of(topic).record)
        for start in range(0, len(found), recordings.BLOCK):
            part = found[start : start + recordings.BLOCK]
            given = (levels,) if coder.has_levels else ()
            body = coder.encode_rows(part, len(part), *given)
            writer.append(body, len(part), int(part["event_time"][-1]))
    recordings.close(log, folder)


def free_of_minimum(listed: Instrument) -> Instrument:
    """The instrument without a smallest notional: the peer has no such rule."""
    return msgspec.structs.replace(listed, minimum_notional=0)


def put_apart(*topics: Array) -> None:
    """Give each row a time of its own: later by its place among those of its time, the topics given
    first before the others.
    """
    times = np.concatenate([rows["event_time"] for rows in topics])
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    first = np.searchsorted(ordered, ordered)
    shifted = np.empty(len(times), np.int64)
    shifted[order] = ordered + APART * (np.arange(len(times)) - first)
    place = 0
    for rows in topics:
        rows["event_time"] = shifted[place : place + len(rows)]
        place += len(rows)


def events_of(recording: Path) -> tuple[Array, dict[str, Any]]:
    """The recording in hftbacktest's form, in order of time, and what its ``load`` needs."""
    log = LocalLog.open(recording)
    trades, _ = rows_of(log, "md.trades")
    depth, levels = rows_of(log, "md.depth")
    (instrument,) = read_instruments(log)
    log.close()
    price, lot = 10.0**-instrument.price_precision, 10.0**-instrument.quantity_precision
    bids, asks = depth["bid_count"].astype(np.int64), depth["ask_count"].astype(np.int64)
    counts = bids + asks
    is_snapshot = depth["kind"] == int(DepthKind.SNAPSHOT)
    found = np.zeros(int(counts.sum()) + int(is_snapshot.sum()) + len(trades), EVENT)
    clears = found[: int(is_snapshot.sum())]
    clears["ev"] = SEEN | CLEAR
    clears["exch_ts"] = depth["event_time"][is_snapshot]
    of_levels = found[len(clears) : len(found) - len(trades)]
    sides = np.repeat(
        np.tile(np.array([BUYING, SELLING]), len(depth)), np.stack([bids, asks], 1).ravel()
    )
    of_levels["ev"] = SEEN | np.where(np.repeat(is_snapshot, counts), SNAPSHOT, DEPTH) | sides
    of_levels["exch_ts"] = np.repeat(depth["event_time"], counts)
    of_levels["px"], of_levels["qty"] = levels["price"] * price, levels["quantity"] * lot
    printed = found[len(found) - len(trades) :]
    flags = np.array([0, BUYING, SELLING])  # a print without an aggressor hits nobody in both
    printed["ev"] = SEEN | TRADE | flags[trades["aggressor_side"]]
    printed["exch_ts"] = trades["event_time"]
    printed["px"], printed["qty"] = trades["price"] * price, trades["quantity"] * lot
    is_bid, is_level = found["ev"] & BUYING != 0, found["ev"] & SIDES != 0
    best_first = np.where(is_bid, -found["px"], found["px"])
    found = found[np.lexsort((best_first, is_level & ~is_bid, is_level, found["exch_ts"]))]
    found["local_ts"] = found["exch_ts"] + FEED
    touched = levels["price"][levels["quantity"] > 0] * price
    tick, step = instrument.tick_size * price, instrument.lot_size * lot
    prices = [float(touched.min()), float(touched.max())]
    return found, {"tick": round(tick, 9), "lot": round(step, 9), "prices": prices}


def chosen(begin: int, size: int = SIZE) -> Configuration:
    """Our configuration: the peer's latency and fees, and no limit that it does not have."""
    settings = {"size": str(size), "most": str(MOST * size), "begin": str(begin)}
    return pipeline.configuration(
        str(STRATEGY),
        set=settings,
        risk={"max_notional": "off", "max_position": "off", "mark_age_max": "off"},
        fees=f"maker={MAKER_BP}bp,taker={TAKER_BP}bp",
        latency=f"feed={FEED}ns,entry={ENTRY}ns,response={RESPONSE}ns",
    )


def begin_of(recording: Path) -> int:
    """When orders begin."""
    log = LocalLog.open(recording)
    first = next(iter(log.reader("md.depth").blocks()))
    rows, _ = codec("DepthUpdate").decode_rows(first.body, first.count)
    log.close()
    return int(rows["event_time"][0]) + BEGIN + APART // 2


def compute_only(recording: Path, configuration: Configuration) -> tuple[float, int]:
    """Seconds of our pipeline over the recording, from its blocks to the rows of every topic; its
    fills.
    """
    source = LocalLog.open(recording)
    topology = build_topology(configuration, source)
    feeds = [
        Feed(topic, code, BlockSource(source.reader(topic)))
        for code, topic in enumerate(topology.feeds)
    ]
    outputs = [*topology.outputs, DEAD_LETTERS]
    execution = Execution(
        lambda _: topology,
        outputs,
        Merger(feeds, NEVER),
        journal_id=1,
        clock_jump_max=configuration.clock_jump_max,
        has_neighbours=True,
    )
    execution.start(read_instruments(source))
    counts: Counter[str] = Counter()
    elapsed = seconds(lambda: execute(execution, counts))
    source.close()
    return elapsed, counts["fills"]


def execute(execution: Execution, made: Counter[str]) -> None:
    """The batch loop without what comes behind it: outputs are counted and dropped."""
    engine, merger, piece = execution.engine, execution.merger, InputBatch(BATCH)
    while True:
        merger.take(piece, BATCH, engine.present)
        engine.execute(piece, execution.feeds)
        if isinstance(engine.upstream, LoopRunner):
            engine.upstream.clear_rows()
        for topic, _, count in engine.take_parts({}):
            made[topic] += count
        counts = np.bincount(piece.origin[: piece.count], minlength=len(execution.feeds)).tolist()
        for feed in execution.feeds:
            Feed.consume(feed, counts[feed.code])
        if piece.ended:
            return


def our_fills(folder: Path, instrument: Instrument) -> Array:
    """A run's fills and refused orders in the peer's form, in order of time."""
    log = LocalLog.open(folder)
    events, _ = rows_of(log, "orders.events")
    fills, _ = rows_of(log, "fills")
    log.close()
    is_first = np.isin(events["status"], (int(OrderStatus.ACCEPTED), int(OrderStatus.REJECTED)))
    answered = {order_of(each): int(each["event_time"]) for each in events[is_first]}
    refused = events[events["status"] == int(OrderStatus.REJECTED)]
    found = np.zeros(len(fills) + len(refused), FILL)
    for rows, part in ((fills, found[: len(fills)]), (refused, found[len(fills) :])):
        part["time"] = rows["event_time"]
        part["side"] = np.where(rows["side"] == int(Side.BUY), 1, -1)
        part["price"] = rows["price"] // instrument.tick_size
        part["sent"] = [answered[order_of(each)] - ROUND_TRIP for each in rows]
    found["quantity"][: len(fills)] = fills["quantity"] // instrument.lot_size
    return found[np.argsort(found["time"], kind="stable")]


def order_of(each: Any) -> tuple[int, int]:
    """The id of the order that a row is of."""
    return int(each["order_id_high"]), int(each["order_id_low"])


class Comparison(NamedTuple):
    """Fills of both, those that are equal, and why the others differ."""

    ours: int
    theirs: int
    equal: int
    reasons: dict[str, int]

    @property
    def share(self) -> float:
        """Of the equal ones."""
        return self.equal / max(self.ours, self.theirs, 1)


def compare(ours: Array, theirs: Array) -> Comparison:
    """Compare fills in price, size, side and time. A fill of one that the other has not is put down
    to what the other did with the same order: the same is one of the same side, price and time of
    sending.
    """
    ours, theirs = (found.tolist() for found in (ours, theirs))
    reasons: Counter[str] = Counter()
    mine, others = (Counter(each for each in found if each[3]) for found in (ours, theirs))
    for left, other, refused, whose in (
        (mine - others, theirs, REFUSED_BY_PEER, "ours"),
        (others - mine, ours, REFUSED_BY_US, "the peer's"),
    ):
        known = {(each[1], each[2], each[4]): each[3] for each in other}
        for fill in left.elements():
            same = known.get((fill[1], fill[2], fill[4]))
            why = FOLLOWS if same is None else refused if same == 0 else SPENT
            reasons[f"{whose}: {why}"] += 1
    equal = (mine & others).total()
    return Comparison(mine.total(), others.total(), equal, dict(sorted(reasons.items())))


class Peer(Server):
    """Its process."""

    def __init__(self) -> None:
        super().__init__("hftbacktest", HFTBACKTEST, ENGINE, FOLDER / "stderr.log")

    def load(self, recording: Path) -> None:
        """Give it a recording."""
        events, facts = events_of(recording)
        file = FOLDER / "feed.npy"
        np.save(file, events)
        self.ask(do="load", feed=str(file), **facts)
        file.unlink()

    def run(self, begin: int, size: int = SIZE, book: str = "roi") -> tuple[dict[str, Any], Array]:
        """One run: what it says, and its fills."""
        file = FOLDER / "fills.npy"
        answer = self.ask(
            do="run", depth=book, size=size, most=MOST * size, begin=begin + FEED, entry=ENTRY,
            response=RESPONSE, maker=MAKER_BP / 10_000, taker=TAKER_BP / 10_000, fills=str(file),
        )  # fmt: skip
        return answer, np.load(file)


if __name__ == "__main__":
    for figure in run(*map(int, sys.argv[1:2])):
        print(json.dumps(figure, indent=1))
