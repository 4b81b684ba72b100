"""The user's strategy of a configuration: its files and their digests, and what it may use and
publish.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobs.configuration import BadConfiguration, Configuration
from streams.runtime.tools.strategy_lint import require_allowed
from streams.signals.artefacts import read_artefacts
from streams.signals.catalogue import read_sources, strategy_file
from streams.signals.sources import StrategySources
from streams.signals.strategy import Strategy
from streams.signals.view import LOG

MAY_PUBLISH = ("signals", "orders.requests", LOG)


def strategy_sources(configuration: Configuration) -> StrategySources | None:
    """The files of the user's strategy, None for a built-in one. A file that is missing is refused
    by name when it is loaded: None here, too.

    Raises:
        UnusableArtefact: a declared artefact cannot be used.
    """
    file = strategy_file(configuration.strategy)
    return read_sources(file) if file is not None and file.is_file() else None


def user_digests(sources: StrategySources | None) -> dict[str, str]:
    """First 16 hex digits of the SHA-256 of every file, by the names that code digests have:
    ``user/my_file.py``.
    """
    return (
        {f"user/{name}": digest[:16] for name, digest in sources.digests().items()}
        if sources is not None
        else {}
    )


def identity_of(sources: StrategySources | None) -> tuple[str, dict[str, str]]:
    """What of a strategy is part of a run's identity: digest of its file, and of every helper and
    artefact by path.
    """
    if sources is None:
        return "", {}
    digests = {name.removeprefix("user/"): digest for name, digest in user_digests(sources).items()}
    own = digests.pop(sources.main.name)
    return own, digests


def check_strategy(
    sources: StrategySources, is_strange: bool = False, users: Iterable[str] = ()
) -> dict[str, Any]:
    """Refuse a strategy whose files use what is not allowed; returns its artefacts.

    Raises:
        NotDeterministic: names every finding.
        UnusableArtefact: a declared artefact cannot be used.
    """
    require_allowed(sources.modules, is_strange, users)
    # a stranger's files are read in its own process
    return {} if is_strange else read_artefacts(sources)


def check_stage(stage: Any, name: str, artefacts: dict[str, Any]) -> None:
    """Refuse a strategy that publishes what others do, and a compiled one that asks for what only
    plain Python has.

    Raises:
        BadConfiguration: says what to write.
    """
    foreign = sorted(set(stage.OUTPUTS) - set(MAY_PUBLISH))
    if foreign:
        raise BadConfiguration(
            f"strategy {name} has {', '.join(foreign)} in OUTPUTS; a strategy publishes "
            f"{' and '.join(MAY_PUBLISH)}"
        )
    if artefacts and not (isinstance(stage, type) and issubclass(stage, Strategy)):
        raise BadConfiguration(
            f"strategy {name} is compiled and declares ARTEFACTS; only a Strategy class in plain "
            "Python reads them"
        )
