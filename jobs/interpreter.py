"""The interpreter that ``sq`` runs under: what its environment says of it changes no result.

Dropped from the environment, and the command is started again: what makes the same strategy fail or
succeed elsewhere. As an option of the interpreter itself (``python -O -m jobs.sq``) the same is
refused, for whoever wrote it there meant it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from schemas.errors import WrongUse

HASH_SEED = "PYTHONHASHSEED"
SEED, VERIFYING_SEED = "0", "1"
CHANGING = {
    "PYTHONINTMAXSTRDIGITS": "how long an integer's text may be",
    "PYTHONOPTIMIZE": "whether assert does anything",
    "PYTHONWARNINGS": "whether a warning is an error",
}
"""Variables that change what a strategy may do, and what. ``PYTHONWARNINGS`` only where it makes
errors; other actions are the user's.
"""


def settle(arguments: Sequence[str]) -> None:
    """Start the command again under the settings that every run has, unless it has them.

    The hash seed is always the same, and another one for ``sq verify``: a strategy whose result
    depends on the order of a set gives it each time then, and is found each time. A seed that the
    user sets stays.

    Raises:
        WrongUse: an option of the interpreter changes results, or the system is Windows.
    """
    if sys.platform == "win32":
        raise WrongUse(
            "Windows is not supported: files are locked and replaced as Linux and macOS do it; run "
            "sq in WSL"
        )
    environment = os.environ
    named = [
        name
        for name in CHANGING
        if environment.get(name)
        and (name != "PYTHONWARNINGS" or makes_errors(environment[name].split(",")))
    ]
    if (named or HASH_SEED not in environment) and sys.executable:
        for name in named:
            del environment[name]
        environment.setdefault(HASH_SEED, VERIFYING_SEED if arguments[:1] == ["verify"] else SEED)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    given = {
        "PYTHONINTMAXSTRDIGITS": sys.get_int_max_str_digits()
        != sys.int_info.default_max_str_digits,
        "PYTHONOPTIMIZE": sys.flags.optimize > 0,
        "PYTHONWARNINGS": makes_errors(sys.warnoptions),
    }
    for name, is_given in given.items():
        if is_given:
            raise WrongUse(
                f"an option of the interpreter changes {CHANGING[name]}, and so what a strategy "
                "does; start sq without it"
            )


def makes_errors(filters: Sequence[str]) -> bool:
    """True if a filter of warnings has the action "error", which may be cut short."""
    actions = [each.strip().partition(":")[0] for each in filters]
    return any(action and "error".startswith(action) for action in actions)
