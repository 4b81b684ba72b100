"""``sq features``: summary and charts of a recording's measures.

Oracles: polars over the topics of a backtest of the same recording; an XML parser; the numbers that
a path is drawn from, read back off the picture.
"""

from __future__ import annotations

import json
import re
import shlex
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import Command

from jobs.measuring.groups import GROUPS
from jobs.measuring.running import TOPICS
from jobs.measuring.series import measured_fields, reason_field
from jobs.pipeline import read_instruments
from jobs.sq import main
from streams.log.local import LocalLog
from tests.microstructure.searched import NULLABLE
from tests.scenario import records_in
from tests.test_documents import blocks

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated market, long enough that most windows are full."""
    folder = tmp_path_factory.mktemp("features") / "toy"
    assert main(["generate", "--minutes", "6", "--seed", "7", "--out", str(folder)]) == 0
    return folder


SETTINGS = """\
strategy = "noop-python"

[toxicity]
bucket_volume = "0.5"
window = 20

[microstructure]
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Buckets small enough that VPIN is known."""
    path = tmp_path_factory.mktemp("features") / "settings.toml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture(scope="module")
def run(market: Path, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backtest of it with the same stages."""
    folder = tmp_path_factory.mktemp("features") / "run"
    assert main(["backtest", str(market), "--config", str(file), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def summary(market: Path, file: Path, sq: Command) -> Any:
    return sq("features", market, "--config", file, "--json").json()


def scale_of(unit: str, market: Path) -> float:
    """Of a field's unit in the schema, by hand."""
    with LocalLog.open(market) as log:
        (instrument,) = read_instruments(log)
    price, quantity = 10**instrument.price_precision, 10**instrument.quantity_precision
    if unit.startswith("10^-price_precision per"):
        return price / quantity
    return {"10^-price_precision": price, "10^-quantity_precision": quantity}.get(
        unit.split()[0], 1
    )


@pytest.mark.parametrize("topic", TOPICS)
def test_every_figure_is_what_polars_says_of_a_backtests_topic(
    summary: Any, market: Path, run: Path, topic: str
) -> None:
    (instrument,) = summary
    told = instrument["topics"][topic]
    frame = pl.DataFrame(records_in(run, topic), infer_schema_length=None)
    assert told["records"] == len(frame) > 5
    assert (told["first"], told["last"]) == (frame["event_time"].min(), frame["event_time"].max())
    assert told["fields"].keys() == {field.name for field in measured_fields(topic)}
    for field in measured_fields(topic):
        figures = told["fields"][field.name]
        column = frame[field.name].cast(pl.Float64) / scale_of(field.unit, market)
        assert figures["known"] == len(column) - column.null_count()
        assert figures["null_share"] == column.null_count() / len(column)
        assert sum(figures["reasons"].values()) == column.null_count()
        close = {"rel": 1e-9, "abs": 1e-12}
        if figures["known"] == 0:
            assert figures["mean"] is None and column.mean() is None
            continue
        assert figures["mean"] == pytest.approx(column.mean(), **close), field.name
        for name, q in (("least", 0), ("q05", 0.05), ("median", 0.5), ("q95", 0.95)):
            expected = column.drop_nulls().quantile(q, "linear")
            assert figures[name] == pytest.approx(expected, **close), (field.name, name)


def test_reasons_are_those_that_the_records_name(summary: Any, run: Path) -> None:
    fields = summary[0]["topics"]["md.microstructure"]["fields"]
    assert fields["hawkes_buy_intensity"]["reasons"] == {
        "NOT_GIVEN": len(records_in(run, "md.microstructure"))
    }
    assert fields["kyle_lambda"]["reasons"] == {"WARMING_UP": 60}
    assert summary[0]["topics"]["md.toxicity"]["fields"]["vpin"]["reasons"].keys() == {"WARMING_UP"}
    for reason, names in NULLABLE.items():
        assert {reason_field("md.microstructure", name) for name in names} == {reason}


def test_sq_cat_prints_reasons_by_name(run: Path, sq: Command) -> None:
    first = json.loads(sq("cat", run, "md.microstructure", "--limit", 1).out)
    assert (first["kyle_reason"], first["hawkes_reason"]) == ("WARMING_UP", "NOT_GIVEN")


def test_the_table_says_the_same_as_the_json(
    market: Path, file: Path, summary: Any, sq: Command
) -> None:
    text = sq("features", market, "--config", file).out
    for topic, facts in summary[0]["topics"].items():
        assert f"SIMUSDT {topic}, {facts['records']:,} records" in text
    line = next(line for line in text.splitlines() if line.split()[:1] == ["kyle_lambda"])
    figures = summary[0]["topics"]["md.microstructure"]["fields"]["kyle_lambda"]
    assert f"{figures['median']:.6g}" in line and line.endswith("WARMING_UP 60")


def test_every_field_is_drawn_once() -> None:
    for topic in TOPICS:
        drawn = [name for _, panels in GROUPS[topic] for panel in panels for name in panel]
        assert sorted(drawn) == sorted(field.name for field in measured_fields(topic))
        assert all(len(panel) <= 3 for _, panels in GROUPS[topic] for panel in panels)


def test_a_picture_shows_the_values_where_they_are(
    market: Path, run: Path, tmp_path: Path, sq: Command
) -> None:
    """Of one field: the path's points, turned back by the axes' labels, are the records' values."""
    file = tmp_path / "one.svg"
    chosen = ("--topic", "md.features", "--field", "weighted_mid")
    ended = sq("features", market, *chosen, "--plot", file)
    assert f"{file} shows them" in ended.err
    root = ElementTree.fromstring(file.read_text(encoding="utf-8"))
    (path,) = [each for each in root.iter(f"{SVG}path") if each.get("class") == "line"]
    ticks = [
        (float(each.get("y", "")) - 4, float(each.text or ""))
        for each in root.iter(f"{SVG}text")
        if each.get("class") == "tick" and each.get("text-anchor") == "end"
        and ":" not in (each.text or "")
    ]  # fmt: skip
    (y0, v0), (y1, v1) = ticks[0], ticks[-1]
    drawn = [
        v0 + (float(y) - y0) * (v1 - v0) / (y1 - y0)
        for y in re.findall(r"[ML]\d+ (-?[\d.]+)|V(-?[\d.]+)", path.get("d", ""))
        for y in y
        if y
    ]
    with LocalLog.open(market) as log:
        scale = 10 ** read_instruments(log)[0].price_precision
    values = [each["weighted_mid"] / scale for each in records_in(run, "md.features")]
    pixel = abs((v1 - v0) / (y1 - y0))
    assert max(drawn) == pytest.approx(max(values), abs=pixel)
    assert min(drawn) == pytest.approx(min(values), abs=pixel)
    assert len(drawn) >= len(values)
    assert drawn[:20] == pytest.approx(values[:20], abs=pixel)


class Balance(HTMLParser):
    """Tags that are not closed in order, and ids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.ids += [value for name, value in attrs if name == "id"]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def test_the_page_is_well_formed_loads_nothing_and_says_why_a_panel_is_empty(
    market: Path, tmp_path: Path, sq: Command
) -> None:
    file = tmp_path / "all.html"
    assert sq("features", market, "--plot", file).code == 0
    text = file.read_text(encoding="utf-8")
    page = Balance()
    page.feed(text)
    assert not page.faults and not page.open
    assert len(page.ids) == len(set(page.ids)) > 20
    assert not re.search(r'(src|href)="http', text) and "@import" not in text
    assert "hawkes_buy_intensity (NOT_GIVEN)" in text
    points = re.findall(r'<script type="application/json" id="points-[^"]*">(.*?)</script>', text)
    assert len(points) == sum(len(GROUPS[topic]) for topic in TOPICS)
    for each in points:
        found = json.loads(each)
        assert all(len(texts) == len(found["x"]) for _, texts in found["rows"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--topic", "md.bars"], "md.bars has no measures; name one of md.features"),
        (["--field", "vpn"], "--field vpn is no measure of"),
        (["--topic", "md.features", "--field", "vpin"], "vpin is no measure of md.features"),
        (["--plot", "x.png"], "give a file that ends with .html or .svg"),
        (["--plot", "nowhere/x.svg"], "is no folder"),
        (["--symbols", "OTHER"], "OTHER is not in the recording"),
    ],
)
def test_wrong_use_is_one_line(
    market: Path, sq: Command, arguments: list[str], words: str
) -> None:
    ended = sq("features", market, *arguments)
    assert ended.code == 2 and words in ended.err and ended.err.count("\n") == 1


def test_a_run_folder_is_named_as_such(run: Path, sq: Command) -> None:
    ended = sq("features", run)
    assert ended.code == 2 and "is a run, not a recording" in ended.err


def test_settings_and_the_end_of_the_time_count(market: Path, tmp_path: Path, sq: Command) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        "[microstructure]\ninterval = 500_000_000\nwindow = 11\n"
        "[microstructure.hawkes.default]\nmu = 0.1\nsame = 0.5\nother = 0.2\nbeta = 2.0\n"
    )
    arguments = ("--topic", "md.microstructure", "--to", "2024-01-01T00:01:00", "--json")
    (told,) = sq("features", market, "--config", file, *arguments).json()
    assert told["topics"].keys() == {"md.microstructure"}
    facts = told["topics"]["md.microstructure"]
    assert 100 < facts["records"] <= 120
    assert facts["fields"]["hawkes_buy_intensity"]["null_share"] == 0
    assert facts["fields"]["kyle_lambda"]["reasons"]["WARMING_UP"] <= 12


def test_the_examples_of_the_page_run(
    market: Path, tmp_path: Path, sq: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    section = text.partition("\n## sq features\n")[2].partition("\n## ")[0]
    page = tmp_path / "section.md"
    page.write_text(section)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "toy").symlink_to(market)
    (commands,) = blocks(page, "sh")
    for line in commands.splitlines():
        assert sq(*shlex.split(line)[1:]).code == 0, line
    assert (tmp_path / "micro.html").stat().st_size > 10_000
