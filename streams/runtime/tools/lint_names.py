"""What a strategy names: imports, builtins and attributes, each of which stands in a table of
``allowed.py`` or is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
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
from streams.runtime.tools.lint import CALLS, rule_of_module
from streams.runtime.tools.words import words

BUILTIN_RULES = {
    **dict.fromkeys(["globals", "__builtins__", "format"], "dynamic"),
    **dict.fromkeys(
        [
            "locals",
            "vars",
            "dir",
            "getattr",
            "setattr",
            "delattr",
            "hasattr",
            "type",
            "object",
            "callable",
            "memoryview",
        ],
        "program",
    ),
    **dict.fromkeys(["breakpoint", "help", "exit", "quit"], "input-output"),
    "pow": "unstable-math",
    **CALLS,
}
STRUCTS = ("msgspec.Struct", "Struct", "StrategyState", "StageState")
READERS = words(
    "len sorted tuple min max sum any all enumerate zip list dict set frozenset int float str abs"
)
LOOKUPS = ("get", "items", "keys", "values", "index", "count", "shape", "size", "dtype", "copy")
CONTEXT_PRIVATE = (
    "artefacts",
    "first",
    "journal_id",
    "last_sequence",
    "ordinal",
    "pending",
    "services",
    "shard",
)
EMITTED = (
    "schemas.records.Signal",
    "schemas.records.OrderRequest",
    "streams.signals.strategy.Signal",
    "streams.signals.strategy.OrderRequest",
)


class NameReader(ast.NodeVisitor):
    """Collects (line, rule, what) of names: what is imported, named, and reached by attributes. See
    ``strategy_lint.py``.
    """

    def __init__(
        self,
        tree: ast.Module,
        name: str,
        files: Mapping[str, Path],
        fields: frozenset[str],
        methods: frozenset[str],
    ) -> None:
        self.tree = tree
        self.name = name
        self.files = files
        self.fields = fields
        self.methods = methods
        self.found: list[tuple[int, str, str]] = []
        # nodes that may name a module, a class, a function or a table
        self.permitted: set[int] = set()
        self.annotations: set[int] = set()  # nodes where a type is meant
        self.called: set[int] = set()  # nodes that are called
        self.scopes: list[dict[str, Binding]] = [self._scope(tree.body)]
        self.functions: list[FunctionFacts] = []
        self.classes: list[ast.ClassDef] = []
        self.line = 0
        self.classnames = {"State", "Settings"} | {
            node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
        }

    def add(self, node: ast.AST, rule: str, what: str) -> None:
        self.line = getattr(node, "lineno", self.line)
        self.found.append((self.line, rule, what))

    # -- names

    def _scope(self, body: Sequence[ast.AST], is_function: bool = False) -> dict[str, Binding]:
        """Bindings of a scope."""
        found: dict[str, Binding] = {}
        values = {
            target.id: node.value
            for node in bindings.own_nodes(list(body))
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        for name, node in bindings.bound_names(list(body)).items():
            if isinstance(node, ast.Import | ast.ImportFrom):
                found[name] = self._imported(name, node)
            elif isinstance(node, ast.ClassDef):
                found[name] = Binding(CLASS)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[name] = Binding(FUNCTION)
            else:
                found[name] = Binding(
                    LOCAL
                    if is_function
                    else bindings.kind_of_value(values[name])
                    if name in values
                    else MADE
                )
        return found

    def _imported(self, name: str, node: ast.Import | ast.ImportFrom) -> Binding:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname == name:
                    return Binding(MODULE, alias.name)
            return Binding(MODULE, name)
        base = self._base_of(node)
        alias = next(each for each in node.names if (each.asname or each.name) == name)
        full = f"{base}.{alias.name}" if base else alias.name
        if full in self.files or allowed.is_module(full):
            return Binding(MODULE, full)
        if alias.name.isupper():
            return Binding(
                CONSTANT if base not in self.files else self._kind_in(base, alias.name), full
            )
        return Binding(CLASS if alias.name[:1].isupper() else FUNCTION, full)

    def _kind_in(self, module: str, name: str) -> str:
        """Kind of a helper's name."""
        for node in ast.parse(self.files[module].read_bytes()).body:
            targets = (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target]
                if isinstance(node, ast.AnnAssign)
                else []
            )
            if any(isinstance(each, ast.Name) and each.id == name for each in targets):
                return bindings.kind_of_value(node.value)  # type: ignore[attr-defined]
        return MADE

    def _base_of(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        is_package = self.files[self.name].name == "__init__.py"
        parent = parts[: len(parts) - node.level + is_package]
        return ".".join([*parent, *([node.module] if node.module else [])])

    def find(self, name: str) -> Binding | None:
        """What a name means here; None for a builtin."""
        for depth, scope in enumerate(reversed(self.scopes)):
            is_class = isinstance(scope, ClassScope)
            if is_class and (depth or (name not in allowed.BUILTINS and name in BUILTIN_RULES)):
                continue
            if name in scope:
                return scope[name]
        return None

    def module_of(self, node: ast.expr) -> str:
        """Full name of the module that an expression names, empty if it names none."""
        if isinstance(node, ast.Name):
            found = self.find(node.id)
            return found.target if found is not None and found.kind == MODULE else ""
        if isinstance(node, ast.Attribute):
            base = self.module_of(node.value)
            full = f"{base}.{node.attr}"
            return full if base and (full in self.files or allowed.is_module(full)) else ""
        return ""

    def full_name(self, node: ast.expr) -> str:
        """``numpy.dtype`` for ``np.dtype``; a builtin by its own name; empty for what is the
        strategy's own.
        """
        if isinstance(node, ast.Name):
            found = self.find(node.id)
            return node.id if found is None else found.target
        if isinstance(node, ast.Attribute):
            base = self.module_of(node.value)
            return f"{base}.{node.attr}" if base else ""
        return ""

    def visit_Name(self, node: ast.Name) -> None:
        name = node.id
        if not isinstance(node.ctx, ast.Load):
            is_module = len(self.scopes) == 1
            if name.startswith("__") and name not in ("__all__", "__version__", "__author__"):
                self.add(node, "program", f"{name} is written")
            elif is_module and (name in BUILTIN_RULES or name in allowed.BUILTINS):
                self.add(node, "program", f"{name} is given another meaning")
            return
        found = self.find(name)
        if found is None:
            if name not in allowed.BUILTINS and not (
                id(node) in self.annotations and name in allowed.IN_ANNOTATIONS
            ):
                self.add(
                    node,
                    BUILTIN_RULES.get(name, "program" if name.startswith("__") else "name"),
                    name,
                )
            return
        if id(node) in self.permitted:
            return
        if found.kind in (MODULE, CLASS, FUNCTION):
            self.add(node, "program", f"{name} is handed on as a value")
        elif found.kind in (TABLE, MADE):
            self.add(
                node, "global-state", f"{name} of the module is handed on, and could be changed"
            )

    def _permit_types(self, *nodes: ast.AST | None) -> None:
        """Permit what names a type, but nothing inside of a call."""
        for node in nodes:
            if isinstance(node, ast.Call):
                self._permit_head(node.func)
            elif node is not None:
                self.permitted.add(id(node))
                self._permit_types(*ast.iter_child_nodes(node))

    def _permit_head(self, *nodes: ast.AST | None) -> None:
        """Permit a name, or a chain of attributes and the name that it begins with."""
        for node in nodes:
            while isinstance(node, ast.Attribute):
                self.permitted.add(id(node))
                node = node.value
            self.permitted.add(id(node))

    def _permit_tables(self, *nodes: ast.AST | None) -> None:
        for node in nodes:
            if (
                isinstance(node, ast.Name)
                and (found := self.find(node.id)) is not None
                and found.kind in (TABLE, MADE)
            ):
                self.permitted.add(id(node))

    # -- imports

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(node, alias.name, alias.name)
            if (
                alias.name.partition(".")[0] != alias.name
                and not alias.asname
                and alias.name.partition(".")[0] in ("schemas", "streams")
            ):
                continue

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self._base_of(node)
        for alias in node.names:
            full = f"{base}.{alias.name}" if base else alias.name
            if alias.name == "*":
                self.add(node, "import", f"import of every name of {base}")
            elif base in self.files or full in self.files:
                self._helper_name(node, base, alias.name)
            elif allowed.is_module(full):
                continue
            elif alias.name not in (allowed.names_of(base) or ()):
                self._import(node, base, full) if not allowed.is_module(
                    base
                ) else self._refuse_name(node, base, alias.name)

    def _helper_name(self, node: ast.AST, module: str, name: str) -> None:
        """A name of a helper must be one that the helper defines, not one that it imports."""
        if f"{module}.{name}" in self.files or (not module and name in self.files):
            return
        tree = ast.parse(self.files[module].read_bytes())
        found = bindings.bound_names(list(bindings.executed(tree.body))).get(name)
        if found is None:
            self.add(node, "import", f"{module} defines no {name}")
        elif isinstance(found, ast.Import | ast.ImportFrom):
            self.add(
                node,
                "import",
                f"{name} is imported by {module}: import it from where it is defined",
            )

    def _import(self, node: ast.AST, module: str, what: str) -> None:
        if module not in self.files and not allowed.is_module(module):
            self.add(
                node,
                rule_of_module(what) or rule_of_module(module) or "import",
                f"import of {what}",
            )

    def _refuse_name(self, node: ast.AST, module: str, name: str) -> None:
        short = "np" if module == "numpy" else module
        rule = (
            rule_of_module(f"{module}.{name}")
            or allowed.REFUSED.get(name)
            or ("import" if not module.startswith("numpy") else "attribute")
        )
        self.add(
            node,
            "input-output" if module == "numpy" and rule == "program" else rule,
            f"{short}.{name}",
        )

    # -- attributes

    def visit_Attribute(self, node: ast.Attribute) -> None:
        module = self.module_of(node.value)
        head = self.find(node.value.id) if isinstance(node.value, ast.Name) else None
        if head is None or head.kind not in (TABLE, MADE):
            self._permit_head(node.value)
        elif node.attr in LOOKUPS:
            self._permit_tables(node.value)
        is_class = node.attr in self.classnames or (
            module in self.files and not node.attr.isupper()
        )
        is_free = (
            id(node) in self.called or id(node) in self.permitted or id(node) in self.annotations
        )
        if (
            is_class
            and not is_free
            and isinstance(node.ctx, ast.Load)
            and f"{module}.{node.attr}" not in self.files
        ):
            self.add(node, "program", f"{ast.unparse(node)} is handed on as a value")
        if module:
            full = f"{module}.{node.attr}"
            if module in self.files:
                self._helper_name(node, module, node.attr)
            elif not allowed.is_module(full) and node.attr not in (allowed.names_of(module) or ()):
                self._refuse_name(node, module, node.attr)
        elif isinstance(node.ctx, ast.Load):
            self._attribute(node, node.attr)
            if (
                node.attr in CONTEXT_PRIVATE
                and self.functions
                and isinstance(node.value, ast.Name)
                and node.value.id in self.functions[-1].foreign
            ):
                self.add(
                    node,
                    "program",
                    f"{ast.unparse(node)}: of what is given, that is the context's own name; give "
                    "a field of yours another one",
                )
            if node.attr == "emit" and id(node) not in self.called:
                self.add(node, "program", f"{ast.unparse(node)} is handed on as a value")
        self.visit(node.value)

    def _attribute(self, node: ast.AST, name: str) -> None:
        """Refuse an attribute that is in no table."""
        if name in allowed.ALWAYS_REFUSED or name.startswith("__"):
            if (
                name == "__init__"
                and isinstance(node, ast.Attribute)
                and ast.unparse(node.value) == "super()"
            ):
                return
            self.add(node, allowed.REFUSED.get(name, "program"), f".{name}")
        elif (
            name in self.fields or name in self.methods or name in allowed.VALUES or name.isupper()
        ):
            return
        else:
            self.add(node, allowed.REFUSED.get(name, "attribute"), f".{name}")


class ClassScope(dict[str, Binding]):
    """Names of a class's body, which its methods do not see."""


class FunctionFacts:
    """What is known of the function that is read.

    Attributes:
        owner: the name of its object, empty if it is no method.
        foreign: names of what it was given and does not own.
    """

    def __init__(self, node: Any, is_method: bool, is_kernel: bool) -> None:
        names = [each.arg for each in bindings.parameters(node)]
        self.node = node
        self.owner = names[0] if is_method and names else ""
        self.is_kernel = is_kernel
        name = getattr(node, "name", "")
        self.is_handler = is_method and name.startswith("on_")
        if self.is_kernel:
            own = {names[0], names[-1]} if name.startswith("on_") and names else set(names)
        else:
            own = {self.owner}
        self.foreign = {each for each in names if each not in own}
        for each in sorted(
            (each for each in ast.walk(node) if isinstance(each, ast.Assign)),
            key=lambda each: each.lineno,
        ):
            root = (
                root_of(each.value)
                if isinstance(each.value, ast.Attribute | ast.Name | ast.Subscript)
                else None
            )
            if root is not None and root.id in self.foreign:
                self.foreign.update(
                    target.id for target in each.targets if isinstance(target, ast.Name)
                )

    def only_value_of(self, name: str) -> ast.expr | None:
        """What a variable is given, if that is one expression."""
        values = [
            each.value
            for each in ast.walk(self.node)
            if isinstance(each, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == name for target in each.targets)
        ]
        stored = [
            each
            for each in ast.walk(self.node)
            if isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Store)
        ]
        return values[0] if len(values) == 1 == len(stored) else None


def root_of(node: ast.AST) -> ast.Name | None:
    """The name that a chain of attributes, places and calls begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node if isinstance(node, ast.Name) else None
