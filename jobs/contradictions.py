"""What a genesis record or a ``run.json`` says of a run that its configuration, its journal and its
topics do not: local runs and pulled ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.log.manifest import DIGEST, RUN_MANIFEST
from streams.log.verify import FILES
from streams.runtime.journal.divergence import Divergence, Kind
from streams.runtime.tools.code import code_digest


def differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names under which two mappings hold different values, sorted."""
    return sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))


def other_value(key: str, says: Any, is_now: Any) -> Divergence:
    """A fact of the genesis record that its configuration does not give."""
    return Divergence(
        Kind.JOURNAL, f"the genesis record says {key} is {says}, its configuration says {is_now}"
    )


def other_strategy(facts: Mapping[str, Any], made: Mapping[str, Any]) -> list[Divergence]:
    """A strategy that the configuration names otherwise than by its name, or by that of its file.
    """
    says, is_now = (each["configuration"]["strategy"] for each in (facts, made))
    return (
        []
        if says == is_now
        else [
            Divergence(
                Kind.JOURNAL,
                f"the genesis record's configuration says strategy is {says}, the run has {is_now}",
            )
        ]
    )


def other_code(facts: Mapping[str, Any], journal_id: Any) -> list[Divergence]:
    """A journal id or a code digest that is not made from what the genesis record says."""
    if journal_id == facts["journal_id"] and code_digest(facts["sources"]) == facts["code"]:
        return []
    return [
        Divergence(
            Kind.JOURNAL,
            "the genesis record's journal id or code digest is not made from what it says",
        )
    ]


def other_manifest(
    manifest: Mapping[str, Any],
    expected: Mapping[str, Any],
    topics: Mapping[str, Any],
    commands: Sequence[str],
    unproven: Sequence[str] = (),
) -> list[Divergence]:
    """What ``run.json`` says that the run does not bear out.

    Args:
        expected: what the journal says, by the manifest's keys.
        topics: facts of each topic, as it lies in the folder.
        commands: what closes such a folder.
        unproven: keys that are neither expected nor refused.
    """
    findings = [
        Divergence(
            Kind.FILE,
            f"{RUN_MANIFEST} says {key} is {str(manifest.get(key))[:60]}, the journal says "
            f"{str(value)[:60]}",
        )
        for key, value in expected.items()
        if manifest.get(key) != value
    ]
    if manifest.get("command") not in commands:
        findings.append(
            Divergence(
                Kind.FILE,
                f"{RUN_MANIFEST} says its command is {manifest.get('command')}; it is one of "
                f"{', '.join(commands)}",
            )
        )
    unknown = sorted(
        manifest.keys() - expected.keys() - {"command", "topics", FILES, DIGEST, *unproven}
    )
    if unknown:
        findings.append(
            Divergence(
                Kind.FILE,
                f"{RUN_MANIFEST} says {', '.join(unknown)}, which nothing in the run bears out",
            )
        )
    listed = manifest.get("topics", {})
    return findings + [
        Divergence(
            Kind.FILE,
            f"{RUN_MANIFEST} says {listed.get(topic)} of {topic}, it holds {topics.get(topic)}",
            topic=topic,
        )
        for topic in differing(listed, topics)
    ]
