"""Side by side with NautilusTrader 2.0.0rc7: sparse and dense orders by its compiled EMA cross (of
a perpetual, on spot, of two instruments), quotes into plain Python.

    python -m tests.benchmarks.nautilus

Its engine runs in an environment of its own (``make bench-peers``) as a server
(``peers/nautilus_engine.py``) that loads a recording once; the runs of both alternate. Ours is
timed as a whole ``sq backtest``: log read, every output topic and the journal written and digested,
the report made. Of the peer only ``engine.run()`` is timed: its objects are in memory before, its
results stay there, nothing is written.

The rule is that of the peer's own strategy: two means of the mid price of each quote, decisions
after ``slow`` inputs, a market order at each change of direction. Ours takes the same periods with
``cooldown=0``. Our target is +-n lots and the peer's trade size 2n, so that each turn is the same
order. What is left is stated in each row: the peer only follows changes of direction and so does
not trade on its first one (one order and one fill less), and our risk stage denies orders until the
first mark, which the peer fills.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jobs.configuration import Configuration
from jobs.pipeline import read_instruments
from schemas.vocabulary import DepthKind, Flag, InstrumentKind, Side
from streams.log.local import LocalLog
from tests.benchmarks import pipeline, quoting, recordings
from tests.benchmarks.peers.install import ENVIRONMENT, reason
from tests.benchmarks.serving import Server, rows_of
from tests.benchmarks.timing import RUNS, alternating, cores, one_core, row

Array = np.ndarray[Any, Any]

PEER = "nautilus"
DESCRIBED = ("instrument", "kind", "price_precision", "quantity_precision", "tick_size", "lot_size")
"""What the peer is told of an instrument."""
ENGINE = Path(__file__).with_name("peers") / "nautilus_engine.py"
COLUMNS = recordings.FOLDER / "nautilus"
STDERR = recordings.FOLDER / "nautilus.log"
NO_MID = int(Flag.STALE | Flag.ONE_SIDED)
DENSE = {"fast": 10, "slow": 20}
SPARSE = {"fast": 20, "slow": 50}
LOTS = {"dense": 1, "sparse": 5}
"""Our target in lots; on real data it must be worth more than the exchange's minimum."""
ROUNDING = 1000
"""One count in so many may differ: the means are the same formula in another order of operations.
"""
assert (int(Side.BUY), int(Side.SELL)) == (1, 2)

NOTES = {
    "replay.ema.sparse": "its compiled EMA cross; its engine keeps an L2 book of the same depth "
    "updates (a batch of deltas each, the cheapest it takes) and trades, and makes the quotes its "
    "strategy needs from that book, as ours does",
    "replay.ema.dense": "its compiled EMA cross; depth updates that each change best bid and ask, "
    "quotes made from the book by both",
    "replay.ema.dense.spot": "as replay.ema.dense, a spot instrument; the peer's account may sell "
    "short, as ours may",
    "replay.ema.dense.two": "as replay.ema.dense, two perpetuals of half as many quotes each; one "
    "strategy of ours, one of the peer's for each",
    "replay.python.ema": "the recording of replay.ema.dense: its EMA cross as a Python strategy on "
    "its compiled indicators (faster than registered indicators or plain floats) against our "
    "compiled strategy; ours_in_python is our rule in plain Python",
    "replay.python.noop": "a Python strategy that takes every quote and does nothing, quotes made "
    "from depth updates by both",
}
"""given_quotes, beside each row, is the same with our quotes handed to the peer ready-made, so that
it keeps no book for them.
"""


def engine_of_peer() -> Server:
    """Its process."""
    return Server("NautilusTrader", ENVIRONMENT, ENGINE, STDERR)


def run(quotes: int = 1_000_000, rows: int = 10_000_000, runs: int = RUNS) -> list[dict[str, Any]]:
    """All rows with this peer, and ``replay.python.noop`` without it. Without its environment ours
    alone is measured and the rows say why.
    """
    why = reason()
    if why:
        return [
            each | {"reason": why} if each["peer"] else each
            for each in _all(None, quotes, rows, runs)
        ]
    with engine_of_peer() as engine:
        return _all(engine, quotes, rows, runs)


def _all(engine: Server | None, quotes: int, rows: int, runs: int) -> list[dict[str, Any]]:
    return [*dense(engine, quotes, runs), *others(engine, quotes, runs), sparse(engine, rows, runs)]


def dense(engine: Server | None, quotes: int, runs: int) -> list[dict[str, Any]]:
    """``replay.ema.dense``, ``replay.python.ema`` and ``replay.python.noop``: the generated quotes;
    zero latency, zero fees.
    """
    recording = recordings.dense(quotes)
    compiled = _rule("ema-cross", DENSE, "dense")
    plain = _rule("ema-cross-python", DENSE, "dense")
    idle = pipeline.configuration("noop-python", **pipeline.ZERO_COST)
    cases = [
        Case("replay.ema.dense", "quotes/s", quotes, compiled, "compiled", DENSE),
        Case("replay.python.ema", "quotes/s", quotes, compiled, "python", DENSE),
        Case("replay.python.noop", "quotes/s", quotes, idle, "noop", {}),
    ]
    found = _measure(engine, "dense", recording, cases, runs)
    pipeline.run(recording, plain, PEER)
    found[1]["ours_in_python"] = quotes / pipeline.run(recording, plain, PEER)[0]
    return [*found, row("replay.python.noop", "quotes/s", found[2]["runs"]["ours"], rows=quotes)]


def others(engine: Server | None, quotes: int, runs: int) -> list[dict[str, Any]]:
    """``replay.ema.dense.spot`` and ``replay.ema.dense.two``: as ``replay.ema.dense``."""
    compiled = _rule("ema-cross", DENSE, "dense")
    found = []
    for name, recording in (
        ("spot", recordings.dense(quotes, InstrumentKind.SPOT)),
        ("two", quoting.two(quotes // 2)),
    ):
        case = Case(
            f"replay.ema.dense.{name}",
            "quotes/s",
            quotes,
            compiled,
            "compiled",
            DENSE,
            2 if name == "two" else 1,
        )
        found += _measure(engine, "dense", recording, [case], runs)
    return found


def sparse(engine: Server | None, rows: int, runs: int) -> dict[str, Any]:
    """``replay.ema.sparse``: real depth and trades; zero latency, zero fees."""
    recording = recordings.tiled(rows)
    case = Case(
        "replay.ema.sparse",
        "rows/s",
        pipeline.rows_in(recording),
        _rule("ema-cross", SPARSE, "sparse"),
        "compiled",
        SPARSE,
    )
    with one_core():
        return _measure(engine, "sparse", recording, [case], runs)[0]


class Case(NamedTuple):
    """One row: what is counted, our configuration, the peer's strategy and its periods,
    instruments.
    """

    name: str
    unit: str
    rows: int
    ours: Configuration
    strategy: str
    periods: dict[str, int]
    instruments: int = 1


def _measure(
    engine: Server | None, loaded: str, recording: Path, cases: list[Case], runs: int
) -> list[dict[str, Any]]:
    """The rows: both from the same recording; under ``given_quotes`` with our quotes handed to the
    peer, which is cheaper for it.
    """
    if engine is None:
        return [_compare(None, loaded, recording, case, runs) for case in cases]
    pipeline.run(recording, cases[0].ours, PEER)
    load = {"do": "load", "name": loaded, **_export(recording, loaded)}
    loading = engine.ask(quotes="own", book="L2", **load)
    found = [
        _compare(engine, loaded, recording, case, runs) | {"peer_loading": loading}
        for case in cases
    ]
    engine.ask(do="drop", name=loaded)
    engine.ask(quotes="given", book="L2" if loaded == "sparse" else "L1", **load)
    for each, case in zip(found, cases, strict=True):
        given = _compare(engine, loaded, recording, case, runs)
        each["given_quotes"] = {
            key: given[key]
            for key in (
                "value",
                "peer_value",
                "ratio",
                "runs",
                "counts",
                "difference",
                "peer_memory_mb",
            )
        }
    engine.ask(do="drop", name=loaded)
    return found


def _rule(strategy: str, periods: dict[str, int], name: str) -> Configuration:
    """The peer's rule by our strategy. The age of the mark is not checked: the peer does not, and
    tiles are seconds apart.
    """
    parameters = {
        key: str(value) for key, value in (periods | {"cooldown": 0, "size": LOTS[name]}).items()
    }
    return pipeline.configuration(
        strategy, set=parameters, risk={"mark_age_max": "off"}, **pipeline.ZERO_COST
    )


def _compare(
    engine: Server | None, loaded: str, recording: Path, case: Case, runs: int
) -> dict[str, Any]:
    """A row from alternating runs of both after one of each to warm up; void, with the reason, if
    the counts do not agree.
    """
    ours: dict[str, int] = {}
    theirs: dict[str, Any] = {}

    def our_rate() -> float:
        elapsed, manifest = pipeline.run(recording, case.ours, PEER)
        counts = {topic: facts["count"] for topic, facts in manifest["topics"].items()}
        ours.update(
            orders=counts["orders.requests"],
            fills=counts["fills"],
            denied=counts["orders.requests"] - counts["venue.commands"],
        )
        return case.rows / elapsed

    def their_rate() -> float:
        assert engine is not None
        theirs.update(
            engine.ask(
                do="run", name=loaded, strategy=case.strategy, size=2 * LOTS[loaded], **case.periods
            )
        )
        return case.rows / float(theirs["seconds"])

    our_rate()
    told: dict[str, Any] = {"rows": case.rows, "cores": cores(), "note": NOTES[case.name]}
    if engine is None:
        figures = [our_rate() for _ in range(runs)]
        return row(case.name, case.unit, figures, PEER) | told | {"counts": {"ours": ours}}
    their_rate()
    values, peer_values = alternating(our_rate, their_rate, runs)
    counts = {"ours": ours, "peer": {key: theirs[key] for key in ("orders", "fills", "denied")}}
    void, difference = _agreement(counts["ours"], counts["peer"], case.instruments)
    told |= {"counts": counts, "difference": difference, "peer_memory_mb": theirs["memory_mb"]}
    found = row(case.name, case.unit, values, PEER, peer_values) | told
    return found | {"ratio": None, "reason": f"void: {difference}"} if void else found


def _agreement(ours: dict[str, int], theirs: dict[str, int], instruments: int) -> tuple[bool, str]:
    """Whether the counts disagree beyond the explanation, and the difference explained.

    A denied order of ours has no fill. Denied while flat, as at the start, the next view is traded
    all the same; denied while holding, the next view is the position held and makes no order: so a
    denial may cost one order more.
    """
    first = instruments if ours["orders"] else 0
    spare = theirs["orders"] // ROUNDING
    orders = ours["orders"] - first - theirs["orders"]
    fills = ours["fills"] - first - theirs["fills"] + ours["denied"]
    void = (
        not -spare - ours["denied"] <= orders <= spare
        or not -spare - 2 * ours["denied"] <= fills <= spare
    )
    said = (
        f"orders {ours['orders']} and {theirs['orders']}, fills {ours['fills']} and "
        f"{theirs['fills']}"
    )
    if not first:
        return void, said
    why = (
        f"ours trades on its first direction (+{first}), and {ours['denied']} of its orders were "
        f"denied for want of a mark; then {orders:+d} orders"
    )
    return void, f"{said}: {why}, {fills:+d} fills are left"


def _export(recording: Path, name: str) -> dict[str, Any]:
    """Write the recording, and the quotes of our last run over it, as plain int64 columns, a folder
    for each instrument; returns what a ``load`` needs.
    """
    log, outputs = LocalLog.open(recording), LocalLog.open(pipeline.RUN_FOLDER / PEER)
    depth, levels = rows_of(log, "md.depth")
    trades = rows_of(log, "md.trades")[0] if "md.trades" in log.topics() else None
    quotes, _ = rows_of(outputs, "md.quotes")
    quotes = quotes[quotes["flags"] & NO_MID == 0]
    parts = []
    for instrument in read_instruments(log):
        number, folder = instrument.instrument, COLUMNS / f"{name}-{instrument.instrument}"
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        _export_book(_of(depth, number), levels, folder)
        if trades is not None:
            names = {
                "time": "event_time",
                "price": "price",
                "quantity": "quantity",
                "side": "aggressor_side",
                "id": "trade_id",
            }
            _write(
                folder,
                "trades",
                {column: _of(trades, number)[field] for column, field in names.items()},
            )
        names = {
            "time": "event_time",
            "sequence": "sequence",
            "bid": "bid_price",
            "bid_quantity": "bid_quantity",
        }
        names |= {"ask": "ask_price", "ask_quantity": "ask_quantity"}
        _write(
            folder,
            "quotes",
            {column: _of(quotes, number)[field] for column, field in names.items()},
        )
        described = {key: getattr(instrument, key) for key in DESCRIBED}
        parts.append({"folder": str(folder), "instrument": described})
    log.close()
    outputs.close()
    return {"parts": parts}


def _of(rows: Array, number: int) -> Array:
    """Those of an instrument."""
    return rows[rows["instrument"] == number]


def _export_book(updates: Array, levels: Array, folder: Path) -> None:
    """Depth updates and their levels; a level's side is 1 for a bid and 2 for an ask."""
    bids, asks = updates["bid_count"].astype(np.int64), updates["ask_count"].astype(np.int64)
    counts = bids + asks
    sides = np.repeat(
        np.tile(np.array([int(Side.BUY), int(Side.SELL)]), len(updates)),
        np.stack([bids, asks], axis=1).ravel(),
    )
    first = np.cumsum(counts) - counts
    own = levels[
        np.repeat(updates["first_level"].astype(np.int64) - first, counts)
        + np.arange(int(counts.sum()))
    ]
    _write(folder, "levels", {"side": sides, "price": own["price"], "quantity": own["quantity"]})
    columns = {
        "time": updates["event_time"],
        "first": first,
        "count": counts,
        "sequence": updates["final_update_id"],
    }
    _write(folder, "updates", columns | {"snapshot": updates["kind"] == int(DepthKind.SNAPSHOT)})


def _write(folder: Path, topic: str, columns: dict[str, Array]) -> None:
    """One file a column."""
    for name, column in columns.items():
        column.astype("<i8").tofile(folder / f"{topic}.{name}")


if __name__ == "__main__":
    for figure in run():
        print(json.dumps(figure, indent=1))
