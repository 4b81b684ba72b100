"""The user's own files of a configuration, those of its strategy and of its stages.

Their digests and their part of a run's identity; the copies that a run folder or a genesis record
keeps, and a configuration that executes these copies. Copies lie as in the folder ``code`` of a
run: the strategy's files at the top, those of a stage in ``stages/NAME``.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from jobs.configuration import BadConfiguration, Configuration
from jobs.strangers import is_strange, remember
from jobs.strategies import identity_of, strategy_sources, user_digests
from schemas.errors import WrongUse
from streams.signals.catalogue import strategy_file
from streams.signals.sources import StrategySources
from streams.signals.user_stage_loading import split_name, stage_sources

CODE = "code"
"""Folder of a run that holds the user's files."""
STAGES = "stages"
JOURNALED_BYTES_MAX = 4 << 20


def sources_of_stages(configuration: Configuration) -> dict[str, StrategySources]:
    """The files of each stage. Raises BadUserStage, UnusableArtefact."""
    stages = sorted(configuration.user_stages.items())
    return {name: stage_sources(entry.file) for name, entry in stages}


def all_sources(configuration: Configuration) -> list[StrategySources]:
    """The files of the strategy, where it is the user's, and of each stage."""
    strategy = strategy_sources(configuration)
    own = [strategy] if strategy is not None else []
    return [*own, *sources_of_stages(configuration).values()]


def remember_all(configuration: Configuration) -> None:
    """This user runs these files."""
    for sources in all_sources(configuration):
        remember(sources)


def has_strange(configuration: Configuration) -> bool:
    """True if a run is judged, and some of its files are not the user's."""
    return any(map(is_strange, all_sources(configuration)))


def all_digests(configuration: Configuration) -> dict[str, str]:
    """Digests by the names that code digests have: ``user/a.py``, ``user/stages/spread/b.py``."""
    return user_digests(strategy_sources(configuration)) | {
        f"user/{STAGES}/{name}/{file.removeprefix('user/')}": digest
        for name, sources in sources_of_stages(configuration).items()
        for file, digest in user_digests(sources).items()
    }


def whole_identity(
    configuration: Configuration, instruments: list[Any], inputs: dict[str, str]
) -> dict[str, Any]:
    """The configuration's identity with that of the user's files; no key for stages without any."""
    strategy = identity_of(strategy_sources(configuration))
    identity = configuration.identity(instruments, inputs, *strategy)
    stages: dict[str, Any] = {}
    for name, sources in sources_of_stages(configuration).items():
        own, others = identity_of(sources)
        entry = configuration.user_stages[name]
        stages[name] = {
            "stage": f"{Path(entry.file).name}@{own}",
            "files": others,
            "parameters": dict(sorted(entry.parameters.items())),
        }
    return identity | ({"user_stages": stages} if stages else {})


def all_files(configuration: Configuration) -> dict[str, Path]:
    """Where each file lies now, by the path of its copy.

    Raises:
        BadConfiguration: two would have one path.
    """
    strategy = strategy_sources(configuration)
    found = strategy.files() if strategy is not None else {}
    for name, sources in sources_of_stages(configuration).items():
        for file, path in sources.files().items():
            place = f"{STAGES}/{name}/{file}"
            if place in found:
                raise BadConfiguration(
                    f"the strategy has a file {place}, and so has the stage {name} in a run's "
                    "folder; give the stage another name"
                )
            found[place] = path
    return found


def keep_files(configuration: Configuration, folder: Path) -> None:
    """Copy them into a run folder: the run can be verified when the files have moved on."""
    for name, path in all_files(configuration).items():
        kept = folder / CODE / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        if not kept.exists():
            shutil.copyfile(path, kept)


def kept_files(folder: Path) -> list[Path]:
    """The copies in a run folder."""
    found = (path for path in (folder / CODE).rglob("*") if path.is_file())
    return sorted(path for path in found if "__pycache__" not in path.parts)


def names_of_kept(configuration: Configuration, identity: Mapping[str, Any]) -> set[str]:
    """Paths in the run folder of the copies that its configuration and its identity speak of."""
    strategy = configuration.strategy
    main = Path(strategy.rpartition(":")[0] or strategy).name
    found = {main, *identity.get("strategy_files", ())}
    for name, entry in configuration.user_stages.items():
        others = identity.get("user_stages", {}).get(name, {}).get("files", {})
        found |= {f"{STAGES}/{name}/{file}" for file in (split_name(entry.file)[0].name, *others)}
    return {f"{CODE}/{name}" for name in found}


def journaled_files(configuration: Configuration) -> dict[str, dict[str, str]]:
    """The files as a live topology's genesis record holds them: ``files`` as text, and
    ``files_base64`` those that are none.

    Raises:
        WrongUse: they are more than a record of the journal takes.
    """
    texts: dict[str, str] = {}
    others: dict[str, str] = {}
    for name, path in all_files(configuration).items():
        content = path.read_bytes()
        try:
            texts[name] = content.decode()
        except UnicodeDecodeError:
            others[name] = base64.b64encode(content).decode()
    size = sum(map(len, (*texts.values(), *others.values())))
    if size > JOURNALED_BYTES_MAX:
        raise WrongUse(
            f"the files of the strategy and the stages have {size} bytes, a live topology's "
            f"journal keeps {JOURNALED_BYTES_MAX}; make their artefacts smaller"
        )
    return {"files": texts, **({"files_base64": others} if others else {})}


def write_journaled(facts: Mapping[str, Any], folder: Path) -> None:
    """Write the files of a genesis record below a folder.

    Raises WrongUse: one would lie outside.
    """
    texts = {name: text.encode() for name, text in facts.get("files", {}).items()}
    others = facts.get("files_base64", {})
    for name, content in (texts | {k: base64.b64decode(v) for k, v in others.items()}).items():
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
            raise WrongUse(
                f"the genesis record holds a file {name!r}, which is no path below a user's folder"
            )
        path = folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def with_copies(configuration: Configuration, folder: Path) -> tuple[Configuration, list[Path]]:
    """The configuration with the copies below a folder in place of the files, and those of its
    main files that are not there: of these the configuration has the files as they were.
    """
    missing: list[Path] = []

    def moved(name: str, place: Path) -> str:
        main = place / split_name(name)[0].name
        if main.is_file():
            return f"{main}{name[name.rfind('.py') + 3 :]}"
        missing.append(main)
        return name

    named = {
        name: msgspec.structs.replace(entry, file=moved(entry.file, folder / STAGES / name))
        for name, entry in configuration.user_stages.items()
    }
    strategy = configuration.strategy
    if strategy_file(strategy) is not None:
        strategy = moved(strategy, folder)
    return msgspec.structs.replace(configuration, strategy=strategy, user_stages=named), missing
