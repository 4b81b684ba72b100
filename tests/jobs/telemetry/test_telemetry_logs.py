"""Structured logs (LGS-1, LGS-2 in part, LGS-6, LGS-8): one JSON object a line, levels in order, no
secret in any sink, a replay command.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from jobs.telemetry.logs import LEVELS, Log, UnknownLevel, hide, redacted
from schemas.errors import CorruptLog

NOW = datetime.datetime(2026, 3, 4, 5, 6, 7, 89_000, datetime.UTC)
CANARY = "hunter2-canary"


def written(log: Log, sink: io.StringIO) -> dict[str, Any]:
    """The one line in the sink."""
    (line,) = sink.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.fixture
def sink() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(sink: io.StringIO) -> Log:
    return Log({"topology": "pipeline", "shard": 0}, stream=sink, now=lambda: NOW)


def test_an_event_is_one_object_with_its_coordinates_in_order(log: Log, sink: io.StringIO) -> None:
    log.info(
        "batch_committed",
        "line one\nline two",
        offset=7,
        topic="md.depth",
        partition=0,
        sequence=3,
        more=[1, 2],
        nothing=None,
    )
    assert list(written(log, sink)) == [
        "time",
        "level",
        "event",
        "text",
        "topology",
        "shard",
        "sequence",
        "topic",
        "partition",
        "offset",
        "more",
    ]
    assert written(log, sink)["time"] == "2026-03-04T05:06:07.089Z"


def test_an_error_has_its_code_and_the_command_that_shows_it_again(sink: io.StringIO) -> None:
    counted: list[str] = []
    log = Log(
        {"topology": "pipeline", "shard": 0, "bootstrap": "localhost:9092"},
        stream=sink,
        on_error=counted.append,
    )
    log.error("task_ended", CorruptLog("block 7 differs"), sequence=41)
    found = written(log, sink)
    assert (found["level"], found["code"], found["text"]) == (
        "error",
        "corrupt_log",
        "block 7 differs",
    )
    assert found["replay"] == "sq verify kafka://localhost:9092 --topology pipeline  # batch 41"
    assert counted == ["corrupt_log"]


def test_a_defect_is_named_by_its_class_without_a_traceback(log: Log, sink: io.StringIO) -> None:
    log.error("task_ended", ZeroDivisionError("division by zero"))
    assert (written(log, sink)["code"], written(log, sink)["text"]) == (
        "defect",
        "ZeroDivisionError: division by zero",
    )


@pytest.mark.parametrize("threshold", LEVELS)
@pytest.mark.parametrize("level", LEVELS)
def test_levels_are_in_order(level: str, threshold: str, sink: io.StringIO) -> None:
    log = Log(stream=sink, level="debug")
    log.set_level(threshold)
    getattr(log, level)("something", "happened")
    order = {"debug": 0, "info": 1, "warning": 2, "error": 3}
    assert bool(sink.getvalue()) == (order[level] >= order[threshold])


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(UnknownLevel, match="levels are debug, info, warning, error"):
        Log(level="loud")


@pytest.mark.parametrize(
    "value",
    [
        {"sasl.password": CANARY},
        {"settings": {"ssl.key.password": CANARY, "basic.auth.user.info": f"user:{CANARY}"}},
        f"sasl.password={CANARY}, other=1",
        f"postgresql://trader:{CANARY}@db/prices",
        f'broker said: password: "{CANARY}"',
        [f"https://{CANARY}@registry:8081/subjects"],
        {"API_KEY": CANARY},
        {"sasl.jaas.config": f'x required username="u" password="{CANARY}";'},
    ],
)
def test_a_secret_reaches_no_sink(value: Any, log: Log, sink: io.StringIO) -> None:
    log.info("client", str(value) if isinstance(value, str) else "text", value=value)
    log.error("client", str(value) if isinstance(value, str) else "text", value=value)
    human = Log(stream=sink, human=True)
    human.warning("client", "text", value=value)
    assert "[hidden]" in sink.getvalue()
    assert CANARY not in sink.getvalue()


def test_a_known_secret_is_removed_from_texts_that_do_not_name_it(
    log: Log, sink: io.StringIO
) -> None:
    hide({"sasl.password": CANARY, "bootstrap.servers": "localhost:9092"})
    log.error("library", f"the server echoed {CANARY} from localhost:9092")
    assert written(log, sink)["text"] == "the server echoed [hidden] from localhost:9092"


def test_what_is_no_secret_stays() -> None:
    value = {
        "topic": "md.trades",
        "offset": 5,
        "text": "token bucket is empty",
        "url": "kafka://localhost:9092",
    }
    assert redacted(value) == value


def test_a_person_at_a_terminal_reads_words(sink: io.StringIO) -> None:
    log = Log({"topology": "pipeline"}, stream=sink, human=True, now=lambda: NOW)
    log.error("task_ended", CorruptLog("block 7 differs"), offset=7)
    first, again = sink.getvalue().splitlines()
    assert (
        first == "05:06:07.089 ERROR block 7 differs  (topology=pipeline offset=7 code=corrupt_log)"
    )
    assert again == "    again: sq verify kafka://HOST:PORT --topology pipeline"


def test_what_a_client_says_comes_in_the_lines_of_a_process_once_a_minute() -> None:
    """Nothing listens where the exporter is told to look: librdkafka's own words about it, in our
    form. Oracle: the client's reason, by name.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{free.getsockname()[1]}"
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SQ_KAFKA")},
        "SQ_KAFKA_BOOTSTRAP": nowhere,
    }
    command = [sys.executable, "-m", "jobs.sq", "lag", "--serve", "0", "--interval", "0.2"]
    process = subprocess.Popen(
        command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        lines = (json.loads(line) for line in process.stderr)
        found = next(line for line in lines if line["event"] == "library")
        assert (
            found["logger"] == "streams.log.kafka.librdkafka"
            and nowhere in found["text"]
            and "refused" in found["text"]
        )
        time.sleep(1.0)
    finally:
        process.terminate()
        more = process.communicate(timeout=60)[1].splitlines()
    again = [json.loads(line)["text"] for line in more if '"library"' in line]
    assert len(again) <= 6, "a client that tries again and again says the same once a minute"


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    closed = io.StringIO()
    closed.close()
    Log(stream=closed).info("batch_committed")
