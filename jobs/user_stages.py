"""Users' own stages of a configuration: their topics, and their place among the stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jobs.configuration import BadConfiguration, Configuration
from jobs.strangers import ask_for, is_strange, refuse
from jobs.user_stage_shell import shell_of
from schemas.user_topics import is_user_topic, register
from streams.runtime.tools.strategy_lint import require_allowed
from streams.signals.artefacts import read_artefacts
from streams.signals.catalogue import BadParameter, UnknownParameter, read_settings
from streams.signals.sources import StrategySources
from streams.signals.user_stage_loading import (
    BadUserStage,
    Declaration,
    declaration_of,
    in_order,
    load_stage,
    stage_sources,
)


class Found(NamedTuple):
    """A stage of the configuration, read and not executed."""

    file: str
    sources: StrategySources
    declared: Declaration


class Placed(NamedTuple):
    """(stage, settings) of the stages before the strategy, and of those behind the order side."""

    before: list[tuple[Any, Any]]
    behind: list[tuple[Any, Any]]
    sources: dict[str, StrategySources]


def found_stages(configuration: Configuration) -> dict[str, Found]:
    """The stages by name, their topics made known to the catalogue until the present scope ends.

    Raises:
        BadUserStage, BadUserTopic, UnusableArtefact: one cannot be used.
    """
    found: dict[str, Found] = {}
    for name, entry in sorted(configuration.user_stages.items()):
        sources = stage_sources(entry.file)
        found[name] = Found(entry.file, sources, declaration_of(entry.file, sources.main))
    in_order(
        {name: (each.declared.topic, ()) for name, each in found.items()}
    )  # two writers would have one topic
    for each in found.values():
        register(each.declared.topic, each.declared.schema)
    return found


def fields_of(found: Mapping[str, Found]) -> set[str]:
    """Fields of the stages' records, for the lint of whoever reads them."""
    return {name for each in found.values() for name in each.declared.fields}


def load_stages(configuration: Configuration, found: Mapping[str, Found]) -> Placed:
    """Check and import the stages.

    Raises:
        NotDeterministic: a file uses what is not allowed.
        WrongUse: a stage cannot be used; names it.
    """
    for name, each in found.items():
        if is_strange(each.sources):
            ask_for(each.sources, f"stage {name}")
            refuse(
                f"the run's stage {name} ({each.sources.main}) is not one that you have run, and "
                "a stage is not executed apart yet: read its files; 'sq backtest' with it makes it "
                "yours, then verify again"
            )
    ready: dict[str, tuple[Any, Any]] = {}
    for name, each in found.items():
        require_allowed(each.sources.modules, users=fields_of(found))
        stage = load_stage(each.file, each.sources, each.declared)
        try:
            settings = read_settings(
                name, stage.Settings, configuration.user_stages[name].parameters
            )
        except (UnknownParameter, BadParameter) as problem:
            raise BadConfiguration(
                f"[stages.{name}]: {problem.text.replace('strategy', 'stage')}"
            ) from problem
        ready[name] = shell_of(name, stage, read_artefacts(each.sources)), settings
    order = in_order(
        {name: (found[name].declared.topic, stage.INPUTS) for name, (stage, _) in ready.items()}
    )
    early: list[str] = []
    known: set[str] = set()
    for name in order:
        if all(
            topic in known or topic.startswith(("md.", "ref.")) for topic in ready[name][0].INPUTS
        ):
            early.append(name)
            known.add(found[name].declared.topic)
    return Placed(
        [ready[name] for name in early],
        [ready[name] for name in order if name not in early],
        {name: each.sources for name, each in found.items()},
    )


def check_inputs(placed: Placed, stages: Iterable[tuple[Any, Any]], feeds: Sequence[str]) -> None:
    """Refuse what waits for a topic that nobody writes. Raises BadUserStage."""
    everything = list(stages)
    written = {topic for stage, _ in everything for topic in stage.OUTPUTS} | set(feeds)
    users = [stage for stage, _ in (*placed.before, *placed.behind)]
    for stage, _ in everything:
        for topic in stage.INPUTS:
            if topic not in written and (is_user_topic(topic) or stage in users):
                has = (
                    ", ".join(sorted(written))
                    if stage in users
                    else ", ".join(sorted(filter(is_user_topic, written))) or "none"
                )
                raise BadUserStage(
                    f"{stage.NAME} reads {topic}, which no stage writes and no input brings; "
                    f"there are: {has}"
                )
