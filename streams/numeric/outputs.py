"""The type of ``out``, what a kernel appends its rows to: one named tuple class per list of topics, the same class in every process.

Numba keys compiled code by argument types and stores the key by the class's module and name. A class made in a generated module, or anew in
every process, would be unreadable (or never equal) for the next process that reads the cache. These classes are found again by their name.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

PREFIX = "Out__"
_CLASSES: dict[str, Any] = {}


def outputs_type(topics: Sequence[str]) -> Any:
    """Named tuple class with one field per topic, dots as underscores: each field is a pair (rows, count)."""
    return _class_of(PREFIX + "__".join(topic.replace(".", "_") for topic in topics))


def __getattr__(name: str) -> Any:
    """The class of that name: how a stored reference to it is read back."""
    if name.startswith(PREFIX):
        return _class_of(name)
    raise AttributeError(name)


def _class_of(name: str) -> Any:
    known = _CLASSES.get(name)
    if known is None:
        fields = [field for field in name[len(PREFIX) :].split("__") if field]
        known = _CLASSES[name] = namedtuple(name, fields, module=__name__)  # type: ignore[misc]
    return known
