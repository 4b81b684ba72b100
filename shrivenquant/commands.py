"""What a notebook begins with: make or import a recording, run a backtest, open what there is."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schemas.errors import WrongUse
from shrivenquant.calls import call, options_of, path_text
from shrivenquant.folders import Recording, Run, read_run

Place = str | Path | Recording


def backtest(
    recording: Place | Sequence[Place], strategy: str | None = None, *,
    out: str | Path | None = None, **options: Any,
) -> Run:  # fmt: skip
    """Run a strategy over a recording: ``sq backtest``.

    Args:
        recording: a recording or its folder, or several that were recorded side by side.
        strategy: a name, or ``FILE.py:CLASS``; may be left out where ``config`` names it.
        out: run folder, to go on with where it is unfinished; None: a temporary one that goes with
            the Run.
        options: the command's, by name: ``set={"fast": 20}``, ``cash="100000USDT"``,
            ``from_="2024-01-01"``, ``fees={"maker": "1bp", "taker": "4bp"}``, ``fresh=True``, ...

    Raises:
        WrongUse: an option or the folder is wrong.
        ShrivenError: what stops the command, of the command's own class.
    """
    several = isinstance(recording, Sequence) and not isinstance(recording, str)
    places: Sequence[Place] = recording if several else (recording,)  # type: ignore[assignment]
    given = options_of("backtest", {"strategy": strategy, **options})
    kept = tempfile.TemporaryDirectory(prefix="sq-run-") if out is None else None
    folder = Path(kept.name) / "run" if kept is not None else Path(out or "")
    recordings = [place_text(each) for each in places]
    call("backtest", *recordings, *given, "--out", path_text(folder), "--json")
    run = read_run(folder)
    run.kept = kept
    return run


def place_text(place: Place) -> str:
    """A recording as the command takes it."""
    return path_text(place.folder if isinstance(place, Recording) else place)


def generate(out: str | Path, minutes: int = 60, seed: int = 1, **options: Any) -> Recording:
    """Generate a seeded market into a new folder: ``sq generate``."""
    given = options_of("generate", {"minutes": minutes, "seed": seed, **options})
    call("generate", *given, "--out", path_text(out), "--json")
    return Recording(Path(out))


def import_recording(
    venue: str, files: str | Path | Sequence[str | Path], out: str | Path, **options: Any
) -> Recording:
    """Import recorded market data into a new folder: ``sq import``.

    A damaged file ends with exit code 1 in a shell; here the recording is returned, and `damages`
    says what was not read.
    """
    paths = [files] if isinstance(files, str | Path) else list(files)
    if not paths:
        raise WrongUse("name a file to import")
    given = options_of("import", options)
    line = [venue, *map(path_text, paths), *given, "--out", path_text(out), "--json"]
    return Recording.imported(Path(out), call("import", *line, good=(0, 1)))


def open(folder: str | Path) -> Run:  # noqa: A001 - the verb that users look for: sq.open(...)
    """A finished run: what ``sq backtest`` or ``sq pull`` wrote, of this version or one before.

    Raises:
        NotARun: the folder is no run.
        WrongUse: the run is not finished.
    """
    return read_run(Path(folder))


def open_recording(folder: str | Path) -> Recording:
    """A recording that ``sq import``, ``sq generate`` or ``sq merge`` wrote. Raises WrongUse."""
    return Recording(Path(folder))
