"""The determinism lint: what a stage or a strategy may not do, found by reading its source (DEV-11,
RPL-7).

``lint_file(path)`` returns findings, each with file, line, rule and what to use instead. A finding
is allowed only with a reason on its line:

    total = hash(name)  # lint: allow hash: constant text, never published

These rules name what is refused. For our own stages they are enough; of a strategy, which others
write, everything that is not allowed by name is refused besides (``strategy_lint.py``). The lint is
the early, friendly message; the replay, which compares digests, is the proof.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.errors import WrongUse


class Finding(NamedTuple):
    """One breach of the rules."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


class NotDeterministic(WrongUse):
    """Source that breaks the determinism rules."""

    code = "not_deterministic"


# rule -> what to use instead
RULES = {
    "clock": "a stage knows time only as state.clock (kernel) or context.clock; sessions and times "
    "of day: streams.numeric.session",
    "random": "use a counter-based generator seeded from the record's sequence, kept in state",
    "environment": "take it as a setting, it is part of the run's identity",
    "input-output": "stages read and write records only; hand data in as settings, on a topic, or "
    "as a file named in ARTEFACTS",
    "threads": "a stage runs on one thread; work that waits goes behind a timer",
    "hash": "hash() changes with PYTHONHASHSEED; use the value itself or hashlib over its bytes",
    "identity": "id() is a memory address; number the objects yourself",
    "set-iteration": "the order of a set is not defined; use a dict (insertion order), a list, or "
    "sorted(...)",
    "float-reduction": "the order of a library's float sum is not defined; add in one loop, or use "
    "integers; rolling means and deviations: streams.signals.indicators in Python, "
    "streams.numeric.rolling in a kernel",
    "unstable-math": "this function's last bits differ between machines; use + - * / sqrt, exp, "
    "log and pow of streams.numeric.elementary, erfc of streams.numeric.error_function",
    "fast-math": "fast-math and parallel loops reorder sums; use schemas.kernel.kernel",
    "dynamic": "code made at run time cannot be checked; write it out",
    "global-state": "what a module, a class or a default keeps is in no snapshot; declare it in "
    "State, or make it a constant (a tuple)",
    "import": "a strategy imports the modules of its own folder and those that docs/strategies.md "
    "lists, for they are deterministic",
    "name": "a strategy uses the builtins that docs/strategies.md lists",
    "attribute": "no record, no part of the contract and no class of the strategy has it; declare "
    "it in State, or write the computation out",
    "program": "a strategy changes and hands around nothing but its own state: no module, class, "
    "function, record or context",
    "reason": "an allowed exception needs a reason: '# lint: allow RULE: why'",
}

# module (or a part of it) -> rule
MODULES = {
    "time": "clock", "datetime": "clock", "calendar": "clock", "zoneinfo": "clock",
    "random": "random", "secrets": "random", "uuid": "random", "numpy.random": "random",
    "os": "environment", "sys": "environment", "platform": "environment", "getpass": "environment",
    "locale": "environment",
    "io": "input-output", "pathlib": "input-output", "socket": "input-output",
    "subprocess": "input-output", "requests": "input-output",
    "urllib": "input-output", "http": "input-output", "sqlite3": "input-output",
    "shutil": "input-output", "tempfile": "input-output",
    "logging": "input-output", "pickle": "input-output", "confluent_kafka": "input-output",
    "streams.log": "input-output",
    "threading": "threads", "multiprocessing": "threads", "concurrent": "threads",
    "asyncio": "threads", "queue": "threads", "_thread": "threads",
    "ctypes": "dynamic", "importlib": "dynamic", "gc": "identity", "weakref": "identity",
    "inspect": "dynamic",
}  # fmt: skip
CALLS = {
    "hash": "hash", "id": "identity", "open": "input-output", "print": "input-output",
    "input": "input-output",
    "eval": "dynamic", "exec": "dynamic", "compile": "dynamic", "__import__": "dynamic",
    "globals": "dynamic",
}  # fmt: skip
# numpy functions that reduce floats in an order of their own, or by a library's
REDUCTIONS = (
    "sum",
    "mean",
    "std",
    "var",
    "dot",
    "matmul",
    "einsum",
    "average",
    "nansum",
    "inner",
    "vdot",
    "tensordot",
    "trace",
)
NUMPY = ("numpy", "np")
UNSTABLE = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "pow", "power", "sin", "cos", "tan",
    "asin", "acos", "atan", "atan2", "arcsin",
    "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "erf",
    "erfc", "gamma", "lgamma", "cbrt", "hypot",
)  # fmt: skip
FAST = ("fastmath", "parallel", "prange")
ALLOW = re.compile(r"#\s*lint:\s*allow\s+([a-z-]+)\s*(?::\s*(.*\S))?\s*$")


def lint_file(path: Path) -> list[Finding]:
    """Findings of one source file, in order of line. A file that does not parse gives one finding.
    """
    try:
        return lint_source(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        return [
            Finding(
                str(path),
                0,
                "syntax",
                f"the file is not UTF-8 text ({error.reason} at byte {error.start})",
            )
        ]


def lint_source(source: str, path: str, exceptions: Sequence[str] = tuple(RULES)) -> list[Finding]:
    """Findings of source text; ``path`` is what they name, ``exceptions`` the rules that a line may
    be excepted from with a reason.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [Finding(path, error.lineno or 0, "syntax", str(error.msg))]
    reader = _Reader()
    reader.visit(tree)
    return reported(reader.found, source, path, exceptions)


def reported(
    found: Iterable[tuple[int, str, str]], source: str, path: str, exceptions: Sequence[str]
) -> list[Finding]:
    """Findings of (line, rule, what), without those that their line excepts with a reason."""
    lines = source.splitlines()
    findings = []
    for line, rule, what in sorted(dict.fromkeys(found)):
        allowed = ALLOW.search(lines[line - 1]) if 0 < line <= len(lines) else None
        is_excepted = allowed is not None and allowed.group(1) == rule and rule in exceptions
        if is_excepted and allowed is not None and allowed.group(2):
            continue
        if is_excepted:
            rule, what = "reason", f"allow {rule} without a reason"
        findings.append(Finding(path, line, rule, f"{what}; {RULES[rule]}"))
    return findings


def rule_of_module(name: str) -> str | None:
    """The rule that an import of the module breaks, None if of no rule here."""
    return next(
        (
            rule
            for module, rule in MODULES.items()
            if name == module or name.startswith(module + ".")
        ),
        None,
    )


def _is_view(node: ast.expr) -> bool:
    """True for the keys or items of a dict: an operator makes a set of two of them."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("keys", "items")
    )


class _Reader(ast.NodeVisitor):
    """Collects (line, rule, what) from a module's tree."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str, str]] = []
        self.sets: list[dict[str, bool]] = [{}]  # names known to hold sets, a dict per scope

    def add(self, node: ast.AST, rule: str, what: str) -> None:
        self.found.append((getattr(node, "lineno", 0), rule, what))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._module(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        self._module(node, base)
        for alias in node.names:
            self._module(node, f"{base}.{alias.name}")
            if base in ("math", *NUMPY) and alias.name in UNSTABLE:
                self.add(node, "unstable-math", f"{base}.{alias.name}")
            if base == "numba" and alias.name in FAST:
                self.add(node, "fast-math", f"numba.{alias.name}")

    def _module(self, node: ast.AST, name: str) -> None:
        rule = rule_of_module(name)
        if rule is not None:
            self.add(node, rule, f"import of {name}")

    def visit_Global(self, node: ast.Global) -> None:
        self.add(node, "global-state", f"global {', '.join(node.names)}")

    def visit_If(self, node: ast.If) -> None:
        # a command of the module, no part of the stage
        if ast.unparse(node.test) != "__name__ == '__main__'":
            self.generic_visit(node)
        for each in node.orelse if ast.unparse(node.test) == "__name__ == '__main__'" else ():
            self.visit(each)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._scope(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.add(node, "threads", f"async def {node.name}")
        self._scope(node)

    def _scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.sets.append({})
        self.generic_visit(node)
        self.sets.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._remember(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        annotation = ast.unparse(node.annotation)
        if re.match(r"(typing\.)?(set|frozenset|Set|FrozenSet|AbstractSet)\b", annotation):
            self.sets[-1][ast.unparse(node.target)] = True
        elif node.value is not None:
            self._remember(node.target, node.value)
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        if node.annotation is not None and re.match(
            r"(set|frozenset)\b", ast.unparse(node.annotation)
        ):
            self.sets[-1][node.arg] = True

    def _remember(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name | ast.Attribute):
            # self.x is known in every method
            scope = self.sets[0] if isinstance(target, ast.Attribute) else self.sets[-1]
            scope[ast.unparse(target)] = self._is_set(value)

    def _is_set(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name):
                return called.id in ("set", "frozenset")
            if isinstance(called, ast.Attribute):
                return called.attr in (
                    "union",
                    "intersection",
                    "difference",
                    "symmetric_difference",
                ) and self._is_set(called.value)
        if isinstance(node, ast.BinOp) and isinstance(
            node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor
        ):
            return any(self._is_set(side) or _is_view(side) for side in (node.left, node.right))
        if isinstance(node, ast.IfExp):
            return self._is_set(node.body) or self._is_set(node.orelse)
        if isinstance(node, ast.Name | ast.Attribute):
            text = ast.unparse(node)
            return any(scope.get(text, False) for scope in reversed(self.sets))
        return False

    def _hands_on(self, node: ast.Call, to: str) -> None:
        """Who takes a set without saying so may iterate over it, and is not read with that in mind.
        """
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if self._is_set(argument):
                self.add(node, "set-iteration", f"{to}() is handed {ast.unparse(argument)}, a set")

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and self._is_set(node.value):
            self.add(node, "set-iteration", f"returns {ast.unparse(node.value)}, a set")
        self.generic_visit(node)

    def _iterates(self, node: ast.AST, over: ast.expr) -> None:
        if self._is_set(over):
            self.add(node, "set-iteration", f"iterates over {ast.unparse(over)}")

    def visit_For(self, node: ast.For) -> None:
        self._iterates(node, node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._iterates(node.iter, node.iter)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self._iterates(node, node.value)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        text = ast.unparse(node)
        base, _, name = text.rpartition(".")
        if base in NUMPY and name == "random":
            self.add(node, "random", text)
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg in ("fastmath", "parallel") and not (
            isinstance(node.value, ast.Constant) and node.value.value is False
        ):
            self.add(node.value, "fast-math", f"{node.arg}={ast.unparse(node.value)}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        if isinstance(called, ast.Name):
            self._named_call(node, called.id)
        elif isinstance(called, ast.Attribute):
            base, name = ast.unparse(called.value), called.attr
            if base in ("math", *NUMPY) and name in UNSTABLE:
                self.add(node, "unstable-math", f"{base}.{name}")
            if base in NUMPY and name in REDUCTIONS:
                self.add(node, "float-reduction", f"{base}.{name}")
            for argument in (
                node.args if name in ("join", "extend", "fromkeys", "array", "deque") else ()
            ):
                self._iterates(node, argument)
            if base == "self":
                self._hands_on(node, f"self.{name}")
            if name == "pop" and self._is_set(called.value):
                self.add(node, "set-iteration", f"{base}.pop() of a set")
        self.generic_visit(node)

    def _named_call(self, node: ast.Call, name: str) -> None:
        if name in CALLS:
            self.add(node, CALLS[name], f"{name}()")
        if (
            name
            in (
                "list",
                "tuple",
                "sum",
                "iter",
                "next",
                "enumerate",
                "map",
                "filter",
                "zip",
                "reversed",
            )
            and node.args
        ):
            for argument in node.args:
                self._iterates(node, argument)
        elif name in ("sorted", "min", "max") and any(
            keyword.arg == "key" for keyword in node.keywords
        ):
            for argument in node.args:
                if self._is_set(argument):
                    self.add(
                        node,
                        "set-iteration",
                        f"{name}() by a key of {ast.unparse(argument)}: equal ones come in the "
                        "order of the set",
                    )
        elif name.islower() and not hasattr(builtins, name):
            self._hands_on(node, name)
        if name == "prange":
            self.add(node, "fast-math", "prange()")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.MatMult):
            self.add(node, "float-reduction", "the @ operator")
        self.generic_visit(node)
