"""Threads for what does not wait for the order-side stages: one prepares batches ahead of them, one
writes batches behind them.

Kernels over a whole input batch, hashing and file access run without the interpreter's lock, so
beside them the order-side stages' Python goes on. What is handed over is not shared: a batch is
prepared into arrays of its own, and its writing starts when its order-side stages are done. So
nothing that comes out depends on how the threads are timed:

- one thread prepares, one writes, each in the order of batches;
- a batch is written only when the one before was written without error;
- an error ends the run after what was handed over before is done, as if the threads were one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")
SWITCH_SECONDS = 0.00002
"""How long the other thread waits for the interpreter's lock, which it needs for moments between
two kernels; at the usual 5 ms, and still at 0.2 ms, it waits longer than it works."""


class Overlap:
    """The other threads, for as long as the context is open."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "prepare")
        self._writer = ThreadPoolExecutor(1, "write")
        self._commit: Future[None] | None = None

    def __enter__(self) -> Overlap:
        self._switch = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._pool.shutdown(wait=True)
            self._writer.shutdown(wait=True)
            self.settle()  # an error of an earlier batch goes before one of a later
        finally:
            sys.setswitchinterval(self._switch)

    def submit(
        self, work: Callable[Given, Result], *arguments: Given.args, **named: Given.kwargs
    ) -> Future[Result]:
        """Prepare on the other thread, after what was handed over before."""
        return self._pool.submit(work, *arguments, **named)

    def commit(self, write: Callable[..., None], *arguments: Any) -> None:
        """Write a batch on the writing thread, once the one before is written.

        Raises:
            Exception: whatever the writing of the batch before raised; this one is not written.
        """
        self.settle()
        self._commit = self._writer.submit(write, *arguments)

    def check(self) -> None:
        """Raise what the last writing raised, if it has ended."""
        if self._commit is not None and self._commit.done():
            self._commit.result()

    def settle(self) -> None:
        """Wait for the last writing; raises what it raised."""
        if self._commit is not None:
            self._commit.result()
