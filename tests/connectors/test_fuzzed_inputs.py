"""Recordings and commands that nobody meant, seed after seed for a few seconds of CPU. What must
hold, whatever comes: a typed error or a closed log, every line accounted for once, every topic in
its order, every stamp near its receipt. A failure names its seed.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from binance_lines import (
    MS,
    T0,
    records,
    snapshot,
    spot_depth,
    spot_ticker,
    spot_trade,
    usdm_depth,
    usdm_ticker,
    usdm_trade,
)

from connectors.captures.importer import import_binance
from connectors.ordering import survey
from jobs.sq import main
from schemas.errors import ShrivenError
from schemas.vocabulary import Flag
from streams.log.local import LocalLog
from streams.log.manifest import read_manifest
from streams.log.verify import verify_files

CPU_SECONDS, SEEDS_MIN = 3.0, 30
Draw = random.Random
ESTIMATED_TIME = int(Flag.ESTIMATED_TIME)


def seeds() -> Iterator[int]:
    """Seeds from 0 on, until the time is used up."""
    end = time.process_time() + CPU_SECONDS
    seed = 0
    while seed < SEEDS_MIN or time.process_time() < end:
        yield seed
        seed += 1


def plain(draw: Draw) -> list[bytes]:
    """Two spot symbols and a perpetual, an event each 100 ms."""
    lines: list[bytes] = [snapshot(100), snapshot(100, T=T0)]
    last = 100
    for number in range(1, draw.randint(5, 60)):
        now = T0 + 100 * number
        text = draw.choice(
            [
                spot_trade(number, now),
                usdm_trade(number, now),
                spot_ticker(1000 + number),
                usdm_ticker(1000 + number, time=now),
                spot_depth(last + 1, last + 3, time=now),
                usdm_depth(last + 1, last + 3, last, time=now),
            ]
        )
        last += 3 if b"depthUpdate" in text else 0
        if draw.random() < 0.3:
            text = text.replace(b"btcusdt", b"ethusdt").replace(b"BTCUSDT", b"ETHUSDT")
        lines.append(f"{(now + draw.randint(0, 40)) * MS} ".encode() + text.split(b" ", 1)[1])
    return lines


def _event(draw: Draw, text: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    received, _, message = text.partition(b" ")
    try:
        whole = json.loads(message)
        change(whole.get("data", whole))
    except (ValueError, TypeError, AttributeError):
        return text
    return received + b" " + json.dumps(whole).encode()


def change_line(draw: Draw, text: bytes) -> bytes:
    """One line with one of the kinds of damage that recordings were found with."""
    numbers = [
        0,
        -1,
        1,
        2**31,
        2**53 + 1,
        2**63 - 1,
        2**63,
        10**30,
        1.5,
        "1",
        "",
        None,
        True,
        [],
        {},
        "NaN",
        "1e5",
        "0.00001",
        61800.1,
    ]
    kind = draw.randrange(9)
    if kind == 0:  # a stamp
        wrong = draw.choice([240_000, 3_000_000, -441_504_000_000, -300_000, 86_400_000])
        return _event(
            draw,
            text,
            lambda data: data.update(
                {name: data[name] + wrong for name in ("T", "E") if isinstance(data.get(name), int)}
            ),
        )
    if kind == 1:  # a field
        return _event(
            draw,
            text,
            lambda data: data.update({draw.choice([*data] or ["p"]): draw.choice(numbers)}),
        )
    if kind == 2:  # a field less
        return _event(draw, text, lambda data: data.pop(draw.choice([*data] or ["p"]), None))
    if kind == 3:  # another unit
        return _event(
            draw,
            text,
            lambda data: data.update(
                {name: data[name] * 1000 for name in ("T", "E") if isinstance(data.get(name), int)}
            ),
        )
    if kind == 4:  # another form of the receive time
        received, _, message = text.partition(b" ")
        if not received.isdigit():
            return text
        value = int(received)
        forms = [
            b"%d" % (value // 1000),
            b"%d" % (value // 10**6),
            b"%d:" % value,
            b"",
            b"-1",
            b"0",
        ]
        return (
            draw.choice([*forms, b"%d.%d:" % (value // 10**9, value % 10**9 // 1000)])
            + b" "
            + message
        )
    if kind == 5:  # bytes
        place = draw.randrange(len(text) + 1)
        return text[:place] + draw.randbytes(draw.randrange(4)) + text[place + draw.randrange(4) :]
    if kind == 6:  # an aggregated trade
        return text.replace(b"@trade", b"@aggTrade").replace(b'"t":', b'"f":1,"l":3,"a":')
    if kind == 7:  # numbers without quotes
        return text.replace(b'"0.', b"0.").replace(b'000"', b"000")
    return draw.choice(
        [
            b"",
            b"  ",
            b"\r",
            b"garbage",
            snapshot(draw.choice([99, 100, 130, 10**12])),
            text[: len(text) // 2],
            text + text,
        ]
    )


def changed(draw: Draw) -> bytes:
    """A file."""
    lines = plain(draw)
    for _ in range(draw.randrange(8)):
        place = draw.randrange(len(lines))
        kind = draw.randrange(6)
        if kind < 3:
            lines[place] = change_line(draw, lines[place])
        elif kind == 3:
            lines.insert(place, draw.choice(lines))
        elif kind == 4:
            lines[place:] = lines[place:] + lines[:place]
        else:
            del lines[place]
    end = draw.choice([b"\n", b"\n", b"\r\n"])
    text = draw.choice([b"", b"", b"\xef\xbb\xbf"]) + end.join(lines) + draw.choice([b"", end])
    form = draw.randrange(8)
    if form == 0:
        return text.decode("latin-1").encode(draw.choice(["utf-16", "utf-16-le", "utf-32"]))
    if form <= 3:
        half = len(text) // 2
        packed = bytearray(
            gzip.compress(text[:half], mtime=0)[: -draw.choice([8, 30]) if form == 1 else None]
            + gzip.compress(text[half:], mtime=0)
        )
        for _ in range(draw.choice([0, 0, 1, 20])):
            packed[draw.randrange(len(packed))] = draw.randrange(256)
        return bytes(packed)
    return text


def check(log: Path, lines: int) -> None:
    """What holds of every log that an import closed. A venue's own time lies at most an hour ahead
    of its receipt; an estimated one is its neighbours', where the recorder's stamp is damaged too.
    """
    manifest = read_manifest(log / "log.json")
    assert verify_files(log, manifest) == []
    facts = manifest["import"]
    kept = sum(
        count
        for topic, count in facts["counts"].items()
        if topic.startswith("md.") or topic == "import.dlq"
    )
    assert kept + sum(facts["set_aside"].values()) == facts["lines"] == lines
    with LocalLog.open(log) as opened:
        for topic in [topic for topic in opened.topics() if topic.startswith("md.")]:
            assert survey(opened.reader(topic)).is_ordered, topic
            assert all(
                each["event_time"] - each["receive_time"] <= 3600 * 10**9
                for each in records(log, topic)
                if not each["flags"] & ESTIMATED_TIME
            ), topic


def test_an_import_of_anything_ends_in_words_or_in_a_log_that_accounts_for_every_line(
    tmp_path: Path,
) -> None:
    closed = 0
    for seed in seeds():
        draw = Draw(seed)
        path, log = tmp_path / "file", tmp_path / "log"
        path.write_bytes(changed(draw))
        shutil.rmtree(log, ignore_errors=True)
        try:
            summary = import_binance(
                [path], log, spot_time_unit=draw.choice([None, None, "ms", "us"])
            )
            check(log, summary.lines)
            closed += 1
        except ShrivenError:
            pass
        except Exception as problem:  # noqa: BLE001 - the seed belongs to it
            raise AssertionError(f"seed {seed}: {problem!r}") from problem
    assert closed > SEEDS_MIN // 3


def test_a_control_command_of_anything_ends_in_words_or_in_a_copy_in_order(
    tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\n".join([spot_trade(1), spot_trade(2, T0 + 60_000)]))
    assert main(["import", "binance", str(path), "--out", str(tmp_path / "log0")]) == 0
    words = ["kill", "rearm", "limit", "skip", "nothing", ""]
    times = [
        "2024-08-08T23:54:30",
        "2024-08-08T23:54:15",
        "2024-08-08",
        "1970-01-01",
        "9999-12-31T23:59:59",
        "-1",
        "1723161260",
        "now",
        "",
    ]
    texts = [
        "max_position",
        "1",
        "-1",
        "1e400",
        "nan",
        "0.1",
        "\U0001f4a5" * 9,
        "x" * 5000,
        " ",
        "\x00",
        "9" * 60,
        "2147483648",
    ]
    options = ["--name", "--value", "--reason", "--id", "--scope=account", "--scope=instrument"]
    made = 0
    for seed in range(60):
        draw = Draw(seed)
        out = tmp_path / f"log{made + 1}"
        given = [draw.choice(words[:3] * 3 + words), "--at", draw.choice(times[:2] * 4 + times)]
        if given[0] == "limit" and draw.random() < 0.8:
            given += ["--name", draw.choice(texts[:1] * 4 + texts), "--value", draw.choice(texts)]
        for _ in range(draw.randrange(3)):
            option = draw.choice(options)
            given += [option] if "=" in option else [option, draw.choice(texts)]
        try:
            code = main(["control", str(tmp_path / f"log{made}"), *given, "--out", str(out)])
        except SystemExit as ended:  # argparse
            code = int(ended.code or 0)
        said = capsys.readouterr().err
        assert code in (0, 1, 2) and "defect" not in said and "Traceback" not in said, (
            f"seed {seed}: {given} {said}"
        )
        if code == 0:
            made += 1
            stamps = [each["event_time"] for each in records(out, "control")]
            assert (
                stamps == sorted(stamps)
                and len(stamps) == made
                and verify_files(out, read_manifest(out / "log.json")) == []
            )
    assert made > 5
