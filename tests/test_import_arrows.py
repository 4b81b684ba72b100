"""Imports point one way: shrivenquant -> jobs -> connectors -> streams.runtime -> streams.log ->
schemas; stage folders see schemas and numeric.

Oracle: design section 2, written here as a table; planted imports show that the check can fail.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAGES = (
    "aggregation",
    "toxicity",
    "microstructure",
    "signals",
    "risk",
    "routing",
    "venue",
    "portfolio",
    "reporting",
    "options",
)

# package -> packages of ours it may import, besides itself
ALLOWED: dict[str, tuple[str, ...]] = {
    "schemas": (),
    "streams.numeric": ("schemas",),
    "streams.log": ("schemas",),
    "streams.runtime": ("schemas", "streams.log", "streams.numeric"),
    "connectors": ("schemas", "streams.log", "streams.numeric", "streams.runtime"),
    "infra": ("schemas",),
    "shrivenquant": ("schemas", "streams.log", "jobs"),
    **{f"streams.{stage}": ("schemas", "streams.numeric") for stage in STAGES},
}
TOPS = ("schemas", "streams", "connectors", "jobs", "infra", "shrivenquant")


def package_of(name: str) -> str:
    """``streams.venue.fees`` -> ``streams.venue``; ``connectors.captures.x`` -> ``connectors``."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "streams" else parts[0]


def imports_of(source: str, module: str) -> list[str]:
    """Absolute names imported by a module's source."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], *([base] if base else [])])
            names += (
                [f"{base}.{alias.name}" for alias in node.names] if base == "streams" else [base]
            )
    return [name for name in names if name.split(".")[0] in TOPS]


def breaches(source: str, module: str) -> list[str]:
    """Imports of the module that point the wrong way."""
    own = package_of(module)
    # the command imports everything but the package for notebooks, which imports it
    if own in ("jobs", "tests", "streams"):
        return [name for name in imports_of(source, module) if package_of(name) == "shrivenquant"]
    return [
        name for name in imports_of(source, module) if package_of(name) not in (own, *ALLOWED[own])
    ]


ROOMS = ("failures", "tools", "order", "schedule", "journal", "recovery", "verify", "live")
"""Rooms of ``streams/runtime``: a module imports its own room and those before it."""


def room_breaches(source: str, module: str) -> list[str]:
    """Imports of a module of the runtime that lead to a later room."""
    found = []
    for name in imports_of(source, module):
        parts = name.split(".")
        if parts[:2] == ["streams", "runtime"] and len(parts) > 2:
            if ROOMS.index(parts[2]) > ROOMS.index(module.split(".")[2]):
                found.append(name)
    return found


SOURCES = sorted(path for top in TOPS for path in (ROOT / top).rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_imports_between_rooms_of_the_runtime_point_one_way(room: str) -> None:
    """Imports for types alone count too, so rooms have no circle of any kind."""
    wrong = []
    for path in SOURCES:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if module.split(".")[:3] == ["streams", "runtime", room]:
            breaches_of_module = room_breaches(path.read_text(encoding="utf-8"), module)
            wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in breaches_of_module]
    assert wrong == []


def test_a_planted_import_of_a_later_room_is_found() -> None:
    source = "from streams.runtime.recovery.task import Task"
    assert room_breaches(source, "streams.runtime.order.merge") == ["streams.runtime.recovery.task"]
    assert room_breaches(source, "streams.runtime.verify.verify") == []


@pytest.mark.parametrize(
    "package",
    sorted(
        {package_of(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in SOURCES}
    ),
)
def test_imports_of_a_package_point_one_way(package: str) -> None:
    wrong = []
    for path in SOURCES:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if package_of(module) == package:
            wrong += [
                f"{path.relative_to(ROOT)} imports {name}"
                for name in breaches(path.read_text(encoding="utf-8"), module)
            ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("streams.risk.stage", "from streams.portfolio import stage"),
        ("streams.risk.stage", "from streams import log"),
        ("streams.risk.stage", "import streams.runtime.clock"),
        ("streams.numeric.book", "from streams.aggregation.state import BAR"),
        ("streams.log.local", "from streams.runtime import journal"),
        ("streams.runtime.recovery.task", "from connectors.captures import binance"),
        ("connectors.captures.binance", "from jobs import sq"),
        ("jobs.reports", "import shrivenquant"),
        ("shrivenquant.runs", "from streams.runtime import task"),
        ("schemas.codec", "from streams.numeric import wide"),
        ("streams.venue.fees", "from ..portfolio.ledger import cash"),
    ],
)
def test_a_planted_import_against_the_arrows_is_caught(module: str, source: str) -> None:
    assert breaches(source, module)
