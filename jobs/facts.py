"""What a genesis record and a ``run.json`` must say to be used. Both are data that somebody else
may have written.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from jobs.configuration import BadConfiguration, Configuration
from schemas.errors import CorruptLog, ShrivenError

Time = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
"""ns UTC."""
Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Settings(msgspec.Struct):
    """The parts of a configuration that are read one by one; a genesis record has all of them."""

    strategy: str
    cash: str
    currency: str
    warmup: Number
    stages: dict[str, dict[str, Any]]
    batch: Number
    state_digest_records: Number
    clock_jump_max: Number
    accounts: list[int] = []


class StageIdentity(msgspec.Struct):
    """A user's own stage."""

    stage: str
    files: dict[str, str]
    parameters: dict[str, str]


class Identity(msgspec.Struct):
    """The parts of a run's identity that are read one by one."""

    strategy: str
    parameters: dict[str, str]
    fees: str
    latency: str
    short: bool
    warmup: str
    from_: Time | None = msgspec.field(name="from")
    to: Time | None = msgspec.field(name="to")
    strategy_files: dict[str, str] = {}
    user_stages: dict[str, StageIdentity] = {}


class LocalIdentity(Identity, kw_only=True):
    """A local run's has the digests of its inputs."""

    inputs: dict[str, str]


class LiveIdentity(Identity, kw_only=True):
    """A live topology's has its number of shards."""

    shards: int


class Facts(msgspec.Struct):
    """Of every run."""

    journal_id: Number
    code: str
    sources: dict[str, str]
    versions: dict[str, str]
    configuration: Settings
    shard: Number
    clock: str
    topology: str


class MergedSource(msgspec.Struct):
    """A recording that was merged with others."""

    folder: str
    topics: dict[str, str]


class PulledSource(msgspec.Struct):
    """The topic of a cluster that a recording's topic was pulled from."""

    partition: Number


class LocalFacts(Facts):
    """Of a local run."""

    identity: LocalIdentity
    input_path: str
    recordings: list[MergedSource] = []


class LiveInput(msgspec.Struct):
    """An input of a live topology."""

    topic: str
    start_offset: int
    schema_ids: list[int]


class LiveOutput(msgspec.Struct):
    """An output of a live topology."""

    topic: str
    schema_id: int
    published: bool
    start_offset: int = 0


class LiveFacts(Facts):
    """Of a live topology."""

    identity: LiveIdentity
    job: str
    inputs: list[LiveInput]
    outputs: list[LiveOutput]


class ManifestTopic(msgspec.Struct):
    """A topic as a manifest lists it."""

    count: int
    digest: str


class RunManifest(LocalFacts, kw_only=True):
    """A closed local run."""

    batches: Number
    records: Number
    clock_end: Time
    trade_to: Time | None = None
    topics: dict[str, ManifestTopic]


class PulledManifest(Facts, kw_only=True):
    """A topology that was pulled: its journal is in the folder, and its inputs are topics there."""

    identity: Identity
    batches: Number
    records: Number
    clock_end: Time
    topics: dict[str, ManifestTopic]
    sources: dict[str, str] = {}


def is_live(facts: dict[str, Any]) -> bool:
    """True for a live topology's genesis record, which lists its inputs; a local run has their
    digests in its identity.
    """
    return isinstance(facts.get("inputs"), list)


def check_facts(facts: dict[str, Any], name: str) -> None:
    """Refuse a genesis record that says too little, or something else than what is asked.

    Raises:
        CorruptLog: names the field.
    """
    _check(facts, LiveFacts if is_live(facts) else LocalFacts, f"{name}: the genesis record")


def check_run_manifest(content: dict[str, Any], name: str) -> None:
    """Refuse a ``run.json``, a run's or a pulled folder's, that nothing can be made of. Raises
    CorruptLog.
    """
    _check(content, PulledManifest if content.get("command") == "pull" else RunManifest, name)
    accounts = configuration_in(content).accounts
    if accounts and not 0 <= content["shard"] < len(accounts):
        raise CorruptLog(
            f"{name} does not say what a run says: there is no account of shard "
            f"{content['shard']}; restore the folder from a copy"
        )


def _check(facts: dict[str, Any], kind: type[Facts], name: str) -> None:
    try:
        msgspec.convert(facts, kind, strict=True)
    except msgspec.ValidationError as problem:
        raise CorruptLog(
            f"{name} does not say what a run says: {problem}; restore the folder from a copy, or "
            "make the run again"
        ) from problem


def sources_in(manifest: dict[str, Any], kind: Any, name: str) -> Any:
    """What a recording's manifest says it was made from, as ``kind``. Raises CorruptLog, naming the
    field.
    """
    try:
        return msgspec.convert(manifest.get("sources"), kind, strict=True)
    except msgspec.ValidationError as problem:
        said = f"{name} does not say what the recording was made from: {problem}"
        raise CorruptLog(
            f"{said}; restore the folder from a copy, or make the recording again"
        ) from problem


def merged_from(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    """``recordings``, by folder name and topic digests, if the recording is several that were made
    side by side.
    """
    if manifest.get("command") != "merge":
        return {}
    return {"recordings": msgspec.to_builtins(sources_in(manifest, list[MergedSource], name))}


def configuration_in(facts: dict[str, Any]) -> Configuration:
    """The configuration in a genesis record.

    Raises:
        CorruptLog: it is none, or its bounds do not hold.
    """
    try:
        return msgspec.convert(facts["configuration"], Configuration).check()
    except (msgspec.ValidationError, BadConfiguration) as problem:
        text = problem.text if isinstance(problem, ShrivenError) else str(problem)
        raise CorruptLog(
            f"the configuration in the genesis record cannot be: {text}; restore the folder from a "
            "copy"
        ) from problem
