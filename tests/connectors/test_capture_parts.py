"""Numbers, times and sequences of a recording. Oracles: Decimal, the datetime of a published
message, a plain set of ids.
"""

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
def test_off_tick_and_off_lot_are_told_by_the_table(
    instrument: object, price: str, quantity: str, expected: bool
) -> None:
    numbers = Numbers(instrument)  # type: ignore[arg-type]
    assert numbers.is_off(numbers.price[price], numbers.quantity[quantity]) is expected
    assert numbers.any_off(numbers.levels([("1.00", "0.001"), (price, quantity)])) is expected


def test_remembered_texts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers_module, "REMEMBERED_MAX", 10)
    price = Remembered("price", 2, 1)
    assert [price[str(value)] for value in range(1, 100)] == [
        100 * value for value in range(1, 100)
    ]
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
def test_a_time_is_converted_from_its_declared_unit(
    unit: str, is_futures: bool, time: int, expected: str
) -> None:
    assert Times(unit).exact(time, nanoseconds(expected), is_futures) == (
        nanoseconds(expected),
        False,
    )
    assert Times().exact(time, nanoseconds(expected), is_futures) == (
        nanoseconds(expected),
        False,
    ), "told by its size"


@pytest.mark.parametrize(
    ("unit", "time", "hint"),
    [
        ("ms", 1723161255342000, "us"),
        ("us", 1723161255342, "ms"),
        ("ms", 1723161255, "in s"),
        ("ms", 0, ""),
        ("ms", 2**62, ""),
    ],
)
def test_an_implausible_time_is_refused_with_the_unit_it_would_fit_never_scaled(
    unit: str, time: int, hint: str
) -> None:
    with pytest.raises(BadField) as refused:
        Times(unit).exact(time, 1723161255 * 10**9, False)
    assert refused.value.reason == "implausible_time" and hint in refused.value.detail


def test_a_time_an_hour_after_its_receive_time_is_a_clock_jump() -> None:
    times, hour = Times("ms"), 3600 * 10**3
    received = 1723161255000 * 10**6
    assert times.exact(1723161255000 + hour, received, True) == (received + hour * 10**6, False)
    assert reason_of(lambda: times.exact(1723161255001 + hour, received, True)) == "clock_jump"


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
def test_a_receive_time_is_nanoseconds_whatever_it_was_written_in(scale: int) -> None:
    assert Times().receive(1723161253 * 10**9 // scale) == 1723161253 * 10**9
    assert reason_of(lambda: Times().receive(17231612530)) == "implausible_time"


def outliers(errors: list[tuple[int, int]]) -> list[int]:
    """Places of the records that are not believed, one each 100 ms, by the errors of their receipt
    and their stamp in seconds.
    """
    times, start = Times(), 1723161255 * 10**9
    records = [
        (start + 10**8 * place + receipt * 10**9, start + 10**8 * place + stamp * 10**9)
        for place, (receipt, stamp) in enumerate(errors)
    ]
    times.learn([(stamp, received) for received, stamp in records[:512]])
    reached, found = 0, []
    for place, (received, stamp) in enumerate(records):
        usual = times._usual
        time, is_estimated = times.exact(stamp // 1000, received, False, reached)
        assert time == (max(reached, received + usual) if is_estimated else stamp)  # type: ignore[operator]
        reached = max(reached, time)
        if is_estimated:
            found.append(place)
    assert times.ahead + times.behind == len(found)
    return found


GOOD, YEARS = (0, 0), 365 * 86_400


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([GOOD] * 50 + [(0, 240)] + [GOOD] * 50, [50]),
        ([(-1, 0)] * 50 + [(-1, 240), (-1, 3000), (-1, -600)] + [(-1, 0)] * 50, [50, 51, 52]),
        ([(0, -14 * YEARS)] + [GOOD] * 20, [0]),
        ([GOOD] * 20 + [(0, 3000)], [20]),
        ([(2 * YEARS, 0)] * 60 + [(2 * YEARS, 60)] + [(2 * YEARS, 0)] * 9, [60]),
        ([GOOD] * 400 + [(60 - place // 10, 0) for place in range(600)] + [GOOD] * 200, []),
        ([GOOD] * 300 + [(90, 0)] * 3000 + [(90, 240)] + [(90, 0)] * 10, [3300]),
        ([GOOD] * 300 + [(-90, 0)] * 300, list(range(300, 363))),
    ],
    ids=[
        "ahead",
        "both ways",
        "first",
        "last",
        "a wrong clock",
        "held up and caught up",
        "clock set forward",
        "clock set back",
    ],
)
def test_a_time_is_judged_by_the_offset_that_is_usual_around_it(
    errors: list[tuple[int, int]], expected: list[int]
) -> None:
    """The tables say which stamps are wrong; a recorder's clock that was set back is believed after
    64 records that agree.
    """
    assert outliers(errors) == expected


def test_an_unknown_unit_is_wrong_use() -> None:
    with pytest.raises(BadTimeUnit, match="one of ms, us"):
        Times("minutes")


# sequences


@given(st.lists(st.integers(0, 40), max_size=80))
def test_each_trade_id_counts_once_as_with_a_plain_set(ids: list[int]) -> None:
    found, seen = TradeIds(), set[int]()
    for trade_id in ids:
        if seen and trade_id < min(seen):
            # before the first one: the recording did not begin there; the first that came stays the
            # first
            first = next(each for each in ids if each in seen)
            if trade_id < first:
                assert (
                    reason_of(lambda trade_id=trade_id: found.see(trade_id)) == "regressing_trade"
                )  # type: ignore[misc]
                continue
        if trade_id in seen:
            assert reason_of(lambda trade_id=trade_id: found.see(trade_id)) == "duplicate_trade"  # type: ignore[misc]
            continue
        where = found.see(trade_id)
        expected = (
            "next"
            if not seen or trade_id == max(seen) + 1
            else "gap"
            if trade_id > max(seen)
            else "late"
        )
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


def test_prints_that_begin_anew_count_from_the_second_that_continues() -> None:
    ids = TradeIds()
    for number in range(60):
        ids.see(900_000 + number, 1000 + number)
    for number in range(10, 30):  # repeated, however many follow each other
        assert (
            reason_of(lambda number=number: ids.see(900_000 + number, 1000 + number))
            == "duplicate_trade"
        )  # type: ignore[misc]
    assert reason_of(lambda: ids.see(1, 5000)) == "regressing_trade"
    assert [ids.see(number, 5000 + number) for number in range(2, 50)] == ["next"] * 48
    assert reason_of(lambda: ids.see(900_010, 1010)) == "duplicate_trade", "of the numbering before"
    assert ids.see(52, 9000) == "gap" and ids.restarts == 1
    assert reason_of(lambda: ids.see(20, 5020)) == "duplicate_trade"


def test_tickers_that_begin_anew_are_believed_after_several_that_rise() -> None:
    ids = UpdateIds("ticker")
    for final in range(1000, 1020):
        ids.see(final)
    refused = [reason_of(lambda final=final: ids.see(final)) for final in range(5, 12)]  # type: ignore[misc]
    assert refused == ["regressing_ticker"] * 7
    for final in range(12, 20):
        ids.see(final)


def test_an_old_update_is_a_duplicate_as_long_as_it_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sequences, "REMEMBERED_IDS", 8)
    ids = UpdateIds("ticker")
    for final in range(100):
        ids.see(final)
    assert reason_of(lambda: ids.see(95)) == "duplicate_ticker"
    assert reason_of(lambda: ids.see(3)) == "regressing_ticker"
