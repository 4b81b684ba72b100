"""Code of kernels that only kernels call: LLVM's text, and no machine code.

A kernel's library holds the code of all it calls, and Numba optimises a library as a whole and
makes machine code of it. So a step three calls below an entry was optimised four times, and its
own machine code, which nobody calls, was made besides. The library of an inner kernel is left as
Numba's passes over single functions leave it; the entry that takes it in optimises it, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import binding as llvm
from numba.core.caching import CompileResultCacheImpl
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult

KIND = "inner"


class _NoEngine:
    """Stands for the engine of a library that has no machine code."""

    def set_env(self, name: str, environment: Any) -> None:
        """Nothing: an inner kernel's environment is set in the entry's machine code."""


class InnerLibrary(JITCodeLibrary):
    """Code to link into others."""

    @property
    def codegen(self) -> Any:
        """What Numba sets environments by."""
        return _NoEngine()

    def get_pointer_to_function(self, name: str) -> int:
        """None: there is no machine code."""
        self._ensure_finalized()  # type: ignore[no-untyped-call]
        return 0

    def serialize_using_object_code(self) -> tuple[str, str, bytes]:
        """What the cache of compiled code keeps."""
        module = self._get_module_for_linking()  # type: ignore[no-untyped-call]
        return self.name, KIND, module.as_bitcode()

    @classmethod
    def _unserialize(cls, codegen: Any, state: Any) -> InnerLibrary:
        name, _, bitcode = state
        self = cls(codegen, name)
        self._final_module = self._shared_module = llvm.parse_bitcode(bitcode)
        self._finalized = True
        return self

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()  # type: ignore[no-untyped-call]
        self._finalized = True


class InnerCompiler(Compiler):
    """Numba's compiler, with an inner library for what it makes."""

    def compile_extra(self, function: Callable[..., Any]) -> Any:
        """Compile a function."""
        codegen = self.state.targetctx.codegen()
        library = InnerLibrary(codegen, function.__qualname__)  # type: ignore[no-untyped-call]
        self.state.library = library
        return super().compile_extra(function)  # type: ignore[no-untyped-call]


class InnerCache(CompileResultCacheImpl):
    """How the cache of compiled code keeps inner kernels."""

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """A compiled kernel from what the cache has."""
        kept, described, environment, signature, _, lifted, annotation, reload, _ = payload
        for function in reload:
            function()
        library = InnerLibrary._unserialize(target_context.codegen(), kept)
        result: Any = CompileResult
        return result(
            target_context=target_context,
            typing_context=target_context.typing_context,
            library=library,
            environment=environment,
            entry_point=target_context.get_executable(library, described, environment),
            fndesc=described,
            type_annotation=annotation,
            signature=signature,
            objectmode=False,
            lifted=lifted,
            typing_error=None,
            call_helper=None,
            metadata=None,
            reload_init=reload,
            referenced_envs=[],
        )
