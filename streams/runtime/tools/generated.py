"""Generated modules: text that lives in the kernel cache under a name holding its hash."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from schemas.cache_root import cache_root

PREFIX = "sq_loop_"


def is_generated(name: str) -> bool:
    """True for the name of a generated module."""
    return name.startswith(PREFIX)


def load_module(text: str, salt: bytes = b"") -> ModuleType:
    """Import the text as a module that lives in the kernel cache under a name holding its hash (and
    ``salt``: a user file's digest).
    """
    digest = hashlib.sha256(salt + text.encode()).hexdigest()[:24]
    name = f"{PREFIX}{digest}"
    if name in sys.modules:
        return sys.modules[name]
    folder = cache_root() / "loops"
    folder.mkdir(parents=True, exist_ok=True)
    path: Path = folder / f"{name}.py"
    if not path.exists() or path.read_text() != text:
        draft = folder / f"{name}.{os.getpid()}"
        draft.write_text(text)
        os.replace(draft, path)
    return load_file(path)


def load_file(path: Path) -> ModuleType:
    """Import a generated module by its file, whose name is the module's."""
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import the generated loop {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
