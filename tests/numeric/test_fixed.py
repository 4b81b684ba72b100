"""Decimal text, integers and roundings. Oracles: Python's Decimal and Fraction, and Kraken's
published checksums over decimal strings.
"""

from __future__ import annotations

import random
import zlib
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BadData
from streams.numeric import fixed

DECIMALS = 200_000
GOLDEN = [
    ("0", 0, 0), ("1", 0, 1), ("61800.20", 2, 6180020), ("61800.2", 2, 6180020), ("61800", 2,
    6180000), ("0.00000001", 8, 1),
    ("-0.5", 1, -5), ("-0.05", 2, -5), ("-.5", 1, -5), ("+1.5", 1, 15), (".5", 1, 5), ("5.", 1, 50),
    ("-0", 3, 0), ("-0.000", 1, 0),
    ("1e3", 0, 1000), ("1E3", 0, 1000), ("1e-3", 3, 1), ("1.5e1", 0, 15), ("1.50e+1", 0, 15),
    ("150e-1", 0, 15), ("1E-8", 8, 1),
    ("2.675", 3, 2675), ("0.1", 18, 10**17), ("1.10000000000", 1, 11), ("00012.50", 1, 125),
    ("0e400", 2, 0), ("0.000e-400", 2, 0),
    ("9223372036854775807", 0, (1 << 63) - 1), ("-9223372036854775808", 0, -(1 << 63)),
    ("92233720368547758.07", 2, (1 << 63) - 1),
    ("3.78826000", 8, 378826000), ("45285.2", 1, 452852),
    ("00000000000000000000000000000000000000000001", 0, 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "precision", "value"), GOLDEN)
def test_text_is_read_exactly(text, precision, value):
    assert fixed.parse(text, precision) == value


@pytest.mark.parametrize(
    "text",
    ["", " ", "1 ", " 1", "\n1", "1\n", "abc", "1a", "--1", "+-1", "1-", ".", "-", "+", "-.", "e5",
     ".e5", "1e", "1e+", "1e1.5", "1.2.3",
     "1,000", "1_000", "0x10", "NaN", "nan", "inf", "-Infinity", "١٢", "１２", "²", "1e99999",
     "1\x00", "½", "1" * 401],
)  # fmt: skip
def test_text_that_is_no_decimal_is_refused(text):
    with pytest.raises(fixed.BadNumber) as caught:
        fixed.parse(text, 2)
    assert caught.value.code == "bad_number"
    assert isinstance(caught.value, BadData)


@pytest.mark.parametrize(
    ("text", "precision"),
    [("0.001", 2), ("1.005", 2), ("-0.001", 2), ("1e-3", 2), ("0.5", 0), ("1e-400", 2),
     ("61800.201", 2), ("9.999", 2),
     ("0.0000000000000000001", 18)],
)  # fmt: skip
def test_digits_beyond_the_precision_are_refused_not_cut(text, precision):
    with pytest.raises(fixed.OffPrecision) as caught:
        fixed.parse(text, precision)
    assert caught.value.code == "off_precision"


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("9223372036854775808", 0),
        ("-9223372036854775809", 0),
        ("92233720368547758.08", 2),
        ("1e19", 0),
        ("1e9999", 0),
        ("10", 18),
        ("9" * 400, 0),
    ],
)
def test_values_beyond_64_bits_are_refused(text, precision):
    with pytest.raises(fixed.OutOfRange) as caught:
        fixed.parse(text, precision)
    assert caught.value.code == "out_of_range"


def test_random_decimals_equal_pythons():
    generator = random.Random(1)
    for _ in range(DECIMALS):
        digits = generator.getrandbits(generator.randrange(1, 63))
        precision = generator.randrange(9)
        text = str(digits)
        point = generator.randrange(precision + 1)
        if point:
            text = text.rjust(point + 1, "0")
            text = f"{text[:-point]}.{text[-point:]}"
        if digits & 1:
            text = "-" + text
        expected = Decimal(text).scaleb(precision)
        if abs(expected) < 1 << 63:
            assert fixed.parse(text, precision) == expected


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.from_regex(r"\A[+-]?[0-9]{0,12}(\.[0-9]{0,12})?([eE][+-]?[0-9]{1,2})?\Z"), st.integers(0, 18)
)
def test_any_number_is_read_as_decimal_reads_it_or_refused_for_a_reason(text, precision):
    try:
        value = fixed.parse(text, precision)
    except fixed.BadNumber:
        with pytest.raises(ArithmeticError):
            Decimal(text)
    except fixed.OffPrecision:
        assert Fraction(Decimal(text)) * 10**precision % 1 != 0
    except fixed.OutOfRange:
        assert not -(1 << 63) <= Fraction(Decimal(text)) * 10**precision < 1 << 63
    else:
        assert value == Fraction(Decimal(text)) * 10**precision


@pytest.mark.parametrize(
    ("value", "precision", "text"),
    [(0, 0, "0"), (0, 8, "0"), (5, 1, "0.5"), (-5, 1, "-0.5"), (-5, 3, "-0.005"), (6180020, 2,
     "61800.2"), (6180000, 2, "61800"), (100, 0, "100"),
     (-100, 0, "-100"), (1, 8, "0.00000001"), (-(1 << 63), 8, "-92233720368.54775808"),
     ((1 << 63) - 1, 0, "9223372036854775807"), (10, 1, "1")],
)  # fmt: skip
def test_format_gives_the_shortest_exact_text(value, precision, text):
    assert fixed.format(value, precision) == text


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 18))
def test_format_and_parse_are_inverse(value, precision):
    text = fixed.format(value, precision)
    assert fixed.parse(text, precision) == value
    assert Decimal(text) == Decimal(value).scaleb(-precision)
    assert "e" not in text.lower()
    assert not (("." in text) and text.endswith("0"))


@pytest.mark.parametrize(
    ("text", "precision", "value"),
    [
        ("50000000", 16, 5 * 10**23),
        ("1e22", 16, None),
        ("9" * 38, 0, 10**38 - 1),
        ("1" + "0" * 38, 0, None),
        ("0.5", 36, 5 * 10**35),
    ],
)
def test_amounts_have_up_to_38_digits(text, precision, value):
    """Oracle: by hand; what has more is out of range."""
    if value is None:
        with pytest.raises(fixed.OutOfRange, match="38 digits"):
            fixed.parse_amount(text, precision)
    else:
        assert fixed.parse_amount(text, precision) == value


KRAKEN_2 = (
    "45285.2/0.00100000 45286.4/1.54571953 45286.6/1.54571109 45289.6/1.54560911 "
    "45290.2/0.15890660 45291.8/1.54553491 45294.7/0.04454749 45296.1/0.35380000 "
    "45297.5/0.09945542 45299.5/0.18772827 45283.5/0.10000000 45283.4/1.54582015 "
    "45282.1/0.10000000 45281.0/0.10000000 45280.3/1.54592586 45279.0/0.07990000 "
    "45277.6/0.03310103 45277.5/0.30000000 45277.3/1.54602737 45276.6/0.15445238"
)
KRAKEN_1 = " ".join(f"0.{5005 + 5 * step:05}/0.00000500" for step in range(10)) + " " + " ".join(
    f"0.0{price}/0.00000500" for price in (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955,
    4950))  # fmt: skip


@pytest.mark.parametrize(
    ("levels", "price_precision", "checksum"), [(KRAKEN_2, 1, 3310070434), (KRAKEN_1, 5, 974947235)]
)
def test_parsed_integers_reproduce_krakens_published_checksums(levels, price_precision, checksum):
    text = ""
    for level in levels.split():
        price, quantity = level.split("/")
        text += f"{fixed.parse(price, price_precision)}{fixed.parse(quantity, 8)}"
    assert zlib.crc32(text.encode()) == checksum


HALF_EVEN = [(5, 10, 0), (15, 10, 2), (25, 10, 2), (35, 10, 4), (-5, 10, 0), (-15, 10, -2), (-25,
10, -2), (24, 10, 2), (26, 10, 3), (-26, 10, -3),
             (0, 7, 0), (7, 7, 1), (1, 3, 0), (2, 3, 1), (15, -10, -2), (1 << 127, 2,
             1 << 126)]  # fmt: skip


@pytest.mark.parametrize(("numerator", "denominator", "quotient"), HALF_EVEN)
def test_half_even_rounds_ties_to_even(numerator, denominator, quotient):
    assert fixed.divide_half_even(numerator, denominator) == quotient


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(st.integers(-(1 << 130), 1 << 130), st.integers(1, 1 << 70))
def test_divisions_equal_fractions(numerator, denominator):
    exact = Fraction(numerator, denominator)
    assert fixed.divide_half_even(numerator, denominator) == round(exact)
    assert fixed.divide_half_even(-numerator, -denominator) == round(exact)
    assert fixed.divide_down(numerator, denominator) == exact.__floor__()
    assert fixed.divide_up(numerator, denominator) == exact.__ceil__()


@pytest.mark.parametrize(
    ("price", "tick", "down", "up", "nearest"),
    [(103, 5, 100, 105, 105), (102, 5, 100, 105, 100), (100, 5, 100, 100, 100), (105, 10, 100, 110,
     100), (115, 10, 110, 120, 120), (7, 1, 7, 7, 7),
     (-103, 5, -105, -100, -105), (4, 10, 0, 10, 0)],
)  # fmt: skip
def test_ticks_are_rounded_the_named_way(price, tick, down, up, nearest):
    assert (
        fixed.tick_down(price, tick),
        fixed.tick_up(price, tick),
        fixed.tick_nearest(price, tick),
    ) == (down, up, nearest)


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [(10, [1, 1, 1], [4, 3, 3]), (10, [1], [10]), (0, [1, 2], [0, 0]), (100, [1, 0, 1], [50, 0,
     50]), (1, [1, 1], [1, 0]), (7, [5, 3, 1], [4, 2, 1]),
     (5, [0, 0, 3], [0, 0, 5])],
)  # fmt: skip
def test_a_split_goes_to_the_largest_remainders(total, weights, parts):
    assert fixed.split(total, weights) == parts


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    st.integers(0, 1 << 80), st.lists(st.integers(0, 1 << 60), min_size=1, max_size=12).filter(any)
)
def test_a_split_loses_nothing_and_stays_within_one_unit(total, weights):
    parts = fixed.split(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(total * weight, sum(weights))) < 1


@pytest.mark.parametrize("value", [(1 << 63) - 1, -(1 << 63), 0])
def test_checked_passes_int64(value):
    assert fixed.checked(value) == value


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1, 10**38])
def test_checked_refuses_the_rest(value):
    with pytest.raises(fixed.OutOfRange):
        fixed.checked(value)
