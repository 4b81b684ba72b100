"""What a strategy does with names: calls, what is written and changed, and what is handed on as a
value.
"""

from __future__ import annotations

import ast
from typing import Any

from streams.runtime.tools import allowed, bindings
from streams.runtime.tools.bindings import (
    CLASS,
    CONSTANT,
    FUNCTION,
    LOCAL,
    MADE,
    MODULE,
    TABLE,
    Binding,
)
from streams.runtime.tools.lint_names import EMITTED, READERS, NameReader, root_of


class UseReader(NameReader):
    """Collects (line, rule, what) of statements and expressions besides. See ``strategy_lint.py``.
    """

    def _annotation(self, node: ast.expr | None) -> None:
        raise NotImplementedError

    # -- calls

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        full = self.full_name(called)
        self._permit_head(called)
        self.called.add(id(called))
        if isinstance(called, ast.Attribute) and not self.module_of(called.value):
            self._method_call(node, called)
        if (
            isinstance(called, ast.Name)
            and (found := self.find(called.id)) is not None
            and found.kind in (TABLE, MADE)
        ):
            self.add(node, "global-state", f"{called.id} of the module is called")
        if full == "numpy.ndarray":
            self.add(node, "input-output", "np.ndarray() holds what lay in the memory before")
        name = full.rpartition(".")[2] or full
        if full in READERS or full.startswith(("numpy.", "math.")) or name in allowed.HIGHER:
            self._permit_tables(*node.args)
        self._permit_functions(node, full)
        if full in ("typing.cast", "typing.TypeVar"):
            self._annotation(node.args[0] if full == "typing.cast" and node.args else None)
        self.generic_visit(node)

    def _permit_functions(self, node: ast.Call, full: str) -> None:
        """A builtin or a function of a library takes functions and classes, and keeps neither; the
        strategy's own do not.
        """
        name, first = full.rpartition(".")[2], full.partition(".")[0]
        is_method = isinstance(node.func, ast.Attribute) and node.func.attr == "sort"
        takes_functions = first in ("numpy", "msgspec", "dataclasses") or name in (
            *allowed.BUILTINS, *allowed.HIGHER, "field", "array", "dtype"
        )  # fmt: skip
        if not is_method and (not full or first in self.files or not takes_functions):
            return
        for keyword in node.keywords:
            if keyword.arg in ("key", "default_factory", "dtype", "type"):
                self._permit_head(keyword.value)
        if name in ("isinstance", "issubclass") and len(node.args) == 2:
            self._permit_types(node.args[1])
        elif name in allowed.HIGHER and node.args:
            self._permit_head(
                node.args[1]
                if name in ("accumulate", "groupby") and len(node.args) > 1
                else node.args[0]
            )
        elif first == "numpy":
            for argument in node.args:
                if isinstance(argument, ast.Attribute | ast.Name) and self.full_name(
                    argument
                ).startswith("numpy."):
                    self._permit_head(argument)

    def _method_call(self, node: ast.Call, called: ast.Attribute) -> None:
        name, root = called.attr, root_of(called.value)
        if (
            name == "log"
            and isinstance(called.value, ast.Name)
            and self.functions
            and called.value.id in self.functions[-1].foreign
        ):
            return  # a line by the context that the function was given, not a logarithm
        if (
            name in allowed.REFUSED
            and name not in allowed.ALWAYS_REFUSED
            and not (self._is_owner(called.value) and name in self.methods)
        ):
            self.add(node, allowed.REFUSED[name], f".{name}()")
        if name in allowed.MUTATING and root is not None:
            found = self.find(root.id)
            text = ast.unparse(called)
            if (
                found is not None
                and found.kind in (CONSTANT, TABLE, MADE, CLASS, FUNCTION)
                and not self._is_function_of(called.value)
            ):
                self.add(
                    node,
                    "global-state" if found.kind in (CONSTANT, TABLE, MADE) else "program",
                    f"{text}()",
                )
            elif self._is_owner(root) and text.split(".")[1] in ("settings", "instruments"):
                self.add(node, "global-state", f"{text}() changes what no snapshot holds")
        if name == "emit":
            self._emit(node)

    def _is_function_of(self, node: ast.expr) -> bool:
        """True if a function's result, not the named thing itself, is changed."""
        while isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        return isinstance(node, ast.Call)

    def _emit(self, node: ast.Call) -> None:
        """A strategy publishes signals and requests for orders, made where they are seen."""
        value = node.args[0] if len(node.args) == 1 and not node.keywords else None
        if isinstance(value, ast.Name) and self.functions:
            value = self.functions[-1].only_value_of(value.id)
        if not (isinstance(value, ast.Call) and self.full_name(value.func) in EMITTED):
            self.add(
                node,
                "program",
                f"{ast.unparse(node)[:60]}: only Signal(...) and OrderRequest(...) are a "
                "strategy's to publish",
            )

    # -- what is written

    def _written(self, node: ast.AST, target: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for each in target.elts:
                self._written(node, each)
            return
        if isinstance(target, ast.Starred):
            self._written(node, target.value)
        if not isinstance(target, ast.Attribute | ast.Subscript):
            return
        root, text = root_of(target), ast.unparse(target)
        if root is None:
            return
        self.permitted.add(id(root))
        found = self.find(root.id)
        function = self.functions[-1] if self.functions else None
        if found is not None and found.kind != LOCAL and not self._is_function_of(target):
            rule = "program" if found.kind in (MODULE, CLASS, FUNCTION) else "global-state"
            self.add(node, rule, f"{text} is written")
        elif self._is_owner(root):
            owned = text.split(".")[1].partition("[")[0] if "." in text else ""
            if owned in ("settings", "instruments"):
                self.add(node, "global-state", f"{text} is written, and no snapshot holds it")
            elif owned in self.classnames and text.count(".") > 1:
                self.add(node, "program", f"{text} is written")
        elif function is not None and root.id in function.foreign:
            is_context = isinstance(target, ast.Attribute) and target.attr in allowed.CONTEXT
            if function.is_handler or function.is_kernel or is_context:
                self.add(
                    node, "program", f"{text} is written: records and the context are read only"
                )
        if (
            isinstance(target, ast.Attribute)
            and not self._is_owner(target.value)
            and target.attr not in self.fields
        ):
            self.add(
                node,
                "program",
                f"{text} is written: {target.attr} is declared nowhere; declare it in State",
            )

    def _is_owner(self, node: ast.AST | None) -> bool:
        """True for the name that stands for the object whose method this is."""
        return isinstance(node, ast.Name) and any(node.id == each.owner for each in self.functions)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._written(node, target)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._written(node, node.target)
        self._annotation(node.annotation)
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._written(node, node.target)
        if isinstance(node.op, ast.Pow):
            self.add(node, "unstable-math", ast.unparse(node))
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._written(node, target)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.generic_visit(node)

    # -- expressions

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._permit_tables(node.left, node.right)
        if isinstance(node.op, ast.Pow) and not (
            isinstance(node.left, ast.Constant) and isinstance(node.left.value, int)
        ):
            self.add(node, "unstable-math", f"{ast.unparse(node)[:60]}: a power")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self._permit_tables(node.operand)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        self._permit_tables(*sides)
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if isinstance(operator, ast.Is | ast.IsNot) and not any(
                _is_singleton(each) for each in (left, right)
            ):
                self.add(node, "identity", ast.unparse(node)[:60])
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._permit_tables(node.value, node.slice)
        head = self.full_name(node.value)
        if head.startswith(("typing.", "collections.abc.")) or head in (
            "list",
            "dict",
            "tuple",
            "set",
            "frozenset",
            "type",
        ):
            self._annotation(node)
        else:
            self.generic_visit(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        self._permit_tables(node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self._permit_table_literals(node.iter)
        self._written(node, node.target)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._permit_table_literals(node.iter)
        self._written(node.iter, node.target)
        self.generic_visit(node)

    def _permit_table_literals(self, node: ast.expr) -> None:
        if (
            isinstance(node, ast.Name)
            and (found := self.find(node.id)) is not None
            and found.kind == TABLE
        ):
            self.permitted.add(id(node))

    def visit_Starred(self, node: ast.Starred) -> None:
        self._permit_table_literals(node.value)
        self.generic_visit(node)

    def _comprehension(self, node: Any) -> None:
        names = {
            each.id: Binding(LOCAL)
            for part in node.generators
            for each in ast.walk(part.target)
            if isinstance(each, ast.Name)
        }
        self.scopes.append(names)
        self.generic_visit(node)
        self.scopes.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_Global(self, node: ast.Global) -> None:
        self.add(node, "global-state", f"global {', '.join(node.names)}")

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.add(node, "global-state", f"nonlocal {', '.join(node.names)}")

    def visit_Await(self, node: ast.Await) -> None:
        self.add(node, "threads", "await")

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.add(node, "threads", f"async def {node.name}")

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._permit_types(node.type)
        if node.type is None:
            self.add(node, "name", "except without a class: it takes interruptions for errors")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._permit_head(node.exc, node.cause)
        self.generic_visit(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        self._permit_types(node.cls)
        for name in node.kwd_attrs:
            self._attribute(node, name)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if bindings.is_main_guard(node):
            for each in node.orelse:
                self.visit(each)
        else:
            self.generic_visit(node)


def _is_singleton(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and node.value in (None, True, False)) or ast.unparse(
        node
    ) in ("msgspec.UNSET", "UNSET")
