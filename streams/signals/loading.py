"""Import of a user's strategy with the helpers beside it, under names made from their content.

The same files are the same modules everywhere; changed ones are others, and two strategies may each
have a helper of the same name. Nothing is put on ``sys.path``: the strategy's modules have an
``__import__`` of their own, which knows the helpers and leaves the rest to Python.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from schemas.errors import WrongUse
from streams.signals.sources import StrategySources, digest_of


class UnusableStrategyFile(WrongUse):
    """A user's strategy file cannot be imported."""

    code = "unusable_strategy_file"


def import_strategy(
    sources: StrategySources, contents: Mapping[Path, bytes] | None = None
) -> ModuleType:
    """The module of a strategy, imported once.

    Args:
        contents: the files' bytes, where they were read before.

    Raises:
        UnusableStrategyFile: it, or a helper, cannot be imported; names file and line.
    """
    stem = "".join(letter if letter.isalnum() else "_" for letter in sources.main.stem)
    digest = (
        digest_of(
            {str(path): hashlib.sha256(content).hexdigest() for path, content in contents.items()}
        )
        if contents
        else sources.digest()
    )
    found = sys.modules.get(f"strategy_{stem}_{digest[:12]}")
    return (
        found
        if found is not None
        else _Importer(sources, f"strategy_{stem}_{digest[:12]}", digest, contents or {}).run()
    )


class _Importer:
    """Imports the modules of one strategy."""

    def __init__(
        self, sources: StrategySources, name: str, digest: str, contents: Mapping[Path, bytes]
    ) -> None:
        self.sources = sources
        self.name = name
        self.digest = digest
        self.contents = contents
        self.made: dict[str, ModuleType] = {}

    def run(self) -> ModuleType:
        main = self.sources.main
        try:
            return self.module(main.stem)
        except WrongUse:
            self._forget()
            raise
        except Exception as error:  # noqa: BLE001 - a user's file may fail in any way; the reader needs its line, not our frames
            self._forget()
            path, line = place_of(error, self.sources) or (main, 0)
            where = f", line {line}" if line else ""
            raise UnusableStrategyFile(
                f"strategy file {path}{where}: {type(error).__name__}: {error}; correct the file"
            ) from error

    def _forget(self) -> None:
        for module in self.made.values():
            sys.modules.pop(module.__name__, None)

    def module(self, dotted: str) -> ModuleType:
        """One of the strategy's modules; a folder without a file of its own is an empty one."""
        if dotted in self.made:
            return self.made[dotted]
        path = self.sources.modules.get(dotted)
        name = self.name if path == self.sources.main else f"{self.name}.{dotted}"
        spec = (
            importlib.util.spec_from_file_location(name, path.resolve())
            if path is not None
            else None
        )
        module = importlib.util.module_from_spec(spec) if spec is not None else ModuleType(name)
        self.made[dotted] = sys.modules[name] = module
        if spec is None or spec.loader is None:
            return module
        module.__dict__["__builtins__"] = vars(builtins) | {"__import__": self._import_for(dotted)}
        module.__dict__["__sources__"] = self.digest  # what is compiled depends on every file
        content = (
            self.contents.get(self.sources.modules[dotted])
            or self.sources.modules[dotted].read_bytes()
        )
        exec(compile(content, str(spec.origin), "exec", dont_inherit=True), module.__dict__)
        parent, _, last = dotted.rpartition(".")
        if parent:
            setattr(self.module(parent), last, module)
        return module

    def _is_ours(self, dotted: str) -> bool:
        return dotted in self.sources.modules or any(
            each.startswith(f"{dotted}.") for each in self.sources.modules
        )

    def _import_for(self, importer: str) -> Any:
        """``__import__`` for one of the strategy's modules."""

        def load(
            name: str, of: Any = None, local: Any = None, names: Any = (), level: int = 0
        ) -> Any:
            parts = importer.split(".")
            is_package = self.sources.modules[importer].name == "__init__.py"
            parent = parts[: len(parts) - level + is_package] if level else []
            full = ".".join([*parent, *([name] if name else [])])
            if level and not full:
                return self._folder(names)
            if not self._is_ours(full):
                return builtins.__import__(name, of, local, names, level)
            module = self._chain(full)
            for each in names or ():
                if self._is_ours(f"{full}.{each}"):
                    setattr(module, each, self._chain(f"{full}.{each}"))
            return module if names else self.made[full.partition(".")[0]]

        return load

    def _chain(self, full: str) -> ModuleType:
        """A module with the packages that lead to it."""
        parts = full.split(".")
        for count in range(1, len(parts) + 1):
            inner = self.module(".".join(parts[:count]))
            if count > 1:
                setattr(self.module(".".join(parts[: count - 1])), parts[count - 1], inner)
        return self.made[full]

    def _folder(self, names: Any) -> ModuleType:
        """The strategy's folder, as ``from . import helper`` sees it."""
        folder = ModuleType("folder")
        for each in names or ():
            if self._is_ours(each):
                setattr(folder, each, self._chain(each))
        return folder


def place_of(error: BaseException, sources: StrategySources) -> tuple[Path, int] | None:
    """(file, line) of the strategy's innermost frame that an exception passed through, None if it
    passed none.
    """
    ours = {str(path.resolve()): path for path in sources.modules.values()}
    if isinstance(error, SyntaxError) and str(error.filename) in ours:
        return ours[str(error.filename)], error.lineno or 0
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in ours
    ]
    return (ours[frames[-1].filename], frames[-1].lineno or 0) if frames else None
