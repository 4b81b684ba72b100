"""The examples of "Add a venue" and "Add a fill model", run as the pages have them.

Oracles: worked cases, and what the protocols ask for.
"""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from venue_harness import (
    BUY,
    SELL,
    KernelVenue,
    delta,
    fills,
    instrument,
    limit,
    market,
    run,
    snapshot,
    trade,
)

from schemas.vocabulary import OrderReason, ReportKind
from streams.venue import models, stage, state

PAGES = Path(__file__).resolve().parents[2] / "docs" / "extending"


def example(page: str) -> tuple[str, str]:
    """The name of the page's module, and its source."""
    (source,) = re.findall(r"```python\n(.*?)```", (PAGES / page).read_text("utf-8"), re.DOTALL)
    first = source.splitlines()[0]
    return Path(first.removeprefix("# ")).stem, source


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Both modules in a package, and a line for each in the tables."""
    folder = tmp_path_factory.mktemp("examples")
    package = folder / "extending_examples"
    package.mkdir()
    (package / "__init__.py").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        for page, table, name in (
            ("add-a-fill-model.md", models.FILL_MODELS, "shared-out"),
            ("add-a-venue.md", models.VENUES, "crowded"),
        ):
            module, source = example(page)
            (package / f"{module}.py").write_text(source)
            line = f'    "{name}": "streams.venue.'
            assert line in (PAGES / page).read_text("utf-8")
            patch.setitem(table, name, f"extending_examples.{module}")
        yield
    for name in [name for name in sys.modules if name.startswith("extending_examples")]:
        del sys.modules[name]


def venue_of(**parameters: int) -> KernelVenue:
    """The venue with both."""
    chosen = stage.Settings(
        feed_latency=2,
        entry_latency=3,
        response_latency=4,
        maker_rate=10_000_000,
        taker_rate=10_000_000,
        queue_model="shared-out",
        model="crowded",
        parameters={"wait_ns": 10, **parameters},
    )
    return KernelVenue([instrument()], chosen)


BOOK = snapshot(1, 10, [(100, 100), (98, 50)], [(102, 60)])


@pytest.mark.parametrize(("percent", "filled"), [(0, 0), (25, 10), (50, 20), (100, 40), (400, 40)])
def test_the_fill_model_of_the_page_shares_out_a_cancellation(
    examples: None, percent: int, filled: int
) -> None:
    """100 ahead of us and 100 behind, 40 are cancelled, then 100 print at our price."""
    updates = [delta(20, 11, [(100, 200)], []), delta(21, 12, [(100, 160)], [], first=11)]
    events = [BOOK, limit(2, 1, BUY, 90, 100), *updates, trade(30, 100, 100, SELL)]
    reports = run(venue_of(ahead_percent=percent), events)
    assert sum(quantity for _, quantity in fills(reports, 1)) == filled


def test_the_venue_of_the_page_has_its_fees_ticks_and_latency(examples: None) -> None:
    events = [BOOK, limit(2, 1, BUY, 5, 100), limit(2, 2, BUY, 5, 99), market(2, 3, BUY, 1)]
    reports = run(venue_of(), [*events, trade(60, 100, 105, SELL)])
    kinds = {int(report.order_id, 32): ReportKind(report.kind) for report in reports[:3]}
    assert kinds == {1: ReportKind.ACCEPTED, 2: ReportKind.REJECTED, 3: ReportKind.ACCEPTED}
    assert reports[1].reason == OrderReason.INVALID_ORDER
    assert [report.venue_time for report in reports[:3]] == [7, 17, 27]
    fees = {int(report.order_id, 32): report.fee for report in reports if report.quantity}
    assert fees == {1: 0, 3: 10}


def test_a_state_with_other_models_is_copied_and_has_its_fields_first(examples: None) -> None:
    """First: a row that only begins with another's fields would pass for it in a kernel."""
    made = venue_of().state
    assert (made.counters.dtype.names or ())[:2] == ("ahead_percent", "wait")
    copied = pickle.loads(pickle.dumps(made))
    assert type(copied) is type(made) is state.state_class("shared-out", "crowded")
    assert copied.counters == made.counters and type(made) is not stage.State


def broken(name: str, **changed: Any) -> ModuleType:
    """The default fill model with names changed, or taken away by None."""
    module = ModuleType(name)
    kept = dict(vars(models.fill_model("risk-averse")), **changed)
    module.__dict__.update({key: value for key, value in kept.items() if value is not None})
    module.__name__ = name
    return module


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"join": None}, r"extending_broken has no join\(state, level, order\)"),
        ({"join": lambda state, order: None}, r"has no join\(state, level, order\)"),
        ({"PARAMETERS": None}, "extending_broken has no PARAMETERS; FillModel says what it is"),
        ({"ORDER_FIELDS": [("price", "i8")]}, "that have a field of that name: price"),
    ],
)
def test_a_module_that_is_not_what_its_protocol_asks_for_is_named(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], text: str
) -> None:
    monkeypatch.setitem(sys.modules, "extending_broken", broken("extending_broken", **changed))
    monkeypatch.setitem(models.FILL_MODELS, "broken", "extending_broken")
    with pytest.raises(models.BadModel, match=text):
        state._state_class.__wrapped__("broken", "standard", "book")


@pytest.mark.parametrize("name", sorted(models.FILL_MODELS))
def test_every_fill_model_of_the_table_is_one(name: str) -> None:
    assert models.fill_model(name).__name__ == models.FILL_MODELS[name]


@pytest.mark.parametrize("name", sorted(models.VENUES))
def test_every_venue_of_the_table_is_one(name: str) -> None:
    assert models.venue(name).__name__ == models.VENUES[name]


def test_no_parameter_has_two_meanings() -> None:
    """A run sets those of both in one table."""
    of_models = {each for name in models.FILL_MODELS for each in models.fill_model(name).PARAMETERS}
    of_venues = {each for name in models.VENUES for each in models.venue(name).PARAMETERS}
    assert of_models & of_venues == set()


def test_compiled_code_of_a_module_that_is_gone_stops_nobody(examples: None) -> None:
    """Kernels of all models share the cache of a function: reading it imports none."""
    kind = type(venue_of().state).KIND
    assert b"extending_examples" in pickle.dumps(kind)
    script = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read()).modules['venue'])"
    content = pickle.dumps(kind)
    read = subprocess.run([sys.executable, "-c", script], input=content, capture_output=True)
    assert read.stdout.decode().strip() == "extending_examples.crowded", read.stderr.decode()
