"""Intervals of integer expressions in kernels, from the declared ranges of names: see
test_integer_bounds.py.

A range is text: "low..high" or "size" for -size..size, of expressions over the constants of
``streams.numeric.bounds``. Floats and unsigned words are no intervals (``None``): the first round,
the second wrap on purpose, in ``wide.py`` and in hashes.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from streams.numeric import bounds

ROOT = Path(__file__).resolve().parents[2]
KERNELS = {
    "kernel", "inlined", "borrowing_kernel", "unlocked_borrowing_kernel", "unlocked_kernel",
    "inlined_kernel", "inner_kernel", "step_kernel",
    "shared_step",
}  # fmt: skip
LOW, HIGH = -(1 << 63), (1 << 63) - 1
SMALL = 1 << 16
Interval = tuple[int, int]
NO_INTERVAL = ("float", "wide")
"""Floats round; wide integers (``int128.py``) saturate, and what is booked of them is checked."""
CONSTANTS = {name: value for name, value in vars(bounds).items() if name.isupper()}


class Undeclared(Exception):
    """A name whose range nothing declares."""


def evaluate(text: str) -> int:
    """The value of a bound."""
    return int(eval(text, {"__builtins__": {}}, dict(CONSTANTS)))  # noqa: S307  (the table's own text)


def range_of(text: str) -> Interval | None:
    """A declared range."""
    if text in NO_INTERVAL:
        return None
    low, dots, high = text.partition("..")
    return (evaluate(low), evaluate(high)) if dots else (-evaluate(low), evaluate(low))


def kernels(path: Path) -> Iterator[ast.FunctionDef]:
    """The compiled functions of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and any(
            isinstance(each, ast.Name) and each.id in KERNELS for each in node.decorator_list
        ):
            yield node


def constants_of(path: Path) -> dict[str, Any]:
    """Names of the module that hold a number."""
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return {name: value for name, value in vars(module).items() if not name.startswith("__")}


class Reader:
    """Evaluates the expressions of one module.

    Args:
        ranges: by name of a variable, field or column.
        constants: of the module.
    """

    def __init__(self, ranges: Mapping[str, str], constants: Mapping[str, Any]) -> None:
        self.ranges = {name: range_of(text) for name, text in ranges.items()}
        self.constants = constants
        self.used: set[str] = set()

    def named(self, node: ast.expr) -> str:
        """What a variable, field or column is called: the field of a record, the column of an
        order, the array of a scalar.
        """
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Attribute):
            return node.attr
        if isinstance(node, ast.Subscript):
            place = node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) else node.slice
            if isinstance(place, ast.Name) and place.id.isupper():
                return place.id
            return self.named(node.value)
        return ast.unparse(node)

    def of_name(self, node: ast.expr) -> Interval | None:
        name = self.named(node)
        if isinstance(node, ast.Name | ast.Attribute) and name in self.constants and name.isupper():
            return self.of_constant(self.constants[name])
        if name not in self.ranges:
            raise Undeclared(name)
        self.used.add(name)
        return self.ranges[name]

    def of_constant(self, value: Any) -> Interval | None:
        kind = type(value).__name__
        if kind in ("float", "float64", "uint64"):
            return None
        return int(value), int(value)

    def interval(self, node: ast.expr) -> Interval | None:
        """The interval of an expression; None where it is no signed integer. Raises Undeclared."""
        if isinstance(node, ast.Constant):
            return self.of_constant(node.value)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return self.of_name(node)
        if isinstance(node, ast.UnaryOp):
            inner = self.interval(node.operand)
            if inner is None or isinstance(node.op, ast.USub):
                return None if inner is None else (-inner[1], -inner[0])
            return -inner[1] - 1, -inner[0]
        if isinstance(node, ast.IfExp):
            return joined(self.interval(node.body), self.interval(node.orelse))
        if isinstance(node, ast.BinOp):
            return self.of_operation(node)
        if isinstance(node, ast.Call):
            return self.of_call(node)
        if isinstance(node, ast.Compare | ast.BoolOp):
            return 0, 1
        raise Undeclared(ast.unparse(node))

    def of_call(self, node: ast.Call) -> Interval | None:
        name = ast.unparse(node.func)
        if name in (
            "np.uint64",
            "np.float64",
            "math.sqrt",
            "wide",
            "join",
            "share",
        ) or name.startswith("wide."):
            return None
        if name == "np.int64":
            return self.interval(node.args[0])
        if name in ("min", "max"):
            return extreme(name, [self.interval(each) for each in node.args])
        if name == "abs":
            inner = self.interval(node.args[0])
            return None if inner is None else (0, max(-inner[0], inner[1]))
        if name == "len":
            return 0, 1 << 40
        return self.of_name(node.func)

    def of_operation(self, node: ast.BinOp) -> Interval | None:
        left, right = self.interval(node.left), self.interval(node.right)
        if left is None or right is None or isinstance(node.op, ast.Div):
            return None
        return applied(node.op, left, right)


def joined(one: Interval | None, other: Interval | None) -> Interval | None:
    """The smallest interval that holds both."""
    return None if one is None or other is None else (min(one[0], other[0]), max(one[1], other[1]))


def extreme(name: str, found: list[Interval | None]) -> Interval | None:
    """Of min or max."""
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None
    choose = min if name == "min" else max
    return choose(each[0] for each in known), choose(each[1] for each in known)


def applied(operator: ast.operator, left: Interval, right: Interval) -> Interval:
    """The interval of ``left operator right``."""
    if isinstance(operator, ast.Add):
        return left[0] + right[0], left[1] + right[1]
    if isinstance(operator, ast.Sub):
        return left[0] - right[1], left[1] - right[0]
    if isinstance(operator, ast.Mult):
        ends = [a * b for a in left for b in right]
        return min(ends), max(ends)
    if isinstance(operator, ast.LShift):
        ends = [a << max(b, 0) for a in left for b in right]
        return min(ends), max(ends)
    if isinstance(operator, ast.Mod):
        size = max(abs(right[0]), abs(right[1]))
        return (0 if left[0] >= 0 else -size), min(
            size, max(left[1], size if left[0] < 0 else left[1])
        )
    if isinstance(operator, ast.BitAnd) and right[0] >= 0:
        return 0, min(left[1], right[1]) if left[0] >= 0 else right[1]
    if isinstance(operator, ast.RShift) and right[0] == right[1]:
        return left[0] >> right[0], left[1] >> right[0]
    size = max(abs(each) for each in (*left, *right))
    if isinstance(operator, ast.FloorDiv | ast.RShift):
        size = max(abs(left[0]), abs(left[1]))
        return (0 if left[0] >= 0 and right[0] >= 0 else -size), size
    return (0 if left[0] >= 0 and right[0] >= 0 else -size - 1), (1 << size.bit_length()) - 1
