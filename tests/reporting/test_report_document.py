"""The report against the ledger, in every format, with planted faults."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from reporting_demo_market import BTC, MINUTE, PERPETUAL, SECOND, START, demo_input

from schemas.records import PerformanceReport, PnL
from schemas.vocabulary import NullReason, RiskCode
from streams.reporting.accounting import stated_cash
from streams.reporting.document import Report, ReportInput, build_report
from streams.reporting.estimates import headline_findings, sharpe_interval, wilson
from streams.reporting.headlines import headlines, sentence
from streams.reporting.metrics import METRICS
from streams.reporting.report_warnings import funding_instants
from streams.reporting.wording import number, percent

CASES = {
    "short spot": {"minutes": 60, "seed": 7},
    "a day of spot": {"minutes": 1441, "seed": 3, "quotes_a_minute": 12, "fast": 40, "slow": 180},
    "perpetual": {
        "minutes": 300,
        "seed": 5,
        "instrument": PERPETUAL,
        "flags": 0,
        "provenance": "recorded",
    },
}


@pytest.fixture(scope="module", params=CASES, ids=lambda name: name.replace(" ", "_"))
def report(request) -> Report:
    return build_report(demo_input(**CASES[request.param]))


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def codes(report: Report) -> list[str]:
    return [row["code"] for row in report.model["warnings"]]


def test_every_identity_with_the_ledger_holds(report):
    """Oracle: the demo's own ledger, written apart from ours."""
    assert [row["name"] for row in report.model["checks"] if not row["ok"]] == []
    assert len(report.model["checks"]) == 9


def test_equity_ends_where_the_ledger_ends(report):
    last = report.records.pnl[-1]
    assert report.result.samples[-1] == last.equity
    assert report.model["balance"]["net"] is not None
    assert float(report.model["total_return"]) == (last.equity - 10**16) / 10**16


@pytest.mark.parametrize("field", ["realized", "fees"])
def test_a_planted_notional_taken_for_profit_is_caught_and_said_on_the_page(field):
    """REP-1: traded notional booked as P&L must not pass."""
    records = demo_input(minutes=60)
    fill = records.fills[0]
    last = records.pnl[-1]
    wrong = msgspec.structs.replace(
        last, **{field: getattr(last, field) + fill.price * fill.quantity}
    )
    records.pnl = [*records.pnl[:-1], wrong]
    built = build_report(records)
    assert codes(built)[0] == "CHECK_FAILED"
    assert b"The books do not agree" in built.to_html()


def test_a_missing_fill_is_caught():
    records = demo_input(minutes=60)
    records.fills = records.fills[:-1]
    assert "CHECK_FAILED" in codes(build_report(records))


def test_a_reports_topic_that_differs_from_the_records_is_caught():
    records = demo_input(minutes=60)
    honest = build_report(records)
    rows = [
        PerformanceReport(1, 0, each.name, each.value, each.reason, each.samples)
        for each in honest.result.recomputed.values()
    ]
    records.reports = rows
    assert "CHECK_FAILED" not in codes(build_report(records))
    records.reports = [msgspec.structs.replace(rows[0], value=999.0), *rows[1:]]
    assert "CHECK_FAILED" in codes(build_report(records))


@pytest.mark.parametrize("cash", ["1000000", "1000000USDT", "1000000.0 USDT"])
def test_the_runs_cash_is_compared_with_the_starting_capital(cash):
    """A run that says 1,000,000 but began with 1,000,001 is caught."""
    assert stated_cash(cash, 10) == 10**16
    records = demo_input(minutes=30)
    records.facts["cash"] = cash
    assert "CHECK_FAILED" not in codes(build_report(records))
    records.facts["cash"] = "1000001"
    assert "CHECK_FAILED" in codes(build_report(records))


def test_stated_cash_that_is_no_number_is_not_compared():
    assert stated_cash("plenty", 10) is None
    assert stated_cash(None, 10) is None


def test_every_number_is_the_same_in_json_csv_and_html(report):
    """REP-8. Oracle: the three files read back by other code."""
    model = json.loads(report.to_json())
    from_csv = {row["name"]: row for row in table(report.to_csv()["metrics.csv"])}
    page = report.to_html().decode()
    assert len(from_csv) == len(METRICS)
    for metric in METRICS:
        value = model[metric.name]
        assert from_csv[metric.name]["value"] == ("" if value is None else repr(value))
        shown = page.split(f"<tr data-metric={metric.name}>")[1].split("</tr>")[0]
        assert (f'<data value="{value!r}">' in shown) == (value is not None)
        assert (">none<" in shown) == (value is None)


def test_csv_files_carry_the_ledger_to_the_last_digit(report):
    """Oracle: sums over the CSV text in decimal arithmetic."""
    from decimal import Decimal

    files = {name: table(content) for name, content in report.to_csv().items()}
    costs, balance = report.model["costs"], report.model["balance"]
    assert (
        sum(Decimal(row["fee"]) for row in files["fills.csv"])
        == Decimal(costs["fees"])
        == Decimal(balance["fees"])
    )
    assert sum(Decimal(row["notional"]) for row in files["fills.csv"]) == Decimal(costs["volume"])
    assert Decimal(files["equity.csv"][-1]["equity"]) == Decimal(balance["end"])
    assert len(files["equity.csv"]) == report.model["curve"]["samples"]
    assert len(files["round_trips.csv"]) == report.model["trades"]
    assert len(files["orders.csv"]) == report.model["orders"]["requested"]
    profits = [Decimal(row["net"]) for row in files["round_trips.csv"]]
    assert sum(profit > 0 for profit in profits) == report.result.totals.wins
    assert sum(Decimal(row["profit"]) for row in report.model["returns"]["rows"]) == Decimal(
        balance["net"]
    )


def test_order_counts_equal_a_count_by_hand(report):
    """Oracle: a count over the CSV's final states."""
    orders = report.model["orders"]
    rows = table(report.to_csv()["orders.csv"])
    assert (
        orders["denied"]
        == sum(row["status"] == "DENIED" for row in rows)
        == sum(row["orders"] for row in orders["denied_by_code"])
    )
    assert orders["filled"] == sum(row["status"] == "FILLED" for row in rows)
    assert orders["approved"] == len(rows) - orders["denied"]
    assert orders["final_status"].get("CANCELLED", 0) == sum(
        row["orders"] for row in orders["ended_by_reason"]
    )


def test_the_same_records_give_the_same_bytes(report):
    again = build_report(report.records)
    assert (again.to_json(), again.to_html(), again.to_csv()) == (
        report.to_json(),
        report.to_html(),
        report.to_csv(),
    )


def test_bytes_do_not_depend_on_the_hash_seed():
    """REP-15. Oracle: two processes with different hash seeds."""
    program = (
        "import sys, hashlib; sys.path[:0] = sys.argv[1:]\n"
        "from reporting_demo_market import demo_input\nfrom streams.reporting.document import "
        "build_report\nr = build_report(demo_input(minutes=40))\n"
        "print(hashlib.sha256(r.to_html() + r.to_json() + "
        "b''.join(r.to_csv().values())).hexdigest())"
    )
    here = Path(__file__).resolve()
    command = [sys.executable, "-c", program, str(here.parents[2]), str(here.parent)]
    found = [
        subprocess.run(
            command, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 65


@pytest.mark.parametrize("days", [False, True])
def test_headlines_pass_the_honesty_lint_and_a_bare_number_does_not(days):
    """REP-16: sample size, sample mark, and an interval or the word observed on every headline
    number.
    """
    built = build_report(demo_input(**CASES["a day of spot" if days else "short spot"]))
    rows = headlines(built)
    assert headline_findings(rows) == []
    for missing in ("samples", "mark", "sample_unit", "kind"):
        assert headline_findings([{**rows[0], missing: None}, *rows[1:]]) != []
    assert headline_findings([{**row, "interval": None} for row in rows]) != []
    assert headline_findings([{**rows[0], "value": None, "explanation": ""}]) != []


@pytest.mark.parametrize(
    ("sample", "mark"),
    [("in-sample", "in-sample"), ("out-of-sample", "out-of-sample"), (None, "sample undeclared")],
)
def test_the_sample_mark_is_what_the_run_declares(sample, mark):
    built = build_report(demo_input(minutes=20, sample=sample, trials=12))
    assert {row["mark"] for row in headlines(built)} == {mark}
    assert b"12 trials" in built.to_html()


def test_a_null_number_says_why_in_words():
    built = build_report(demo_input(minutes=45))
    row = next(row for row in built.model["metrics"] if row["name"] == "sharpe")
    assert (row["value"], row["reason"]) == (None, "TOO_FEW_SAMPLES")
    assert row["explanation"] == "needs a day traded; this run has 44 min 58 s"
    assert built.model["sharpe"] is None


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"provenance": "simulated"}, "SIMULATED_DATA"),
        ({"latency": {"feed": "0ms", "entry": "0ms"}}, "NO_LATENCY"),
        ({}, "SHORT_SAMPLE"),
    ],
)
def test_a_caveat_is_said_on_the_page(facts, code):
    built = build_report(demo_input(minutes=30, **facts))
    assert code in codes(built)
    assert f"data-code={code}".encode() in built.to_html()


def test_no_caveat_without_its_cause():
    found = codes(
        build_report(demo_input(minutes=1441, quotes_a_minute=12, seed=3, provenance="recorded"))
    )
    assert [code for code in found if code != "OPEN_AT_END"] == []


def test_a_perpetual_across_a_funding_instant_says_that_funding_is_not_modelled():
    built = build_report(demo_input(minutes=500, quotes_a_minute=12, instrument=PERPETUAL, flags=0))
    assert "FUNDING_NOT_MODELLED" in codes(built)
    assert "FUNDING_NOT_MODELLED" not in codes(
        build_report(demo_input(minutes=470, quotes_a_minute=12, instrument=PERPETUAL, flags=0))
    )
    assert "FUNDING_NOT_MODELLED" not in codes(
        build_report(demo_input(minutes=500, quotes_a_minute=12))
    )


def test_funding_instants_met_by_a_position_are_counted():
    """Oracle: by hand. Held from 7 h to 17 h: 8 h and 16 h of the three instants to 24 h."""
    records = demo_input(minutes=60, instrument=PERPETUAL)
    hour = 3600 * SECOND
    first = records.fills[0]
    records.fills = [
        msgspec.structs.replace(first, event_time=START + 7 * hour, side=1, quantity=5),
        msgspec.structs.replace(first, event_time=START + 17 * hour, side=2, quantity=5),
    ]
    result = build_report(records).result
    result = msgspec.structs.replace(result, first_time=START + 1, last_time=START + 24 * hour)
    assert funding_instants(PERPETUAL, records, result) == (3, 2)


def test_an_empty_run_still_gives_a_page():
    built = build_report(ReportInput(instruments=[BTC]))
    assert {"NO_EQUITY", "NO_FILLS"} <= set(codes(built))
    assert built.model["total_return"] is None
    assert b"Before you believe it" in built.to_html()
    assert len(built.to_csv()) == 8


def test_a_run_without_orders_says_so():
    records = demo_input(minutes=60)
    quiet = [
        PnL(1, each.event_time, 10, 0, 0, 0, 10**16, 10**16, int(NullReason.NONE), 0)
        for each in records.pnl
    ]
    built = build_report(
        ReportInput(
            instruments=[BTC], quotes=records.quotes, pnl=quiet, facts={"strategy": "sleeper"}
        )
    )
    assert sentence(built) == "sleeper watched for 59 min 59 s and did not trade."
    assert built.model["total_return"] == 0.0
    assert b"<svg" in built.to_html()


def test_other_accounts_are_left_out_and_named():
    records = demo_input(minutes=30)
    alone = build_report(records).to_json()
    records.pnl = [*records.pnl, msgspec.structs.replace(records.pnl[0], account=2, equity=5)]
    records.fills = [*records.fills, msgspec.structs.replace(records.fills[0], account=2)]
    both = build_report(records)
    assert "OTHER_ACCOUNTS" in codes(both)
    assert both.model["metrics"] == json.loads(alone)["metrics"]


@pytest.mark.parametrize(
    ("minutes", "name"), [(100, "5 minutes"), (400, "15 minutes"), (1500, "hour"), (4000, "day")]
)
def test_periods_are_chosen_so_that_they_can_be_read(minutes, name):
    built = build_report(demo_input(minutes=minutes, quotes_a_minute=4))
    assert built.model["returns"]["period"] == name
    assert 2 <= len(built.model["returns"]["rows"]) <= 60


def test_months_are_calendar_months():
    """Oracle: by hand. 8 August 2024 and 90 days are four calendar months."""
    rows = [
        PnL(1, START + day * 1440 * MINUTE, 10, 0, 0, 0, 10**16, 10**16 + day, 1, 0)
        for day in range(1, 91)
    ]
    built = build_report(ReportInput(instruments=[BTC], pnl=rows))
    assert [row["label"] for row in built.model["returns"]["rows"]] == [
        "2024-08",
        "2024-09",
        "2024-10",
        "2024-11",
    ]


@pytest.mark.parametrize(
    ("wins", "trades", "low", "high"),
    [(0, 10, 0.0, 0.27753279), (5, 10, 0.23659309, 0.76340691), (15, 148, 0.06235868, 0.16059427)],
)
def test_wilson_interval(wins, trades, low, high):
    """Oracle: Newcombe (1998), method 3: 15 of 148 is .0624 to .1605; statsmodels' wilson for the
    others.
    """
    found = wilson(wins, trades)
    assert found.low == pytest.approx(low, abs=2e-4)
    assert found.high == pytest.approx(high, abs=2e-4)


def test_sharpe_interval_is_lo_2002():
    """Oracle: Lo (2002) table 1: an estimate of 1.0 a period from 60 samples has a standard error
    of .158.
    """
    found = sharpe_interval(1.0, 60)
    assert (found.high - found.low) / 2 / 1.959963984540054 / (365 * 1440) ** 0.5 == pytest.approx(
        0.158, abs=5e-4
    )


@pytest.mark.parametrize("trades", [1, 3, 7, 38, 1000])
def test_an_interval_of_none_and_of_all_begins_and_ends_exactly(trades):
    """Issue 12, B15: the bound was 2.8e-17 where it is 0. The page writes no rounding dust either.
    """
    assert (wilson(0, trades).low, wilson(trades, trades).high) == (0.0, 1.0)
    assert (percent(2.8e-17), number(-2.8e-17, signed=True), percent(-2.8e-17, signed=True)) == (
        "0 %",
        "0.00",
        "0 %",
    )


def test_ruin_and_liquidation_stand_in_red_above_everything():
    """Issue 12, A7. Oracle: by hand; equity of nothing is ruin, an account that began with nothing
    is not.
    """
    records = demo_input(minutes=30)
    records.pnl = [*records.pnl[:-1], msgspec.structs.replace(records.pnl[-1], equity=0)]
    records.decisions = [
        *records.decisions,
        *(
            msgspec.structs.replace(each, code=int(RiskCode.LIQUIDATION))
            for each in records.decisions[:1]
        ),
    ]
    built = build_report(records)
    assert {"RUIN", "LIQUIDATED"} < set(codes(built))
    header = built.to_html().decode().partition("</header>")[0]
    assert header.count("<p class=ruin>") == 2
    assert "The account was ruined at 00:29:59: its equity was 0.00 USDT." in header
    assert "RUIN" not in codes(build_report(demo_input(minutes=30, cash=0)))


def test_labels_of_the_narrow_page_are_whole():
    """Issue 12, B15. A label wider than the margin is drawn narrower; one that would pass the right
    edge ends there.
    """
    page = build_report(demo_input(minutes=30, cash=10**20)).to_html().decode()
    labels = re.findall(
        r'<text class="tick" x="([\d.]+)" y="[\d.]+" text-anchor="(\w+)"( '
        r'textLength="[\d.]+")?[^>]*>([^<]+)<',
        page,
    )
    assert any(fit for _, _, fit, _ in labels)
    for x, anchor, fit, text in labels:
        size = 6.8 * len(text)
        assert float(x) - (0 if fit else size if anchor == "end" else size / 2) >= 0, text
        assert float(x) + (size / 2 if anchor == "middle" else 0) <= 1080
