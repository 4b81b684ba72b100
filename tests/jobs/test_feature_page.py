"""The page of measures. Oracles: the schemas, the modules with the steps, the committed file."""

from __future__ import annotations

import importlib

import pytest

from jobs.feature_page import (
    ABOUT,
    FIELDS,
    MICROSTRUCTURE,
    PATH,
    RECORDS,
    STEPS,
    Measure,
    page,
    unit_of,
)
from schemas.shapes import schemas


def test_the_committed_page_is_what_the_table_makes() -> None:
    assert PATH.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("topic", RECORDS)
def test_every_field_that_measures_something_is_on_the_page_once(topic: str) -> None:
    rows = (*FIELDS, *MICROSTRUCTURE)
    listed = [row.name.partition(".")[2] for row in rows if row.name.startswith(f"{topic}.")]
    fields = [field["name"] for field in schemas()[RECORDS[topic]]["fields"]]
    assert sorted(listed) == sorted(set(fields) - ABOUT)


@pytest.mark.parametrize("row", STEPS, ids=lambda row: row.name)
def test_a_step_on_the_page_exists_and_has_a_unit(row: Measure) -> None:
    module, _, name = row.name.partition(".")
    step = getattr(importlib.import_module(f"streams.numeric.measures.{module}"), name)
    assert callable(step) and step.__doc__
    assert row.warm_up and row.formula and unit_of(row)
