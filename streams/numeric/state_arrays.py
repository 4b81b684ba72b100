"""State as a group of arrays that kernels get by one address.

Numba hands a named tuple of arrays over by value: seven words for each array, for every step that
is not inlined, and each of those words is typed, lowered and optimised in every step. A group of
`StateArrays` is handed over as one pointer. ``books.quantity`` in a kernel loads the address and
the lengths of that array, and the rest of the line reads as before.

Where the pointer leads: per array, in the order of the class, its address and then its lengths, as
int64. `streams.runtime.tools.pointers.Context` lays its arrays out the same way, so that a compiled
loop takes a group out of its context with ``at`` and nothing is copied.

    class Ladder(StateArrays):
        best = array_of(np.int64)
        levels = array_of(LEVEL, 2)

    ladder = Ladder(best=np.zeros(1, np.int64), levels=np.zeros((2, 64), LEVEL))
    take(ladder, 0)                      # a kernel: ladder.levels[0, 3].quantity

The addresses and lengths do not change while a kernel runs; the loads say so to LLVM.

A class may also bind modules (``MODULES``): ``ladder.rule.step(...)`` in a kernel calls ``step`` of
the module that stands under ``rule``. It is bound when the kernel is compiled, and the type is
named by the module's sources: each choice has compiled code of its own, and none costs a branch.
"""

from __future__ import annotations

import hashlib
import sys  # lint: allow environment: what is imported, by its name
from collections.abc import Iterator
from pathlib import Path  # lint: allow input-output: names a type by the sources of its modules
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    models,
    register_model,
    unbox,
)
from numba.np.arrayobj import make_array, populate_array
from numba.np.numpy_support import from_dtype

from schemas.kernel import cache_folder

WORD = ir.IntType(64)
WORDS = WORD.as_pointer()


class Field:
    """One array of a group: what its elements are, and its number of dimensions."""

    def __init__(self, dtype: Any, dimensions: int) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.dimensions = dimensions


def array_of(dtype: Any, dimensions: int = 1) -> Any:
    """Declare a C-contiguous array of a group."""
    return Field(dtype, dimensions)


def _sources_of(module: ModuleType) -> str:
    """What names the compiled code of a module and of all it imports."""
    package = module.__name__.rpartition(".")[0]
    return cache_folder(Path(str(module.__file__)).resolve(), package).name


class GroupType(types.Type):  # type: ignore[misc]  # Numba has no types
    """The Numba type of a group: one pointer. Two groups of the same layout are the same type.

    ``pairs``: names that stand for two of the arrays, as a tuple; ``modules``: names that stand for
    modules.
    """

    def __init__(
        self,
        fields: dict[str, Field],
        pairs: dict[str, tuple[str, str]],
        modules: dict[str, ModuleType],
    ) -> None:
        text = ";".join(
            f"{name}:{field.dtype.descr}:{field.dimensions}" for name, field in fields.items()
        ) + repr(pairs)
        for name, module in modules.items():
            text += f"{name}={module.__name__}:{_sources_of(module)}"
        self.pairs = pairs
        # by name: a cache of kernels is read where what another type binds is not there
        self.modules = {name: module.__name__ for name, module in modules.items()}
        self.kinds: dict[str, Any] = {}
        self.offsets: dict[str, int] = {}
        words = 0
        for name, field in fields.items():
            self.kinds[name] = types.Array(from_dtype(field.dtype), field.dimensions, "C")
            self.offsets[name] = words
            words += 1 + field.dimensions
        super().__init__(name=f"StateArrays({hashlib.sha256(text.encode()).hexdigest()[:24]})")

    @property
    def mangling_args(self) -> tuple[str, tuple[Any, ...]]:
        """What a function's symbol says of an argument of this type."""
        return "StateArrays", (self.name[12:-1],)


@register_model(GroupType)
class _GroupModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, WORDS)


@infer_getattr
class _GroupAttributes(AttributeTemplate):  # type: ignore[misc]
    key = GroupType

    def generic_resolve(self, group: Any, name: str) -> Any:  # type: ignore[override]
        if name in group.pairs:
            return types.Tuple(tuple(group.kinds[each] for each in group.pairs[name]))
        if name in group.modules:
            return types.Module(sys.modules[group.modules[name]])
        return group.kinds.get(name)


@lower_getattr_generic(GroupType)
def _load(context: Any, builder: Any, group: Any, pointer: Any, name: str) -> Any:
    if name in group.modules:
        return context.get_dummy_value()
    if name not in group.pairs:
        return _load_array(context, builder, group, pointer, name)
    kind = types.Tuple(tuple(group.kinds[each] for each in group.pairs[name]))
    return context.make_tuple(
        builder,
        kind,
        [_load_array(context, builder, group, pointer, each) for each in group.pairs[name]],
    )


def _load_array(context: Any, builder: Any, group: Any, pointer: Any, name: str) -> Any:
    kind = group.kinds[name]

    def word(place: int) -> Any:
        loaded = builder.load(
            builder.gep(pointer, [ir.Constant(WORD, group.offsets[name] + place)])
        )
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded

    element = context.get_data_type(kind.dtype)
    size = context.get_constant(types.intp, context.get_abi_sizeof(element))
    lengths = [word(1 + axis) for axis in range(kind.ndim)]
    strides: list[Any] = []
    step = size
    for length in reversed(lengths):
        strides.insert(0, step)
        step = builder.mul(step, length)
    array = make_array(kind)(context, builder)
    data = builder.inttoptr(word(0), array.data.type)
    populate_array(array, data=data, shape=lengths, strides=strides, itemsize=size, meminfo=None)
    return array._getvalue()


@unbox(GroupType)
def _unbox(kind: Any, value: Any, unboxing: Any) -> Any:
    held = unboxing.pyapi.object_getattr_string(value, "address")
    address = unboxing.pyapi.long_as_longlong(held)
    unboxing.pyapi.decref(held)
    return NativeValue(unboxing.builder.inttoptr(address, WORDS))


def _group_in(kind: GroupType) -> Any:
    """The function ``at`` of a class: the group whose arrays begin at a place of a context."""

    def at(typing_context: Any, packed: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = make_array(signature.args[0])(context, builder, arguments[0])
            return builder.gep(array.data, [arguments[1]])

        return kind(packed, types.int64), generate

    return intrinsic(at)


class StateArrays:
    """A group of arrays, as attributes; its class declares them with `array_of`.

    ``MODULES``: modules that stand under a name, for kernels and for plain Python. ``EXPRESSION``:
    how a generated loop writes the class, as an attribute of the stage's module.
    """

    FIELDS: ClassVar[dict[str, Field]] = {}
    PAIRS: ClassVar[dict[str, tuple[str, str]]] = {}
    MODULES: ClassVar[dict[str, ModuleType]] = {}
    EXPRESSION: ClassVar[str] = "State"
    KIND: ClassVar[Any]
    at: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {name: field for name, field in vars(cls).items() if isinstance(field, Field)}
        cls.FIELDS = {**getattr(cls, "FIELDS", {}), **own}
        for name in own:
            delattr(cls, name)
        for name, module in cls.MODULES.items():
            setattr(cls, name, module)
        cls.KIND = GroupType(cls.FIELDS, cls.PAIRS, cls.MODULES)
        cls.at = _group_in(cls.KIND)

    def __init__(self, **arrays: np.ndarray[Any, Any]) -> None:
        if arrays.keys() != self.FIELDS.keys():
            raise TypeError(f"{type(self).__name__} takes the arrays {', '.join(self.FIELDS)}")
        words: list[int] = []
        for name, field in self.FIELDS.items():
            array = arrays[name]
            if (
                array.dtype != field.dtype
                or array.ndim != field.dimensions
                or not array.flags.c_contiguous
            ):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a contiguous array of {field.dtype}, "
                    f"{field.dimensions}-d"
                )
            setattr(self, name, array)
            words += [array.ctypes.data, *array.shape]
        self._words = np.array(words, np.int64)
        self.address = self._words.ctypes.data
        self._numba_type_ = self.KIND

    def _asdict(self) -> dict[str, np.ndarray[Any, Any]]:
        return {name: getattr(self, name) for name in self.FIELDS}

    def __iter__(self) -> Iterator[np.ndarray[Any, Any]]:
        return iter(self._asdict().values())

    def __reduce__(self) -> Any:
        return _rebuilt, (type(self), self._asdict())

    def copy(self) -> Self:
        """A group of the same content in memory of its own."""
        return type(self)(**{name: array.copy() for name, array in self._asdict().items()})


def _rebuilt(group: type[StateArrays], arrays: dict[str, Any]) -> StateArrays:
    return group(**arrays)
