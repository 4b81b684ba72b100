"""States over scripted histories, one per state and per transition.

Oracle: the scripts' own truth (who stopped when), and Burrow's published rules where they agree
(core/internal/evaluator/caching.go: rewind, stall, "if the lag is ever zero the period is OK");
where ours differs, the test says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from jobs.lag.settings import LagSettings
from jobs.lag.states import (
    SEVERITY,
    History,
    Sample,
    eta_drain_seconds,
    lag_state,
    replay_speed,
    worst,
)

SETTINGS = LagSettings()
Script = Callable[[float], Sample]


def sample(
    time: float, position: int | None, end: int, lag_seconds: float | None = None, **more: object
) -> Sample:
    """A sample whose lag in records follows from position and end; by default the record at the
    position is 30 s old.
    """
    records = None if position is None else max(0, end - position)
    seconds = lag_seconds if lag_seconds is not None else (0.0 if records == 0 else 30.0)
    return Sample(time, position, end, records, seconds, **more)  # type: ignore[arg-type]


def states(samples: Iterable[Sample]) -> list[str | None]:
    """The state after each sample."""
    history, found = History(), []
    for each in samples:
        history.add(each, SETTINGS.window_seconds)
        found.append(lag_state(history, SETTINGS))
    return found


def changes(found: list[str | None]) -> list[str | None]:
    """Without repetitions."""
    return [state for at, state in enumerate(found) if at == 0 or found[at - 1] != state]


def script(seconds: int, make: Script, step: int = 5) -> list[str | None]:
    """States of a script that is sampled every five seconds."""
    return states(make(float(time)) for time in range(0, seconds, step))


def test_a_quiet_partition_is_ok_however_long_it_is_quiet() -> None:
    """Burrow stops a slow topic; here a state but OK needs records that wait."""
    assert changes(script(3600, lambda time: sample(time, 100, 100))) == ["OK"]


def test_a_consumer_that_keeps_up_is_ok() -> None:
    assert changes(
        script(600, lambda time: sample(time, int(time) * 100 - 300, int(time) * 100, 3.0))
    ) == ["OK"]


def test_a_quiet_partition_that_just_got_a_record_is_not_stalled() -> None:
    def quiet_then_one(time: float) -> Sample:
        return sample(time, 100, 100) if time < 300 else sample(time, 100, 101, time - 300)

    found = script(330, quiet_then_one)
    assert "STALLED" not in found and "STOPPED" not in found


def test_records_wait_and_the_owner_stands_still() -> None:
    def stalls_at_100(time: float) -> Sample:
        position = int(min(time, 100)) * 10
        return sample(time, position, int(time) * 10, max(0.0, time - 100))

    found = script(300, stalls_at_100)
    assert changes(found)[0] == "OK" and changes(found)[-1] == "STALLED"
    stalled_at = found.index("STALLED") * 5
    assert 100 + SETTINGS.window_seconds <= stalled_at <= 100 + SETTINGS.window_seconds + 10


def test_a_stalled_consumer_that_goes_on_catches_up_and_is_ok() -> None:
    def hangs_then_drains(time: float) -> Sample:
        end = int(time) * 10
        position = min(end, 1000 if time < 300 else int(1000 + (time - 300) * 100))
        return sample(time, position, end, time - position / 10)

    assert changes(script(600, hangs_then_drains)) == ["OK", None, "STALLED", "CATCHING_UP", "OK"]


def test_nobody_owns_the_partition_though_the_group_has_members() -> None:
    assert (
        script(120, lambda time: sample(time, 100, 200 + int(time), owned=False))[-1] == "STOPPED"
    )


def test_a_group_without_members_with_records_waiting_says_so_at_the_first_look() -> None:
    assert script(5, lambda time: sample(time, 100, 200, owned=None)) == ["NO_MEMBERS"]


def test_a_group_without_members_that_has_read_everything_is_ok() -> None:
    """Old groups of finished jobs stay for a week: they are no fault."""
    assert changes(script(120, lambda time: sample(time, 200, 200, owned=None))) == ["OK"]


def test_a_committing_job_without_group_members_is_judged_by_its_commits() -> None:
    """``assign()`` users never join: they are consumers while they commit, and gone once they have
    not for the window.
    """

    def commits_until_200(time: float) -> Sample:
        end = 10_000 + int(time) * 10
        return sample(time, int(min(time, 200)) * 30, end, 30.0, owned=None, consumes=time > 0)

    found = script(400, commits_until_200)
    assert (
        found[0] == "NO_MEMBERS"
        and found[10] == "CATCHING_UP"
        and changes(found)[-1] == "NO_MEMBERS"
    )
    assert "STOPPED" not in found, "it has no members that could own or not own"


def test_a_slow_consumer_falls_behind() -> None:
    found = script(300, lambda time: sample(time, int(time) * 50, 10_000 + int(time) * 100))
    assert changes(found) == [None, "FALLING_BEHIND"]


def test_a_lag_that_stays_the_same_is_not_catching_up() -> None:
    found = script(300, lambda time: sample(time, int(time) * 100, 10_000 + int(time) * 100))
    assert changes(found) == [None, "FALLING_BEHIND"]


@pytest.mark.parametrize("commit_every", [1, 5, 15])
def test_commits_in_steps_do_not_make_the_state_flicker(commit_every: int) -> None:
    """A backlog of a million, drained at 1500/s against 1000/s, committed in steps."""
    found = script(
        600,
        lambda time: sample(
            time, int(time // commit_every) * commit_every * 1_500, 1_000_000 + int(time) * 1_000
        ),
    )
    settled = found[int(SETTINGS.window_seconds) // 5 :]
    assert changes(settled) == ["CATCHING_UP"]


def test_a_burst_is_catching_up_while_it_is_drained() -> None:
    """A million records at once, all of one age: seconds grow by one a second while records fall,
    so records decide.
    """

    def burst(time: float) -> Sample:
        if time < 100:
            return sample(time, 1_000, 1_000)
        position = min(1_001_000, 1_000 + int(time - 100) * 20_000)
        return sample(time, position, 1_001_000, 0.0 if position == 1_001_000 else time - 100)

    assert changes(script(300, burst)) == ["OK", "CATCHING_UP", "OK"]


def test_a_rewound_group_is_rewound_until_it_regains_its_place_or_the_window_passes() -> None:
    def rewinds_at_100(time: float) -> Sample:
        position = 5_000 if time < 100 else int(min(5_000, (time - 100) * 100))
        return sample(time, position, 5_000, 0.0 if position == 5_000 else 40.0)

    assert changes(script(300, rewinds_at_100)) == ["OK", "REWOUND", "OK"]

    def rewinds_far(time: float) -> Sample:
        return sample(time, 5_000 if time < 100 else int((time - 100) * 10), 5_000)

    assert changes(script(300, rewinds_far)) == ["OK", "REWOUND", "CATCHING_UP"]


def test_an_open_transaction_blocks_only_once_it_is_older_than_allowed() -> None:
    def held_from_100(time: float) -> Sample:
        return sample(time, 500, 500, hold_age=max(0.0, time - 100) if time < 200 else 0.0)

    found = script(300, held_from_100)
    assert changes(found) == ["OK", "TXN_BLOCKED", "OK"]
    assert found.index("TXN_BLOCKED") * 5 > 100 + SETTINGS.txn_blocked_seconds


def test_an_open_transaction_does_not_hide_a_slow_consumer() -> None:
    assert (
        script(300, lambda time: sample(time, int(time), 10_000, hold_age=200.0))[-1]
        == "CATCHING_UP"
    )


def test_lost_records_stay_loud_for_a_window_even_if_the_client_jumps() -> None:
    """A silent reset (``auto.offset.reset=latest``) hides the loss a moment later: the window keeps
    it.
    """

    def jumps(time: float) -> Sample:
        return (
            sample(time, 10, 500, lost=True)
            if 100 <= time < 110
            else sample(time, 10 if time < 100 else 500, 10 if time < 100 else 500)
        )

    found = script(300, jumps)
    assert changes(found) == ["OK", "DATA_LOSS", "OK"]
    assert 60 <= found.count("DATA_LOSS") * 5 <= 75


def test_a_position_behind_the_end_is_a_loss_only_at_the_second_look() -> None:
    """After a failover the new leader's high watermark may lag behind what consumers committed, for
    a moment.
    """
    for times, expected in ((1, ["OK", None, "OK"]), (2, ["OK", None, "DATA_LOSS", "OK"])):

        def beyond(time: float, times: int = times) -> Sample:
            is_beyond = 100 <= time < 100 + 5 * times
            return (
                Sample(time, 500, 400, None, None, beyond=True)
                if is_beyond
                else sample(time, 500, 500)
            )

        assert changes(script(300, beyond)) == expected


def test_nothing_committed_has_no_state() -> None:
    assert changes(script(120, lambda time: sample(time, None, 500))) == [None]


def test_one_look_at_waiting_records_tells_no_state() -> None:
    assert script(5, lambda time: sample(time, 100, 200)) == [None]


def test_drain_time_is_lag_over_the_difference_of_rates() -> None:
    history = History()
    for time in range(0, 61, 5):
        history.add(sample(float(time), time * 300, 100_000 + time * 100), 60)
    assert eta_drain_seconds(history) == pytest.approx((100_000 + 6_000 - 18_000) / 200)


def test_drain_time_is_absent_while_the_lag_grows_and_zero_when_there_is_none() -> None:
    history = History()
    history.add(sample(0, 0, 100), 60)
    history.add(sample(5, 10, 200), 60)
    assert eta_drain_seconds(history) is None
    history.add(sample(10, 200, 200), 60)
    assert eta_drain_seconds(history) == 0


def test_replay_speed_is_log_seconds_read_per_second() -> None:
    history = History()
    for time in range(0, 61, 5):
        history.add(sample(float(time), time * 100, 100_000, position_time=1_000.0 + time * 10), 60)
    assert replay_speed(history) == pytest.approx(10)


def test_histories_are_bounded_by_the_window() -> None:
    history = History()
    for time in range(10_000):
        history.add(sample(float(time), time, time), 60)
    assert len(history.samples) <= 62
    assert history.samples[0].time <= 9_999 - 60 < history.samples[1].time + 1


def test_the_worst_state_of_a_topic_is_shown() -> None:
    assert worst(["OK", "CATCHING_UP", "DATA_LOSS", "STALLED"]) == "DATA_LOSS"
    assert worst([]) is None
    assert SEVERITY[0] == "OK"
