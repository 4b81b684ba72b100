"""A command on behalf of ``import shrivenquant``: as the shell calls it, its typed error handed
back.

Run as ``python -P -m jobs.called COMMAND ...``. It is the ``sq`` command, with the same exit codes,
under the same hash seed (see ``jobs.sq.command``). Only a typed error goes another way: as one JSON
object, its class and its text, into the file descriptor that ``SQ_ERRORS`` names.
"""

from __future__ import annotations

import json
import os
import sys

from jobs.sq import command
from schemas.errors import ShrivenError

ERRORS = "SQ_ERRORS"
"""Environment variable: number of the file descriptor for the error."""


def hand_back(problem: ShrivenError) -> None:
    """Write the error for the process that called."""
    kind = type(problem)
    content = {"module": kind.__module__, "name": kind.__qualname__, "text": str(problem)}
    with os.fdopen(int(os.environ[ERRORS]), "w") as errors:
        errors.write(json.dumps(content))


if __name__ == "__main__":
    sys.exit(command(hand_back))
