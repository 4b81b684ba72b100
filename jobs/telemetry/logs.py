"""Structured logs: one JSON object a line on standard error; words when a person reads a terminal.

Every event has ``time``, ``level``, ``event`` (a name that does not change) and ``text`` (what a
person reads); where it happened is in fields of their own (``FIELDS``). An error carries its code,
its coordinates and ``replay``: the command that shows the same thing again, since every record that
a task consumed can be consumed again from the same place.

Secrets are removed by field, before anything is formatted: a value under a key of ``SECRET`` never
reaches a sink, nor does a known secret inside a text (``hide`` names it), nor the user part of a
URL.
"""

from __future__ import annotations

import datetime
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from schemas.errors import ShrivenError, WrongUse

NAME = "shriven"
LEVELS = ("debug", "info", "warning", "error")
FIELDS = ("topology", "shard", "sequence", "topic", "partition", "offset", "clock", "code")
"""Coordinates in the order in which they are printed; further fields follow them."""
SECRET = re.compile(
    r"password|passphrase|secret|token|credential|user\.info|private|api[._-]?key|authorization|oauthbearer\.config|jaas|ssl\.key",
    re.IGNORECASE,
)
HIDDEN = "[hidden]"
_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_IN_TEXT = re.compile(
    r"(?i)([\w.\-]*(?:password|passphrase|secret|token|user\.info|api[._-]?key)[\w.\-]*)(\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;]+)",
)


class UnknownLevel(WrongUse):
    """A log level that is none."""

    code = "unknown_level"


_hidden: set[str] = set()
_lock = threading.Lock()


def hide(settings: Mapping[str, Any]) -> None:
    """Remember the secrets among client settings (``sasl.password`` ...), so that no text shows
    them either.
    """
    for key, value in settings.items():
        if SECRET.search(key) and isinstance(value, str) and len(value) >= 4:
            _hidden.add(value)
            _hidden.update(
                part for part in value.split(":") if len(part) >= 6 and "user.info" in key
            )


def redacted(value: Any, key: str = "") -> Any:
    """The value without secrets: whole under a secret key, inside texts otherwise; mappings and
    lists are gone through.
    """
    if key and SECRET.search(key):
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(name): redacted(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(inner) for inner in value]
    if isinstance(value, str):
        for secret in sorted(_hidden, key=len, reverse=True):
            value = value.replace(secret, HIDDEN)
        return _IN_TEXT.sub(rf"\1\2{HIDDEN}", _IN_URL.sub(f"{HIDDEN}@", value))
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return value


def replay_command(topology: str, bootstrap: str = "", sequence: int | None = None) -> str:
    """The command that executes the same batches again and names the first that differs."""
    where = f"kafka://{bootstrap}" if bootstrap else "kafka://HOST:PORT"
    return f"sq verify {where} --topology {topology}" + (
        f"  # batch {sequence}" if sequence is not None else ""
    )


class Log:
    """What a process writes. Fields given at the start (topology, shard, ...) are on every line.

    Args:
        fields: of every event.
        stream: where to; standard error unless given.
        level: least level that is written, one of ``LEVELS``.
        human: words instead of JSON; by default when the stream is a terminal.
        on_error: called with the code of every error (a counter).
        now: UTC now, for tests.

    Raises:
        UnknownLevel: ``level`` is none.
    """

    def __init__(
        self,
        fields: Mapping[str, Any] | None = None,
        *,
        stream: TextIO | None = None,
        level: str = "info",
        human: bool | None = None,
        on_error: Callable[[str], None] = lambda code: None,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self.fields = dict(fields or {})
        self.set_level(level)
        self._stream = stream
        self._human = human
        self._on_error = on_error
        self._now = now

    def set_level(self, level: str) -> None:
        """Change the least level that is written, at once. Raises UnknownLevel."""
        if level not in LEVELS:
            raise UnknownLevel(f"log level {level!r} is not known; levels are {', '.join(LEVELS)}")
        self.level = level

    def of(self, **fields: Any) -> Log:
        """The same log with further fields on every line."""
        return Log(
            {**self.fields, **fields},
            stream=self._stream,
            level=self.level,
            human=self._human,
            on_error=self._on_error,
            now=self._now,
        )

    def debug(self, event: str, text: str = "", **fields: Any) -> None:
        """For who looks for a fault."""
        self._write("debug", event, text, fields)

    def info(self, event: str, text: str = "", **fields: Any) -> None:
        """Something happened as it should; nobody must act."""
        self._write("info", event, text, fields)

    def warning(self, event: str, text: str = "", **fields: Any) -> None:
        """Something heals by itself, or somebody should look within days."""
        self._write("warning", event, text, fields)

    def error(
        self, event: str, problem: BaseException | str, *, replay: str = "", **fields: Any
    ) -> None:
        """Somebody must act. A typed error gives its code and text; anything else is a defect,
        named by its class.
        """
        if isinstance(problem, ShrivenError):
            code, text = problem.code, problem.text
        elif isinstance(problem, BaseException):
            code, text = "defect", f"{type(problem).__name__}: {problem}"
        else:
            code, text = str(fields.get("code", "error")), problem
        if not replay and "topology" in {**self.fields, **fields}:
            found = {**self.fields, **fields}
            replay = replay_command(
                str(found["topology"]), str(found.get("bootstrap", "")), found.get("sequence")
            )
        self._on_error(code)
        self._write(
            "error", event, text, {**fields, "code": code, **({"replay": replay} if replay else {})}
        )

    def _write(self, level: str, event: str, text: str, fields: Mapping[str, Any]) -> None:
        if LEVELS.index(level) < LEVELS.index(self.level):
            return
        stream = self._stream or sys.stderr
        known = {**self.fields, **fields}
        ordered = {name: known[name] for name in FIELDS if name in known} | {
            name: value for name, value in known.items() if name not in FIELDS
        }
        found = {
            name: redacted(value, name) for name, value in ordered.items() if value is not None
        }
        time = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = redacted(text)
        if _is_terminal(stream) if self._human is None else self._human:
            line = _human_line(time, level, event, said, found)
        else:
            line = json.dumps(
                {"time": time, "level": level, "event": event, "text": said, **found},
                default=str,
                ensure_ascii=False,
            )
        with _lock:
            try:
                stream.write(line + "\n")
                stream.flush()
            except (OSError, ValueError):
                # nobody reads: a full disk or a closed pipe below the log is no reason to stop
                # trading
                return


def _is_terminal(stream: TextIO) -> bool:
    return not stream.closed and stream.isatty()


def _human_line(time: str, level: str, event: str, text: str, fields: Mapping[str, Any]) -> str:
    mark = {"warning": "WARNING ", "error": "ERROR "}.get(level, "")
    pairs = " ".join(f"{name}={value}" for name, value in fields.items() if name != "replay")
    line = f"{time[11:23]} {mark}{text or event}" + (f"  ({pairs})" if pairs else "")
    return line + (f"\n    again: {fields['replay']}" if "replay" in fields else "")


REPEAT_SECONDS = 60.0
REPEATS_MAX = 1000
_VARYING = re.compile(r"\d+")
"""Counts and times in a client's line: a broker that is away is told of once a minute, not at each
try.
"""


class LibraryHandler(logging.Handler):
    """Puts what libraries log (confluent-kafka, aiokafka, Faust) into our lines: event ``library``,
    level and logger as they say.
    """

    def __init__(self, log: Log) -> None:
        super().__init__(logging.INFO)
        self._log = log
        self._said: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """One record of the logging module; the same line again within ``REPEAT_SECONDS`` is left
        out.
        """
        text = record.getMessage().replace("\n", " ")
        key = _VARYING.sub("#", text)
        last = self._said.get(key)
        if last is not None and record.created - last < REPEAT_SECONDS:
            return
        if len(self._said) >= REPEATS_MAX:
            self._said.clear()
        self._said[key] = record.created
        level = (
            "error"
            if record.levelno >= logging.ERROR
            else "warning"
            if record.levelno >= logging.WARNING
            else "info"
        )
        self._log._write(level, "library", text, {"logger": record.name})


LIBRARIES = (
    "streams.log.kafka.librdkafka",
    "confluent_kafka",
    "aiokafka",
    "faust",
    "mode",
    "httpx",
    "httpx2",
)
"""Loggers of the clients: librdkafka's lines come by the first, which every client of ours is
given.
"""


def library_logger(log: Log, level: int = logging.WARNING) -> None:
    """What the clients' libraries say is written to ``log`` from here on, and nowhere else: for a
    process that runs for long.

    A command that ends says what is wrong by its error; there the lines of the libraries stay away.
    """
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.handlers = [LibraryHandler(log)]
        logger.setLevel(level)
