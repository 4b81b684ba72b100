"""What the documents say exists: commands parse, configuration files load, the first strategy runs,
links and names lead somewhere.

Oracle: the program itself (its parser, its configuration reader, the strategy kit) and the file
tree.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from jobs import configuration
from jobs.sq import COMMANDS, parser
from schemas.records import Bar
from streams.runtime.tools.lint import lint_source
from streams.signals import kit
from streams.signals.catalogue import STRATEGIES

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ROOT / "docs" / "design" / "02-house.md"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
# configuration keys that are said in another way in the file, by the options' names
RENAMED = {
    "parameters": "set", "currency": "cash", "from_time": "from", "to_time": "to",
    "maker_rate": "fees", "taker_rate": "fees",
    "feed_latency": "latency", "entry_latency": "latency", "response_latency": "latency",
    "user_stages": "stages",
}  # fmt: skip
# stage settings that the pipeline gives from the top of the file
GIVEN = {
    "sizing": ("short", "warmup", "trade_from", "account", "cash"),
    "reporting": ("warmup", "trade_from", "trade_to"),
    "risk": (
        "short",
        "cash",
        "account",
        "leverage",
        "maker_rate",
        "taker_rate",
        "trade_from",
        "trade_to",
        "warmup",
    ),
    "venue": (
        "feed_latency",
        "entry_latency",
        "response_latency",
        "maker_rate",
        "taker_rate",
        "ticker",
        "data",
        "spread",
        "unsized",
        "charges",
    ),
    "portfolio": ("cash", "account"),
}


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def shell_lines() -> list[Any]:
    """Every command of every page: fenced lines, and `sq ...` in running text that is whole."""
    found = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.splitlines():
                if line.strip():
                    found.append(
                        pytest.param(
                            line.strip(), id=f"{page.relative_to(ROOT)}: {line.strip()[:80]}"
                        )
                    )
    return found


@pytest.mark.parametrize("line", shell_lines())
def test_a_documented_command_is_understood(line: str) -> None:
    words = shlex.split(line, comments=True)
    program = Path(words[0]).name
    if program == "sq":
        parser().parse_args(words[1:])
    elif program == "make":
        targets = re.findall(
            r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
        )
        assert words[1] in targets
    elif program == "python" and words[1] == "-m" and words[2] == "pytest":
        assert all((ROOT / path).exists() for path in words[3:])
    elif program == "python" and words[1] == "-m":
        assert importlib.util.find_spec(words[2]) is not None
    elif program == "cp":
        assert (ROOT / words[1]).is_file()
    else:
        pytest.fail(f"no check for {program}")


def test_every_command_has_help_with_a_description_and_a_help_for_every_option() -> None:
    choices = next(
        action.choices for action in parser()._actions if isinstance(action.choices, dict)
    )
    assert tuple(choices) == tuple(COMMANDS)
    for name, command in choices.items():
        assert command.description, name
        assert [action.dest for action in command._actions if not action.help] == [], name
        assert command.format_help().startswith(f"usage: sq {name}")


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"sq {name} " not in text] == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs" / "examples").glob("*.toml")), ids=lambda path: path.name
)
def test_an_example_configuration_loads(path: Path) -> None:
    assert configuration.build(configuration.read_file(path)).strategy in STRATEGIES


@pytest.mark.parametrize("text", [text for page in PAGES for text in blocks(page, "toml")])
def test_a_configuration_in_a_page_loads(text: str) -> None:
    configuration.build(tomllib.loads(text))


def test_the_full_example_names_every_key_and_its_default() -> None:
    given = configuration.read_file(ROOT / "docs" / "examples" / "run.toml")
    text = (ROOT / "docs" / "examples" / "run.toml").read_text(encoding="utf-8")
    for name in configuration.Configuration.__struct_fields__:
        key = RENAMED.get(name, name)
        assert name == "stages" or re.search(rf"^(# )?\[?{key}\b", text, re.MULTILINE), (
            f"{key} is missing"
        )
    built = configuration.build(given)
    plain = configuration.build({"strategy": "ema-cross", "set": given["set"]})
    for name in configuration.Configuration.__struct_fields__:
        assert name == "stages" or getattr(built, name) == getattr(plain, name), name
    assert built.stages["venue"]["ticker"] == plain.stages["venue"]["ticker"] == given["ticker"]


def test_the_full_example_names_every_setting_of_every_stage_with_its_default() -> None:
    from jobs.pipeline import stages_of

    given = configuration.read_file(ROOT / "docs" / "examples" / "run.toml")
    for stage, settings in stages_of(
        configuration.build({"strategy": "ema-cross", "ticker": "off"})
    ):
        name = stage.NAME
        if name not in configuration.STAGES:
            continue
        expected = {
            key: getattr(settings, key)
            for key in settings.__struct_fields__
            if key not in GIVEN.get(name, ())
        }
        found = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in given.get(name, {}).items()
        }
        assert found == expected, name


def test_the_first_strategy_of_the_readme_runs(tmp_path: Path) -> None:
    (source,) = blocks(ROOT / "README.md", "python")
    assert len([line for line in source.splitlines() if line.strip()]) <= 16
    assert lint_source(source, "dip.py") == []
    path = tmp_path / "dip.py"
    path.write_text(source)
    minute = 60_000_000_000
    prices = [100, 101, 99, 98, 120, 90]
    bars = [
        Bar(
            1,
            1,
            minute,
            at * minute,
            (at + 1) * minute,
            1,
            price,
            price,
            price,
            price,
            1,
            price,
            1,
            0,
            0,
            0,
        )
        for at, price in enumerate(prices)
    ]
    signals = kit.run(f"{path}:Dip", bars)
    assert [signal.direction for signal in signals] == [1, 0, 1]
    assert kit.look_ahead(f"{path}:Dip", bars, cuts=5) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [
        target for target in targets if "://" not in target and not (page.parent / target).exists()
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_modules_named_in_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = re.findall(
        r"(?<![\w/.])((?:tests|streams|schemas|connectors|jobs|docs)/[\w/.-]*\w\.(?:py|md|toml|avsc))",
        text,
    )
    made = re.findall(r"^# (\S+\.py)$|^`(schemas/\S+)`:$", text, re.MULTILINE)
    own = {name for each in made for name in each}  # the page says to make it
    assert [path for path in paths if not (ROOT / path).exists() and path not in own] == []
    modules = re.findall(r"python -m ((?:tests|streams|schemas|connectors|jobs)[\w.]*)", text)
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


ANSWERS = re.findall(
    r"^\| .+\? \| .+ \| \[`(\w+)`\]\(\.\./(.+\.py)\) \|$",
    (ROOT / "docs" / "README.md").read_text(),
    re.MULTILINE,
)


def _definitions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_each_answer_names_the_only_definition_of_that_name() -> None:
    files = [
        path
        for name in ("streams", "schemas", "jobs", "connectors")
        for path in sorted((ROOT / name).rglob("*.py"))
    ]
    places: dict[str, list[str]] = {}
    for path in files:
        for name in _definitions(path):
            places.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert len(ANSWERS) >= 10
    assert {name: places.get(name) for name, _ in ANSWERS} == {
        name: [file] for name, file in ANSWERS
    }


def test_the_design_lists_the_folders_there_are() -> None:
    """Every stage and room of ``streams`` in section 2, and nothing in it that is not there."""
    lines = re.search(r"# 2. The house\n\n```\n(.*?)```", HOUSE.read_text(encoding="utf-8"), re.S)[
        1
    ].splitlines()  # type: ignore[index]
    listed = sorted(line.split("/")[0].strip() for line in lines if line.startswith("  "))
    assert listed == sorted(path.parent.name for path in (ROOT / "streams").glob("*/__init__.py"))
    named = {line.split("/")[0]: line for line in lines if not line.startswith(" ") and "/" in line}
    assert all((ROOT / name).is_dir() for name in named)
    connectors = re.search(r"one folder each: (.*)", named["connectors"])[1].split(", ")  # type: ignore[index]
    assert connectors == sorted(
        path.parent.name for path in (ROOT / "connectors").glob("*/__init__.py")
    )
    for top, line in named.items():
        assert all((ROOT / top / name).is_dir() for name in re.findall(r"\b([a-z]+)/", line)[1:]), (
            line
        )


def test_no_page_counts_the_simulators_mutations_in_words() -> None:
    """The table of simulation.md is generated from them; a number beside it would be stale with the
    next one.
    """
    for page in PAGES:
        assert not re.search(
            r"\w+teen (broken|mutations)|\d+ (broken runners|mutations)",
            page.read_text(encoding="utf-8"),
        ), page


def test_pictures_are_small() -> None:
    assert {
        path.name: path.stat().st_size
        for path in (ROOT / "docs" / "images").iterdir()
        if path.stat().st_size > 300_000
    } == {}


def test_every_package_says_what_it_computes_and_where_to_start() -> None:
    packages = [
        path
        for top in ("schemas", "streams", "connectors", "jobs", "shrivenquant")
        for path in (ROOT / top).rglob("__init__.py")
    ]
    silent = [
        path
        for path in packages
        if path.parent.name != "compiled" and len(path.read_text(encoding="utf-8").strip()) < 60
    ]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_the_coverage_page_names_every_row_of_the_plan_once() -> None:
    text = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    named = [
        row
        for line in text.splitlines()
        if line.startswith("| ")
        for row in re.findall(r"\b[A-Z]{3}-\d+\b", line.split("|")[1])
    ]
    plan = {
        "DEV": (11,), "COR": (1, 2, 5, 6, 7, 8, 9, 10, 12, 13), "SCH": (1, 2, 3, 4, 5, 8),
        "ARC": (2, 3, 4, 5, 9),
        "BUS": (1, 2, 3, 4, 6, 9, 10, 11, 12), "ENG": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15,
        16, 18),
        "RPL": (1, 2, 4, 6, 7, 8, 10, 11, 12), "BOK": (1, 3, 4, 5, 6, 9, 10, 13), "AGG": (1, 3, 5),
        "STR": (1, 13, 14),
        "MIC": (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 17, 20), "TOX": (2, 3, 4),
        "SIG": (3, 9), "RSK": (1, 2, 4, 6, 7, 14, 18, 20), "OMS": (1, 2, 3, 9, 10, 11), "VEN": (1,
        3, 6, 7, 17, 20), "PFL": (1, 2, 3, 5, 6, 12),
        "REF": (1, 2, 3, 4, 7, 8, 11, 15), "REP": (1, 2, 8, 15, 16), "MDC": (3, 4, 5, 12, 13, 16,
        17),
        "GOL": (7,), "QLT": (9, 10), "MON": (1, 2, 3, 4, 6, 7, 8, 9, 11, 12), "LGS": (1, 6, 8),
        "STO": (1,), "OPS": (1, 2, 15), "DSC": (2,),
    }  # fmt: skip
    assert sorted(named) == sorted(
        f"{area}-{number}" for area, numbers in plan.items() for number in numbers
    )
