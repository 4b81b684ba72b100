"""One small market for every test of the runtime: generated once a session, about 20,000 input records, and its expected digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

from connectors.simulators.market import generate
from jobs.configuration import Configuration, build
from jobs.runs import Backtest, Run
from streams.log.local import LocalLog

MINUTES = 15
SEED = 20


def make_recording(folder: Path, minutes: int = MINUTES, seed: int = SEED) -> Path:
    """A generated recording in a new folder."""
    generate(minutes, seed, folder)
    return folder


def configuration(strategy: str = "ema-cross", **options: object) -> Configuration:
    """A configuration as the command line would make it."""
    return build({"strategy": strategy, "set": {}, **options})


def backtest(recording: Path, folder: Path, strategy: str = "ema-cross", **options: object) -> Run:
    """Run a backtest."""
    return Backtest(configuration(strategy, **options), recording, folder).run()


def digests(run: Run) -> dict[str, str]:
    """Topic digests of a run, journals and snapshots left out: they are compared by what they prove."""
    return {name: facts["digest"] for name, facts in run.manifest["topics"].items() if not name.endswith((".journal", ".snapshots"))}


def bytes_of(folder: Path, topic: str) -> str:
    """SHA-256 over a topic's bodies, read from the log itself: the digests' own oracle."""
    log = LocalLog.open(folder)
    digest = hashlib.sha256()
    for block in log.reader(topic).blocks():
        digest.update(block.body.tobytes())
    log.close()
    return digest.hexdigest()
