"""The allow-list for strategies: whatever a strategy's files import, name, read or write that stands in no table of ``allowed.py`` is refused.

The rules of ``lint.py`` hold besides. Three things that no table can say are found by following names:

- what is changed: only variables of a function and the strategy's own state. A module, a class, a function, a table of the module, the context
  and a record of the market are not the strategy's to change, whatever name is used for them;
- what is handed around: a module, a class or a function is called, or named where a type is meant, and nothing else;
- what a module or a class keeps: constants, or tables that are only read.

The lint is no sandbox: ``docs/strategies.md`` lists what it cannot see. Code of strangers runs in a process of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.runtime import allowed, bindings
from streams.runtime.bindings import CLASS, CONSTANT, FUNCTION, LOCAL, MADE, MODULE, TABLE, Binding
from streams.runtime.lint import CALLS, Finding, NotDeterministic, lint_source, reported, rule_of_module

BUILTIN_RULES = {
    "globals": "dynamic", "__builtins__": "dynamic", "locals": "program", "vars": "program", "dir": "program", "getattr": "program", "setattr": "program", "delattr": "program",
    "hasattr": "program", "type": "program", "object": "program", "callable": "program", "memoryview": "program", "breakpoint": "input-output",
    "help": "input-output", "exit": "input-output", "quit": "input-output", "pow": "unstable-math", "format": "dynamic", **CALLS,
}  # fmt: skip
STRUCTS = ("msgspec.Struct", "Struct", "StrategyState")
READERS = ("len", "sorted", "tuple", "min", "max", "sum", "any", "all", "enumerate", "zip", "list", "dict", "set", "frozenset", "int", "float", "str", "abs")
LOOKUPS = ("get", "items", "keys", "values", "index", "count", "shape", "size", "dtype", "copy")
CONTEXT_PRIVATE = ("artefacts", "first", "journal_id", "last_sequence", "ordinal", "pending", "shard")
EMITTED = ("schemas.records.Signal", "schemas.records.OrderRequest", "streams.signals.strategy.Signal", "streams.signals.strategy.OrderRequest")


def lint_strategy(files: Mapping[str, Path], is_strange: bool = False) -> list[Finding]:
    """Findings of a strategy's files, in order of file and line.

    Args:
        files: module name -> file, the strategy's own first, then the helpers beside it.
        is_strange: no exception is taken, whatever reason a line gives.
    """
    trees: dict[str, ast.Module] = {}
    findings: list[Finding] = []
    sources: dict[str, str] = {}
    for name, path in files.items():
        try:
            sources[name] = path.read_text(encoding="utf-8")
            trees[name] = ast.parse(sources[name])
        except UnicodeDecodeError as error:
            findings.append(Finding(str(path), 0, "syntax", f"the file is not UTF-8 text ({error.reason} at byte {error.start})"))
        except SyntaxError as error:
            findings.append(Finding(str(path), error.lineno or 0, "syntax", str(error.msg)))
        except (ValueError, RecursionError, MemoryError) as error:
            findings.append(Finding(str(path), 0, "syntax", f"the file cannot be read as Python: {error}"))
    fields, methods = set(allowed.FIELDS) | allowed.STRATEGY, set()
    for tree in (*trees.values(), *_imported_from_us(trees.values())):
        own = bindings.declared(tree)
        fields |= own[0]
        methods |= own[1]
    for name, tree in trees.items():
        reader = _Reader(tree, name, files, frozenset(fields), frozenset(methods))
        reader.read()
        path = str(files[name])
        plain = [(each.line, each.rule) for each in lint_source(sources[name], path)]
        found = [each for each in reader.found if (each[0], each[1]) not in plain]
        findings += lint_source(sources[name], path, EXCEPTIONS if not is_strange else ())
        findings += reported(found, sources[name], path, EXCEPTIONS if not is_strange else ())
    return sorted(dict.fromkeys(findings), key=lambda each: (each.path, each.line))


def _imported_from_us(trees: Iterable[ast.Module]) -> list[ast.Module]:
    """Sources of our own strategies that the files build upon: their fields are known, too."""
    names = {node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in allowed.OF_OURS}
    return [ast.parse(allowed.file_of(name).read_bytes()) for name in sorted(names) if name and name.startswith("streams.signals.")]


EXCEPTIONS = ("hash", "identity", "set-iteration", "float-reduction", "unstable-math", "attribute", "import")
"""Rules that a line may be excepted from with a reason; an imported library is then no part of the run's identity."""


def require_allowed(files: Mapping[str, Path], is_strange: bool = False) -> None:
    """Raise NotDeterministic, naming every finding, if a strategy's files use what is not allowed."""
    findings = lint_strategy(files, is_strange)
    if findings:
        raise NotDeterministic("\n".join(str(finding) for finding in findings))


class _Reader(ast.NodeVisitor):
    """Collects (line, rule, what) from one file."""

    def __init__(self, tree: ast.Module, name: str, files: Mapping[str, Path], fields: frozenset[str], methods: frozenset[str]) -> None:
        self.tree = tree
        self.name = name
        self.files = files
        self.fields = fields
        self.methods = methods
        self.found: list[tuple[int, str, str]] = []
        self.permitted: set[int] = set()  # nodes that may name a module, a class, a function or a table
        self.annotations: set[int] = set()  # nodes where a type is meant
        self.called: set[int] = set()  # nodes that are called
        self.scopes: list[dict[str, Binding]] = [self._scope(tree.body)]
        self.functions: list[_Function] = []
        self.classes: list[ast.ClassDef] = []
        self.line = 0
        self.classnames = {"State", "Settings"} | {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}

    def read(self) -> None:
        """Read the whole file."""
        for node in bindings.executed(self.tree.body):
            self._module_statement(node)

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
                found[name] = Binding(LOCAL if is_function else bindings.kind_of_value(values[name]) if name in values else MADE)
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
            return Binding(CONSTANT if base not in self.files else self._kind_in(base, alias.name), full)
        return Binding(CLASS if alias.name[:1].isupper() else FUNCTION, full)

    def _kind_in(self, module: str, name: str) -> str:
        """Kind of a helper's name."""
        for node in ast.parse(self.files[module].read_bytes()).body:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
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
            is_class = isinstance(scope, _ClassScope)
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
        """``numpy.dtype`` for ``np.dtype``; a builtin by its own name; empty for what is the strategy's own."""
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
            if name not in allowed.BUILTINS and not (id(node) in self.annotations and name in allowed.IN_ANNOTATIONS):
                self.add(node, BUILTIN_RULES.get(name, "program" if name.startswith("__") else "name"), name)
            return
        if id(node) in self.permitted:
            return
        if found.kind in (MODULE, CLASS, FUNCTION):
            self.add(node, "program", f"{name} is handed on as a value")
        elif found.kind in (TABLE, MADE):
            self.add(node, "global-state", f"{name} of the module is handed on, and could be changed")

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
            if isinstance(node, ast.Name) and (found := self.find(node.id)) is not None and found.kind in (TABLE, MADE):
                self.permitted.add(id(node))

    # -- imports

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(node, alias.name, alias.name)
            if alias.name.partition(".")[0] != alias.name and not alias.asname and alias.name.partition(".")[0] in ("schemas", "streams"):
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
                self._import(node, base, full) if not allowed.is_module(base) else self._refuse_name(node, base, alias.name)

    def _helper_name(self, node: ast.AST, module: str, name: str) -> None:
        """A name of a helper must be one that the helper defines, not one that it imports."""
        if f"{module}.{name}" in self.files or (not module and name in self.files):
            return
        tree = ast.parse(self.files[module].read_bytes())
        found = bindings.bound_names(list(bindings.executed(tree.body))).get(name)
        if found is None:
            self.add(node, "import", f"{module} defines no {name}")
        elif isinstance(found, ast.Import | ast.ImportFrom):
            self.add(node, "import", f"{name} is imported by {module}: import it from where it is defined")

    def _import(self, node: ast.AST, module: str, what: str) -> None:
        if module not in self.files and not allowed.is_module(module):
            self.add(node, rule_of_module(what) or rule_of_module(module) or "import", f"import of {what}")

    def _refuse_name(self, node: ast.AST, module: str, name: str) -> None:
        short = "np" if module == "numpy" else module
        rule = rule_of_module(f"{module}.{name}") or allowed.REFUSED.get(name) or ("import" if not module.startswith("numpy") else "attribute")
        self.add(node, "input-output" if module == "numpy" and rule == "program" else rule, f"{short}.{name}")

    # -- attributes

    def visit_Attribute(self, node: ast.Attribute) -> None:
        module = self.module_of(node.value)
        head = self.find(node.value.id) if isinstance(node.value, ast.Name) else None
        if head is None or head.kind not in (TABLE, MADE):
            self._permit_head(node.value)
        elif node.attr in LOOKUPS:
            self._permit_tables(node.value)
        is_class = node.attr in self.classnames or (module in self.files and not node.attr.isupper())
        is_free = id(node) in self.called or id(node) in self.permitted or id(node) in self.annotations
        if is_class and not is_free and isinstance(node.ctx, ast.Load) and f"{module}.{node.attr}" not in self.files:
            self.add(node, "program", f"{ast.unparse(node)} is handed on as a value")
        if module:
            full = f"{module}.{node.attr}"
            if module in self.files:
                self._helper_name(node, module, node.attr)
            elif not allowed.is_module(full) and node.attr not in (allowed.names_of(module) or ()):
                self._refuse_name(node, module, node.attr)
        elif isinstance(node.ctx, ast.Load):
            self._attribute(node, node.attr)
            if node.attr in CONTEXT_PRIVATE and self.functions and isinstance(node.value, ast.Name) and node.value.id in self.functions[-1].foreign:
                self.add(node, "program", f"{ast.unparse(node)}: of what is given, that is the context's own name; give a field of yours another one")
            if node.attr == "emit" and id(node) not in self.called:
                self.add(node, "program", f"{ast.unparse(node)} is handed on as a value")
        self.visit(node.value)

    def _attribute(self, node: ast.AST, name: str) -> None:
        """Refuse an attribute that is in no table."""
        if name in allowed.ALWAYS_REFUSED or name.startswith("__"):
            if name == "__init__" and isinstance(node, ast.Attribute) and ast.unparse(node.value) == "super()":
                return
            self.add(node, allowed.REFUSED.get(name, "program"), f".{name}")
        elif name in self.fields or name in self.methods or name in allowed.VALUES or name.isupper():
            return
        else:
            self.add(node, allowed.REFUSED.get(name, "attribute"), f".{name}")

    # -- calls

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        full = self.full_name(called)
        self._permit_head(called)
        self.called.add(id(called))
        if isinstance(called, ast.Attribute) and not self.module_of(called.value):
            self._method_call(node, called)
        if isinstance(called, ast.Name) and (found := self.find(called.id)) is not None and found.kind in (TABLE, MADE):
            self.add(node, "global-state", f"{called.id} of the module is called")
        name = full.rpartition(".")[2] or full
        if full in READERS or full.startswith(("numpy.", "math.")) or name in allowed.HIGHER:
            self._permit_tables(*node.args)
        self._permit_functions(node, full)
        if full in ("typing.cast", "typing.TypeVar"):
            self._annotation(node.args[0] if full == "typing.cast" and node.args else None)
        self.generic_visit(node)

    def _permit_functions(self, node: ast.Call, full: str) -> None:
        """A builtin or a function of a library takes functions and classes, and keeps neither; the strategy's own do not."""
        name, first = full.rpartition(".")[2], full.partition(".")[0]
        is_method = isinstance(node.func, ast.Attribute) and node.func.attr == "sort"
        if not is_method and (not full or first in self.files or (name not in (*allowed.BUILTINS, *allowed.HIGHER, "field", "array", "dtype")
                              and first not in ("numpy", "msgspec", "dataclasses"))):  # fmt: skip
            return
        for keyword in node.keywords:
            if keyword.arg in ("key", "default_factory", "dtype", "type"):
                self._permit_head(keyword.value)
        if name in ("isinstance", "issubclass") and len(node.args) == 2:
            self._permit_types(node.args[1])
        elif name in allowed.HIGHER and node.args:
            self._permit_head(node.args[1] if name in ("accumulate", "groupby") and len(node.args) > 1 else node.args[0])
        elif first == "numpy":
            for argument in node.args:
                if isinstance(argument, ast.Attribute | ast.Name) and self.full_name(argument).startswith("numpy."):
                    self._permit_head(argument)

    def _method_call(self, node: ast.Call, called: ast.Attribute) -> None:
        name, root = called.attr, _root(called.value)
        if name in allowed.REFUSED and name not in allowed.ALWAYS_REFUSED and not (self._is_owner(called.value) and name in self.methods):
            self.add(node, allowed.REFUSED[name], f".{name}()")
        if name in allowed.MUTATING and root is not None:
            found = self.find(root.id)
            text = ast.unparse(called)
            if found is not None and found.kind in (CONSTANT, TABLE, MADE, CLASS, FUNCTION) and not self._is_function_of(called.value):
                self.add(node, "global-state" if found.kind in (CONSTANT, TABLE, MADE) else "program", f"{text}()")
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
            self.add(node, "program", f"{ast.unparse(node)[:60]}: only Signal(...) and OrderRequest(...) are a strategy's to publish")

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
        root, text = _root(target), ast.unparse(target)
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
                self.add(node, "program", f"{text} is written: records and the context are read only")
        if isinstance(target, ast.Attribute) and not self._is_owner(target.value) and target.attr not in self.fields:
            self.add(node, "program", f"{text} is written: {target.attr} is declared nowhere; declare it in State")

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
        if isinstance(node.op, ast.Pow) and not (isinstance(node.left, ast.Constant) and isinstance(node.left.value, int)):
            self.add(node, "unstable-math", f"{ast.unparse(node)[:60]}: a power")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self._permit_tables(node.operand)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        self._permit_tables(*sides)
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if isinstance(operator, ast.Is | ast.IsNot) and not any(_is_singleton(each) for each in (left, right)):
                self.add(node, "identity", ast.unparse(node)[:60])
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._permit_tables(node.value, node.slice)
        head = self.full_name(node.value)
        if head.startswith(("typing.", "collections.abc.")) or head in ("list", "dict", "tuple", "set", "frozenset", "type"):
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
        if isinstance(node, ast.Name) and (found := self.find(node.id)) is not None and found.kind == TABLE:
            self.permitted.add(id(node))

    def visit_Starred(self, node: ast.Starred) -> None:
        self._permit_table_literals(node.value)
        self.generic_visit(node)

    def _comprehension(self, node: Any) -> None:
        names = {each.id: Binding(LOCAL) for part in node.generators for each in ast.walk(part.target) if isinstance(each, ast.Name)}
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

    # -- annotations: evaluated by msgspec, even where they are text

    def _annotation(self, node: ast.expr | None) -> None:
        if node is None:
            return
        self._permit_types(node)
        self._no_calls(node)
        self.annotations.update(id(each) for each in ast.walk(node))
        is_literal = isinstance(node, ast.Subscript) and self.full_name(node.value) == "typing.Literal"
        for each in ast.walk(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and not is_literal and not _in_literal(node, each):
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
                self.add(each, "program", f"{ast.unparse(each)[:50]} is called where a type is meant")

    # -- functions and classes

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node, node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, [node.body])

    def _function(self, node: Any, body: Sequence[ast.AST]) -> None:
        decorators = getattr(node, "decorator_list", [])
        names = [self.full_name(each.func if isinstance(each, ast.Call) else each) for each in decorators]
        for each, name in zip(decorators, names, strict=True):
            self._permit_head(each.func if isinstance(each, ast.Call) else each)
            if name not in allowed.DECORATORS:
                self.add(node, "program", f"the decorator {ast.unparse(each)}")
            self.visit(each)
        if hasattr(node, "name"):
            self._function_name(node)
        for default in (*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)):
            if bindings.kind_of_value(default) != CONSTANT:
                self.add(node, "global-state", f"the default {ast.unparse(default)[:40]} is kept between calls")
            self.visit(default)
        for each in bindings.parameters(node):
            self._annotation(each.annotation)
        self._annotation(getattr(node, "returns", None))
        is_method = bool(self.classes) and isinstance(self.scopes[-1], _ClassScope) and "staticmethod" not in names
        function = _Function(node, is_method, is_kernel=any("kernel" in name or "njit" in name for name in names))
        scope = self._scope(body, is_function=True)
        scope.update({each.arg: Binding(CLASS if is_method and "classmethod" in names and not at else LOCAL)
                      for at, each in enumerate(bindings.parameters(node))})  # fmt: skip
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
        self.scopes.append(_ClassScope(self._scope(node.body)))
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
            names = [each.id for each in (node.targets if isinstance(node, ast.Assign) else [node.target]) if isinstance(each, ast.Name)]
            if isinstance(node.value, ast.Name) and set(names) <= {"Settings", "State"}:
                self._permit_types(node.value)
            elif not self._is_field(owner, node, names):
                self.add(node, "global-state", f"{owner.name}.{', '.join(names)} is kept by the class")
            self.visit(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self.visit(node)
        else:
            self.add(node, "global-state", f"class {owner.name} executes {ast.unparse(node).splitlines()[0][:50]!r}")

    def _is_field(self, owner: ast.ClassDef, node: ast.Assign | ast.AnnAssign, names: Sequence[str]) -> bool:
        """True for a constant, the declared artefacts, and a field whose default is made anew for each object."""
        value, kind = node.value, bindings.kind_of_value(node.value)
        if kind == CONSTANT or (names == ["ARTEFACTS"] and kind == TABLE):
            return True
        is_struct = any(self._is_struct(base) for base in owner.bases) or any("dataclass" in ast.unparse(each) for each in owner.decorator_list)
        if not is_struct or not isinstance(node, ast.AnnAssign) or "ClassVar" in ast.unparse(node.annotation):
            return False
        if isinstance(value, ast.List | ast.Dict):
            return not (value.elts if isinstance(value, ast.List) else value.keys)
        return isinstance(value, ast.Call) and self.full_name(value.func) in ("msgspec.field", "dataclasses.field", "set", "list", "dict")

    def _is_struct(self, base: ast.expr) -> bool:
        text = ast.unparse(base)
        if text in STRUCTS or text.endswith((".StrategyState", ".Struct")):
            return True
        local = next((each for each in ast.walk(self.tree) if isinstance(each, ast.ClassDef) and each.name == text), None)
        return local is not None and any(ast.unparse(each) != text and self._is_struct(each) for each in local.bases)

    def _module_statement(self, node: ast.stmt) -> None:
        """Imports, constants, functions and classes: nothing else belongs to a module."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        kept = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.Pass
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Lambda):
            self.add(node, "global-state", "a lambda of the module: write a function")
        if isinstance(node, ast.If):
            for part in ([node.test], node.body, node.orelse):
                for each in part:
                    self._module_statement(each) if isinstance(each, ast.stmt) else self.visit(each)
        elif not isinstance(node, kept):
            self.add(node, "global-state", f"the module executes {ast.unparse(node).splitlines()[0][:50]!r}")
            self.visit(node)
        else:
            self.visit(node)


class _ClassScope(dict[str, Binding]):
    """Names of a class's body, which its methods do not see."""


class _Function:
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
        for each in sorted((each for each in ast.walk(node) if isinstance(each, ast.Assign)), key=lambda each: each.lineno):
            root = _root(each.value) if isinstance(each.value, ast.Attribute | ast.Name | ast.Subscript) else None
            if root is not None and root.id in self.foreign:
                self.foreign.update(target.id for target in each.targets if isinstance(target, ast.Name))

    def only_value_of(self, name: str) -> ast.expr | None:
        """What a variable is given, if that is one expression."""
        values = [
            each.value
            for each in ast.walk(self.node)
            if isinstance(each, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in each.targets)
        ]
        stored = [each for each in ast.walk(self.node) if isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Store)]
        return values[0] if len(values) == 1 == len(stored) else None


def _root(node: ast.AST) -> ast.Name | None:
    """The name that a chain of attributes, places and calls begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node if isinstance(node, ast.Name) else None


def _is_singleton(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and node.value in (None, True, False)) or ast.unparse(node) in ("msgspec.UNSET", "UNSET")


def _in_literal(whole: ast.expr, text: ast.Constant) -> bool:
    """True for a text that is a value: inside of Literal[...] or an argument of a call."""
    for each in ast.walk(whole):
        is_holder = isinstance(each, ast.Call) or (isinstance(each, ast.Subscript) and ast.unparse(each.value).endswith("Literal"))
        if is_holder and any(inner is text for inner in ast.walk(each)):
            return True
    return False
