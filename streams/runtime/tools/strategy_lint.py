"""The allow-list for strategies: whatever a strategy's files import, name, read or write that
stands in no table of ``allowed.py`` is refused.

The rules of ``lint.py`` hold besides. Three things that no table can say are found by following
names:

- what is changed: only variables of a function and the strategy's own state. A module, a class, a
  function, a table of the module, the context and a record of the market are not the strategy's to
  change, whatever name is used for them;
- what is handed around: a module, a class or a function is called, or named where a type is meant,
  and nothing else;
- what a module or a class keeps: constants, or tables that are only read.

The lint is no sandbox: ``docs/strategies.md`` lists what it cannot see. Code of strangers runs in a
process of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.runtime.tools import allowed, bindings
from streams.runtime.tools.bindings import CLASS, CONSTANT, LOCAL, TABLE, Binding
from streams.runtime.tools.lint import Finding, NotDeterministic, lint_source, reported
from streams.runtime.tools.lint_names import BUILTIN_RULES, STRUCTS, ClassScope, FunctionFacts
from streams.runtime.tools.lint_uses import UseReader

EXCEPTIONS = (
    "hash",
    "identity",
    "set-iteration",
    "float-reduction",
    "unstable-math",
    "attribute",
    "import",
)
"""Rules that a line may be excepted from with a reason; an imported library is then no part of the
run's identity.
"""


def lint_strategy(
    files: Mapping[str, Path], is_strange: bool = False, users: Iterable[str] = ()
) -> list[Finding]:
    """Findings of a strategy's files, in order of file and line.

    Args:
        files: module name -> file, the strategy's own first, then the helpers beside it.
        is_strange: no exception is taken, whatever reason a line gives.
        users: fields of the records of users' own topics.
    """
    trees: dict[str, ast.Module] = {}
    findings: list[Finding] = []
    sources: dict[str, str] = {}
    for name, path in files.items():
        try:
            sources[name] = path.read_text(encoding="utf-8")
            trees[name] = ast.parse(sources[name])
        except UnicodeDecodeError as error:
            findings.append(
                Finding(
                    str(path),
                    0,
                    "syntax",
                    f"the file is not UTF-8 text ({error.reason} at byte {error.start})",
                )
            )
        except SyntaxError as error:
            findings.append(Finding(str(path), error.lineno or 0, "syntax", str(error.msg)))
        except (ValueError, RecursionError, MemoryError) as error:
            findings.append(
                Finding(str(path), 0, "syntax", f"the file cannot be read as Python: {error}")
            )
    fields = {*allowed.FIELDS, *allowed.COLUMNS, *allowed.STRATEGY, *users}
    methods: set[str] = set()
    for tree in (*trees.values(), *_imported_from_us(trees.values())):
        own = bindings.declared(tree)
        fields |= own[0]
        methods |= own[1]
    for name, tree in trees.items():
        reader = _Reader(tree, name, files, frozenset(fields), frozenset(methods))
        reader.read()
        shown, exceptions = str(files[name]), () if is_strange else EXCEPTIONS
        plain = [(each.line, each.rule) for each in lint_source(sources[name], shown)]
        found = [each for each in reader.found if (each[0], each[1]) not in plain]
        findings += lint_source(sources[name], shown, exceptions)
        findings += reported(found, sources[name], shown, exceptions)
    return sorted(dict.fromkeys(findings), key=lambda each: (each.path, each.line))


def _imported_from_us(trees: Iterable[ast.Module]) -> list[ast.Module]:
    """Sources of our own strategies and indicators that the files build upon: their fields are
    known, too.
    """
    names: set[str] = set()
    for node in (each for tree in trees for each in ast.walk(tree)):
        if isinstance(node, ast.ImportFrom):
            names.update(
                (node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names))
            )
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    ours = [
        name
        for name in sorted(names)
        if name in allowed.OF_OURS and name.startswith(("streams.signals.", "streams.numeric."))
    ]
    return [ast.parse(allowed.file_of(name).read_bytes()) for name in ours]


def require_allowed(
    files: Mapping[str, Path], is_strange: bool = False, users: Iterable[str] = ()
) -> None:
    """Raise NotDeterministic, naming every finding, if a strategy's files use what is not allowed.
    """
    findings = lint_strategy(files, is_strange, users)
    if findings:
        raise NotDeterministic("\n".join(str(finding) for finding in findings))


class _Reader(UseReader):
    """Collects (line, rule, what) of one file."""

    def read(self) -> None:
        """Read the whole file."""
        for node in bindings.executed(self.tree.body):
            self._module_statement(node)

    # -- annotations: evaluated by msgspec, even where they are text

    def _annotation(self, node: ast.expr | None) -> None:
        if node is None:
            return
        self._permit_types(node)
        self._no_calls(node)
        self.annotations.update(id(each) for each in ast.walk(node))
        is_literal = (
            isinstance(node, ast.Subscript) and self.full_name(node.value) == "typing.Literal"
        )
        for each in ast.walk(node):
            if (
                isinstance(each, ast.Constant)
                and isinstance(each.value, str)
                and not is_literal
                and not _in_literal(node, each)
            ):
                try:
                    inner = ast.parse(each.value, mode="eval").body
                except SyntaxError:
                    self.add(each, "dynamic", f"the annotation {each.value!r:.40}")
                    continue
                for part in ast.walk(inner):
                    part.lineno = node.lineno  # type: ignore[attr-defined]
                self._annotation(inner)
        if isinstance(node, ast.Subscript):
            self.visit(node.value)
            self.visit(node.slice)
        else:
            self.visit(node)

    def _no_calls(self, node: ast.expr) -> None:
        """Where a type is meant, nothing is executed but the bounds of a field."""
        for each in ast.walk(node):
            if isinstance(each, ast.Call) and self.full_name(each.func) != "msgspec.Meta":
                self.add(
                    each, "program", f"{ast.unparse(each)[:50]} is called where a type is meant"
                )

    # -- functions and classes

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node, node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, [node.body])

    def _function(self, node: Any, body: Sequence[ast.AST]) -> None:
        decorators = getattr(node, "decorator_list", [])
        names = [
            self.full_name(each.func if isinstance(each, ast.Call) else each) for each in decorators
        ]
        for each, name in zip(decorators, names, strict=True):
            self._permit_head(each.func if isinstance(each, ast.Call) else each)
            if name not in allowed.DECORATORS:
                self.add(node, "program", f"the decorator {ast.unparse(each)}")
            self.visit(each)
        if hasattr(node, "name"):
            self._function_name(node)
        for default in (
            *node.args.defaults,
            *(each for each in node.args.kw_defaults if each is not None),
        ):
            if bindings.kind_of_value(default) != CONSTANT:
                self.add(
                    node,
                    "global-state",
                    f"the default {ast.unparse(default)[:40]} is kept between calls",
                )
            self.visit(default)
        for each in bindings.parameters(node):
            self._annotation(each.annotation)
        self._annotation(getattr(node, "returns", None))
        is_method = (
            bool(self.classes)
            and isinstance(self.scopes[-1], ClassScope)
            and "staticmethod" not in names
        )
        function = FunctionFacts(
            node, is_method, is_kernel=any("kernel" in name or "njit" in name for name in names)
        )
        scope = self._scope(body, is_function=True)
        of_class = is_method and "classmethod" in names
        scope.update(
            {
                each.arg: Binding(CLASS if of_class and not at else LOCAL)
                for at, each in enumerate(bindings.parameters(node))
            }
        )
        self.scopes.append(scope)
        self.functions.append(function)
        for each in body:
            self.visit(each)
        self.functions.pop()
        self.scopes.pop()

    def _function_name(self, node: ast.FunctionDef) -> None:
        name = node.name
        if name.startswith("__") and name not in allowed.METHODS:
            self.add(node, "program", f"def {name}")
        elif len(self.scopes) == 1 and (name in BUILTIN_RULES or name in allowed.BUILTINS):
            self.add(node, "program", f"{name} is given another meaning")

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for each in node.decorator_list:
            called = each.func if isinstance(each, ast.Call) else each
            self._permit_head(called)
            if self.full_name(called) not in allowed.DECORATORS:
                self.add(node, "program", f"the decorator {ast.unparse(each)}")
            self.visit(each)
        for base in node.bases:
            self._permit_types(base)
            self._no_calls(base)
            self.visit(base)
        for keyword in node.keywords:
            if keyword.arg not in allowed.CLASS_KEYWORDS:
                self.add(node, "program", f"class {node.name}({keyword.arg}=...)")
            self.visit(keyword.value)
        self.scopes.append(ClassScope(self._scope(node.body)))
        self.classes.append(node)
        for statement in bindings.executed(node.body):
            self._class_statement(node, statement)
        self.classes.pop()
        self.scopes.pop()

    def _class_statement(self, owner: ast.ClassDef, node: ast.stmt) -> None:
        """Fields, constants and methods: nothing else belongs to a class."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Pass):
            self.visit(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names = [
                each.id
                for each in (node.targets if isinstance(node, ast.Assign) else [node.target])
                if isinstance(each, ast.Name)
            ]
            if isinstance(node.value, ast.Name) and set(names) <= {"Settings", "State"}:
                self._permit_types(node.value)
            elif not self._is_field(owner, node, names):
                self.add(
                    node, "global-state", f"{owner.name}.{', '.join(names)} is kept by the class"
                )
            self.visit(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        elif isinstance(node, ast.If) and ast.unparse(node.test) in (
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        ):
            self.visit(node)
        else:
            self.add(
                node,
                "global-state",
                f"class {owner.name} executes {ast.unparse(node).splitlines()[0][:50]!r}",
            )

    def _is_field(
        self, owner: ast.ClassDef, node: ast.Assign | ast.AnnAssign, names: Sequence[str]
    ) -> bool:
        """True for a constant, the declared artefacts, and a field whose default is made anew for
        each object.
        """
        value, kind = node.value, bindings.kind_of_value(node.value)
        if kind == CONSTANT or (names in (["ARTEFACTS"], ["FIELDS"]) and kind == TABLE):
            return True
        is_struct = any(self._is_struct(base) for base in owner.bases) or any(
            "dataclass" in ast.unparse(each) for each in owner.decorator_list
        )
        if (
            not is_struct
            or not isinstance(node, ast.AnnAssign)
            or "ClassVar" in ast.unparse(node.annotation)
        ):
            return False
        if isinstance(value, ast.List | ast.Dict):
            return not (value.elts if isinstance(value, ast.List) else value.keys)
        return isinstance(value, ast.Call) and self.full_name(value.func) in (
            "msgspec.field",
            "dataclasses.field",
            "set",
            "list",
            "dict",
        )

    def _is_struct(self, base: ast.expr) -> bool:
        text = ast.unparse(base)
        if text in STRUCTS or text.endswith((".StrategyState", ".Struct")):
            return True
        local = next(
            (
                each
                for each in ast.walk(self.tree)
                if isinstance(each, ast.ClassDef) and each.name == text
            ),
            None,
        )
        return local is not None and any(
            ast.unparse(each) != text and self._is_struct(each) for each in local.bases
        )

    def _module_statement(self, node: ast.stmt) -> None:
        """Imports, constants, functions and classes: nothing else belongs to a module."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        kept = (
            ast.Import
            | ast.ImportFrom
            | ast.FunctionDef
            | ast.AsyncFunctionDef
            | ast.ClassDef
            | ast.Assign
            | ast.AnnAssign
            | ast.Pass
        )
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Lambda):
            self.add(node, "global-state", "a lambda of the module: write a function")
        if isinstance(node, ast.If):
            for part in ([node.test], node.body, node.orelse):
                for each in part:
                    self._module_statement(each) if isinstance(each, ast.stmt) else self.visit(each)
        elif not isinstance(node, kept):
            self.add(
                node,
                "global-state",
                f"the module executes {ast.unparse(node).splitlines()[0][:50]!r}",
            )
            self.visit(node)
        else:
            self.visit(node)


def _in_literal(whole: ast.expr, text: ast.Constant) -> bool:
    """True for a text that is a value: inside of Literal[...] or an argument of a call."""
    for each in ast.walk(whole):
        is_holder = isinstance(each, ast.Call) or (
            isinstance(each, ast.Subscript) and ast.unparse(each.value).endswith("Literal")
        )
        if is_holder and any(inner is text for inner in ast.walk(each)):
            return True
    return False
