"""Whose strategy is executed where: the user's own in this process, a stranger's only when asked,
and then in a process of its own.

A strategy is the user's own once this user has run it (``sq backtest``, ``sq run``): the digest
over all its files is kept in ``SQ_HOME``. Within :func:`judging`, as ``sq verify`` and ``sq
replay`` do, any other one is refused or isolated.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from jobs.configuration import Configuration
from schemas.errors import WrongUse
from streams.signals.sources import StrategySources

HOME = "SQ_HOME"


class StrangersStrategy(WrongUse):
    """A run's strategy is a file that this user has not run."""

    code = "strangers_strategy"


class _Refusal(Exception):  # noqa: N818 - no error of ours: a verifier reports those as findings of the run
    """Carries a refusal past whoever makes findings of errors."""

    def __init__(self, problem: StrangersStrategy) -> None:
        super().__init__(problem.text)
        self.problem = problem


class Judgement:
    """What was done with strategies while a run was judged.

    Attributes:
        may_run: strangers' strategies are executed in a process of their own.
        notes: what the user should know of it.
    """

    def __init__(self, may_run: bool) -> None:
        self.may_run = may_run
        self.notes: list[str] = []
        self.children: list[Any] = []


_JUDGED: ContextVar[Judgement | None] = ContextVar("judged", default=None)


@contextlib.contextmanager
def judging(may_run: bool) -> Iterator[Judgement]:
    """Execute no stranger's strategy in this process meanwhile.

    Raises:
        StrangersStrategy: a run's strategy is one, and it was not asked for.
    """
    judgement = Judgement(may_run)
    token = _JUDGED.set(judgement)
    try:
        yield judgement
    except _Refusal as refusal:
        raise refusal.problem from None
    finally:
        _JUDGED.reset(token)
        for child in judgement.children:
            child.close()


def home() -> Path:
    """What ``sq`` keeps for a user: ``SQ_HOME``, or a folder below the user's state folder."""
    given = os.environ.get(HOME)
    if given:
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "shrivenquant"


def is_known(sources: StrategySources) -> bool:
    """True if this user has run exactly these files."""
    return (home() / "strategies" / sources.digest()).is_file()


def remember(sources: StrategySources | None) -> None:
    """This user runs these files. What cannot be kept is not: the user is asked at the next proof.
    """
    if sources is None or _JUDGED.get() is not None:
        return
    kept = home() / "strategies" / sources.digest()
    with contextlib.suppress(OSError):
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text("".join(f"{name}\n" for name in sources.files()))


def is_strange(sources: StrategySources | None) -> bool:
    """True if a run is judged and its strategy is not known."""
    return sources is not None and _JUDGED.get() is not None and not is_known(sources)


def ask_for(sources: StrategySources, what: str = "") -> None:
    """End the judgement where a stranger's strategy, or stage, was not asked for."""
    judgement = _JUDGED.get()
    assert judgement is not None
    if not judgement.may_run:
        named = f"{what or 'strategy'} {sources.main.name}"
        text = (
            f"the run's {named} is not one that you have run ({home()} has no such digest): read "
            f"{sources.main}"
        )
        refuse(f"{text}, then give --run-strategy to execute it in a process of its own")


def refuse(text: str) -> None:
    """End the judgement: files of a stranger are not executed."""
    raise _Refusal(StrangersStrategy(text))


def stage_of(
    sources: StrategySources, configuration: Configuration, instruments: int
) -> tuple[Any, Any]:
    """(stage, settings) of a stranger's strategy over so many instruments, in a process of its own.
    Raises WrongUse.
    """
    from jobs.isolation.host import Sizes, isolated

    judgement = _JUDGED.get()
    assert judgement is not None
    name = configuration.strategy.rpartition(".py")[2].lstrip(":")
    sizes = Sizes(configuration.book_window, configuration.tail_capacity)
    stage, child, lost = isolated(sources, name, configuration.parameters, sizes, instruments)
    judgement.children.append(child)
    how = "without network and files" if not lost else f"but {'; '.join(lost)}"
    judgement.notes.append(
        f"{sources.main.name} is not one that you have run: it was executed in a process of its "
        f"own, {how}"
    )
    return stage, None
