"""Numbers, times and sequences of a recording. Oracles: Decimal, the datetime of a published message, a plain set of ids."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from capture_reasons import reason_of
from hypothesis import given
from hypothesis import strategies as st

from connectors.captures import numbers as numbers_module
from connectors.captures import sequences
from connectors.captures.numbers import BadField, Numbers, Remembered
from connectors.captures.sequences import TradeIds, UpdateIds
from connectors.captures.times import BadTimeUnit, Times
from connectors.instruments import load

TABLE = load()
SPOT, USDM = TABLE["binance", "BTCUSDT"], TABLE["binance_usdm", "BTCUSDT"]


@given(st.integers(1, 10**10), st.integers(0, 8), st.integers(0, 6))
def test_a_price_is_exactly_its_decimal(mantissa: int, places: int, zeros: int) -> None:
    text = f"{Decimal(mantissa).scaleb(-places):f}" + ("0" * zeros if places else "")
    assert Remembered("price", 8, 1)[text] == int(Decimal(text) * 10**8)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("61800.301", "off_precision"),
        ("-1.00", "negative_price"),
        ("0.00", "zero_price"),
        ("", "bad_number"),
        ("NaN", "bad_number"),
        ("1,000.0", "bad_number"),
        ("1_0", "bad_number"),
        (" 1", "bad_number"),
        ("1٢", "bad_number"),
        ("99999999999999999999", "out_of_range"),
    ],
)
def test_a_price_that_is_none_has_its_own_reason(text: str, reason: str) -> None:
    assert reason_of(lambda: Numbers(USDM).price[text]) == reason


def test_a_quantity_may_be_zero_and_a_ticker_price_too_but_neither_negative() -> None:
    numbers = Numbers(USDM)
    assert (numbers.quantity["0.000"], numbers.best["0.00"]) == (0, 0)
    assert reason_of(lambda: numbers.quantity["-0.001"]) == "negative_quantity"
    assert reason_of(lambda: numbers.best["-0.10"]) == "negative_price"


@pytest.mark.parametrize(
    ("instrument", "price", "quantity", "expected"),
    [
        (USDM, "61800.30", "0.001", False),
        (USDM, "61800.31", "0.001", True),
        (SPOT, "61800.31", "0.00001000", False),
        (SPOT, "61800.31", "0.00001001", True),
    ],
)
def test_off_tick_and_off_lot_are_told_by_the_table(instrument: object, price: str, quantity: str, expected: bool) -> None:
    numbers = Numbers(instrument)  # type: ignore[arg-type]
    assert numbers.is_off(numbers.price[price], numbers.quantity[quantity]) is expected
    assert numbers.any_off(numbers.levels([("1.00", "0.001"), (price, quantity)])) is expected


def test_remembered_texts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers_module, "REMEMBERED_MAX", 10)
    price = Remembered("price", 2, 1)
    assert [price[str(value)] for value in range(1, 100)] == [100 * value for value in range(1, 100)]
    assert len(price) <= 10


# times


def nanoseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000) * 10**6


@pytest.mark.parametrize(
    ("unit", "is_futures", "time", "expected"),
    [
        ("ms", False, 1723161255342, "2024-08-08T23:54:15.342"),
        ("us", False, 1723161255342000, "2024-08-08T23:54:15.342"),
        ("ms", True, 1723161256322, "2024-08-08T23:54:16.322"),
        ("us", True, 1723161256322, "2024-08-08T23:54:16.322"),
    ],
)
def test_a_time_is_converted_from_its_declared_unit(unit: str, is_futures: bool, time: int, expected: str) -> None:
    assert Times(unit).exact(time, nanoseconds(expected), is_futures) == nanoseconds(expected)


@pytest.mark.parametrize(
    ("unit", "time", "hint"),
    [("ms", 1723161255342000, "us"), ("us", 1723161255342, "ms"), ("ms", 1723161255, "in s"), ("ms", 0, ""), ("ms", 2**62, "")],
)
def test_an_implausible_time_is_refused_with_the_unit_it_would_fit_never_scaled(unit: str, time: int, hint: str) -> None:
    with pytest.raises(BadField) as refused:
        Times(unit).exact(time, 1723161255 * 10**9, False)
    assert refused.value.reason == "implausible_time" and hint in refused.value.detail


def test_a_time_an_hour_after_its_receive_time_is_a_clock_jump() -> None:
    times, hour = Times("ms"), 3600 * 10**3
    received = 1723161255000 * 10**6
    assert times.exact(1723161255000 + hour, received, True) == received + hour * 10**6
    assert reason_of(lambda: times.exact(1723161255001 + hour, received, True)) == "clock_jump"


def test_receive_times_are_nanoseconds() -> None:
    assert Times("ms").receive(1723161253937085768) == 1723161253937085768
    assert reason_of(lambda: Times("ms").receive(1723161253937)) == "implausible_time"


def test_an_unknown_unit_is_wrong_use() -> None:
    with pytest.raises(BadTimeUnit, match="one of ms, us"):
        Times("minutes")


# sequences


@given(st.lists(st.integers(0, 40), max_size=80))
def test_each_trade_id_counts_once_as_with_a_plain_set(ids: list[int]) -> None:
    found, seen = TradeIds(), set[int]()
    for trade_id in ids:
        if seen and trade_id < min(seen):
            # before the first one: the recording did not begin there; the first that came stays the first
            first = next(each for each in ids if each in seen)
            if trade_id < first:
                assert reason_of(lambda trade_id=trade_id: found.see(trade_id)) == "regressing_trade"  # type: ignore[misc]
                continue
        if trade_id in seen:
            assert reason_of(lambda trade_id=trade_id: found.see(trade_id)) == "duplicate_trade"  # type: ignore[misc]
            continue
        where = found.see(trade_id)
        expected = "next" if not seen or trade_id == max(seen) + 1 else "gap" if trade_id > max(seen) else "late"
        assert where == expected
        seen.add(trade_id)
    if seen:
        assert found.missing == max(seen) - min(seen) + 1 - len(seen)


def test_update_ids_tell_a_duplicate_from_a_regression() -> None:
    ids = UpdateIds("update")
    for final in (10, 20, 30):
        ids.see(final)
    assert reason_of(lambda: ids.see(20)) == "duplicate_update"
    assert reason_of(lambda: ids.see(15)) == "regressing_update"
    ids.see(31)


def test_a_venue_that_numbers_anew_is_believed_from_its_second_update_on() -> None:
    ids = UpdateIds("update")
    ids.see(1000, 990, 989)
    assert reason_of(lambda: ids.see(5, 1, 0)) == "regressing_update"
    ids.see(9, 6, 5)
    ids.see(12, 10, 9)
    assert reason_of(lambda: ids.see(9, 6, 5)) == "duplicate_update"


def test_an_old_update_is_a_duplicate_as_long_as_it_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "REMEMBERED_IDS", 8)
    ids = UpdateIds("ticker")
    for final in range(100):
        ids.see(final)
    assert reason_of(lambda: ids.see(95)) == "duplicate_ticker"
    assert reason_of(lambda: ids.see(3)) == "regressing_ticker"
