"""The dated table against a twin that keeps every file whole and answers by reading them all.

Oracle of the property: a file says what is listed at its own time, from then until the next file's
time; of two files of one time the one learned later counts. The twin holds the files, not changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.instruments import FIRST_ID, ID_MAX, NumbersExhausted, find, load, number_of
from connectors.reference.listing import BadDump, BadRow, Listing, listing_of
from connectors.reference.lookup import NotListed, SeveralSpecifications
from connectors.reference.syncing import (
    DuplicateListing,
    KnownBefore,
    ShrunkenDump,
    Source,
    Summary,
    sync,
    writable,
)
from connectors.reference.table import BadReferenceTable, DatedTable

SYMBOLS = ("AAA", "BBB", "CCC")
VENUES = ("nse", "binance")
TIMES = range(6)
FILES = st.lists(
    st.tuples(
        st.sampled_from(TIMES),
        st.sampled_from(VENUES),
        st.dictionaries(st.sampled_from(SYMBOLS), st.integers(1, 3), min_size=1),
    ),
    min_size=1,
    max_size=7,
)


def listing(symbol: str = "AAA", lot: int = 1, venue: str = "nse", **more: object) -> Listing:
    """An equity whose terms are its lot."""
    given = Listing(
        venue=venue, symbol=symbol, kind="equity", base=symbol, quote="INR", price_precision=2,
        quantity_precision=0, tick_size="0.05", lot_size=str(lot), minimum_quantity=str(lot),
        maximum_quantity="1000", minimum_notional="0",
    )  # fmt: skip
    return msgspec.structs.replace(given, **more)


def take(
    table: DatedTable, valid: int, known: int, *rows: Listing | BadRow, **how: bool
) -> Summary:
    """One file into the table."""
    return sync(table, rows, Source("file", f"{valid} {known} {rows}", valid, known), **how)


@pytest.fixture
def table() -> Iterator[DatedTable]:
    with DatedTable(Path(":memory:"), is_new=True) as made:
        yield made


def lot_at(table: DatedTable, venue: str, symbol: str, as_of: int, known_at: int) -> int | None:
    fact = table.at(venue, symbol, as_of, known_at)
    return None if fact is None or fact.terms is None else int(listing_of(fact.terms).lot_size)


def answers(table: DatedTable, known_until: int) -> dict[tuple[str, str, int, int], int | None]:
    """Every answer there is, as known until then."""
    every = product(VENUES, SYMBOLS, range(-1, 8), range(known_until + 1))
    return {each: lot_at(table, *each) for each in every}


@settings(max_examples=60, deadline=None)
@given(FILES)
def test_look_ups_are_those_of_a_twin_and_corrections_change_no_past_answer(
    files: list[tuple[int, str, dict[str, int]]],
) -> None:
    held: list[tuple[int, int, str, dict[str, int]]] = []

    def twin(venue: str, symbol: str, as_of: int, known_at: int) -> int | None:
        then = [
            each for each in held if each[0] <= as_of and each[1] <= known_at and each[2] == venue
        ]
        return max(then, key=lambda each: each[:2])[3].get(symbol) if then else None

    with DatedTable(Path(":memory:"), is_new=True) as table:
        past: dict[tuple[str, str, int, int], int | None] = {}
        for known, (valid, venue, lots) in enumerate(files, 1):
            rows = [listing(symbol, lot, venue) for symbol, lot in lots.items()]
            take(table, valid, known, *rows, may_shrink=True)
            held.append((valid, known, venue, lots))
            now = answers(table, known)
            assert {key: now[key] for key in past} == past
            assert now == {key: twin(*key) for key in now}
            past = now


def test_only_changes_are_added_and_they_are_counted(table: DatedTable) -> None:
    first = take(table, 0, 1, listing("AAA"), listing("BBB"), listing("CCC"))
    then = take(table, 5, 2, listing("AAA"), listing("BBB", 2), listing("DDD"))
    assert (first.new, first.listed, first.venues) == (3, 3, ["nse"])
    assert (then.new, then.changed, then.ended, then.unchanged) == (1, 1, 1, 1)
    assert [len(table.history("nse", symbol)) for symbol in ("AAA", "BBB", "CCC", "DDD")] == [
        1,
        2,
        2,
        1,
    ]
    assert table.counts() == [("nse", "equity", 4)]


def test_a_file_is_taken_once(table: DatedTable) -> None:
    assert not take(table, 0, 1, listing()).already
    source = Source("file", f"0 1 {(listing(),)}", 0, 9)
    assert sync(table, [listing()], source).already
    assert table.syncs() == [("file", 0, 1)]


def test_a_correction_is_corrected_back(table: DatedTable) -> None:
    """The same file again is news where another one of that time came between."""
    for known, lot in ((1, 1), (2, 2), (3, 1)):
        sync(table, [listing(lot=lot)], Source("file", f"lot {lot}", 0, known))
    assert [lot_at(table, "nse", "AAA", 0, known) for known in (1, 2, 3)] == [1, 2, 1]


# -- what is refused leaves the table as it was


def bad_row() -> BadRow:
    return BadRow("nse", "BBB", BadDump("a tick of zero"))


@pytest.mark.parametrize(
    ("rows", "known", "error", "words"),
    [
        ([listing("CCC"), listing("CCC")], 9, DuplicateListing, "CCC on nse is listed twice"),
        ([listing(lot=2), bad_row()], 9, BadDump, "a tick of zero"),
        ([], 9, ShrunkenDump, "lists no instrument"),
        ([listing("ZZZ")], 9, ShrunkenDump, "would end 2 that have not expired.*--may-shrink"),
        ([listing(lot=2), listing("BBB")], 1, KnownBefore, "known times only grow.*--known-at"),
        ([listing(lot=0), listing("BBB")], 9, BadDump, "lot_size.*must be positive.*--skip-bad"),
        ([listing(lot=10**19), listing("BBB")], 9, BadDump, "does not fit in 64 bits"),
    ],
)  # fmt: skip
def test_a_file_that_is_refused_changes_nothing(
    table: DatedTable, rows: list[Listing | BadRow], known: int, error: type[Exception], words: str
) -> None:
    take(table, 0, 1, listing("AAA"), listing("BBB"))
    with pytest.raises(error, match=words):
        take(table, 5, known, *rows)
    assert [len(table.history("nse", symbol)) for symbol in ("AAA", "BBB", "CCC", "ZZZ")] == [
        1,
        1,
        0,
        0,
    ]
    assert len(table.syncs()) == 1


def test_what_is_skipped_is_counted_and_stays_in_force(table: DatedTable) -> None:
    take(table, 0, 1, listing("AAA"), listing("BBB"))
    done = take(table, 5, 2, listing("AAA", 2), bad_row(), skip_bad=True)
    assert (done.skipped, done.skipped_samples, done.ended) == (1, ["a tick of zero"], 0)
    assert lot_at(table, "nse", "BBB", 9, 9) == 1


def test_expired_contracts_may_end_in_any_number(table: DatedTable) -> None:
    expired = [listing(f"OPT{number}", expiry=3) for number in range(50)]
    take(table, 0, 1, listing("AAA"), *expired)
    assert take(table, 5, 2, listing("AAA")).ended == 50


def test_a_new_table_of_a_refused_file_is_not_left(tmp_path: Path) -> None:
    path = tmp_path / "ref.db"
    with pytest.raises(BadDump), writable(path) as table:
        take(table, 0, 1, bad_row())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"[[instrument]]", b"SQLite format 3\x00" + bytes(500)])
def test_another_file_is_no_table(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ref.db"
    path.write_bytes(content)
    with pytest.raises(BadReferenceTable, match=r"ref\.db"):
        DatedTable(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_no_table(tmp_path: Path) -> None:
    import sqlite3

    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE facts (x)")
    other.close()
    with pytest.raises(BadReferenceTable, match="no table of instruments"):
        DatedTable(tmp_path / "other.db")


# -- numbers


def test_two_instruments_never_share_a_number_and_each_keeps_its_own(tmp_path: Path) -> None:
    """Names whose own numbers collide, found here by trying."""
    first = number_of("AAA", "nse")
    others = (f"X{number}" for number in range(100_000))
    twin = next(name for name in others if number_of(name, "nse") == first)
    path = tmp_path / "ref.db"
    with writable(path) as table:
        take(table, 0, 1, listing("AAA"), listing(twin), listing("AAA", venue="bse"))
    numbers = [find(load([path]), "nse", symbol).instrument for symbol in ("AAA", twin)]
    assert numbers == [first, first + 1 if first < ID_MAX else FIRST_ID]
    known = load([path])
    assert [known["nse", symbol].instrument for symbol in (twin, "AAA")] == numbers[::-1]
    assert known["bse", "AAA"].instrument not in numbers
    assert len(known) == len(load()) + 3


def test_numbers_end_with_an_error(table: DatedTable) -> None:
    taken = frozenset(range(FIRST_ID, ID_MAX + 1))
    with pytest.raises(NumbersExhausted, match="has given all of its 3071 numbers"):
        table.number("nse", "AAA", taken)


# -- for an import


@pytest.fixture
def dated(tmp_path: Path) -> Path:
    """AAA has a lot of 1, of 2 from 10 s on, and is not listed from 20 s on; BBB stays."""
    path, second = tmp_path / "ref.db", 10**9
    with writable(path) as table:
        take(table, 0, 1, listing("AAA"), listing("BBB"))
        take(table, 10 * second, 2, listing("AAA", 2), listing("BBB", token=7))
        take(table, 20 * second, 3, listing("BBB", token=7))
    return path


def test_an_instrument_with_one_specification_needs_no_time(dated: Path) -> None:
    """Another token is no other specification; the first day is that of the first fact."""
    found = find(load([dated]), "nse", "BBB")
    assert (found.lot_size, found.valid_from, found.symbol) == (1, 0, "BBB")


def test_several_specifications_need_a_time(dated: Path) -> None:
    with pytest.raises(SeveralSpecifications, match="2 specifications of AAA on nse.*--as-of"):
        find(load([dated]), "nse", "AAA")
    for seconds, lot in ((0, 1), (9, 1), (10, 2), (19, 2)):
        found = find(load([dated], as_of=seconds * 10**9), "nse", "AAA")
        assert (found.lot_size, found.valid_from) == (lot, 0 if lot == 1 else 10 * 10**9)
    with pytest.raises(NotListed, match="AAA on nse was not listed at 1970-01-01T00:00:20Z"):
        find(load([dated], as_of=20 * 10**9), "nse", "AAA")
    assert find(load([dated], known_at=1), "nse", "AAA").lot_size == 1


def test_an_instrument_that_ships_keeps_its_number_and_a_users_entry_wins(tmp_path: Path) -> None:
    path, toml = tmp_path / "ref.db", tmp_path / "own.toml"
    toml.write_text('[[instrument]]\nvenue = "binance"\nsymbol = "ETHUSDT"\ntick_size = "0.5"\n')
    with writable(path) as table:
        symbols = ("BTCUSDT", "ETHUSDT")
        take(table, 0, 1, *(listing(symbol, 7, venue="binance") for symbol in symbols))
    found = load([toml, path])
    assert (found["binance", "BTCUSDT"].instrument, found["binance", "BTCUSDT"].lot_size) == (1, 7)
    assert (found["binance", "ETHUSDT"].instrument, found["binance", "ETHUSDT"].tick_size) == (
        2,
        50,
    )
