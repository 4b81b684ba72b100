"""Fields of text to integers. Oracles: ``fixed.parse`` and Decimal, the standard library's
datetime, the csv module.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.numeric import fixed
from streams.numeric.text_fields import (
    BAD,
    GOOD,
    NO_ZONE,
    read_decimals,
    read_instants,
    read_words,
    split_lines,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def column(texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One column: the bytes, where each text starts, and where it ends."""
    parts = [text.encode() for text in texts]
    edges = np.cumsum([0, *map(len, parts)]).astype(np.int64)
    whole = np.frombuffer(b"".join(parts) or b" ", np.uint8)
    return whole, edges[:-1].copy(), edges[1:].copy()


def decimals(texts: list[str], precision: int) -> list[int | None]:
    whole, starts, ends = column(texts)
    values, is_left = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)
    read_decimals(whole, starts, ends, precision, values, is_left)
    return [None if left else int(value) for value, left in zip(values, is_left, strict=True)]


def instants(texts: list[str], zone: int = 1 << 40) -> list[tuple[int, int]]:
    whole, starts, ends = column(texts)
    values, codes = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    read_instants(whole, starts, ends, zone, values, codes)
    return [(int(code), int(value)) for code, value in zip(codes, values, strict=True)]


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.from_regex(r"[0-9]{0,20}(\.[0-9]{0,20})?", fullmatch=True), min_size=1),
    st.integers(0, 18),
)
def test_a_plain_decimal_is_what_the_one_rule_says_or_is_left_to_it(
    texts: list[str], precision: int
) -> None:
    for text, found in zip(texts, decimals(texts, precision), strict=True):
        if found is not None:
            assert found == fixed.parse(text, precision) == Decimal(text).scaleb(precision)


@pytest.mark.parametrize(
    ("text", "precision", "value"),
    [
        ("61234.56000000", 2, 6123456),
        ("1723075200000275", 3, 1723075200000275000),
        ("9223372036854775799", 0, 9223372036854775799),
        ("0.00000000", 2, 0),
        (".5", 1, 5),
        ("5.", 1, 50),
        ("007", 0, 7),
    ],
)
def test_usual_forms_are_not_left_to_the_slow_rule(text: str, precision: int, value: int) -> None:
    assert decimals([text], precision) == [value]


@pytest.mark.parametrize("text", ["", ".", "-1", "1e3", "nan", "inf", "1,5", "9" * 19, "0.001"])
def test_what_is_not_plain_is_left(text: str) -> None:
    assert decimals([text], 2) == [None]


@settings(deadline=None, max_examples=300)
@given(
    st.datetimes(datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2200-01-01")),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["T", " "]),
)
def test_an_instant_is_the_standard_librarys(moment: datetime, offset: int, parted: str) -> None:
    at = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    expected = (at - EPOCH) // timedelta(microseconds=1) * 1000
    assert instants([at.isoformat(parted)]) == [(GOOD, expected)]
    bare = moment.isoformat(parted)
    assert instants([bare], offset) == [(GOOD, expected)]
    assert instants([bare])[0][0] == NO_ZONE


@settings(deadline=None, max_examples=300)
@given(st.text("0123456789-:TZ+ .", min_size=16, max_size=32))
def test_no_text_is_a_time_that_the_standard_library_refuses(text: str) -> None:
    code, value = instants([text], 0)[0]
    if code != GOOD:
        return
    whole, parted, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    zone = rest[digits:] if parted else ""
    at = datetime.fromisoformat(whole + zone)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    fraction = int((rest[:digits] + "0" * 9)[:9]) if parted else 0
    assert value == (at - EPOCH) // timedelta(seconds=1) * 10**9 + fraction


@pytest.mark.parametrize(
    "text",
    ["2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-13-01T00:00Z", "2024-01-01T24:00Z",
     "2024-01-01T00:00:60Z", "2024-01-01T00:00:00.0000000001Z", "2024-01-01T00:00:00+19:00",
     "2024/01/01 00:00:00Z", "2024-01-01", "2024-01-01T00:00:00 UTC"],
)  # fmt: skip
def test_a_time_that_does_not_exist_is_none(text: str) -> None:
    assert instants([text])[0][0] == BAD


def test_nanoseconds_are_kept() -> None:
    assert instants(["2024-01-01T00:00:00.123456789Z"])[0][1] % 10**9 == 123456789


def test_words_are_found_whatever_their_case() -> None:
    whole, starts, ends = column(["BUY", "sell", "bu", "buyer", "", "Sell"])
    words = np.frombuffer(b"buysell", np.uint8)
    values = np.zeros(6, np.int64)
    edges = np.array([0, 3, 7], np.int64)
    read_words(whole, starts, ends, words, edges, np.array([1, 2], np.int64), values)
    assert values.tolist() == [1, 2, -1, -1, -1, 2]


@settings(deadline=None, max_examples=400)
@given(st.lists(st.text('ab \r,"', max_size=12), min_size=1, max_size=20), st.booleans())
def test_lines_are_split_as_the_csv_module_splits_them(lines: list[str], is_ended: bool) -> None:
    text = "\n".join(lines) + ("\n" if is_ended else "")
    expected = text.split("\n")
    if not expected[-1]:
        expected.pop()
    whole = np.frombuffer(text.encode(), np.uint8)
    starts = np.zeros((1, 32), np.int64)
    ends, rows, done = np.zeros_like(starts), np.zeros((32, 3), np.int64), np.zeros(2, np.int64)
    split_lines(whole, ord(","), np.array([-1, 0], np.int64), starts, ends, rows, done)
    assert done.tolist() == [len(expected), len(text)]
    for number, line in enumerate(expected):
        # to the csv module a return alone ends a line; here it is a blank
        columns = next(csv.reader([line.replace("\r", " ")]), [""])
        is_blank = not line.strip(' \t\r"')
        assert rows[number, 2] == (0 if is_blank and len(columns) == 1 else len(columns))
        if len(columns) > 1:
            found = text[starts[0, number] : ends[0, number]]
            assert bare(found) == bare(columns[1])


def bare(text: str) -> str:
    """Without quotes, which the csv module takes off or halves, and blanks around."""
    return text.replace('"', "").replace("\r", " ").strip()
