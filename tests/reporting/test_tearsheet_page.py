"""The page as a browser and a reader meet it: self-contained, well-formed, small, accessible;
pictures that drop no extreme.
"""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest
from reporting_demo_market import BTC, SECOND, START, demo_input

from schemas.records import Fill
from streams.reporting import charts, wording
from streams.reporting.document import QuoteSeries, ReportInput, build_report
from streams.reporting.pictures import (
    Panel,
    TimeScale,
    area_path,
    columns,
    line_path,
    panel_over,
    round_step,
)


@pytest.fixture(scope="module")
def page() -> str:
    return build_report(demo_input(minutes=120)).to_html().decode()


class Balance(HTMLParser):
    """Finds tags that are closed in the wrong order or not at all, and collects ids."""

    VOID = ("meta", "br", "link", "img", "hr", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.ids.extend(value for name, value in attributes if name == "id")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.ids.extend(value for name, value in attributes if name == "id")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def test_the_page_loads_nothing_from_anywhere(page):
    """The acceptance check's own pattern, and every other way to load something."""
    assert not re.search(r'src="https?:|href="https?:[^"]*\.(css|js)', page)
    for way in (
        "http:",
        "https:",
        " src=",
        " href=",
        "@import",
        "url(",
        "<link",
        "<iframe",
        "fetch(",
        "XMLHttpRequest",
        "import(",
    ):
        assert way not in page, way


def test_the_page_is_well_formed_and_its_ids_are_unique(page):
    balance = Balance()
    balance.feed(page)
    assert balance.faults == []
    assert balance.open == []
    assert len(balance.ids) == len({*balance.ids})


def test_every_picture_is_xml_with_a_title_and_a_description(page):
    pictures = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(pictures) == 12
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        assert root.attrib["role"] == "img"
        title, description = root.find("title"), root.find("desc")
        assert title is not None and title.text
        assert description is not None and description.text
        assert root.attrib["aria-labelledby"].split() == [
            title.attrib["id"],
            description.attrib["id"],
        ]


def test_the_page_serves_phone_dark_screen_and_print(page):
    for rule in (
        'name="viewport" content="width=device-width,initial-scale=1"',
        "prefers-color-scheme:dark",
        "@media print",
        "max-width:640px",
    ):
        assert rule in page


@pytest.mark.parametrize(
    "text",
    [
        "equity",
        "drawdown",
        "toxicity",
        "Orders and rejections",
        "Costs",
        "Round trips",
        "sq verify RUN",
        "660042",
        "182,344",
    ],
)
def test_the_page_has_what_the_issue_names(page, text):
    assert text in page


def test_names_from_outside_cannot_inject_markup():
    hostile = '<script>alert(1)</script>"&'
    records = demo_input(
        minutes=20,
        strategy=hostile,
        inputs=[hostile],
        topic_digests={hostile: hostile},
        parameters={hostile: hostile},
    )
    records.instruments = [msgspec.structs.replace(BTC, symbol="</script><b>", venue=hostile)]
    built = build_report(records).to_html().decode()
    assert "<script>alert" not in built
    assert "</script><b>" not in built
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in built


def test_instruments_of_one_symbol_are_told_apart_by_their_venue():
    records = demo_input(minutes=20)
    other = msgspec.structs.replace(BTC, instrument=2, venue="elsewhere")
    records.instruments = [BTC, other]
    records.fills = [*records.fills, msgspec.structs.replace(records.fills[-1], instrument=2)]
    built = build_report(records).to_html().decode()
    for name in ("BTCUSDT binance", "BTCUSDT elsewhere"):
        assert f"<th scope=row>{name}</th>" in built
        assert f"<th scope=row>{name}, BTC</th>" in built
    assert "<h2>BTCUSDT binance: price, fills and toxicity</h2>" in built


def test_a_dense_day_stays_under_a_megabyte():
    """47,000 fills over a day of 500,000 quotes."""
    generator = np.random.default_rng(1)
    times = START + np.sort(generator.integers(0, 86_400 * SECOND, 500_000))
    mid = 6_000_000 + np.cumsum(generator.integers(-3, 4, 500_000))
    quotes = QuoteSeries(times, mid - 1, mid + 1)
    picked = range(0, 500_000 - 10, 10)
    fills = [
        Fill("0" * 20, 1, 1, 1, int(times[at]), 1 + n % 2, int(mid[at]), 10**6, 2, 5 * 10**8, n)
        for n, at in enumerate(picked)
    ][:47_000]
    base = demo_input(minutes=1440, quotes_a_minute=4)
    built = build_report(
        ReportInput(
            instruments=[BTC],
            quotes={1: quotes},
            fills=fills,
            pnl=base.pnl,
            toxicity=base.toxicity,
            facts=base.facts,
        )
    )
    content = built.to_html()
    assert len(content) < 1_000_000
    assert built.model["trades"] == 23_500


@pytest.mark.parametrize("seed", range(8))
def test_downsampling_keeps_first_lowest_highest_and_last_of_every_column(seed):
    """Oracle: a plain loop over the points."""
    generator = random.Random(seed)
    count = generator.randint(1, 3000)
    time = sorted(generator.randrange(10**12) for _ in range(count))
    value = [generator.randint(-1000, 1000) for _ in range(count)]
    scale = TimeScale(0, 10**12, 50, 450)
    found = columns(np.array(time, np.int64), np.array(value, np.int64), scale)
    step = -(-(10**12 + 1) // 400)
    expected: dict[int, list[int]] = {}
    for at, level in zip(time, value, strict=True):
        expected.setdefault(at // step, []).append(level)
    assert found.column.tolist() == list(expected)
    assert list(zip(*(each.tolist() for each in found[1:]), strict=True)) == [
        (v[0], min(v), max(v), v[-1]) for v in expected.values()
    ]
    assert max(found.column.tolist()) < 400


def test_the_drawn_line_reaches_every_extreme():
    """Oracle: the path's own coordinates."""
    generator = random.Random(2)
    time = np.arange(5000, dtype=np.int64)
    value = np.array([generator.randint(0, 1000) for _ in range(5000)], np.int64)
    scale, panel = TimeScale(0, 4999, 0, 300), Panel(0, 1000, 0, 1000)
    heights = [
        float(y)
        for y in re.findall(
            r"(?:V|[ML]\d+ )([\d.]+)", line_path(columns(time, value, scale), scale, panel)
        )
    ]
    assert min(heights) == 1000 - value.max()
    assert max(heights) == 1000 - value.min()


def test_an_empty_series_draws_nothing():
    empty = np.zeros(0, np.int64)
    series = columns(empty, empty, TimeScale(0, 10, 0, 10))
    assert line_path(series, TimeScale(0, 10, 0, 10), Panel(0, 10, 0, 10)) == ""
    assert area_path(series, TimeScale(0, 10, 0, 10), Panel(0, 10, 0, 10), 0) == ""


@pytest.mark.parametrize("span", [1, 2, 3, 7, 10, 99, 1000, 12345, 10**19])
@pytest.mark.parametrize("most", [2, 5, 9])
def test_round_steps_are_one_two_or_five_times_a_power_of_ten_and_few_enough(span, most):
    step = round_step(span, most)
    assert str(step).rstrip("0") in ("1", "2", "5")
    assert span // step <= most


@pytest.mark.parametrize(("low", "high"), [(0, 0), (5, 5), (-3, 10**18), (10**17, 10**17 + 1)])
def test_a_panel_is_never_of_zero_height(low, high):
    panel = panel_over(10, 100, low, high)
    assert panel.low < low <= high < panel.high
    assert 10 <= panel.y(high) <= panel.y(low) <= 110


@pytest.mark.parametrize("minutes", [1, 5, 60, 600, 1440, 10_000, 200_000, 600_000])
@pytest.mark.parametrize("width", [320, 1000])
def test_time_ticks_are_round_inside_the_picture_and_neither_crowded_nor_absent(minutes, width):
    scale = TimeScale(START, START + minutes * 60 * SECOND, 0, width)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= width // 50
    assert all(scale.first <= tick <= scale.last for tick in ticks)


def test_a_stale_book_is_shaded_and_not_drawn_through():
    """Oracle: by hand. Stale from second 20 to 60 of 100."""
    times = START + np.arange(0, 101, dtype=np.int64) * SECOND
    flags = np.where((np.arange(101) >= 20) & (np.arange(101) < 60), 1, 0).astype(np.int64)
    price = np.full(101, 6_000_000, np.int64)
    quotes = QuoteSeries(times, price, price + 2, flags)
    scale = TimeScale(START, START + 100 * SECOND, 0, 1000)
    assert charts.stale_spans(quotes, scale) == [(START + 20 * SECOND, START + 60 * SECOND)]
    built = build_report(ReportInput(instruments=[BTC], quotes={1: quotes}))
    drawn = charts.price_chart(built, 1, charts.WIDE)
    assert drawn.count('class="price"') == 2
    assert drawn.count('class="stale"') == 1


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        (wording.money, (123456789012, 4), "12,345,678.90"),
        (wording.money, (-5, 0, 2, True), "−5.00"),
        (wording.money, (5, 0, 0, True), "+5"),
        (wording.money, (123, 10), "0.00000001"),
        (wording.money, (12300, 8), "0.00012"),
        (wording.money, (0, 10), "0.00"),
        (wording.money, (125, 3, 2), "0.12"),
        (wording.money, (135, 3, 2), "0.14"),
        (wording.number, (1234.5,), "1,234.50"),
        (wording.number, (0.0,), "0.00"),
        (wording.number, (-0.00001,), "−0.000010"),
        (wording.number, (-1e-8,), "−1.00 × 10⁻⁸"),
        (wording.number, (1.5e12,), "1.50 × 10¹²"),
        (wording.percent, (0.1234,), "12.34 %"),
        (wording.percent, (-0.00005,), "−0.50 bp"),
        (wording.percent, (0.0,), "0 %"),
        (wording.percent, (3.5, True), "+350.0 %"),
        (wording.duration, (0,), "0 s"),
        (wording.duration, (2_500_000,), "2.5 ms"),
        (wording.duration, (5400 * SECOND,), "1 h 30 min"),
        (wording.duration, (86_400 * SECOND + 299 * SECOND,), "1 d 4 min"),
        (wording.duration, (59 * SECOND,), "59 s"),
        (wording.plural, (1, "fill"), "1 fill"),
        (wording.plural, (1200, "fill"), "1,200 fills"),
        (wording.moment, (START,), "8 Aug 2024, 00:00:00"),
        (wording.utc, (START + 1,), "2024-08-08T00:00:00.000000001Z"),
        (wording.period, (START, START + 60 * SECOND), "8 Aug 2024, 00:00:00 to 00:01:00 UTC"),
        (wording.decimal_text, (-1234500, 3), "-1234.5"),
        (wording.words, ("PRICE_COLLAR",), "Price collar"),
    ],
)
def test_numbers_and_times_read_well(function, arguments, text):
    assert function(*arguments) == text
