"""Whether a live topology is still the one its journal began with: version, identity, code.

The identity (strategy and its file, parameters, cash, ...) never changes, not even after a drain:
cash, positions and open orders of the journal mean nothing under another one. Code may change at a
drain, which the journal then records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.runtime.failures import OtherIdentity
from streams.runtime.journal.made_by import check_version

FLAGS = {
    "accounts": "--accounts",
    "cash": "--cash",
    "clock": "--clock",
    "fees": "--fees",
    "latency": "--latency",
    "leverage": "--leverage",
    "parameters": "--set",
    "publish": "--publish",
    "short": "--short",
    "stages": "--ticker, or the stages' tables of --config",
    "strategy": "--strategy",
    "symbols": "--symbols",
    "user_stages": "--stage, or the [stages] tables of --config",
    "warmup": "--warmup",
}
"""How a key of the identity is given to ``sq run``; the others stand in the file of --config."""


def check_same(before: Mapping[str, Any], now: Mapping[str, Any], topology: str) -> None:
    """Refuse to go on with a journal that another version, or something else than this, began.

    Args:
        before, now: facts of the genesis record, and of what is to be started.
        topology: its name.

    Raises:
        OtherVersion: says which version made it.
        OtherIdentity: names what differs, and what can be done.
    """
    check_version(dict(before), f"topology {topology}")
    old, new = before.get("identity", {}), now.get("identity", {})
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if not differing:
        return
    named = "; ".join(_difference(key, old.get(key), new.get(key)) for key in differing)
    raise OtherIdentity(
        f"topology {topology} was begun as another one: {named}; start it as it was, or end it "
        f"with 'sq stop {topology} --close' and start this under another --name. What a topology "
        "was begun with cannot change, even after a drain; one of another name begins without the "
        "cash, positions and orders of this one, and with --start earliest trades the market data "
        "that is there again"
    )


def check_code(before: Mapping[str, Any], now: Mapping[str, Any], topology: str) -> None:
    """Refuse other code where the journal does not end with a drain. Raises OtherIdentity."""
    if before.get("code") == now.get("code"):
        return
    old, new = before.get("sources", {}), now.get("sources", {})
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    raise OtherIdentity(
        f"the journal of topology {topology} was written by other code "
        f"({', '.join(names[:5]) or 'unknown files'} differ); other code goes on only from a "
        "drain: start that version once, stop it with Ctrl-C, then start this one"
    )


def _difference(key: str, old: Any, new: Any) -> str:
    """What changed of one key; of a table only the entries that did."""
    flag = f" ({FLAGS[key]})" if key in FLAGS else ""
    if isinstance(old, dict) and isinstance(new, dict):
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        old, new = ({name: side[name] for name in changed if name in side} for side in (old, new))
    elif key == "strategy" and isinstance(old, str) and isinstance(new, str):
        names = {side.partition("@")[0] for side in (old, new)}
        if len(names) == 1 and "@" in old and "@" in new:
            flag = f" (the file {names.pop()} was edited)"
    return f"{key} was {old!r:.200}, now {new!r:.200}{flag}"
