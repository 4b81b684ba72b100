"""What ``sq lag`` prints. Oracle: the columns that issue 4 names; rows written out by hand."""

from __future__ import annotations

import json

import pytest

from jobs.lag.table import age, by_badness, rows, text
from jobs.lag.watching import Lag


def lag(
    group: str,
    state: str | None = "OK",
    position: int | None = 10,
    records: int | None = 0,
    seconds: float | None = 0.0,
    reason: str | None = None,
) -> Lag:
    return Lag(
        group,
        "md.trades",
        0,
        "live",
        position,
        records,
        seconds,
        state,
        reason,
        None,
        None,
        None,
        None,
        None,
    )


SOME = [
    lag("fine"),
    lag("late", "FALLING_BEHIND", records=1_234_567, seconds=75.25),
    lag("later", "FALLING_BEHIND", records=5, seconds=7_500.0),
    lag("new", None, None, None, None, "no_commit"),
    lag("lost", "DATA_LOSS", records=7, seconds=None, reason="below_log_start"),
]


def test_rows_have_the_columns_of_the_contract_and_null_for_unknown() -> None:
    printed = json.loads(json.dumps(rows(SOME)))
    assert [list(row) for row in printed] == [
        ["group", "topic", "partition", "position", "lag_records", "lag_seconds", "state", "reason"]
    ] * 5
    new = printed[3]
    assert (new.pop("group"), new.pop("topic"), new.pop("partition"), new.pop("reason")) == (
        "new",
        "md.trades",
        0,
        "no_commit",
    )
    assert set(new.values()) == {None}
    assert printed[4]["lag_records"] == 7 and printed[4]["lag_seconds"] is None


def test_worst_comes_first() -> None:
    assert [each.group for each in by_badness(SOME)] == ["lost", "later", "late", "new", "fine"]


def test_the_table_is_aligned_and_summed_up() -> None:
    lines = text(SOME).splitlines()
    assert lines[0].split("  ")[0] == "group"
    end = lines[0].index("records behind") + len("records behind")
    ends = [line[:end].rsplit(" ", 1)[1] for line in lines[1:6]]
    assert ends == ["7", "5", "1,234,567", "?", "0"]
    assert (
        lines[-1] == "5 groups, 5 partitions: 1 DATA_LOSS, 2 FALLING_BEHIND, 1 OK, 1 not known yet"
    )
    assert all(line == line.rstrip() for line in lines)


def test_a_short_screen_shows_the_worst_and_says_how_many_more() -> None:
    lines = text(SOME, 2).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["lost", "later", "..."]
    assert "3 more" in lines[3] and lines[-1].startswith("5 groups")


def test_a_column_without_content_is_left_out() -> None:
    assert "unknown because" in text(SOME) and "unknown because" not in text(SOME[:3])


def test_no_groups_is_said() -> None:
    assert text([]) == "no group of this cluster has a position"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (0.254, "0.25 s"),
        (12.44, "12.4 s"),
        (200, "3 min 20 s"),
        (18_720, "5 h 12 min"),
        (273_600, "3 d 4 h"),
        (59.99, "60.0 s"),
    ],
)
def test_ages_are_readable(seconds: float, expected: str) -> None:
    assert age(seconds) == expected
