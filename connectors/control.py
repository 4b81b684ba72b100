"""An operator's command into a recording (what if the kill switch had been thrown at noon?) or onto
a cluster.

The recording is copied, and the command takes its place by time in the copy's ``control`` topic;
nothing else changes. A command of the same time comes after those that are there. On a cluster it
is appended to ``control``, and every runner polls that topic before anything else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connectors.blocks import TopicBlocks
from connectors.framed import FramedDecoder
from connectors.unfinished import create
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import CorruptLog, WrongUse
from schemas.records import ControlCommand, Instrument
from schemas.vocabulary import ControlKind, ControlScope
from streams.log.kafka.framing import header
from streams.log.kafka.scan import committed, facts_of
from streams.log.kafka.transport import Log
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST, read_manifest, write_manifest
from streams.log.verify import file_entries, verify_files
from streams.runtime.order.skip import skip_of

TOPIC = "control"


class BadCommand(WrongUse):
    """A command that no stage could obey."""

    code = "bad_command"


def add_control(recording: Path | str, out: Path | str, command: ControlCommand) -> dict[str, Any]:
    """Copy the closed log ``recording`` into the new folder ``out`` with the command added; returns
    the copy's manifest.

    Raises:
        BadCommand: kind, scope, limit or time make no sense. WrongUse: ``recording`` is not a
            closed recording, ``out`` is not new.
        CorruptLog: the recording is not what its manifest says. LogFull, LogWriteFailed.
    """
    recording, out = Path(recording), Path(out)
    _check(command)
    with LocalLog.open(recording) as source:
        if not (recording / LOG_MANIFEST).is_file():
            raise WrongUse(
                f"{recording} has no {LOG_MANIFEST}: it is a run or an unfinished import; name a "
                "finished recording"
            )
        manifest = read_manifest(recording / LOG_MANIFEST)
        findings = verify_files(recording, manifest)
        if findings:
            raise CorruptLog(f"{recording}: {findings[0]}; import or generate it again")
        end = max(
            (source.reader(topic).time_max for topic in source.topics() if topic.startswith("md.")),
            default=0,
        )
        if command.event_time > end:
            raise BadCommand(
                f"the command's time, {command.event_time} ns, lies after the recording's end, "
                f"{end} ns; give an earlier time"
            )
        with create(out) as copy:
            for topic in source.topics():
                if topic != TOPIC:
                    copy.copy_topic(source, topic)
            commands = TopicBlocks(copy, TOPIC)
            for each in merged(_commands(source), command):
                commands.add(
                    each,
                    each.event_time,
                    len(each.name) + len(each.value) + len(each.issued_by) + 4 * len(each.reason),
                )
            commands.flush()
    changed = {
        **{name: value for name, value in manifest.items() if name != "digest"},
        "topics": {**manifest.get("topics", {}), TOPIC: commands.entry()},
        "files": file_entries(out),
    }
    write_manifest(out / LOG_MANIFEST, changed)
    return read_manifest(out / LOG_MANIFEST)


def send_control(log: Log, topic: str, schema_id: int, command: ControlCommand) -> int:
    """Append a command to a cluster's control topic; returns its offset once the broker has it for
    good.

    Args:
        log: the cluster's.
        topic: what ``control`` is called there.
        schema_id: of its registered schema.
        command: what to say.

    Raises:
        BadCommand: kind, scope, limit or time make no sense. TopicMissing. TransportFailed: it was
            not delivered.
    """
    _check(command)
    value = header(schema_id) + codec("ControlCommand").encode_records([command])
    facts_of(log, [topic])
    writer = log.plain_writer()
    try:
        writer.init()
        writer.begin()
        writer.produce(topic, 0, [value])
        return writer.commit()[topic, 0]
    finally:
        writer.close()


def instruments_of(log: Log, topic: str, decoder: FramedDecoder) -> dict[int, Instrument]:
    """The instruments that a cluster's ``ref.instruments`` holds now, by id. Raises TopicMissing,
    TransportFailed, UnreadableRecord.
    """
    found: dict[int, Instrument] = {}
    for chunk in committed(log, topic, [topic]):
        for record in decoder.records(
            "ref.instruments", 0, [each.offset for each in chunk], [each.value for each in chunk]
        ):
            found[record.instrument] = record
    return found


def merged(present: list[ControlCommand], command: ControlCommand) -> list[ControlCommand]:
    """The commands with the new one before the first that is later; the order of the others stays.
    """
    at = next(
        (index for index, each in enumerate(present) if each.event_time > command.event_time),
        len(present),
    )
    return [*present[:at], command, *present[at:]]


def _commands(log: LocalLog) -> list[ControlCommand]:
    if TOPIC not in log.topics():
        return []
    reader = codec(topic_of(TOPIC).record)
    return [
        record
        for block in log.reader(TOPIC).blocks()
        for record in reader.decode_records(block.body, block.count)
    ]


def _check(command: ControlCommand) -> None:
    """Raises BadCommand."""
    kinds = (ControlKind.KILL, ControlKind.REARM, ControlKind.LIMIT, ControlKind.PARAMETER)
    if command.kind == ControlKind.SKIP:
        if skip_of(command) is None or not command.reason:
            raise BadCommand("a skip needs a place TOPIC/PARTITION/OFFSET and a reason")
    elif command.kind not in kinds:
        raise BadCommand(
            f"command kind {command.kind} is none of {', '.join(kind.name for kind in kinds)}"
        )
    numbers = {
        ControlScope.ACCOUNT: command.account,
        ControlScope.STRATEGY: command.strategy,
        ControlScope.INSTRUMENT: command.instrument,
    }
    if command.scope not in (ControlScope.SYSTEM, *numbers):
        raise BadCommand(
            f"command scope {command.scope} is none of "
            f"{', '.join(scope.name for scope in (ControlScope.SYSTEM, *numbers))}"
        )
    if command.scope != ControlScope.SYSTEM and numbers[ControlScope(command.scope)] <= 0:
        raise BadCommand(
            f"scope {ControlScope(command.scope).name} needs the number of what it covers"
        )
    if command.kind in (ControlKind.LIMIT, ControlKind.PARAMETER) and not (
        command.name and command.value
    ):
        raise BadCommand("a limit needs a name and a value, for example max_position and 0.5")
    if command.event_time < 0:
        raise BadCommand(f"the command's time, {command.event_time} ns, lies before 1970")
