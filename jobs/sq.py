"""The ``sq`` command: record, generate, backtest, verify, replay, report, look inside.

Exit codes: 0 done, 1 the check or the data says no, 2 wrong use.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable

from jobs.helping import CommandsFormatter, Parser
from jobs.interpreter import settle
from schemas.errors import ShrivenError, WrongUse
from schemas.user_topics import scope
from schemas.version import VERSION

COMMANDS = {
    "import": "importing",
    "check": "check",
    "merge": "merging",
    "export": "export",
    "features": "features",
    "generate": "generating",
    "instruments": "instruments",
    "charges": "charges",
    "topics": "topics",
    "cat": "cat",
    "backtest": "backtest",
    "verify": "verify",
    "replay": "replay",
    "report": "report",
    "control": "controlling",
    "kafka": "kafka",
    "feed": "feed",
    "pull": "pull",
    "archive": "archive",
    "run": "run",
    "stop": "stop",
    "status": "status",
    "lag": "lag",
    "canary": "canary",
    "monitor": "monitor",
    "dlq": "dlq",
    "skip": "skip",
    "project": "project",
    "bench": "bench",
    "cache": "cache",
}
"""Command to its module in ``jobs.commands``."""
GOES_ON, STARTS_OVER = (
    "; what was committed stays, run the same command again to go on",
    "; run the same command again, it starts over",
)
AFTER_INTERRUPT = {
    **dict.fromkeys(("backtest", "replay"), GOES_ON),
    **dict.fromkeys(("import", "merge", "generate", "control", "report"), STARTS_OVER),
}
"""What happens to what an interrupted command had written, where it writes something."""
COMPILING = (
    "import", "features", "check", "generate", "cat", "backtest", "verify", "replay", "run",
)  # fmt: skip
"""Commands that compile at once whatever they are asked: where what they compile cannot be kept,
they say so first.
"""
EPILOG = """\
a first round, without any data:
  sq generate --minutes 60 --seed 7 --out data/toy
  sq backtest data/toy --strategy ema-cross --out runs/a
  sq verify runs/a
"""


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole command line; with ``only``, just that command's part is loaded."""
    root = Parser(
        prog="sq",
        description="ShrivenQuant: backtests that replay exactly, and prove it.",
        epilog=EPILOG,
        formatter_class=CommandsFormatter,
    )
    root.add_argument("--version", action="version", version=f"sq {VERSION}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        if only is None or name == only:
            importlib.import_module(f"jobs.commands.{COMMANDS[name]}").add(commands)
    return root


def _explained(problem: Exception) -> ShrivenError | None:
    """What Kafka's client or the registry's said of a cluster, in our words; None of anything else.
    """
    package = type(problem).__module__.partition(".")[0]
    if package not in ("confluent_kafka", "cimpl"):
        return None
    from confluent_kafka import KafkaException
    from confluent_kafka.schema_registry.error import SchemaRegistryError

    from schemas.registry import RegistryRefused
    from streams.log.kafka.errors import explain

    if isinstance(problem, SchemaRegistryError):
        return RegistryRefused(
            f"the schema registry refuses: {' '.join(str(problem).split())}; check "
            "SQ_KAFKA_REGISTRY"
        )
    return explain(problem) if isinstance(problem, KafkaException) else None


def _after_system_error(problem: OSError) -> str:
    """What to do, or what is certain."""
    frames = traceback.extract_tb(problem.__traceback__)
    if any(
        frame.filename.endswith(os.path.join("numba", "core", "caching.py")) for frame in frames
    ):
        return (
            "compiled code could not be kept; make room for it, or name another folder with "
            "SQ_KERNEL_CACHE"
        )
    return "nothing else was changed"


def _refuse_bytes(given: list[str]) -> None:
    """Refuse an argument that is no UTF-8: no manifest, record or report can hold it. Raises
    WrongUse.
    """
    for each in given:
        try:
            each.encode()
        except UnicodeEncodeError:
            raise WrongUse(f"{ascii(each)} is no UTF-8 text; rename the file or folder") from None


def _say(problem: ShrivenError) -> None:
    """One line on standard error."""
    sys.stderr.write(f"sq: {problem}\n")


def main(
    arguments: list[str] | None = None, on_error: Callable[[ShrivenError], None] = _say
) -> int:
    """Run one command; typed errors become one line on standard error, or go to ``on_error``."""
    given = sys.argv[1:] if arguments is None else arguments
    only = given[0] if given and given[0] in COMMANDS else None
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a symbol that the console cannot show is shown escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        _refuse_bytes(given)
        chosen = parser(only).parse_args(given)
        if only in COMPILING:
            from jobs.kernel_cache import check_writable

            check_writable()
        with scope():  # users' topics that the command comes to know
            return int(chosen.run(chosen))
    except ShrivenError as problem:
        on_error(problem)
        return problem.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write(f"sq: interrupted{AFTER_INTERRUPT.get(only or '', '')}\n")
        return 128 + signal.SIGINT
    except MemoryError:
        sys.stderr.write("sq: out of memory; lower --batch, or run on a machine with more\n")
        return 1
    except OSError as problem:
        what = f"{problem.strerror or problem}{f': {problem.filename}' if problem.filename else ''}"
        sys.stderr.write(f"sq: {what}; {_after_system_error(problem)}\n")
        return 1
    except Exception as problem:  # noqa: BLE001 - a defect of ours still ends in words; SQ_TRACE=1 shows where
        if os.environ.get("SQ_TRACE"):
            raise
        explained = _explained(problem)
        if explained is not None:
            on_error(explained)
            return explained.exit_code
        frame = traceback.extract_tb(problem.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
        what = f"{type(problem).__name__}: {problem} ({place})"
        sys.stderr.write(
            f"sq: a defect in sq itself: {what}; please report it with the output of SQ_TRACE=1\n"
        )
        return 1


def command(on_error: Callable[[ShrivenError], None] = _say) -> int:
    """The command as the shell calls it: under an interpreter whose settings change no result."""
    try:
        settle(sys.argv[1:])
    except WrongUse as problem:
        on_error(problem)
        return problem.exit_code
    code = main(on_error=on_error)
    if "numba" in sys.modules:
        from jobs.kernel_cache import tidy

        with contextlib.suppress(OSError):  # a cache that cannot be tidied changes no result
            tidy()
    return code


if __name__ == "__main__":
    sys.exit(command())
