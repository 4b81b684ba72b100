"""What a stage's own exception becomes: a typed error that names the source line, the input record
and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from schemas.errors import BadData, ShrivenError, WrongUse

ADVICE = (
    "Nothing of this batch was written. Correct the stage; then start a run folder again with "
    "--fresh. On a cluster other code begins at a drain: 'sq skip TOPIC/PARTITION/OFFSET' passes "
    "the record until then"
)
"""What to do where a stage raised. A stage does not know which log its task writes to."""


class StageFailed(ShrivenError):
    """A stage raised: the run halts, for skipping a record would corrupt state silently."""

    code = "stage_failed"
    restart_helps = False


class BadEmission(StageFailed):
    """A stage emitted a record that its schema does not allow."""

    code = "bad_emission"


class BeforeBatch(ShrivenError):
    """A batch was refused before anything of it was executed: the state is that of the journal's
    end, and a task drains there.
    """

    code = "before_batch"


class OtherIdentity(WrongUse):
    """The journal is that of another run or topology, or was written by other code."""

    code = "other_identity"


class JournalClosed(WrongUse):
    """The journal was ended for good."""

    code = "journal_closed"


class Diverged(ShrivenError):
    """Re-execution did not give what the journal says."""

    code = "diverged"
    restart_helps = False
    bars_owning = True


class InputChanged(BadData):
    """The recording is not the one a run was made from, or not what its own manifest says."""

    code = "input_changed"


def failure(problem: BaseException, place: str, clock: int) -> StageFailed:
    """The error to raise for ``problem``, which was raised while the input record at ``place`` was
    executed.
    """
    trace = problem.__traceback__
    where, what = "", f"{type(problem).__name__}: {problem}"
    while trace is not None:
        code = trace.tb_frame.f_code
        where = f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
        if trace.tb_next is None and code.co_name in ("drain", "_numbers_of"):
            what = (
                f"a stage emitted {trace.tb_frame.f_locals['record']!r:.200}, which is not its "
                "to write"
            )
        trace = trace.tb_next
    own, record = own_frame(problem)
    if own and own != where:
        where = f"{own}, raised in {where}"
    if isinstance(problem, AttributeError) and "State' object has no attribute" in what:
        what += "; declare it in the State of the stage"
    return StageFailed(f"{what} ({where}){record}; at {place}, clock {clock}. {ADVICE}")


def stuck(stage: Any, at: int) -> StageFailed:
    """The error for a timer that does not move on."""
    text = f"the timer of {stage.NAME} at {at} does not move on"
    return StageFailed(f"{text}; set state.timer to a later time, or to NO_TIMER")


def without_end(depth: int) -> StageFailed:
    """The error for a stage that answers each record that it causes."""
    text = (
        f"the consequences of one record go {depth:,} deep: a stage answers what it causes without"
    )
    return StageFailed(f"{text} end; have it answer some of it only")


def placed(problem: BadEmission, place: str, clock: int) -> BadEmission:
    """The same with the strategy's line and the input record, where what was emitted was refused as
    it was emitted.
    """
    own, record = own_frame(problem)
    if ADVICE in problem.text:
        return problem
    return BadEmission(
        f"{problem.text}{f' ({own})' if own else ''}{record}; at {place}, clock {clock}. {ADVICE}"
    )


def own_frame(problem: BaseException) -> tuple[str, str]:
    """(file and line of the user's innermost frame, the record that its handler had) of an
    exception; empty if it is not of a user's code.
    """
    trace, own, record = problem.__traceback__, "", ""
    while trace is not None:
        frame = trace.tb_frame
        # a module of a user's strategy, see streams/signals/loading.py
        if "__sources__" in frame.f_globals:
            own = f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
            given = frame.f_code.co_varnames[1:2]
            if frame.f_code.co_name.startswith("on_") and given and not record:
                record = f", on {frame.f_locals.get(given[0])!r:.400}"
        trace = trace.tb_next
    return own, record


def bad_emission(
    emitted: Sequence[Any], encode: Callable[[list[Any]], Any], problem: ShrivenError
) -> BadEmission:
    """The error to raise when some records that a stage emitted cannot be encoded: it names the
    first that cannot, for they wait together.
    """
    for record in emitted:
        try:
            encode([record])
        except ShrivenError as own:
            return BadEmission(f"a stage emitted {record!r:.300}: {own.text}. {ADVICE}")
    return BadEmission(f"{problem.text}. {ADVICE}")
