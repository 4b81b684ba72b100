"""A document of findings as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.checking.kinds import SEVERITIES
from jobs.quantities import duration_text, instant_text


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The topics, then the findings from grave to slight, then their number."""
    yield f"{'topic':17} {'instrument':22} {'records':>12}  {'first':27}  {'last':27}"
    for each in found["subjects"]:
        first, last = (_instant(each[key]) for key in ("first_time", "last_time"))
        row = f"{each['topic']:17} {each['instrument']:22} {each['rows']:>12,}  {first:27}  {last}"
        yield row.rstrip()
        for remark in _remarks(each):
            yield f"{'':17} {remark}"
    for each in found["findings"]:
        yield ""
        yield from _finding(each)
    counts = found["counts"]
    yield ""
    names = reversed(SEVERITIES)
    yield ", ".join(f"{counts[name]} {name}{'s' * (counts[name] != 1)}" for name in names)


def _remarks(subject: Mapping[str, Any]) -> Iterator[str]:
    if "compared" in subject:
        what = "bars" if subject["topic"].startswith("md.bars") else "tops of the book"
        yield (
            f"{what} equal to the other source: {subject['equal']:,} of {subject['compared']:,}"
        )


def _finding(each: Mapping[str, Any]) -> Iterator[str]:
    where = " ".join(part for part in (each["topic"], each["instrument"]) if part)
    yield f"{each['severity'].upper():7} {each['code']}  {where}  {_times(each['count'])}"
    yield f"        {each['meaning']}"
    if "first" in each:
        places = [each["first"]] if each["first"] == each["last"] else [each["first"], each["last"]]
        said = [f"offset {place['offset']:,} at {_instant(place['time'])}" for place in places]
        yield f"        {' to '.join(said)}"
    if figures := [
        f"{key} {_amount(each[key], each['measure'])}"
        for key in ("greatest", "total", "median", "limit", "compared")
        if each.get(key) is not None
    ]:
        yield f"        {', '.join(figures)}"
    if "detail" in each:
        yield f"        {each['detail']}"
    if each["action"] != "nothing":
        yield f"        -> {each['action']}"


def _amount(value: int, measure: str) -> str:
    if measure == "ns":
        sign = "-" if value < 0 else ""
        return f"{sign}{_duration(abs(value))}"
    if measure == "ppm":
        return f"{value / 10_000:,.2f} %"
    return f"{value:,} {measure}".rstrip()


def _duration(nanoseconds: int) -> str:
    for unit, size in (("h", 3600 * 10**9), ("min", 60 * 10**9), ("s", 10**9), ("ms", 10**6)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:,.3f} {unit}"
    return duration_text(nanoseconds)


def _instant(nanoseconds: int) -> str:
    return instant_text(nanoseconds) if 0 < nanoseconds < 1 << 62 else str(nanoseconds)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
