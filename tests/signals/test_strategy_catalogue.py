"""Finding a strategy by name or file, and reading its parameters. Oracle: the words a user needs
(issue section 7) and planted mistakes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import WrongUse
from streams.signals import ema_cross
from streams.signals.catalogue import (
    STRATEGIES,
    BadParameter,
    UnknownParameter,
    UnknownStrategy,
    UnusableStrategyFile,
    find_strategy,
    load_strategy,
    strategy_file,
)
from streams.signals.ema_cross_python import EmaCross
from streams.signals.strategy import Strategy

FILE = """
from typing import Annotated
import msgspec
from streams.signals.strategy import Strategy

class Mine(Strategy):
    WAKES = ("quotes",)

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        size: Annotated[int, msgspec.Meta(ge=1, le=10)] = 2
        ratio: float = 0.5
        quiet: bool = False

    def on_quote(self, quote, context):
        self.signal(context, quote.instrument, 1, size=self.settings.size)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_file.py"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_of_the_catalogue_loads_with_its_defaults(name: str) -> None:
    stage, settings = load_strategy(name, {})
    assert stage.INPUTS
    assert settings == getattr(stage, "Settings")()  # noqa: B009


def test_parameters_are_read_from_text() -> None:
    stage, settings = load_strategy(
        "ema-cross", {"fast": "5", "slow": "9", "size": "100", "cooldown": "0"}
    )
    assert stage is ema_cross
    assert settings == ema_cross.Settings(fast=5, slow=9, size=100, cooldown=0)


def test_the_python_twin_has_the_same_parameters() -> None:
    stage, settings = load_strategy("ema-cross-python", {"fast": "5"})
    assert stage is EmaCross
    assert settings == ema_cross.Settings(fast=5)


@pytest.mark.parametrize(
    ("name", "near"),
    [("ema-cros", "ema-cross"), ("ema_cross", "ema-cross"), ("no-such", "known: ")],
)
def test_an_unknown_strategy_is_an_error_that_names_the_near_ones(name: str, near: str) -> None:
    with pytest.raises(UnknownStrategy, match=near):
        load_strategy(name, {})


@pytest.mark.parametrize(
    ("key", "near"), [("fats", "did you mean fast"), ("zzz", "it has: fast, slow, size, cooldown")]
)
def test_an_unknown_parameter_is_an_error_that_names_the_near_ones(key: str, near: str) -> None:
    with pytest.raises(UnknownParameter, match=near):
        load_strategy("ema-cross", {key: "1"})


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"fast": "banana"}, "banana"),
        ({"fast": "1.5"}, "fast"),
        ({"fast": ""}, "fast"),
        ({"fast": "0"}, "from 1 to"),
        ({"slow": "1000001"}, "from 1 to"),
        ({"size": "-1"}, "from 0 to"),
        ({"cooldown": "-5"}, "from 0 to"),
        ({"fast": "50"}, "fast must be below slow"),
        ({"fast": "60", "slow": "50"}, "fast must be below slow"),
    ],
)
def test_a_parameter_that_does_not_fit_is_an_error_that_says_why(
    parameters: dict[str, str], words: str
) -> None:
    with pytest.raises(BadParameter, match=words):
        load_strategy("ema-cross", parameters)


def test_a_class_of_a_users_file_is_found(file: Path) -> None:
    stage, settings = load_strategy(f"{file}:Mine", {"size": "3", "ratio": "0.25", "quiet": "true"})
    assert issubclass(stage, Strategy)
    assert (settings.size, settings.ratio, settings.quiet) == (3, 0.25, True)


def test_the_only_strategy_of_a_file_needs_no_name(file: Path) -> None:
    assert find_strategy(str(file)).__name__ == "Mine"


def test_the_same_file_is_the_same_module(file: Path) -> None:
    assert find_strategy(f"{file}:Mine") is find_strategy(str(file))


def test_a_changed_file_is_another_module(file: Path) -> None:
    before = find_strategy(f"{file}:Mine")
    file.write_text(FILE + "\n# changed\n")
    assert find_strategy(f"{file}:Mine") is not before


@pytest.mark.parametrize("value", ["0", "11", "x", "2.5"])
def test_bounds_of_a_users_parameter_hold(file: Path, value: str) -> None:
    with pytest.raises(BadParameter, match="size"):
        load_strategy(f"{file}:Mine", {"size": value})


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UnknownStrategy, match=r"absent\.py cannot be read"):
        find_strategy(str(tmp_path / "absent.py") + ":Mine")


def test_a_missing_class_is_an_error_that_names_the_near_one(file: Path) -> None:
    with pytest.raises(UnknownStrategy, match="did you mean Mine"):
        find_strategy(f"{file}:Mint")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:\n", "line 1: SyntaxError"),
        ("x = 1\nimport no_such_module_here\n", "line 2: ModuleNotFoundError"),
        ("x = 1\n\ny = x / 0\n", "line 3: ZeroDivisionError"),
    ],
)
def test_a_file_that_does_not_import_is_an_error_with_its_line(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(UnusableStrategyFile, match=words):
        find_strategy(str(path))


def test_a_file_without_a_strategy_says_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text("x = 1\n")
    with pytest.raises(UnknownStrategy, match="lacks NAME"):
        find_strategy(str(path))


def test_a_file_with_several_strategies_asks_for_a_name(file: Path) -> None:
    file.write_text(FILE + "\nclass Other(Mine):\n    pass\n")
    with pytest.raises(UnknownStrategy, match=r"my_file\.py:Other"):
        find_strategy(str(file))


def test_a_class_that_breaks_the_contract_keeps_its_own_error(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(
        "from streams.signals.strategy import Strategy\nclass Mine(Strategy):\n    WAKES = "
        "('quotes',)\n"
    )
    with pytest.raises(WrongUse, match="on_quote"):
        find_strategy(str(path))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.py:C", Path("a/b.py")),
        ("b.py", Path("b.py")),
        ("ema-cross", None),
        ("C:/x.py:D", Path("C:/x.py")),
    ],
)
def test_a_strategy_name_tells_whether_it_is_a_file(name: str, expected: Path | None) -> None:
    assert strategy_file(name) == expected
