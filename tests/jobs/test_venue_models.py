"""``--fill-model`` and ``--venue-model``: what they change, and that everything names them.

Oracles: the run without them, ``sq verify`` and ``sq replay``, and the rules themselves over the
run's own records.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import venue_models
from jobs.configuration import build
from tests.scenario import make_recording

EAGER = f"{Path(__file__).resolve().parents[1] / 'runtime' / 'eager.py'}:Eager"
PARAMETERS = "fee_cap_cents = 5\ncoarse_from = 1\ncoarse_ticks = 2\nmessage_gap_ns = 50000000\n"
FILE = f"""
strategy = "{EAGER}"
fees = "maker=1bp,taker=4bp"

[set]
what = "lmc"

[venue.parameters]
{PARAMETERS}"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("market") / "plain", 600, 800)


def facts(folder: Path, name: str = "run.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return found


def test_a_run_with_other_models_is_another_run_is_proved_and_says_so(
    sq: Callable[..., Any], market: Path, tmp_path: Path
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(FILE, encoding="utf-8")
    plain = (
        "backtest",
        market,
        "--strategy",
        EAGER,
        "--set",
        "what=lmc",
        "--fees",
        "maker=1bp,taker=4bp",
        "--json",
    )
    assert sq(*plain, "--out", tmp_path / "plain").code == 0
    chosen = (
        "backtest",
        market,
        "--config",
        file,
        "--fill-model",
        "log-prob",
        "--venue-model",
        "brokered",
        "--json",
    )
    ended = sq(*chosen, "--out", tmp_path / "other")
    assert ended.code == 0, ended.err
    names = {name: ended.json()[name] for name in ("fill_model", "venue_model")}
    assert names["fill_model"] == "log-prob" and names["venue_model"].startswith(
        "brokered (fee_cap_cents 5, "
    )

    manifests = {name: facts(tmp_path / name) for name in ("plain", "other")}
    settings = manifests["other"]["identity"]["stages"]["venue"]
    assert (settings["queue_model"], settings["model"]) == ("log-prob", "brokered")
    assert manifests["plain"]["journal_id"] != manifests["other"]["journal_id"]
    assert "queue_model" not in manifests["plain"]["configuration"]["stages"].get("venue", {})
    for folder in ("plain", "other"):
        found = {name: facts(tmp_path / folder, "report.json")["run"][name] for name in names}
        assert found == (
            names if folder == "other" else {"fill_model": "risk-averse", "venue_model": "standard"}
        )
        page = (tmp_path / folder / "report.html").read_text(encoding="utf-8")
        assert all(text in page for text in found.values())

    refused = {
        line["reason"]
        for line in records(sq, tmp_path / "other", "venue.reports")
        if line["kind"] == "REJECTED"
    }
    assert refused == {"INVALID_ORDER"}, "every second tick is off the coarse one"
    charged: dict[str, int] = {}
    for line in records(sq, tmp_path / "other", "fills"):
        charged[line["order_id"]] = charged.get(line["order_id"], 0) + int(line["fee"])
    assert charged and max(charged.values()) <= 5 * unit(sq, market) // 100

    assert sq("verify", tmp_path / "other").code == 0
    for mode in ("exact", "merge"):
        again = sq("replay", tmp_path / "other", "--mode", mode, "--out", tmp_path / mode)
        assert again.code == 0, again.out
    small = sq(*chosen, "--batch", "97", "--out", tmp_path / "small").json()
    assert small["digests"]["fills"] == ended.json()["digests"]["fills"]
    resumed = sq("backtest", market, "--config", file, "--out", tmp_path / "other")
    assert resumed.code == 2 and "stages" in resumed.err


def records(sq: Callable[..., Any], folder: Path, topic: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sq("cat", folder, topic).out.splitlines()]


def unit(sq: Callable[..., Any], market: Path) -> int:
    """Units of the notional in one of the quote currency."""
    (listed,) = records(sq, market, "ref.instruments")
    return int(10 ** (listed["price_precision"] + listed["quantity_precision"]))


def test_the_default_by_its_name_is_the_default() -> None:
    plain = build({"strategy": "ema-cross", "ticker": "off"})
    named = build(
        {
            "strategy": "ema-cross",
            "ticker": "off",
            "fill_model": "risk-averse",
            "venue_model": "standard",
        }
    )
    assert named.stages == plain.stages == {}
    file = {
        "strategy": "ema-cross",
        "ticker": "off",
        "venue": {"queue_model": "log-prob", "orders_max": 5},
    }
    assert build(file).stages["venue"] == file["venue"]
    assert build({**file, "fill_model": "risk-averse"}).stages["venue"] == {"orders_max": 5}, (
        "a flag wins"
    )
    assert (
        build({**file, "fill_model": "log-prob-2"}).stages["venue"]["queue_model"] == "log-prob-2"
    )


@pytest.mark.parametrize(
    ("flags", "file", "text"),
    [
        (
            ("--fill-model", "optimist"),
            "",
            "venue.queue_model (--fill-model) is 'optimist'; "
            "give one of: log-prob, log-prob-2, risk-averse",
        ),
        (
            ("--venue-model", "nyse"),
            "",
            "venue.model (--venue-model) is 'nyse'; give one of: brokered, indian, standard",
        ),
        ((), "[venue.parameters]\nfee_cap_cents = 1\n", "does not take; it has none"),
        (
            ("--venue-model", "brokered"),
            "[venue.parameters]\ncap = 1\n",
            "does not take; its parameters are coarse_from, coarse_ticks",
        ),
        (
            ("--venue-model", "brokered"),
            "[venue.parameters]\nfee_cap_cents = -1\n",
            "venue.parameters.fee_cap_cents is -1; give 0 to",
        ),
        (
            ("--venue-model", "brokered"),
            "[venue.parameters]\nmessage_gap_ns = 9000000000000\n",
            "message_gap_ns is 9000000000000; give 0",
        ),
    ],
)
def test_what_there_is_not_is_refused_by_name(
    sq: Callable[..., Any],
    market: Path,
    tmp_path: Path,
    flags: tuple[str, ...],
    file: str,
    text: str,
) -> None:
    (tmp_path / "run.toml").write_text(f'strategy = "noop-python"\n{file}', encoding="utf-8")
    ended = sq(
        "backtest", market, "--config", tmp_path / "run.toml", *flags, "--out", tmp_path / "run"
    )
    assert ended.code == 2 and text in ended.err, ended.err


def test_a_page_of_a_run_with_a_model_that_this_version_has_not_still_names_it() -> None:
    assert venue_models.named({"venue": {"queue_model": "pro-rata"}}) == {
        "fill_model": "pro-rata",
        "venue_model": "standard",
    }
