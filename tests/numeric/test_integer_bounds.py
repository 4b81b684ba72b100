"""No integer of a kernel wraps: every sum, difference, product and shift in compiled code is
evaluated over the declared ranges of its names.

The oracle is interval arithmetic in Python integers over ``integer_bounds.toml``:

- ``ranges`` of variables, fields and columns by name, ``modules`` where one, or a folder, means
  something else by it;
- ``sums``: what accumulates (``+=``, ``-=``) by more than a literal, with the bound of all of it
  together and why;
- ``guarded``: an expression that the code around it keeps in range, with a text of that code and
  why it does;
- ``exempt``: modules of bytes, addresses and hashes, whose words wrap on purpose, and why.

Everything else must fit int64 by its ranges alone. A name plus or minus a small literal is an index
or a counter and needs none.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.numeric.integer_intervals import (
    HIGH,
    LOW,
    ROOT,
    SMALL,
    Reader,
    Undeclared,
    constants_of,
    evaluate,
    kernels,
)

TABLE: dict[str, Any] = tomllib.loads(
    (Path(__file__).parent / "integer_bounds.toml").read_text(encoding="utf-8")
)
CHECKED = (ast.Add, ast.Sub, ast.Mult, ast.LShift)
MODULES = sorted(
    path
    for path in (ROOT / "streams").rglob("*.py")
    if str(path.relative_to(ROOT)) not in TABLE["exempt"] and any(True for _ in kernels(path))
)


def is_step(node: ast.expr) -> bool:
    """True for an integer literal that is small: a place beside a place, one more of a count."""
    value = node.operand if isinstance(node, ast.UnaryOp) else node
    return (
        isinstance(value, ast.Constant)
        and isinstance(value.value, int)
        and abs(value.value) <= SMALL
    )


def is_place(node: ast.BinOp) -> bool:
    """True for a name plus or minus a small literal."""
    sides = (node.left, node.right)
    return (
        isinstance(node.op, ast.Add | ast.Sub)
        and any(map(is_step, sides))
        and any(isinstance(each, ast.Name) for each in sides)
    )


class Checker:
    """Finds what of a text may wrap, with the table's entries it used."""

    def __init__(self, name: str, constants: dict[str, Any]) -> None:
        self.name = name
        own = [TABLE["modules"].get(each, {}) for each in (name.rpartition("/")[0], name)]
        self.reader = Reader({**TABLE["ranges"], **own[0], **own[1]}, constants)
        self.entries: set[str] = set()

    def problems(self, function: ast.FunctionDef) -> Iterator[str]:
        """Of one kernel."""
        for node in ast.walk(function):
            if isinstance(node, ast.AugAssign) and isinstance(node.op, CHECKED):
                yield from self._accumulates(function, node)
            elif (
                isinstance(node, ast.BinOp) and isinstance(node.op, CHECKED) and not is_place(node)
            ):
                yield from self._fits(function, node)

    def _key(self, function: ast.FunctionDef, node: ast.AST) -> str:
        return f"{self.name}::{function.name}::{ast.unparse(node)}"

    def _accumulates(self, function: ast.FunctionDef, node: ast.AugAssign) -> Iterator[str]:
        if is_step(node.value):
            return
        key = self._key(function, node.target)
        try:
            if self.reader.interval(node.value) is None:
                return
        except Undeclared as problem:
            yield f"{key}: the range of {problem} is not declared"
            return
        if key not in TABLE["sums"]:
            yield f"{key}: accumulates {ast.unparse(node.value)} and is not among the sums"
            return
        self.entries.add(key)
        bound, reason = TABLE["sums"][key]
        if evaluate(bound) > HIGH or not reason:
            yield f"{key}: its bound {bound} is {evaluate(bound)}, beyond int64"

    def _fits(self, function: ast.FunctionDef, node: ast.BinOp) -> Iterator[str]:
        key = self._key(function, node)
        if key in TABLE["guarded"]:
            self.entries.add(key)
            guard, reason = TABLE["guarded"][key]
            if guard not in ast.unparse(function) or not reason:
                yield f"{key}: its guard {guard!r} is not in the function"
            return
        try:
            found = self.reader.interval(node)
        except Undeclared as problem:
            yield f"{key}: the range of {problem} is not declared"
            return
        if found is not None and not LOW <= found[0] <= found[1] <= HIGH:
            yield f"{key}: may be {found[0]} to {found[1]}, beyond int64"


def check(path: Path) -> Checker:
    return Checker(str(path.relative_to(ROOT)), constants_of(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sum_difference_or_product_of_a_kernel_leaves_int64(path: Path) -> None:
    checker = check(path)
    assert [problem for function in kernels(path) for problem in checker.problems(function)] == []
    stale = {
        key
        for table in ("sums", "guarded")
        for key in TABLE[table]
        if key.startswith(f"{checker.name}::")
    } - checker.entries
    assert not stale, "these are in the table and not in the code"


PLANTED = """
@borrowing_kernel
def planted(bar, trade, other, prints):
    {line}
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bar.volume += trade.quantity", "accumulates trade.quantity"),
        ("return trade.price * trade.quantity", "beyond int64"),
        ("return trade.quantity + other.quantity", "beyond int64"),
        ("return bar.unheard_of * 2", "unheard_of is not declared"),
        ("return trade.quantity << 2", "beyond int64"),
        ("bar.cost -= trade.quantity * other.unheard_of", "unheard_of is not declared"),
        ("return trade.price + other.price", ""),
        ("prints += 1", ""),
    ],
)
def test_what_may_wrap_is_found(line: str, words: str) -> None:
    """The check itself, on planted kernels."""
    (function,) = (
        node
        for node in ast.walk(ast.parse(PLANTED.format(line=line)))
        if isinstance(node, ast.FunctionDef)
    )
    found = list(Checker("planted.py", {}).problems(function))
    assert bool(found) == bool(words) and all(words in each for each in found)
