"""ShrivenQuant in a notebook or a script: run backtests, read what they wrote, show tear sheets.

    import shrivenquant as sq

    market = sq.generate("data/toy", minutes=60, seed=7)
    run = sq.backtest(market, strategy="ema-cross", out="runs/a")
    run.report["total_return"]
    run.read("fills", decimal=True)

Every function does what the ``sq`` command of its name does, by that command itself, in a process
of its own: the same code, the same identity of a run, the same guarantees. `calls.py` starts it
and turns its errors into exceptions; `folders.py` reads runs and recordings; `frames.py` makes
polars frames of topics. docs/notebooks.md shows all of it.
"""

from schemas.errors import BadData, CorruptLog, ShrivenError, WrongUse
from shrivenquant.calls import CommandFailed
from shrivenquant.commands import backtest, generate, import_recording, open, open_recording
from shrivenquant.folders import Recording, Run, TearSheet, Verdict

__all__ = [
    "BadData",
    "CommandFailed",
    "CorruptLog",
    "Recording",
    "Run",
    "ShrivenError",
    "TearSheet",
    "Verdict",
    "WrongUse",
    "backtest",
    "generate",
    "import_recording",
    "open",
    "open_recording",
]
