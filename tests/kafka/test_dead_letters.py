"""Dead letters and operator's commands on a real broker, as a user types them.

Oracles: a committed reader of the topics themselves; the records that a clean run would have
written, value by value; the catalogue's table of design section 8.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from connectors.dead_letters import DeadLetters, DecisionInterrupted
from connectors.framed import FramedDecoder
from connectors.named import named, plain
from schemas.catalogue import TOPICS
from schemas.codec import codec
from schemas.records import ControlCommand, DeadLetter, Instrument, Trade
from schemas.vocabulary import ControlKind, ControlScope, Side
from streams.log.kafka.cluster import Cluster
from streams.runtime.order.skip import SkipRequest, skip_of
from tests.kafka.edge_topics import ROOT, EdgeTopics, Ended

pytestmark = pytest.mark.broker

NAMES = ("control", "ref.instruments", "md.trades", "pipeline.dlq", "pipeline.dlq.decisions")
KILL = ControlCommand(
    5, int(ControlKind.KILL), int(ControlScope.SYSTEM), 0, 0, 0, "", "", "operator", "why"
)
TRADE = Trade(1, 5, 6, 7, 100, 3, int(Side.BUY), 1, 0)


def instrument(number: int, tick: int = 1) -> Instrument:
    return Instrument(
        number,
        "test",
        f"T{number}",
        2,
        f"T{number}",
        "USDT",
        2,
        8,
        tick,
        1,
        1,
        9,
        0,
        1,
        True,
        0,
        None,
        5,
        5,
        0,
    )


@pytest.fixture
def topics(cluster: Cluster) -> EdgeTopics:
    return EdgeTopics(cluster, NAMES)


def letter(topic: str, offset: int, payload: bytes, reason: str = "malformed") -> DeadLetter:
    return DeadLetter(reason, f"{len(payload)} bytes are no record", topic, 0, offset, payload)


def write_letters(topics: EdgeTopics, letters: list[DeadLetter]) -> None:
    topics.write("pipeline.dlq", [topics.framed("pipeline.dlq", each) for each in letters])


def done(result: Ended) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def refused(result: Ended, words: str) -> None:
    assert result.returncode != 0 and re.search(words, result.stderr), (
        result.returncode,
        result.stdout,
        result.stderr,
    )
    assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr


def values(topics: EdgeTopics, topic: str) -> list[bytes]:
    return [each.value for each in topics.read(topic)]


def test_letters_are_listed_counted_and_shown(topics: EdgeTopics) -> None:
    good = topics.framed("ref.instruments", instrument(1))
    write_letters(
        topics,
        [
            letter("ref.instruments", 3, good, "bad_framing"),
            letter("md.trades", 7, b"\xff\x01"),
            letter("md.trades", 8, topics.framed("md.trades", TRADE)[5:], "clock_jump"),
        ],
    )
    listed = json.loads(done(topics.sq("dlq", "list", "--json")))
    assert [
        (
            each["origin_topic"],
            each["origin_offset"],
            each["reason"],
            each["bytes"],
            each["decision"],
        )
        for each in listed
    ] == [
        ("ref.instruments", 3, "bad_framing", len(good), None),
        ("md.trades", 7, "malformed", 2, None),
        ("md.trades", 8, "clock_jump", len(topics.framed("md.trades", TRADE)) - 5, None),
    ]
    assert json.loads(done(topics.sq("dlq", "count", "--json", "--origin", "md.trades"))) == [
        {"reason": "clock_jump", "origin_topic": "md.trades", "state": "open", "count": 1},
        {"reason": "malformed", "origin_topic": "md.trades", "state": "open", "count": 1},
    ]
    places = [f"{each['partition']}/{each['offset']}" for each in listed]
    shown = json.loads(done(topics.sq("dlq", "show", places[0], "--json")))
    assert shown["record"]["symbol"] == "T1" and shown["record"]["kind"] == "PERPETUAL"
    assert json.loads(done(topics.sq("dlq", "show", places[1], "--json")))["payload"] == "ff01"
    assert (
        json.loads(done(topics.sq("dlq", "show", places[2], "--json")))["record"]["price"]
        == TRADE.price
    )  # a body alone
    text = done(topics.sq("dlq", "list", "--code", "malformed"))
    assert "md.trades/0/7" in text and "clock_jump" not in text
    refused(topics.sq("dlq", "show", "99"), "no dead letter at 0/99")
    refused(topics.sq("dlq", "show", "x"), "names no dead letter")


def test_what_was_broken_is_redriven_once_and_equals_a_clean_run(topics: EdgeTopics) -> None:
    """Instruments 1 and 2 came, 3 and a command were dead-lettered by a decoder that is fixed now.
    """
    clean = [topics.framed("ref.instruments", instrument(number)) for number in (1, 2, 3)]
    topics.write("ref.instruments", clean[:2])
    kill = topics.framed("control", KILL)
    write_letters(topics, [letter("ref.instruments", 2, clean[2]), letter("control", 0, kill)])
    first = done(topics.sq("dlq", "redrive", "--all", "--reason", "decoder fixed"))
    assert "2 redriven, 0 decided before" in first
    assert values(topics, "ref.instruments") == clean
    assert values(topics, "control") == [kill]
    again = done(topics.sq("dlq", "redrive", "--all", "--reason", "decoder fixed"))
    assert "0 redriven, 2 decided before" in again
    assert values(topics, "ref.instruments") == clean and values(topics, "control") == [kill]
    decided = json.loads(done(topics.sq("dlq", "list", "--json")))
    assert [
        (each["decision"]["action"], each["decision"]["reason"], each["decision"]["operator"])
        for each in decided
    ] == [("redriven", "decoder fixed", "tester")] * 2
    assert json.loads(done(topics.sq("dlq", "list", "--open", "--json"))) == []
    assert len(topics.read("pipeline.dlq.decisions")) == 2 and len(topics.read("pipeline.dlq")) == 2


def test_a_letter_of_an_ordered_input_is_refused_by_name(topics: EdgeTopics) -> None:
    value = topics.framed("md.trades", TRADE)
    write_letters(
        topics,
        [
            letter("md.trades", 7, value),
            letter("ref.instruments", 0, topics.framed("ref.instruments", instrument(1))),
        ],
    )
    refused(
        topics.sq("dlq", "redrive", "--all", "--reason", "try"),
        "1 of 2 dead letters are of md.trades, an ordered input",
    )
    assert (
        values(topics, "md.trades") == []
        and values(topics, "ref.instruments") == []
        and values(topics, "pipeline.dlq.decisions") == []
    )
    assert "1 redriven" in done(
        topics.sq("dlq", "redrive", "--origin", "ref.instruments", "--reason", "fixed")
    )
    assert "1 discarded" in done(
        topics.sq(
            "dlq", "discard", "--origin", "md.trades", "--reason", "the chain went on without it"
        )
    )
    assert values(topics, "md.trades") == []


def test_the_catalogue_says_which_inputs_commute() -> None:
    """Oracle: design section 8: ordered are md, orders, venue; ref and control are not."""
    assert {name for name, entry in TOPICS.items() if entry.redrive == "commutative"} == {
        "control",
        "ref.instruments",
    }
    assert {entry.redrive for entry in TOPICS.values()} == {"commutative", "halt"}


def test_a_letter_that_would_come_back_is_corrected_or_stays(
    topics: EdgeTopics, tmp_path: Any
) -> None:
    cut = topics.framed("ref.instruments", instrument(4))[:-3]
    write_letters(topics, [letter("ref.instruments", 2, cut), letter("ref.instruments", 3, b"")])
    places = [
        f"0/{each['offset']}" for each in json.loads(done(topics.sq("dlq", "list", "--json")))
    ]
    refused(
        topics.sq("dlq", "redrive", places[0], "--reason", "try"),
        r"still does not decode.*--replace",
    )
    path = tmp_path / "instrument.json"
    fields = {
        name: plain(value) for name, value in named("Instrument")(instrument(4, tick=5)).items()
    }
    path.write_text(json.dumps({**fields, "kind": "PERPETUEL"}))
    refused(
        topics.sq("dlq", "redrive", places[0], "--reason", "r", "--replace", str(path)),
        "Instrument.kind is one of .*PERPETUAL",
    )
    path.write_text(json.dumps(fields))
    refused(
        topics.sq("dlq", "redrive", "--all", "--reason", "r", "--replace", str(path)),
        "corrects one letter, and 2 are chosen",
    )
    assert "1 redriven" in done(
        topics.sq(
            "dlq", "redrive", places[0], "--reason", "cut off by the feed", "--replace", str(path)
        )
    )
    assert values(topics, "ref.instruments") == [
        topics.framed("ref.instruments", instrument(4, tick=5))
    ]
    assert (
        json.loads(done(topics.sq("dlq", "show", places[0], "--json")))["decision"]["replaced"]
        is True
    )


def test_a_discarded_letter_stays_discarded(topics: EdgeTopics) -> None:
    write_letters(
        topics, [letter("ref.instruments", 0, topics.framed("ref.instruments", instrument(1)))]
    )
    refused(topics.sq("dlq", "discard", "--all", "--reason", " "), "needs --reason")
    refused(topics.sq("dlq", "discard", "--reason", "why"), "say --all")
    done(topics.sq("dlq", "discard", "0", "--reason", "a test of the vendor"))
    assert "0 redriven, 1 decided before" in done(
        topics.sq("dlq", "redrive", "0", "--reason", "but")
    )
    assert values(topics, "ref.instruments") == []


def letters_of(topics: EdgeTopics, log: Any = None) -> DeadLetters:
    return DeadLetters(
        log or topics.log,
        topics.cluster.name,
        "pipeline",
        FramedDecoder(None),
        topics.ids.__getitem__,
    )


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_many_who_redrive_at_once_redrive_each_letter_once(topics: EdgeTopics) -> None:
    """Fencing lets one through at a time; whoever is fenced says so and can go on."""
    clean = [topics.framed("ref.instruments", instrument(number)) for number in range(1, 41)]
    write_letters(
        topics, [letter("ref.instruments", number, value) for number, value in enumerate(clean)]
    )
    interrupted: list[str] = []

    def redrive() -> None:
        tool = letters_of(topics)
        while True:
            try:
                tool.redrive(tool.chosen([]), "fixed", "tester", 1)
                return
            except DecisionInterrupted as problem:
                interrupted.append(problem.text)

    workers = [threading.Thread(target=redrive) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert values(topics, "ref.instruments") == clean
    assert len(topics.read("pipeline.dlq.decisions")) == len(clean)


KILLED = """
import os, sys
from connectors.dead_letters import DeadLetters
from connectors.framed import FramedDecoder
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import find_cluster

cluster = find_cluster()
ids = {ids}

class Dying(KafkaLog):
    def writer(self, transactional_id):
        writer = super().writer(transactional_id)
        commit = writer.commit
        def die():
            writer._producer.flush(10)  # the records are on the log, their transaction is open
            if "{when}" == "after":
                commit()
            print("dying", flush=True)
            os.kill(os.getpid(), 9)
        writer.commit = die
        return writer

tool = DeadLetters(Dying(cluster), cluster.name, "pipeline", FramedDecoder(None), ids.__getitem__)
tool.redrive(tool.chosen([]), "fixed", "tester", 1)
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_redrive_killed_around_its_commit_leaves_all_or_nothing(
    topics: EdgeTopics, when: str
) -> None:
    clean = [topics.framed("ref.instruments", instrument(number)) for number in (1, 2)]
    write_letters(
        topics, [letter("ref.instruments", number, value) for number, value in enumerate(clean)]
    )
    source = KILLED.format(ids=topics.ids, when=when)
    command = [sys.executable, "-c", source]
    killed = subprocess.run(
        command,
        cwd=ROOT,
        env=topics.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL and "dying" in killed.stdout, killed.stderr
    assert (values(topics, "ref.instruments") == clean) == (when == "after")
    again = done(topics.sq("dlq", "redrive", "--all", "--reason", "fixed"))
    assert (
        "0 redriven, 2 decided before" if when == "after" else "2 redriven, 0 decided before"
    ) in again
    assert values(topics, "ref.instruments") == clean
    assert len(topics.read("pipeline.dlq.decisions")) == 2


def test_operator_commands_reach_the_control_topic(topics: EdgeTopics) -> None:
    topics.write("ref.instruments", [topics.framed("ref.instruments", instrument(1))])
    done(topics.sq("control", "kill", "--reason", "maintenance"))
    done(
        topics.sq(
            "control",
            topics.cluster.url,
            "limit",
            "--name",
            "max_position",
            "--value",
            "0.5",
            "--at",
            "2024-01-01T00:30:00",
        )
    )
    done(topics.sq("control", "rearm", "--scope", "instrument", "--id", "1"))
    refused(
        topics.sq("control", "kill", "--scope", "instrument", "--id", "9"),
        "no instrument 9 in ref.instruments of the cluster; it has 1",
    )
    refused(topics.sq("control", "limit", "--name", "max_positon", "--value", "1"), "max_position")
    refused(topics.sq("control", "kill", "--at", "2100-01-01"), "lies in the future")
    refused(topics.sq("control", "kill", "--out", "x"), "--out is for a command into a recording")
    found = [
        codec("ControlCommand").decode_records(value[5:], 1)[0]
        for value in values(topics, "control")
    ]
    assert [
        (ControlKind(each.kind).name, each.name, each.value, each.issued_by, each.instrument)
        for each in found
    ] == [
        ("KILL", "", "", "tester", 0),
        ("LIMIT", "max_position", "0.5", "tester", 0),
        ("REARM", "", "", "tester", 1),
    ]
    assert (
        found[1].event_time == 1_704_069_000_000_000_000
        and found[0].event_time > 1_704_069_000_000_000_000
    )


def test_a_skip_names_one_record_that_is_there(topics: EdgeTopics) -> None:
    topics.write("md.trades", [topics.framed("md.trades", TRADE)] * 3)
    refused(
        topics.sq("skip", "md.trades/0/9", "--reason", "r"),
        r"holds offsets 0 to \d; there is no md.trades/0/9",
    )
    refused(topics.sq("skip", "md.trades/4/0", "--reason", "r"), "has 1 partitions")
    refused(topics.sq("skip", "md.trade/0/0", "--reason", "r"), "md.trades")
    refused(topics.sq("skip", "fills/0/0", "--reason", "r"), "fills is no input of pipeline")
    refused(topics.sq("skip", "md.trades-1", "--reason", "r"), "write TOPIC/PARTITION/OFFSET")
    done(
        topics.sq(
            "skip",
            "md.trades/0/1",
            "--reason",
            "price corrected by the venue",
            "--topology",
            "market",
        )
    )
    (value,) = values(topics, "control")
    command = codec("ControlCommand").decode_records(value[5:], 1)[0]
    assert skip_of(command) == SkipRequest("md.trades", 0, 1, "market")
    assert (command.reason, command.issued_by) == ("price corrected by the venue", "tester")


def test_a_missing_topic_and_an_absent_registry_are_said_in_one_line(topics: EdgeTopics) -> None:
    refused(
        topics.sq("dlq", "list", SQ_KAFKA_ENVIRONMENT="elsewhere"),
        r"no topic elsewhere\.pipeline\.dlq",
    )
    refused(
        topics.sq("status", SQ_KAFKA_ENVIRONMENT="elsewhere"),
        r"environment elsewhere is not set up .*sq topics apply",
    )
    refused(
        topics.sq("control", "kill", SQ_KAFKA_REGISTRY="http://127.0.0.1:1"),
        "registry at http://127.0.0.1:1 does not answer",
    )
    refused(topics.sq("dlq", "list", "--topology", "market"), r"no topic .*market\.dlq")
