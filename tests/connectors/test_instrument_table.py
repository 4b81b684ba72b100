"""The instrument table. Oracle: the exchange's published filters, written here as text, and the
malformed twin of each field.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from connectors.instruments import BadInstrumentTable, InverseContract, UnknownSymbol, find, load
from schemas.vocabulary import InstrumentKind

GOOD = """\
[[instrument]]
instrument = 9
venue = "binance_usdm"
symbol = "DOGEUSDT"
kind = "perpetual"
base = "DOGE"
quote = "USDT"
price_precision = 5
quantity_precision = 0
tick_size = "0.00001"
lot_size = "1"
minimum_quantity = "1"
maximum_quantity = "10000000"
minimum_notional = "5"
funding_hours = 8
valid_from = 2024-01-01T00:00:00Z
"""


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "table.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("venue", "symbol", "number", "kind", "tick", "lot", "notional", "shortable"),
    [
        ("binance", "BTCUSDT", 1, InstrumentKind.SPOT, "0.01", "0.00001", "5", False),
        ("binance", "ETHUSDT", 2, InstrumentKind.SPOT, "0.01", "0.0001", "5", False),
        ("binance_usdm", "BTCUSDT", 3, InstrumentKind.PERPETUAL, "0.10", "0.001", "100", True),
        ("binance_usdm", "ETHUSDT", 4, InstrumentKind.PERPETUAL, "0.01", "0.001", "20", True),
    ],
)
def test_the_shipped_specifications_are_the_exchanges(
    venue: str,
    symbol: str,
    number: int,
    kind: InstrumentKind,
    tick: str,
    lot: str,
    notional: str,
    shortable: bool,
) -> None:
    found = find(load(), venue, symbol)
    price, quantity = (
        Decimal(10) ** -found.price_precision,
        Decimal(10) ** -found.quantity_precision,
    )
    assert (found.instrument, found.kind, found.shortable) == (number, kind, shortable)
    assert (found.tick_size * price, found.lot_size * quantity) == (Decimal(tick), Decimal(lot))
    assert found.minimum_notional * price * quantity == Decimal(notional)
    assert found.funding_interval == (8 * 3600 * 10**9 if shortable else 0)


def test_spot_quantities_have_eight_decimals_for_off_lot_sizes() -> None:
    assert find(load(), "binance", "BTCUSDT").quantity_precision == 8


def test_a_users_table_adds(tmp_path: Path) -> None:
    found = load([table(tmp_path, GOOD)])
    assert find(found, "binance_usdm", "DOGEUSDT").instrument == 9
    assert len(found) == len(load()) + 1
    assert found["binance_usdm", "DOGEUSDT"].valid_from == 1_704_067_200 * 10**9


def test_a_users_table_overrides_the_fields_it_names_and_only_those(tmp_path: Path) -> None:
    before = load()["binance_usdm", "BTCUSDT"]
    after = load(
        [
            table(
                tmp_path,
                '[[instrument]]\nvenue = "binance_usdm"\nsymbol = "BTCUSDT"\ntick_size = "0.50"\n',
            )
        ]
    )["binance_usdm", "BTCUSDT"]
    assert after.tick_size == 50 and (after.lot_size, after.instrument) == (
        before.lot_size,
        before.instrument,
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('tick_size = "0.00001"\n', "", "tick_size"),
        ('tick_size = "0.00001"', 'tick_size = "0.000001"', "tick_size.*beyond precision"),
        ('tick_size = "0.00001"', "tick_size = 0.00001", "tick_size"),
        ('tick_size = "0.00001"', 'tick_size = "0"', "positive"),
        ('lot_size = "1"', 'lot_size = "one"', "lot_size.*not a decimal"),
        ('minimum_quantity = "1"', 'minimum_quantity = "-1"', "not negative"),
        ("price_precision = 5", "price_precision = 19", "precisions must be"),
        ("instrument = 9", "instrument = 4095", "1 to 4094"),
        (
            "instrument = 9",
            "instrument = 3",
            "number 3 is given to binance_usdm:BTCUSDT and to binance_usdm:DOGEUSDT",
        ),
        ('kind = "perpetual"', 'kind = "swap"', "kind"),
        ("funding_hours", "funding_minutes", "funding_minutes"),
        ("funding_hours = 8", 'initial_margin = "1.5"', "initial_margin is '1.5'; give a fraction"),
        (
            "funding_hours = 8",
            'maintenance_margin = "0"',
            "maintenance_margin is '0'; give a fraction",
        ),
        ("funding_hours = 8", 'initial_margin = "0.000000001"', "at most 8 decimals"),
        ("funding_hours = 8", "initial_margin = 0.05", "initial_margin"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00", "no time zone"),
        ("2024-01-01T00:00:00Z", '"soon"', "valid_from"),
        ('venue = "binance_usdm"\n', "", "needs a venue"),
        ("[[instrument]]", "[[instruments]]", r"\[\[instrument\]\] entries"),
        ("[[instrument]]", "[[instrument]", "TOML"),
    ],
)
def test_a_malformed_table_names_what_is_wrong(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert old in GOOD
    with pytest.raises(BadInstrumentTable, match=words):
        load([table(tmp_path, GOOD.replace(old, new, 1))])


def test_margins_are_read_exactly_and_may_be_missing(tmp_path: Path) -> None:
    """Oracle: the decimals as they are written."""
    line = 'initial_margin = "0.01000001"\nmaintenance_margin = "1"\n'
    found = load([table(tmp_path, GOOD + line)])["binance_usdm", "DOGEUSDT"]
    assert (found.initial_margin, found.maintenance_margin) == (1_000_001, 100_000_000)
    assert {(each.initial_margin, each.maintenance_margin) for each in load().values()} == {
        (None, None)
    }


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInstrumentTable, match=r"none\.toml does not exist"):
        load([tmp_path / "none.toml"])


def test_an_unknown_symbol_says_what_there_is_and_what_to_do() -> None:
    with pytest.raises(
        UnknownSymbol,
        match="XRPUSDT on binance is in no instrument table.*BTCUSDT, ETHUSDT.*--instruments",
    ):
        find(load(), "binance", "XRPUSDT")


@pytest.mark.parametrize("symbol", ["BTCUSD_PERP", "ETHUSD_240927"])
def test_an_inverse_contract_is_refused_in_a_table_and_when_it_is_looked_up(
    tmp_path: Path, symbol: str
) -> None:
    with pytest.raises(InverseContract, match=symbol):
        load([table(tmp_path, GOOD.replace("DOGEUSDT", symbol))])
    with pytest.raises(InverseContract, match=symbol):
        find(load(), "binance_usdm", symbol)
