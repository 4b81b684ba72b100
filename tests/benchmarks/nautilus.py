"""Side by side with NautilusTrader 2.0.0rc7: sparse and dense orders by its compiled EMA cross, quotes into plain Python.

    python -m tests.benchmarks.nautilus

Its engine runs in an environment of its own (``make bench-peers``) as a server that loads the same recording once; the runs of both alternate.
Ours is timed as a whole ``sq backtest``: log read, every output topic and the journal written and digested, the report made. Of the peer only
``engine.run()`` is timed: its objects are in memory, it keeps its results there and writes nothing.

The rule is the peer's own strategy's: both means of the mid price of each quote, decisions after ``slow`` inputs, a market order at each change
of direction. Ours takes the same periods with ``cooldown=0``. Two differences are left and each row tells them apart in its counts: the peer
never trades on its first direction, only on changes of it, so it sends one order less; and it knows no reference price check, so orders that our
risk stage denies before the first mark (after a start or a new snapshot) fill there.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from schemas.codec import codec
from schemas.vocabulary import DepthKind, Flag, Side
from streams.log.local import LocalLog
from tests.benchmarks import pipeline, recordings
from tests.benchmarks.peers.install import ENVIRONMENT, reason
from tests.benchmarks.timing import RUNS, alternating, row

Array = np.ndarray[Any, Any]

PEER = "nautilus"
ENGINE = Path(__file__).with_name("peers") / "nautilus_engine.py"
COLUMNS = recordings.FOLDER / "nautilus"
NO_MID = int(Flag.STALE | Flag.ONE_SIDED)
LOT = 1
ROUND_TRIP = 2 * LOT
SPARSE = {"fast": 20, "slow": 50}
DENSE = {"fast": 10, "slow": 20}
assert (int(Side.BUY), int(Side.SELL)) == (1, 2)


class Engine:
    """The peer's process; a context manager."""

    def __enter__(self) -> Engine:
        self._process = subprocess.Popen(
            [str(ENVIRONMENT / "bin" / "python"), str(ENGINE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def ask(self, **command: Any) -> dict[str, Any]:
        """Its answer to a command."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"NautilusTrader's process ended with {self._process.wait(30)} at {command['do']} {command['name']}")
        found: dict[str, Any] = json.loads(answer)
        return found


def run(quotes: int = 1_000_000, rows: int = 10_000_000, runs: int = RUNS) -> list[dict[str, Any]]:
    """All rows with this peer; without its environment, rows that say why."""
    why = reason()
    if why:
        names = ("replay.ema.sparse", "replay.ema.dense", "replay.python.noop", "replay.python.ema")
        return [row(name, "rows/s" if name.endswith("sparse") else "quotes/s", [], PEER, reason=why) for name in names]
    with Engine() as engine:
        return [*dense(engine, quotes, runs), sparse(engine, rows, runs)]


def dense(engine: Engine, quotes: int, runs: int) -> list[dict[str, Any]]:
    """``replay.ema.dense``, ``replay.python.ema`` and ``replay.python.noop``: the generated quotes; zero latency, zero fees."""
    recording = recordings.dense(quotes)
    compiled = _ours("ema-cross", DENSE)
    idle = pipeline.configuration("noop-python", **pipeline.ZERO_COST)
    pipeline.run(recording, compiled, PEER)
    loading = engine.ask(do="load", name="dense", **_export(recording, "dense", with_book=False))
    rows = [
        _row(
            "replay.ema.dense",
            engine,
            recording,
            compiled,
            {"strategy": "compiled", **DENSE},
            runs,
            "its compiled EMA cross on quote ticks; ours on depth updates that each change the best bid and ask, quotes made from the book",
        ),
        _row(
            "replay.python.ema",
            engine,
            recording,
            compiled,
            {"strategy": "python", **DENSE},
            runs,
            "its EMA cross as a Python strategy on its compiled indicators against our kernel strategy, same recording as replay.ema.dense; "
            "ours_in_python is our rule in plain Python",
        ),
        _row(
            "replay.python.noop",
            engine,
            recording,
            idle,
            {"strategy": "noop"},
            runs,
            "quotes handed to a Python strategy that does nothing; ours makes them from depth updates",
        ),
    ]
    plain = _ours("ema-cross-python", DENSE)
    pipeline.run(recording, plain, PEER)
    rows[1]["ours_in_python"] = quotes / pipeline.run(recording, plain, PEER)[0]
    for found in rows:
        found["peer_loading"] = loading
    engine.ask(do="drop", name="dense")
    return [*rows, row("replay.python.noop", "quotes/s", rows[2]["runs"]["ours"], quotes=quotes)]


def sparse(engine: Engine, rows: int, runs: int) -> dict[str, Any]:
    """``replay.ema.sparse``: real depth and trades; zero latency, zero fees."""
    recording = recordings.tiled(rows)
    chosen = _ours("ema-cross", SPARSE)
    pipeline.run(recording, chosen, PEER)
    loading = engine.ask(do="load", name="sparse", **_export(recording, "sparse", with_book=True))
    found = _row(
        "replay.ema.sparse",
        engine,
        recording,
        chosen,
        {"strategy": "compiled", **SPARSE},
        runs,
        "its compiled EMA cross; its venue keeps an L2 book from the same depth updates (one batch of deltas an update) and trades; the quotes its "
        "strategy needs are ours, given as data, so it does not have to make them from the book",
    )
    engine.ask(do="drop", name="sparse")
    return found | {"peer_loading": loading}


def _ours(strategy: str, periods: dict[str, int]) -> Any:
    """The peer's rule with our strategy: no cooldown; the target is one lot either way, so that a turn is two, the peer's trade size."""
    parameters = {key: str(value) for key, value in (periods | {"cooldown": 0, "size": LOT}).items()}
    return pipeline.configuration(strategy, set=parameters, **pipeline.ZERO_COST)


def _row(name: str, engine: Engine, recording: Path, chosen: Any, command: dict[str, Any], runs: int, note: str) -> dict[str, Any]:
    """Alternating runs of both, as rates, with the counts of the last of each."""
    rows = pipeline.rows_in(recording) if name.endswith("sparse") else _quotes(recording)
    loaded = "sparse" if name.endswith("sparse") else "dense"
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}

    def our_rate() -> float:
        elapsed, manifest = pipeline.run(recording, chosen, PEER)
        topics = manifest["topics"]
        denied = topics["orders.requests"]["count"] - topics["venue.commands"]["count"]
        ours.update(orders=topics["orders.requests"]["count"], fills=topics["fills"]["count"], denied=denied)
        return rows / elapsed

    def their_rate() -> float:
        theirs.update(engine.ask(do="run", name=loaded, size=ROUND_TRIP, **command))
        return rows / theirs["seconds"]

    our_rate()
    their_rate()
    figures = alternating(our_rate, their_rate, runs)
    counts = {"ours": dict(ours), "peer": {key: theirs[key] for key in ("orders", "fills", "denied", "events")}}
    agreed = _agreement(ours, theirs) if command["strategy"] != "noop" else ""
    found = row(name, "rows/s" if loaded == "sparse" else "quotes/s", figures[0], PEER, figures[1], rows=rows, counts=counts, note=note)
    found["peer_memory_mb"] = theirs["memory_mb"]
    if agreed:
        found["difference"] = agreed
        if agreed.startswith("void"):
            found |= {"ratio": None, "reason": agreed}
    return found
