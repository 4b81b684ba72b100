"""A 128-bit integer for compiled code that reads like Python's: amounts of money of the order side.

``wide(price) * quantity * multiplier > limit`` is the same text in a kernel and in plain Python,
where a wide integer is an ``int``. In a kernel it is one LLVM ``i128``:

- sums, differences and products *saturate* at ``-TOP .. TOP``. A comparison with a limit needs no
  check: too large is too large;
- what is booked must have at most 38 digits, as the decimal fields of records have: see
  ``is_decimal``. 2 x 10^38 is more than TOP, so one sum of two decimals is a decimal or is found to
  be none. Check after each step, before the next one may bring a saturated value back;
- in memory it is two limbs (``join``, ``high``, ``low``), those of decimal fields in records'
  rows: ``x_high`` int64, ``x_low`` uint64, two's complement.

``wide.py`` has arithmetic on such limbs, of the market stages, and the division used here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from streams.numeric.extension import (
    AbstractTemplate,
    Conversion,
    TypeBase,
    infer_global,
    lower_builtin,
    lower_cast,
    models,
    overload,
    register_model,
    signature,
)
from streams.numeric.fixed import divide_down, divide_half_even
from streams.numeric.shared import shared_step
from streams.numeric.wide import DECIMAL_LIMIT, div_half_even

TOP = (1 << 127) - 1
"""The largest size of a wide integer in compiled code."""
_LOW_LIMB = (1 << 64) - 1
_I64, _I128 = ir.IntType(64), ir.IntType(128)
ONE: Any = np.uint64(1)


class WideType(TypeBase):  # type: ignore[misc]
    """The type of a wide integer in a kernel."""

    def __init__(self) -> None:
        super().__init__(name="wide128")

    def can_convert_from(self, typing_context: Any, other: Any) -> Any:
        """Every integer becomes a wide one where both meet."""
        return Conversion.safe if isinstance(other, types.Integer) else None


WIDE: Any = WideType()


@register_model(WideType)
class _WideModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _I128)


# -- what Python sees


def wide(value: int) -> int:
    """An integer as a wide one."""
    return int(value)


def join(high_limb: int, low_limb: int) -> int:
    """The wide integer of two limbs."""
    return (int(high_limb) << 64) + int(low_limb)


def high(value: int) -> int:
    """The upper limb, int64."""
    return value >> 64


def low(value: int) -> int:
    """The lower limb, uint64."""
    return value & _LOW_LIMB


def narrow(value: int) -> int:
    """A wide integer of which ``is_int64`` holds, as int64."""
    return value


def is_int64(value: int) -> bool:
    """True if the size of the value is at most 2^63 - 1."""
    return -(1 << 63) < value < 1 << 63


def is_decimal(value: int) -> bool:
    """True if the value has at most 38 digits: it may be booked."""
    return -DECIMAL_LIMIT < value < DECIMAL_LIMIT


def is_exact(value: int) -> bool:
    """False if a sum or product may have been cut to TOP."""
    return -TOP < value < TOP


def share(amount: int, part: int, whole: int) -> int:
    """``amount * part / whole``, rounded half to even; 0 <= part <= whole, 0 < whole, both int64.

    The one rounding of average cost and of the fee of a flip; exact for every amount.

    >>> share(9, 5, 8), share(5, 1, 2), share(7, 1, 2), share(-5, 1, 2)
    (6, 2, 4, -2)
    """
    return divide_half_even(amount * part, whole)


@shared_step
def smaller(one: int, other: int) -> int:
    """The smaller of two amounts."""
    return one if one < other else other


@shared_step
def larger(one: int, other: int) -> int:
    """The larger of two amounts."""
    return one if one > other else other


@shared_step
def power_of_ten(exponent: int) -> int:
    """10^exponent, for 0 <= exponent <= 38."""
    power = wide(1)
    for _ in range(exponent):
        power = power * 10
    return power


@shared_step
def quotient(amount: int, divisor: int) -> int:
    """amount / divisor rounded down; amount >= 0 is wide, divisor > 0 an int64.

    >>> quotient(7, 2), quotient(8, 2)
    (3, 4)
    """
    found = share(amount, 1, divisor)
    if found * divisor > amount:
        found = found - 1
    return found


@shared_step
def quotient_up(amount: int, divisor: int) -> int:
    """The same rounded up.

    >>> quotient_up(7, 2), quotient_up(8, 2)
    (4, 4)
    """
    found = share(amount, 1, divisor)
    if found * divisor < amount:
        found = found + 1
    return found


# -- what kernels compile


@lower_cast(types.Integer, WideType)
def _from_integer(context: Any, builder: Any, source: Any, target: Any, value: Any) -> Any:
    return builder.sext(value, _I128) if source.signed else builder.zext(value, _I128)


def _is_wide_or_integer(kinds: Any) -> bool:
    return all(kind is WIDE or isinstance(kind, types.Integer) for kind in kinds)


def _register(
    function: Any, result: Any, kinds: tuple[Any, ...], build: Callable[..., Any]
) -> None:
    """``function`` of arguments of these kinds, cast to them, is what ``build(builder,
    *values)`` makes.
    """

    @infer_global(function)
    class _Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, arguments: Any, keywords: Any) -> Any:
            if len(arguments) == len(kinds) and _is_wide_or_integer(arguments):
                if any(kind is WIDE for kind in arguments) or function in _OF_INTEGERS:
                    return signature(result, *kinds)
            return None

    @lower_builtin(function, *kinds)
    def _lower(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        return build(builder, *values)


_OF_INTEGERS = (wide, join)
"""These serve arguments none of which is wide."""


def _saturated(builder: Any, value: Any) -> Any:
    """A value of more bits, cut to -TOP .. TOP."""
    most, least = ir.Constant(value.type, TOP), ir.Constant(value.type, -TOP)
    value = builder.select(builder.icmp_signed(">", value, most), most, value)
    value = builder.select(builder.icmp_signed("<", value, least), least, value)
    return builder.trunc(value, _I128)


def _sum(name: str) -> Callable[..., Any]:
    """A sum or a difference, which needs 129 bits."""
    larger = ir.IntType(129)

    def build(builder: Any, left: Any, right: Any) -> Any:
        return _saturated(
            builder, getattr(builder, name)(builder.sext(left, larger), builder.sext(right, larger))
        )

    return build


def _product(builder: Any, left: Any, right: Any) -> Any:
    """One multiplication where both are int64, which is seen at compile time for most; else the
    function below.
    """
    small_left, small_right = builder.trunc(left, _I64), builder.trunc(right, _I64)
    is_small = builder.and_(
        builder.icmp_signed("==", builder.sext(small_left, _I128), left),
        builder.icmp_signed("==", builder.sext(small_right, _I128), right),
    )
    with builder.if_else(is_small) as (then, otherwise):
        with then:
            small = builder.mul(builder.sext(small_left, _I128), builder.sext(small_right, _I128))
            after_small = builder.block
        with otherwise:
            large = builder.call(_multiplication(builder.module), (left, right))
            after_large = builder.block
    found = builder.phi(_I128)
    found.add_incoming(small, after_small)
    found.add_incoming(large, after_large)
    return found


def _multiplication(module: Any) -> Any:
    """The product in 256 bits as a function of the module: text that each product would repeat."""
    name = "shrivenquant.wide.multiply"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(_I128, (_I128, _I128)), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    larger = ir.IntType(256)
    left, right = (builder.sext(each, larger) for each in function.args)
    builder.ret(_saturated(builder, builder.mul(left, right)))
    return function


def _comparison(sign: str) -> Callable[..., Any]:
    return lambda builder, left, right: builder.icmp_signed(sign, left, right)


def _size(builder: Any, value: Any) -> Any:
    return builder.select(
        builder.icmp_signed("<", value, ir.Constant(_I128, 0)), builder.neg(value), value
    )


def _is_within(limit: int) -> Callable[..., Any]:
    """Whether the size of a value is at most the limit."""
    return lambda builder, value: builder.icmp_signed(
        "<=", _size(builder, value), ir.Constant(_I128, limit)
    )


def _joined(builder: Any, upper: Any, lower: Any) -> Any:
    return builder.or_(
        builder.shl(builder.zext(upper, _I128), ir.Constant(_I128, 64)), builder.zext(lower, _I128)
    )


for _operator, _in_place, _build in (
    (operator.add, operator.iadd, _sum("add")),
    (operator.sub, operator.isub, _sum("sub")),
    (operator.mul, operator.imul, _product),
):
    _register(_operator, WIDE, (WIDE, WIDE), _build)
    _register(_in_place, WIDE, (WIDE, WIDE), _build)
for _operator, _sign in (
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.gt, ">"),
    (operator.ge, ">="),
    (operator.eq, "=="),
    (operator.ne, "!="),
):
    _register(_operator, types.boolean, (WIDE, WIDE), _comparison(_sign))
_register(operator.neg, WIDE, (WIDE,), lambda builder, value: builder.neg(value))
_register(abs, WIDE, (WIDE,), _size)
_register(wide, WIDE, (WIDE,), lambda builder, value: value)
_register(join, WIDE, (types.int64, types.uint64), _joined)
_register(
    high,
    types.int64,
    (WIDE,),
    lambda builder, value: builder.trunc(builder.lshr(value, ir.Constant(_I128, 64)), _I64),
)
_register(low, types.uint64, (WIDE,), lambda builder, value: builder.trunc(value, _I64))
_register(narrow, types.int64, (WIDE,), lambda builder, value: builder.trunc(value, _I64))
_register(is_int64, types.boolean, (WIDE,), _is_within((1 << 63) - 1))
_register(is_exact, types.boolean, (WIDE,), _is_within(TOP - 1))
_register(is_decimal, types.boolean, (WIDE,), _is_within(DECIMAL_LIMIT - 1))


@overload(share, jit_options={"_nrt": False, "error_model": "numpy"})
def _compiled_share(amount: Any, part: Any, whole: Any) -> Any:
    """In kernels: one division where the product has 127 bits, else two.

    amount = quotient * whole + rest, so the result is quotient * part + rest * part / whole. Ties
    go to even in the sum, not in its second half: an odd first half lends one to the second.
    """
    if amount is not WIDE or not _is_wide_or_integer((part, whole)):
        return None

    def compiled(amount: Any, part: Any, whole: Any) -> Any:
        divisor = narrow(wide(whole))
        product = amount * part
        if is_exact(product):
            return join(*div_half_even(high(product), low(product), divisor))
        quotient = join(*div_half_even(high(amount), low(amount), divisor))
        rest = (amount - quotient * whole) * part
        first = quotient * part
        odd = wide(low(first) & ONE)
        rest += odd * whole
        return first - odd + join(*div_half_even(high(rest), low(rest), divisor))

    return compiled


@overload(divide_down, jit_options={"_nrt": False, "error_model": "numpy"})
def _compiled_divide_down(amount: Any, divisor: Any) -> Any:
    """In kernels, of an amount of at most 38 digits by an int64 above 0: the quotient rounded to
    nearest, less one where that was up.
    """
    if amount is not WIDE or not _is_wide_or_integer((divisor,)):
        return None

    def compiled(amount: Any, divisor: Any) -> Any:
        if is_int64(amount):
            return wide(narrow(amount) // narrow(wide(divisor)))
        quotient = join(*div_half_even(high(amount), low(amount), narrow(wide(divisor))))
        return quotient - 1 if quotient * divisor > amount else quotient

    return compiled
