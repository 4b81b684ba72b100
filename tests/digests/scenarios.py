"""The scenarios: a recording, a strategy, options. Each is small; together they reach every kind of
order, instrument and outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from connectors.merging import merge
from jobs.sq import main
from schemas.records import Instrument
from schemas.vocabulary import InstrumentKind
from tests.scenario import INSTRUMENT, make_market, write_recording

TESTS = Path(__file__).resolve().parents[1]
EAGER = f"{TESTS / 'runtime' / 'eager.py'}:Eager"
BUSY = f"{TESTS / 'runtime' / 'busy.py'}:Busy"
OBSERVER = f"{TESTS / 'runtime' / 'observer.py'}:Observer"
TRADER = f"{TESTS / 'runtime' / 'trader.py'}:Trader"
LIFTER = f"{TESTS / 'venue' / 'lifter.py'}:Lifter"
SPOT = msgspec.structs.replace(
    INSTRUMENT,
    instrument=2,
    symbol="COINUSDT",
    base="COIN",
    kind=int(InstrumentKind.SPOT),
    shortable=False,
)
SECOND = msgspec.structs.replace(
    INSTRUMENT, instrument=3, symbol="OTHERUSDT", base="OTHER", tick_size=5, lot_size=2
)
SLOW = "feed=1ms,entry=300ms,response=900ms"
FREE: dict[str, Any] = {"fees": "maker=0,taker=0", "latency": "feed=0,entry=0,response=0"}


class Scenario(NamedTuple):
    """A backtest. ``options`` as the command line has them; ``set`` are the strategy's own."""

    recording: str
    strategy: str
    options: dict[str, Any]


def _made(*instruments: Instrument, gap_at: int = -1) -> Callable[[Path, Path], Path]:
    """One recording of markets made side by side, each of another seed."""

    def make(folder: Path, data: Path) -> Path:
        places = []
        for place, instrument in enumerate(instruments):
            trades, depth = make_market(1_500, 2_000, seed=30 + place, gap_at=gap_at)
            parts = [
                [
                    msgspec.structs.replace(each, instrument=instrument.instrument)
                    for each in records
                ]
                for records in (trades, depth)
            ]
            places.append(write_recording(folder / f"part{place}", [instrument], *parts))
        if len(places) == 1:
            return places[0]
        merge(places, folder / "merged")
        return folder / "merged"

    return make


def _generated(folder: Path, data: Path) -> Path:
    assert (
        main(["generate", "--minutes", "5", "--seed", "9", "--out", str(folder / "generated")]) == 0
    )
    return folder / "generated"


def _capture(name: str) -> Callable[[Path, Path], Path]:
    def imported(folder: Path, data: Path) -> Path:
        assert (
            main(
                [
                    "import",
                    "binance",
                    str(data / "binance" / f"{name}.gz"),
                    "--out",
                    str(folder / "capture"),
                ]
            )
            == 0
        )
        return folder / "capture"

    return imported


RECORDINGS: dict[str, Callable[[Path, Path], Path]] = {
    "perpetual": _made(INSTRUMENT),
    "gap": _made(INSTRUMENT, gap_at=900),
    "spot": _made(SPOT),
    "two": _made(INSTRUMENT, SECOND),
    "three": _made(INSTRUMENT, SPOT, SECOND),
    "generated": _generated,
    "usdm": _capture("usdm/btcusdt_20240808"),
    "spot capture": _capture("spot/ethusdt_20240808"),
}
"""Made in a folder, the last two from the recorded data."""

MEASURES: dict[str, Any] = {
    "microstructure": {
        "window": 20,
        "trades": 50,
        "vpins": 5,
        "hawkes": {"default": {"mu": 0.1, "same": 0.5, "other": 0.2, "beta": 2.0}},
        "microprice": {"default": {"spreads": 1, "adjustments": [-0.2, 0.0, 0.2]}},
    }
}
_QUICK: dict[str, Any] = {"set": {"fast": "5", "slow": "12", "cooldown": "0"}}
SCENARIOS: dict[str, Scenario] = {
    "nothing": Scenario("perpetual", "noop-python", {}),
    "ema, as it comes": Scenario("perpetual", "ema-cross", {}),
    "ema, quick": Scenario("perpetual", "ema-cross", _QUICK),
    "ema, quick and free": Scenario("perpetual", "ema-cross", {**_QUICK, **FREE}),
    "ema, in Python": Scenario("perpetual", "ema-cross-python", _QUICK),
    "ema, over a gap": Scenario("gap", "ema-cross", _QUICK),
    "ema, a rebate": Scenario("perpetual", "ema-cross", {**_QUICK,
    "fees": "maker=-1bp,taker=-2bp"}),
    "ema, slow reports": Scenario("perpetual", "ema-cross", {"set": {"fast": "2", "slow": "3",
    "cooldown": "0"}, "latency": SLOW}),
    "ema, a window": Scenario("perpetual", "ema-cross", {**_QUICK, "warmup": "20s",
    "to": "2024-01-01T00:01:00"}),
    "ema, no shorts": Scenario("perpetual", "ema-cross", {**_QUICK, "short": "off"}),
    "ema, little money": Scenario(
        "perpetual", "ema-cross",
        {"set": {**_QUICK["set"], "size": "1000"}, "cash": "1300USDT", "leverage": 125,
        "risk": {"price_collar_bp": "20"}},
    ),
    "ema, liquidated": Scenario(
        "perpetual", "ema-cross",
        {"set": {"cooldown": "0", "size": "1000"}, "cash": "500USDT", "leverage": 125,
         "risk": {"maintenance_margin": {"TESTUSDT": "0.0095"}, "price_collar_bp": "5"}},
    ),
    "ema, large orders": Scenario(
        "perpetual", "ema-cross", {"set": {**_QUICK["set"], "size": "40000"},
        "cash": "90000000USDT", "leverage": 100}
    ),
    "ema, at a limit": Scenario(
        "perpetual", "ema-cross", {"set": {**_QUICK["set"], "size": "3"}, "latency": SLOW,
        "risk": {"max_position": "0.003"}}
    ),
    "ema, old marks": Scenario("perpetual", "ema-cross", {**_QUICK,
    "risk": {"mark_age_max": "600000000"}}),
    "ema, another account": Scenario("perpetual", "ema-cross", {**_QUICK, "accounts": [7]}),
    "ema, spot": Scenario("spot", "ema-cross", _QUICK),
    "ema, two instruments": Scenario("two", "ema-cross", _QUICK),
    "ema, three instruments": Scenario("three", "ema-cross", _QUICK),
    "ema, one of three": Scenario("three", "ema-cross", {**_QUICK, "symbols": "COINUSDT"}),
    "orders of every kind, before the others": Scenario("perpetual", EAGER,
    {"set": {"what": "mlcdxst"}}),
    "market orders and cancels": Scenario("perpetual", EAGER, {"set": {"what": "mmmmmmmmd"}}),
    "limit orders": Scenario("perpetual", EAGER, {"set": {"what": "l"}}),
    "limit orders and cancels, slow": Scenario("perpetual", EAGER, {"set": {"what": "llc"},
    "latency": SLOW}),
    "signals and orders": Scenario("perpetual", EAGER, {"set": {"what": "sm"}}),
    "orders of every kind, spot": Scenario("spot", EAGER, {"set": {"what": "mlcdxst"},
    "cash": "500000USDT"}),
    "orders of every kind, three instruments": Scenario("three", EAGER,
    {"set": {"what": "mlcdxst"}}),
    "everything at once": Scenario("perpetual", BUSY, {}),
    "everything at once, slow": Scenario("gap", BUSY, {"set": {"rate": "11"}, "latency": SLOW}),
    "everything at once, spot": Scenario("spot", BUSY, {"cash": "100000USDT"}),
    "everything at once, three instruments": Scenario("three", BUSY, {"set": {"seed": "4"}}),
    "what a strategy reads": Scenario("gap", OBSERVER, {"set": {"rate": "20"}, "latency": SLOW}),
    "targets, modified orders, timers by name": Scenario("two", TRADER, {}),
    "behind prints": Scenario("perpetual", LIFTER, FREE),
    "measures of microstructure, three instruments": Scenario(
        "three", "ema-cross", {**_QUICK, **MEASURES}
    ),
    "measures of microstructure, over a gap": Scenario(
        "gap", "ema-cross", {**_QUICK, **MEASURES}
    ),
    "a generated market": Scenario("generated", "ema-cross", {"ticker": "off"}),
    "a generated market, its ticker": Scenario("generated", "ema-cross", {}),
}  # fmt: skip
CAPTURED: dict[str, Scenario] = {
    "futures": Scenario("usdm", "ema-cross", {"ticker": "off"}),
    "futures, their measures": Scenario("usdm", "ema-cross", {**MEASURES, "ticker": "off"}),
    "futures, in Python": Scenario("usdm", BUSY, {"set": {"rate": "400"}, "ticker": "off"}),
    "futures, behind prints": Scenario(
        "usdm", LIFTER, {**FREE, "cash": "100000000USDT", "ticker": "off"}
    ),
    "spot capture": Scenario("spot capture", "ema-cross", {"ticker": "off"}),
    "spot capture, behind prints, its ticker": Scenario(
        "spot capture", LIFTER, {**FREE, "cash": "100000000USDT"}
    ),
}
