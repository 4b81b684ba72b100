"""The user's strategy of a configuration: its files, their digests, their copies in a run folder, and where they are found again."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from jobs.configuration import BadConfiguration, Configuration
from schemas.errors import WrongUse
from streams.runtime.strategy_lint import require_allowed
from streams.signals.artefacts import read_artefacts
from streams.signals.catalogue import read_sources, strategy_file
from streams.signals.sources import StrategySources
from streams.signals.strategy import Strategy
from streams.signals.view import LOG, reads_of

CODE = "code"
"""Folder of a run that holds the strategy's files."""
JOURNALED_BYTES_MAX = 4 << 20
MAY_PUBLISH = ("signals", "orders.requests", LOG)


def strategy_sources(configuration: Configuration) -> StrategySources | None:
    """The files of the user's strategy, None for a built-in one. A file that is missing is refused by name when it is loaded: None here, too.

    Raises:
        UnusableArtefact: a declared artefact cannot be used.
    """
    file = strategy_file(configuration.strategy)
    return read_sources(file) if file is not None and file.is_file() else None


def user_digests(sources: StrategySources | None) -> dict[str, str]:
    """First 16 hex digits of the SHA-256 of every file, by the names that code digests have: ``user/my_file.py``."""
    return {f"user/{name}": digest[:16] for name, digest in sources.digests().items()} if sources is not None else {}


def identity_of(sources: StrategySources | None) -> tuple[str, dict[str, str]]:
    """What of a strategy is part of a run's identity: digest of its file, and of every helper and artefact by path."""
    if sources is None:
        return "", {}
    digests = {name.removeprefix("user/"): digest for name, digest in user_digests(sources).items()}
    own = digests.pop(sources.main.name)
    return own, digests


def check_strategy(sources: StrategySources, is_strange: bool = False) -> dict[str, Any]:
    """Refuse a strategy whose files use what is not allowed; returns its artefacts.

    Raises:
        NotDeterministic: names every finding.
        UnusableArtefact: a declared artefact cannot be used.
    """
    require_allowed(sources.modules, is_strange)
    return {} if is_strange else read_artefacts(sources)  # a stranger's files are read in its own process


def check_stage(stage: Any, name: str, artefacts: dict[str, Any]) -> None:
    """Refuse a strategy that publishes what others do, and a compiled one that asks for what only plain Python has.

    Raises:
        BadConfiguration: says what to write.
    """
    foreign = sorted(set(stage.OUTPUTS) - set(MAY_PUBLISH))
    if foreign:
        raise BadConfiguration(f"strategy {name} has {', '.join(foreign)} in OUTPUTS; a strategy publishes {' and '.join(MAY_PUBLISH)}")
    if artefacts and not (isinstance(stage, type) and issubclass(stage, Strategy)):
        raise BadConfiguration(f"strategy {name} is compiled and declares ARTEFACTS; only a Strategy class in plain Python reads them")
    if not isinstance(stage, type) and (reads_of(stage) or getattr(stage, "LOGS", False)):
        what = f"strategy {name} is compiled and declares READS or LOGS: a kernel reads no account and no book yet, and logs nothing"
        raise BadConfiguration(f"{what}; write a Strategy class in plain Python, or leave them out")


def keep_strategy(sources: StrategySources | None, folder: Path) -> None:
    """Copy a user's strategy into the run folder, so that the run can be verified when the files have moved on."""
    for name, path in sources.files().items() if sources is not None else ():
        kept = folder / CODE / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        if not kept.exists():
            shutil.copyfile(path, kept)


def kept_files(folder: Path) -> list[Path]:
    """The files of a run's strategy in the run folder."""
    return sorted(path for path in (folder / CODE).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def journaled_files(sources: StrategySources | None) -> dict[str, dict[str, str]]:
    """A strategy's files as a live topology's genesis record holds them: ``files`` as text, ``files_base64`` those that are none.

    Raises:
        WrongUse: they are more than a record of the journal takes.
    """
    texts: dict[str, str] = {}
    others: dict[str, str] = {}
    for name, path in sources.files().items() if sources is not None else ():
        content = path.read_bytes()
        try:
            texts[name] = content.decode()
        except UnicodeDecodeError:
            others[name] = base64.b64encode(content).decode()
    size = sum(map(len, (*texts.values(), *others.values())))
    if size > JOURNALED_BYTES_MAX:
        raise WrongUse(f"the strategy's files have {size} bytes, a live topology's journal keeps {JOURNALED_BYTES_MAX}; make its artefacts smaller")
    return {"files": texts, **({"files_base64": others} if others else {})}


def files_of(facts: dict[str, Any]) -> dict[str, bytes]:
    """What ``journaled_files`` put into a genesis record."""
    texts = {name: text.encode() for name, text in facts.get("files", {}).items()}
    return {**texts, **{name: base64.b64decode(text) for name, text in facts.get("files_base64", {}).items()}}


def with_main(configuration: Configuration, main: Path) -> Configuration:
    """The configuration with its strategy's file elsewhere."""
    suffix = configuration.strategy[configuration.strategy.rfind(".py") + 3 :]
    return msgspec.structs.replace(configuration, strategy=f"{main}{suffix}")


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """Write a strategy's files below a folder. Raises WrongUse if one would lie outside of it."""
    for name, content in files.items():
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
            raise WrongUse(f"the genesis record holds a file {name!r}, which is no path below a strategy's folder")
        path = folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

