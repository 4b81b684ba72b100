"""The process of a stranger's strategy: ``python -c`` of ``host.START``, frames on descriptors 0
and 1.

1. leave the network and the table of processes, while there is one thread
2. import what the strategy may import, and read its files
3. leave the files, bound everything else
4. import the strategy, and answer until the host closes its end

Nothing that this process says is believed but its records, ids, timer and state; the host checks
their types and bounds.
"""

from __future__ import annotations

import os
import sys
from typing import Any

MEMORY_BYTES = 512 << 20
CPU_SECONDS = 900


def main(arguments: list[str]) -> None:
    """``FILE CLASS DIGEST EMPTY PARAMETERS ROOM``: parameters as JSON; room for books, in bytes."""
    from jobs.isolation import limits

    lost = limits.leave_system()
    sys.dont_write_bytecode = True
    questions, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)

    import msgspec

    from jobs.isolation.framing import Answer, write_frame
    from jobs.isolation.serving import Server

    try:
        server = Server(arguments[0], arguments[1], arguments[2], arguments[4])
    except Exception as problem:  # noqa: BLE001 - what is wrong with its files is the answer
        write_frame(
            answers, msgspec.msgpack.encode(Answer(error=f"{type(problem).__name__}: {problem}"))
        )
        return
    lost += limits.leave_files(arguments[3])
    lost += limits.bound(MEMORY_BYTES + int(arguments[5]), CPU_SECONDS)
    server.serve(questions, answers, lost)


def start(arguments: list[str]) -> Any:
    """Run ``main``, and leave without executing anything that the strategy may have left behind."""
    try:
        main(arguments)
    finally:
        os._exit(0)
