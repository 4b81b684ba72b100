"""Which names a source file binds, scope by scope, and what kind of thing each is: what the
allow-list for strategies must know of a file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from streams.runtime.tools.words import words

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
NESTED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda

# kinds of names
MODULE, CLASS, FUNCTION, CONSTANT, TABLE, MADE, LOCAL = (
    "module",
    "class",
    "function",
    "constant",
    "table",
    "made",
    "local",
)
"""``TABLE``: a list or dict of constants; ``MADE``: the result of a call, which may be anything;
``LOCAL``: a variable of a function.
"""


class Binding(NamedTuple):
    """A name: its kind, and for what is imported its full name."""

    kind: str
    target: str = ""


def is_main_guard(node: ast.AST) -> bool:
    """True for ``if __name__ == "__main__":``, whose body no strategy ever executes; its ``else``
    is executed.
    """
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def executed(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body, those of a main guard's ``else`` in its place."""
    for node in body:
        if is_main_guard(node):
            assert isinstance(node, ast.If)
            yield from executed(node.orelse)
        else:
            yield node


def own_nodes(body: list[ast.AST]) -> Iterator[ast.AST]:
    """Every node of a scope, those of the scopes inside it left out, their heads included."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if is_main_guard(node):
            assert isinstance(node, ast.If)
            waiting.extend(node.orelse)
        elif not isinstance(node, NESTED):
            waiting.extend(ast.iter_child_nodes(node))


def bound_names(body: list[ast.AST]) -> dict[str, ast.AST]:
    """Name -> the node that binds it, of one scope; of several the last."""
    found: dict[str, ast.AST] = {}
    for node in own_nodes(body):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found[node.id] = node
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update(
                {alias.asname or alias.name.partition(".")[0]: node for alias in node.names}
            )
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found[node.name] = node
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found[node.rest] = node
    return found


def parameters(node: Function) -> list[ast.arg]:
    """All parameters, in order."""
    found = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return found + [each for each in (node.args.vararg, node.args.kwarg) if each is not None]


def declared(tree: ast.Module) -> tuple[set[str], set[str]]:
    """(fields, methods) that the file's classes declare, with the names of the fields of its
    arrays.
    """
    fields: set[str] = set()
    methods: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for item in executed(node.body):
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    fields.add(item.target.id)
                elif isinstance(item, ast.Assign):
                    fields.update(each.id for each in item.targets if isinstance(each, ast.Name))
                elif isinstance(item, ast.FunctionDef):
                    methods.add(item.name)
                elif isinstance(item, ast.ClassDef):
                    fields.add(item.name)
        elif isinstance(node, ast.FunctionDef) and node.name == "__init__":
            fields.update(_attributes_set(node))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "np.dtype",
            "numpy.dtype",
            "dtype",
        ):
            fields.update(
                each.value
                for each in ast.walk(node)
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )
    return fields, methods


def _attributes_set(constructor: ast.FunctionDef) -> set[str]:
    """Names that a constructor gives to the attributes of its own object."""
    owner = constructor.args.args[0].arg if constructor.args.args else ""
    return {
        node.attr
        for node in ast.walk(constructor)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == owner
    }


def kind_of_value(node: ast.expr | None) -> str:
    """Kind of what a module or a class is given as the value of a name."""
    if node is None or _is_constant(node):
        return CONSTANT
    if isinstance(node, ast.Dict):
        return (
            TABLE
            if all(each is not None and _is_constant(each) for each in (*node.keys, *node.values))
            else MADE
        )
    if isinstance(node, ast.List | ast.Set):
        return TABLE if all(_is_constant(each) for each in node.elts) else MADE
    return MADE


CONSTANT_CALLS = (
    words(
        "int float str bool bytes frozenset range len abs round min max sum np.dtype numpy.dtype "
        "np.int64 np.uint64 np.float64 np.int32 np.uint8 Decimal decimal.Decimal Fraction "
        "fractions.Fraction msgspec.Meta Meta TypeVar auto enum.auto math.sqrt math.isqrt sqrt "
        "isqrt"
    )
)


def _is_constant(node: ast.expr) -> bool:
    """True for an expression whose value cannot change."""
    if isinstance(node, ast.Constant | ast.Name):
        return True
    if isinstance(node, ast.Attribute):
        return _is_constant(node.value)
    if isinstance(node, ast.Tuple):
        return all(_is_constant(each) for each in node.elts)
    if isinstance(node, ast.UnaryOp):
        return _is_constant(node.operand)
    if isinstance(node, ast.BinOp):
        return _is_constant(node.left) and _is_constant(node.right)
    if isinstance(node, ast.BoolOp):
        return all(_is_constant(each) for each in node.values)
    if isinstance(node, ast.Compare):
        return all(_is_constant(each) for each in (node.left, *node.comparators))
    if isinstance(node, ast.IfExp):
        return all(_is_constant(each) for each in (node.test, node.body, node.orelse))
    if isinstance(node, ast.Subscript):  # an alias of a type
        return isinstance(node.value, ast.Name) and (
            node.value.id[0].isupper() or node.value.id in ("list", "dict", "tuple", "set", "type")
        )
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        if name in ("tuple", "frozenset") or name.endswith("MappingProxyType"):
            return all(_is_constant(each) or kind_of_value(each) == TABLE or isinstance(each,
            ast.GeneratorExp) and _is_constant(each.elt)
                       for each in node.args)  # fmt: skip
        return name in CONSTANT_CALLS
    return False
