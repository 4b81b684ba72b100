"""What the canary counts, by a clock that the test moves. Oracle: sent = seen + lost + waiting, and
the counts written down.
"""

from __future__ import annotations

import random

from jobs.canary.sightings import REMEMBERED, Sightings
from schemas.codec import codec
from streams.runtime.order.canary import CANARY_ID, depth_tick, is_canary, trade_tick


def told() -> tuple[Sightings, list[tuple[str, float | None]]]:
    heard: list[tuple[str, float | None]] = []
    return Sightings(lambda what, seconds: heard.append((what, seconds)), 10.0), heard


def test_a_tick_is_seen_once_and_its_time_is_measured() -> None:
    sightings, heard = told()
    sightings.sent(7, 100.0)
    sightings.saw(5, 9, 100.25)
    assert heard == [("sent", None), ("seen", 0.25)] and sightings.waiting == 0


def test_a_tick_without_a_trace_is_lost_and_one_that_comes_after_all_is_late() -> None:
    sightings, heard = told()
    sightings.sent(7, 100.0)
    sightings.expire(110.0)
    assert sightings.waiting == 1
    sightings.expire(110.1)
    sightings.expire(200.0)
    sightings.saw(7, 7, 230.0)
    assert [what for what, _ in heard] == ["sent", "lost", "late"] and heard[-1][1] == 130.0


def test_a_trace_met_twice_is_a_duplicate_every_time() -> None:
    sightings, heard = told()
    sightings.sent(7, 100.0)
    for _ in range(3):
        sightings.saw(7, 7, 101.0)
    assert sightings.counts == {"sent": 1, "seen": 1, "lost": 0, "late": 0, "duplicates": 2}


def test_a_tick_that_no_broker_took_is_lost_at_once() -> None:
    sightings, _ = told()
    sightings.refused()
    assert sightings.counts["sent"] == sightings.counts["lost"] == 1 and sightings.waiting == 0


def test_what_others_wrote_is_nothing() -> None:
    sightings, heard = told()
    sightings.saw(0, 1 << 60, 1.0)
    assert heard == []


def test_every_tick_is_accounted_for_whatever_happens() -> None:
    for seed in range(50):
        source, (sightings, _), now, key = random.Random(seed), told(), 0.0, 0
        for _ in range(300):
            now += source.random() * 4
            event = source.random()
            if event < 0.5:
                key += 1
                sightings.sent(key, now)
            elif event < 0.6:
                sightings.refused()
            else:
                first = source.randint(0, key)
                sightings.saw(first, first + source.randint(0, 2), now)
            sightings.expire(now)
        counts = sightings.counts
        assert counts["sent"] == counts["seen"] + counts["lost"] + sightings.waiting
        assert counts["late"] <= counts["lost"]


def test_what_is_remembered_is_bounded() -> None:
    sightings, _ = told()
    for key in range(3 * REMEMBERED):
        sightings.sent(key, 0.0)
    sightings.expire(11.0)
    sightings.saw(0, 3 * REMEMBERED, 12.0)
    assert sightings.counts["lost"] == 3 * REMEMBERED and sightings.counts["late"] == REMEMBERED


def test_a_tick_is_known_by_the_first_bytes_of_its_body_and_no_other_record_is() -> None:
    depth, trade = codec("DepthUpdate"), codec("Trade")
    assert is_canary(b"\0\0\0\0\7" + depth.encode_records([depth_tick(1_700_000_000_000_000_000)]))
    assert is_canary(b"\0\0\0\0\7" + trade.encode_records([trade_tick(1_700_000_000_000_000_000)]))
    for instrument in range(CANARY_ID):
        body = trade.encode_records(
            [type(trade_tick(1))(instrument, *list(_fields(trade_tick(1)))[1:])]
        )
        assert not is_canary(b"\0\0\0\0\7" + body), instrument
    assert not is_canary(b"") and not is_canary(b"\xfe\x3f")


def _fields(record: object) -> list[object]:
    return [getattr(record, name) for name in record.__struct_fields__]  # type: ignore[attr-defined]
