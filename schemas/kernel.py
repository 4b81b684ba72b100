"""The one way to compile a kernel: strict floating point, and a cache that cannot be stale.

Numba's own cache looks only at the file that holds the decorated function: a helper, a constant or
a schema edited elsewhere leaves the old machine code in use, and switching bounds checking on
leaves unchecked code in use. So every module's kernels compile into a folder whose name is a hash
over everything the machine code depends on:

1. the source of the module and of every module of ours it imports, found by parsing imports;
2. every schema file;
3. the versions of Python, Numba, llvmlite and NumPy;
4. the CPU target and every ``NUMBA_*`` environment variable but the number of threads: no kernel is
   parallel.

Numba numbers the files of a function's signatures by its index, and writes the index before the
file. Two processes that compile two signatures of one function at once would choose one number for
both, and the index could name the other's machine code. So entries are saved under a lock of the
folder.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy
from llvmlite import binding as llvm
from numba.core import config as numba_config
from numba.core.caching import IndexDataCacheFile, NullCache
from numba.core.dispatcher import Dispatcher

from schemas.cache_root import cache_root
from schemas.import_index import keep_no_index
from schemas.sources import PACKAGES, ROOT, content_digest, source_closure

config: Any = numba_config


@functools.cache
def environment_digest() -> bytes:
    """SHA-256 over what machine code depends on besides our sources: schemas, library versions, CPU
    target, ``NUMBA_*``.
    """
    digest = hashlib.sha256()
    for schema in sorted((ROOT / "schemas").glob("*.avsc")):
        digest.update(schema.read_bytes())
    facts = [
        sys.version,
        platform.machine(),
        numba.__version__,
        llvmlite.__version__,
        numpy.__version__,
    ]
    facts.append(str(config.CPU_NAME or llvm.get_host_cpu_name()))
    facts.append(
        str(
            config.CPU_FEATURES
            if config.CPU_FEATURES is not None
            else llvm.get_host_cpu_features().flatten()
        )
    )
    facts.extend(
        f"{key}={value}"
        for key, value in sorted(os.environ.items())
        if key.startswith("NUMBA_") and key != "NUMBA_NUM_THREADS"
    )
    digest.update("\n".join(facts).encode())
    return digest.digest()


@functools.cache
def cache_folder(path: Path, package: str, salt: str = "") -> Path:
    """Folder for the kernels of one source file, named by the hash of all they depend on; ``salt``:
    digest of a user's files.
    """
    digest = hashlib.sha256(environment_digest() + salt.encode())
    for file in source_closure([(path, package)]):
        digest.update(bytes.fromhex(content_digest(file)))
    return cache_root() / digest.hexdigest()[:32]


class _LockedCacheFile(IndexDataCacheFile):  # type: ignore[misc]  # Numba has no types
    """The index and the files of one function, saved by one process at a time."""

    def save(self, key: Any, data: Any) -> None:
        """Save the machine code of one signature."""
        with open(os.path.join(self._cache_path, ".lock"), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            super().save(key, data)  # type: ignore[no-untyped-call]


_KEEPING = True


def keep_nothing() -> None:
    """From now on this process compiles in memory: it reads and writes no cache of kernels.

    For a process that may open no file (``jobs/isolation``). What was compiled or loaded before
    stays.
    """
    global _KEEPING
    _KEEPING = False
    keep_no_index()
    ours = [module for name, module in sys.modules.items() if name.split(".")[0] in PACKAGES]
    for value in [value for module in ours for value in vars(module).values()]:
        if isinstance(value, Dispatcher):
            value._cache = NullCache()  # type: ignore[attr-defined, no-untyped-call]


def kernel(function: Callable[..., Any], variant: str = "", **options: Any) -> Any:
    """Compile ``function`` with strict floating point (no fast-math, no parallel loops) and a cache
    keyed by all it depends on.

    Under ``NUMBA_DISABLE_JIT=1`` it stays plain Python, which a debugger walks through.

    Args:
        variant: tells two compilations of one function with other options apart.
        options: of Numba, for the decorators made of this one.
    """
    if config.DISABLE_JIT:
        return function
    if not _KEEPING:
        return _compiled(function, False, options)
    path = Path(function.__code__.co_filename)
    module = function.__module__
    spec = (
        importlib.util.find_spec(module) if module in sys.modules and module != "__main__" else None
    )
    package = (
        module
        if spec is not None and spec.submodule_search_locations
        else module.rpartition(".")[0]
    )
    # a user's strategy: all its files
    salt = str(function.__globals__.get("__sources__", "")) + variant
    config.CACHE_DIR = str(cache_folder(path.resolve(), package, salt))
    os.makedirs(config.CACHE_DIR, exist_ok=True)
    compiled = _compiled(function, True, options)
    compiled._cache._cache_file.__class__ = _LockedCacheFile
    return compiled


def _compiled(function: Callable[..., Any], is_cached: bool, options: dict[str, Any]) -> Any:
    compiled = numba.njit(
        function, cache=is_cached, fastmath=False, parallel=False, error_model="numpy"
    )
    compiled.targetoptions.update(options)
    return compiled


def unlocked_kernel(function: Callable[..., Any]) -> Any:
    """``kernel`` that gives the interpreter's lock back while it runs, so that another thread goes
    on: for calls that take a millisecond, not one.
    """
    return kernel(function, nogil=True)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a small step that LLVM must inline into the kernels that call it; it has no cache of
    its own, for it lives in theirs.
    """
    return numba.njit(
        function, fastmath=False, parallel=False, error_model="numpy", forceinline=True
    )
