"""exp, log, pow and erfc: how exact, what of the edges, and the same bits compiled and in Python.

Oracles: ``decimal`` with 60 to 800 digits, its exp and ln rounded right; for erfc the series of
Abramowitz and Stegun 7.1.6 in those digits, and their table 7.1; for the edges ``math.pow``, which
keeps C99; for bits the same source executed by CPython, whose arithmetic is never fused.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import math
import os
import random
import statistics
import struct
import subprocess
import sys
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from streams.numeric import borrowing, elementary, error_function, normal

ROOT = Path(__file__).resolve().parents[2]
INF, NAN, LARGEST = math.inf, math.nan, 1.797693134862273e308
CONTEXT = Context(prec=60, Emin=-99_999, Emax=99_999)


def ulps(found: float, exact: Decimal) -> float:
    """Distance in units of the last place of the exact value."""
    return float(abs(Decimal(found) - exact) / Decimal(math.ulp(float(exact))))


def worst(
    function: Callable[..., float], exact: Callable[..., Decimal], inputs: list[tuple[float, ...]]
) -> float:
    with localcontext(CONTEXT):
        return max(ulps(function(*each), exact(*(Decimal(x) for x in each))) for each in inputs)


@functools.cache
def pi(digits: int) -> Decimal:
    """By the mean of Gauss and Legendre, which doubles the right digits each time."""
    with localcontext(Context(prec=digits + 10)):
        a, b, t, p = Decimal(1), 1 / Decimal(2).sqrt(), Decimal("0.25"), 1
        for _ in range(digits.bit_length()):
            middle = (a + b) / 2
            b, t, a, p = (a * b).sqrt(), t - p * (a - middle) ** 2, middle, 2 * p
        return (a + b) ** 2 / (4 * t)


def exact_erfc(x: Decimal) -> Decimal:
    """1 - erf, with as many digits as the difference costs."""
    if x < 0:
        return 2 - exact_erfc(-x)
    with localcontext(Context(prec=60 + int(x * x), Emin=-99_999, Emax=99_999)) as context:
        term = total = x
        order = 0
        while term > total.scaleb(-context.prec):
            order += 1
            term = term * 2 * x * x / (2 * order + 1)
            total += term
        return 1 - 2 * (-x * x).exp() * total / pi(context.prec).sqrt()


def scattered(count: int, *ranges: tuple[float, float]) -> list[float]:
    draw = random.Random(14)
    return [draw.uniform(*each) for each in ranges for _ in range(count)]


def magnitudes(count: int) -> list[float]:
    """Positive doubles of every exponent, subnormal ones among them."""
    draw = random.Random(15)
    return [math.ldexp(draw.uniform(0.5, 1.0), draw.randint(-1073, 1024)) for _ in range(count)]


def powers(count: int) -> list[tuple[float, float]]:
    """(x, y) whose power is a normal number, bases near 1 with huge exponents among them."""
    draw = random.Random(16)
    bases = [
        *magnitudes(count),
        *scattered(count, (0.5, 2.0)),
        *(1 + draw.uniform(-1, 1) * 10 ** draw.uniform(-15, 0) for _ in range(count)),
    ]
    return [
        (x, draw.uniform(-700, 709) / math.log(x) * draw.choice((1.0, draw.random())))
        for x in bases
        if x not in (0.0, 1.0)
    ]


def test_exp_is_within_six_tenths_of_a_unit() -> None:
    inputs = scattered(700, (-708.0, 709.7), (-1.0, 1.0), (-0.03, 0.03))
    assert worst(elementary.exp, Decimal.exp, [(x,) for x in inputs]) < 0.6


def test_log_is_within_six_tenths_of_a_unit() -> None:
    inputs = [
        *magnitudes(700),
        *scattered(700, (0.5, 2.0), (0.99, 1.01)),
        *(math.nextafter(1.0, side) for side in (0.0, 2.0)),
    ]
    assert worst(elementary.log, Decimal.ln, [(x,) for x in inputs]) < 0.6


def test_pow_is_within_seven_tenths_of_a_unit() -> None:
    assert worst(elementary.pow, lambda x, y: (y * x.ln()).exp(), powers(500)) < 0.7


def test_erfc_is_within_two_and_a_half_units() -> None:
    inputs = scattered(
        60, (-6.0, -0.46), (-0.47, 0.47), (0.46, 1.0), (1.0, 4.0), (4.0, 8.0)
    ) + scattered(6, (8.0, 26.5))
    assert worst(error_function.erfc, exact_erfc, [(x,) for x in inputs]) < 2.5


def exact_cdf(x: Decimal) -> Decimal:
    return exact_erfc(-x / Decimal(2).sqrt()) / 2


def test_the_normal_distribution_is_within_three_units_in_its_tails_too() -> None:
    inputs = scattered(60, (-37.0, -5.0), (-5.0, -0.6), (-0.7, 0.7), (0.6, 9.0))
    assert worst(normal.normal_cdf, exact_cdf, [(x,) for x in inputs]) < 3.0


def test_normal_quantiles_are_those_of_the_standard_library() -> None:
    """Both compute AS241; its author's accuracy is checked by the way back, in digits that are
    exact.
    """
    draw = random.Random(18)
    inputs = [*scattered(300, (0.0, 1.0)), *(10 ** draw.uniform(-300, 0) for _ in range(300))]
    peer = statistics.NormalDist()
    for p in inputs:
        found = normal.normal_quantile(p)
        assert abs(found - peer.inv_cdf(p)) <= 2 * math.ulp(found)
    for p in inputs[:40]:
        x = Decimal(normal.normal_quantile(p))
        density = (-x * x / 2).exp() / (2 * pi(60)).sqrt()
        assert abs((exact_cdf(x) - Decimal(p)) / density) < 5 * Decimal(math.ulp(float(x)))
    edges = [normal.normal_quantile(p) for p in (0.0, 0.5, 1.0, -0.1, 1.1, NAN)]
    assert edges[:3] == [-INF, 0.0, INF] and all(each != each for each in edges[3:])
    assert [normal.normal_cdf(x) for x in (-INF, -40.0, 0.0, INF)] == [0.0, 0.0, 0.5, 1.0]


def test_subnormal_results_are_within_a_unit() -> None:
    assert (
        worst(elementary.exp, Decimal.exp, [(x,) for x in scattered(300, (-745.0, -708.4))]) < 1.0
    )
    assert (
        worst(
            elementary.pow,
            lambda x, y: (y * x.ln()).exp(),
            [(0.5, y) for y in scattered(300, (1022.0, 1073.9))],
        )
        < 1.0
    )
    assert worst(error_function.erfc, exact_erfc, [(x,) for x in scattered(5, (26.6, 27.2))]) < 1.0


@pytest.mark.parametrize(
    ("x", "published"),
    [(0.5, "0.5204998778"), (1.0, "0.8427007929"), (1.5, "0.9661051465"), (2.0, "0.9953222650")],
)
def test_erfc_agrees_with_the_published_table_of_erf(x: float, published: str) -> None:
    """Abramowitz and Stegun, table 7.1."""
    assert f"{1.0 - error_function.erfc(x):.10f}" == published


EDGES: dict[str, list[tuple[float, float]]] = {
    "exp": [
        (0.0, 1.0), (-0.0, 1.0), (5e-324, 1.0), (1, math.e), (INF, INF), (-INF, 0.0), (NAN, NAN),
        (709.782712893384, LARGEST), (709.7827128933841, INF), (1e308, INF),
        (-745.13, 5e-324), (-746.0, 0.0), (-1e308, 0.0),
    ],
    "log": [
        (1.0, 0.0), (2, 0.6931471805599453), (0.0, -INF), (-0.0, -INF), (INF, INF), (NAN, NAN),
        (-1.0, NAN), (-INF, NAN), (5e-324, -744.4400719213812),
    ],
    "erfc": [
        (0.0, 1.0), (-0.0, 1.0), (5e-324, 1.0), (INF, 0.0), (-INF, 2.0), (NAN, NAN),
        (28.0, 0.0), (1e308, 0.0), (-7.0, 2.0), (-1e308, 2.0),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "x", "expected"), [(name, *pair) for name, pairs in EDGES.items() for pair in pairs]
)
def test_the_edges(name: str, x: float, expected: float) -> None:
    found = getattr(error_function if name == "erfc" else elementary, name)(x)
    assert struct.pack("<d", found) == struct.pack("<d", expected) or math.isclose(
        found, expected, rel_tol=1e-15
    )


def c99_pow(x: float, y: float) -> float:
    """``math.pow`` with the results that C99 gives where Python raises."""
    odd = math.isfinite(y) and math.fmod(abs(y), 2.0) == 1.0
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if x < 0 and odd else math.inf
    except ValueError:
        return math.nan if x else math.copysign(math.inf, x) if odd else math.inf


def test_pow_keeps_c99_at_every_edge() -> None:
    edges = [
        0.0,
        1.0,
        0.5,
        1.5,
        2.0,
        3.0,
        4.0,
        2.0**53,
        2.0**53 + 2,
        1e308,
        5e-324,
        1e-20,
        math.inf,
        math.nan,
        1 - 2.0**-53,
        1 + 2.0**-52,
    ]
    edges += [-x for x in edges if x == x]
    for x, y in itertools.product(edges, edges):
        found, expected = elementary.pow(x, y), c99_pow(x, y)
        is_same = struct.pack("<d", found) == struct.pack("<d", expected) or (
            found != found and expected != expected
        )
        assert is_same or math.isclose(found, expected, rel_tol=4e-16, abs_tol=5e-324), (
            x,
            y,
            found,
            expected,
        )


def plain(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module executed without Numba."""
    path = ROOT / "streams" / "numeric" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"plain_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(borrowing, "borrowing_kernel", lambda function: function)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, f"streams.numeric.{name}", module)
    return module


def results(elementary: Any, error_function: Any, normal: Any) -> list[str]:
    """Bits of results over the whole range of doubles, edges included."""
    draw = random.Random(17)
    anything = [struct.unpack("<d", draw.randbytes(8))[0] for _ in range(200)]
    found = [elementary.exp(x) for x in [*scattered(200, (-746.0, 711.0), (-1.0, 1.0)), *anything]]
    found += [elementary.log(x) for x in [*magnitudes(200), *scattered(200, (0.9, 1.1)), *anything]]
    found += [
        elementary.pow(x, y)
        for x, y in [*powers(100), *zip(anything, reversed(anything), strict=True)]
    ]
    found += [
        error_function.erfc(x)
        for x in [*scattered(100, (-6.0, 0.5), (0.4, 4.1), (4.0, 28.0)), *anything]
    ]
    found += [normal.normal_cdf(x) for x in [*scattered(100, (-38.0, 9.0)), *anything]]
    found += [normal.normal_quantile(p) for p in [*scattered(100, (0.0, 1.0)), *anything, 1e-300]]
    return [struct.pack("<d", each).hex() for each in found]


SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from test_elementary import elementary, error_function, normal, results
print(json.dumps(results(elementary, error_function, normal)))
"""


def test_kernels_and_plain_python_agree_on_every_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = results(elementary, error_function, normal)
    twins = [plain(name, monkeypatch) for name in ("elementary", "error_function", "normal")]
    assert not hasattr(twins[0].exp, "py_func") and twins[1].exp_parts is twins[0].exp_parts
    with np.errstate(over="ignore"):
        assert results(*twins) == compiled


def test_a_processor_without_fused_arithmetic_gives_the_same_bits() -> None:
    """And without the optimiser, whose reordering would show."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_OPT": "0",
    }
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)]
    found = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    expected = results(elementary, error_function, normal)
    assert found.stdout.strip() == str(expected).replace("'", '"')
