"""128-bit integers for kernels: exact notional, fees and P&L, as two limbs ``(high, low)``: int64
and uint64, two's complement.

price * quantity leaves 64 bits at 922 currency units when both carry eight decimals, so money never
uses a plain product. The limbs are those of the decimal columns in schemas.compiled (``x_high``,
``x_low``). Sums wrap at 2^127; ``fits_decimal`` says whether a value may be written. Mixing int64
and uint64 in Numba silently gives float64: every step below keeps to one of them. Python has
integers of its own: there use ``to_int`` and ``from_int``, and pass limbs as np.int64 and np.uint64
where a kernel is called directly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from streams.numeric.bits import leading_zeros
from streams.numeric.borrowing import inner_kernel

HALF = np.uint64(32)
HALF_MASK = np.uint64(0xFFFFFFFF)
ZERO = np.uint64(0)
ONE = np.uint64(1)
TWO_TO_64 = 2.0**64
DECIMAL_LIMIT = 10**38
"""Decimal amounts of the schemas have at most 38 digits."""
LIMIT_HIGH = np.uint64(DECIMAL_LIMIT >> 64)
LIMIT_LOW = np.uint64(DECIMAL_LIMIT & 0xFFFFFFFFFFFFFFFF)

_PAIR: Any = types.Tuple((types.int64, types.uint64))  # type: ignore[no-untyped-call]
_I64, _I128 = ir.IntType(64), ir.IntType(128)


def _limbs(context: Any, builder: Any, value: Any) -> Any:
    high = builder.trunc(builder.lshr(value, ir.Constant(_I128, 64)), _I64)
    return context.make_tuple(builder, _PAIR, (high, builder.trunc(value, _I64)))


def _value(builder: Any, high: Any, low: Any) -> Any:
    return builder.or_(
        builder.shl(builder.zext(high, _I128), ir.Constant(_I128, 64)), builder.zext(low, _I128)
    )


def _multiply_typer(typing_context: Any, a: Any, b: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _limbs(
            context,
            builder,
            builder.mul(*(builder.sext(argument, _I128) for argument in arguments)),
        )

    return _PAIR(types.int64, types.int64), generate


def _sum_typer(operation: str) -> Any:
    def typer(typing_context: Any, a_high: Any, a_low: Any, b_high: Any, b_low: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            combined = getattr(builder, operation)(
                _value(builder, *arguments[:2]), _value(builder, *arguments[2:])
            )
            return _limbs(context, builder, combined)

        return _PAIR(types.int64, types.uint64, types.int64, types.uint64), generate

    return typer


_multiply: Any = intrinsic(_multiply_typer)
_add: Any = intrinsic(_sum_typer("add"))
_subtract: Any = intrinsic(_sum_typer("sub"))


@inner_kernel
def mul(a: Any, b: Any) -> Any:
    """Exact product of two int64 as (high, low)."""
    return _multiply(np.int64(a), np.int64(b))


@inner_kernel
def widen(a: Any) -> Any:
    """An int64 as (high, low)."""
    value = np.int64(a)
    return value >> 63, np.uint64(value)


@inner_kernel
def add(a_high: Any, a_low: Any, b_high: Any, b_low: Any) -> Any:
    """a + b modulo 2^128."""
    return _add(np.int64(a_high), np.uint64(a_low), np.int64(b_high), np.uint64(b_low))


@inner_kernel
def sub(a_high: Any, a_low: Any, b_high: Any, b_low: Any) -> Any:
    """a - b modulo 2^128."""
    return _subtract(np.int64(a_high), np.uint64(a_low), np.int64(b_high), np.uint64(b_low))


@inner_kernel
def negate(high: Any, low: Any) -> Any:
    """-a modulo 2^128."""
    return _subtract(np.int64(0), ZERO, np.int64(high), np.uint64(low))


@inner_kernel
def compare(a_high: Any, a_low: Any, b_high: Any, b_low: Any) -> Any:
    """-1, 0 or 1 as a is less than, equal to or greater than b."""
    if np.int64(a_high) != np.int64(b_high):
        return -1 if np.int64(a_high) < np.int64(b_high) else 1
    if np.uint64(a_low) == np.uint64(b_low):
        return 0
    return -1 if np.uint64(a_low) < np.uint64(b_low) else 1


@inner_kernel
def fits_int64(high: Any, low: Any) -> Any:
    """True if the value is an int64; it is then ``np.int64(low)``."""
    return (np.int64(low) >> 63) == np.int64(high)


@inner_kernel
def to_float(high: Any, low: Any) -> Any:
    """The value as a double: rounded once where it fits int64, else within two units of the last
    place; minus a gives minus the double of a.
    """
    if fits_int64(high, low):
        return np.float64(np.int64(low))
    if np.int64(high) < 0:
        above, below = negate(high, low)
        return -(np.float64(np.uint64(above)) * TWO_TO_64 + np.float64(below))
    return np.float64(np.int64(high)) * TWO_TO_64 + np.float64(np.uint64(low))


@inner_kernel
def fits_decimal(high: Any, low: Any) -> Any:
    """True if the value has at most 38 digits, as decimal fields demand."""
    high_limb, low_limb = np.int64(high), np.uint64(low)
    if high_limb < 0:
        high_limb, low_limb = negate(high_limb, low_limb)
    upper, lower = np.uint64(high_limb), low_limb
    return upper < LIMIT_HIGH or (upper == LIMIT_HIGH and lower < LIMIT_LOW)


@inner_kernel
def div_half_even(high: Any, low: Any, divisor: Any) -> Any:
    """Quotient by an int64 divisor > 0 as (high, low), rounded to nearest, ties to even. The
    divisor is not checked.
    """
    negative = high < 0
    high_limb, low_limb = np.int64(high), np.uint64(low)
    if negative:
        high_limb, low_limb = negate(high_limb, low_limb)
    below = np.uint64(divisor)
    upper = np.uint64(high_limb) // below
    lower, rest = _divide_limbs(np.uint64(high_limb) % below, low_limb, below)
    above_half = rest > below - rest
    if above_half or (rest == below - rest and (lower & ONE) == ONE):
        lower += ONE
        if lower == ZERO:
            upper += ONE
    if negative:
        return negate(np.int64(upper), lower)
    return np.int64(upper), lower


@inner_kernel
def _divide_limbs(high: Any, low: Any, divisor: Any) -> Any:
    """(high * 2^64 + low) by divisor, high < divisor < 2^63, as (quotient, remainder), all uint64.

    Knuth's algorithm D with two 32-bit digits, as in Warren, Hacker's Delight, figure 9-3.
    """
    if high == ZERO:
        return low // divisor, low % divisor
    shift = np.uint64(leading_zeros(divisor))
    divisor <<= shift
    if shift != ZERO:
        high = (high << shift) | (low >> (np.uint64(64) - shift))
        low = low << shift
    first = _digit(high, low >> HALF, divisor)
    middle = (high << HALF) + (low >> HALF) - first * divisor
    second = _digit(middle, low & HALF_MASK, divisor)
    remainder = (middle << HALF) + (low & HALF_MASK) - second * divisor
    return (first << HALF) + second, remainder >> shift


@inner_kernel
def _digit(high: Any, next_digit: Any, divisor: Any) -> Any:
    """One 32-bit quotient digit of (high * 2^32 + next_digit) by a normalised divisor."""
    divisor_high, divisor_low = divisor >> HALF, divisor & HALF_MASK
    digit = high // divisor_high
    rest = high - digit * divisor_high
    while digit > HALF_MASK or digit * divisor_low > ((rest << HALF) | next_digit):
        digit -= ONE
        rest += divisor_high
        if rest > HALF_MASK:
            break
    return digit


def to_int(high: int, low: int) -> int:
    """The Python integer of two limbs."""
    return (int(high) << 64) + int(low)


def from_int(value: int) -> tuple[int, int]:
    """The limbs of a Python integer; OverflowError outside 128 bits."""
    if not -(1 << 127) <= value < 1 << 127:
        raise OverflowError(f"{value} does not fit in 128 bits")
    return value >> 64, value & 0xFFFFFFFFFFFFFFFF
