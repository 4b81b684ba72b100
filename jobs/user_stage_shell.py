"""What the runtime runs of a user's own stage: its handlers, each with the stage's own context.

The context knows the clock of the present record, and takes records of the stage's topic only:
whatever else is emitted is refused where the stage does it, with its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.codec import codec
from schemas.errors import ShrivenError
from schemas.general import to_avro
from schemas.records import Instrument
from schemas.shapes import shapes
from schemas.user_topics import record_name
from streams.runtime.failures import BadEmission
from streams.runtime.schedule.context import StageContext, artefact_of
from streams.runtime.schedule.loop import handler_name
from streams.signals.named_timers import NamedTimers
from streams.signals.user_stage import Stage


class UserStageContext(NamedTimers):
    """UpstreamOutput to a stage's handlers.

    Attributes:
        clock: ns UTC.
        account: the one that this shard trades.
    """

    def __init__(self, stage: Stage, artefacts: Mapping[str, Any]) -> None:
        self._strategy = stage
        self._name = type(stage).__name__
        self._context: Any = self
        self._artefacts = artefacts
        self._topic = type(stage).TOPIC
        name = record_name(self._topic)
        self._record = codec(name).record
        self._check = to_avro(shapes()[name])
        self._emit: Any = None
        self.clock = self.account = 0

    def at(self, context: StageContext) -> UserStageContext:
        """The context at the present record of the runtime's."""
        self.clock, self.account, self._emit = context.clock, context.account, context.emit
        return self

    def emit(self, values: Any) -> None:
        """Take what ``Stage.publish`` hands over.

        Raises:
            BadEmission: it is another record, or a value is not of its field's type.
        """
        if type(values) is not tuple:
            what = f"stage {self._name} emitted {values!r:.300}, which is not its to write"
            raise BadEmission(
                f"{what}; it writes records of {self._topic}, by self.publish(context, ...)"
            )
        try:
            record = self._record(self.clock, *values)
            self._check(record)
        except (ShrivenError, TypeError) as problem:
            raise BadEmission(
                f"stage {self._name} published {values!r:.300} to {self._topic}: {problem}"
            ) from problem
        self._emit(record)

    def artefact(self, name: str) -> Any:
        """The value of a file that the stage declares in ARTEFACTS; it cannot be changed.

        Raises:
            UndeclaredArtefact: there is none of that name.
        """
        return artefact_of(f"stage {self._name}", self._artefacts, name)


class UserStageShell:
    """A ledger stage made of a user's; subclasses made by :func:`shell_of` say which."""

    NAME = ""
    INPUTS: tuple[str, ...] = ()
    OUTPUTS: tuple[str, ...] = ()
    STATE_VERSION = 1
    STAGE: type[Stage]
    GIVEN: Mapping[str, Any]

    def __init__(self, instruments: Sequence[Instrument], settings: Any) -> None:
        self._stage = self.STAGE(instruments, settings)
        self._own = UserStageContext(self._stage, self.GIVEN)
        for topic in self.INPUTS:
            self._bind(handler_name(topic))
        for name in ("on_timer", "on_end"):
            if hasattr(self._stage, name):
                self._bind(name)
        self.check_state = self._stage.check_state

    @property
    def state(self) -> Any:
        """The stage's declared state."""
        return self._stage.state

    @state.setter
    def state(self, value: Any) -> None:
        self._stage.state = value

    def _bind(self, name: str) -> None:
        handler, at = getattr(self._stage, name), self._own.at
        if name == "on_end":
            self.__dict__[name] = lambda context: handler(at(context))
        else:
            self.__dict__[name] = lambda given, context: handler(given, at(context))


def shell_of(name: str, stage: type[Stage], artefacts: Mapping[str, Any]) -> type[UserStageShell]:
    """The stage as a topology takes it."""
    members = {
        "NAME": name,
        "INPUTS": stage.INPUTS,
        "OUTPUTS": stage.OUTPUTS,
        "STATE_VERSION": stage.STATE_VERSION,
        "STAGE": stage,
        "GIVEN": dict(artefacts),
    }
    return type("UserStage", (UserStageShell,), members)
