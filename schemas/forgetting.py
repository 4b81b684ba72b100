"""Caches that depend on which topics there are: a user's own come and go (``user_topics.py``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")
_CACHES: list[Callable[[], None]] = []


def forgettable(cached: Made) -> Made:
    """Marks what ``functools.cache`` made of a function: it is emptied when a topic comes or
    goes.
    """
    _CACHES.append(cached.cache_clear)  # type: ignore[attr-defined]
    return cached


def forget_all() -> None:
    """Empty them."""
    for clear in _CACHES:
        clear()
