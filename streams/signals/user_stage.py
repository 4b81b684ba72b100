"""A user's own stage: it reads topics of the pipeline and writes its own records to its own topic.

    class Spread(Stage):
        \"\"\"The quoted spread.\"\"\"      # says what the topic's records are

        TOPIC = "user.spread"        # records are named UserSpread
        FIELDS = {                   # name: (type, unit, what it is)
            "instrument": ("int", "id", "Instrument number."),
            "spread": ("long", "price units", "Ask less bid."),
        }
        WAKES = ("quotes",)

        def on_quote(self, quote, context):
            spread = quote.ask_price - quote.bid_price
            self.publish(context, instrument=quote.instrument, spread=spread)

The rules are those of a strategy (``strategy.py``): declared state, settings, artefacts,
``context.clock``, timers, no file, no clock, no random number. What differs:

1. ``WAKES`` (or ``INPUTS``) may name any topic of the pipeline, order topics and other users'
   topics among them; the handler of a topic is ``on_`` and the name of its record: ``on_quote``,
   ``on_execution_report``, ``on_user_spread``.
2. It writes by ``self.publish`` only, to its own topic. Every record begins with ``event_time``,
   the clock at emission; a value that is not of its field's type is refused with the line that
   publishes it.
3. ``TOPIC`` and ``FIELDS`` are written out, so that the topic's schema is known without executing
   the file. Types are int, long, double, boolean and string, each with ``?`` where the value may be
   None.

A stage that reads market data only runs before the strategy, which may read its topic
(``WAKES = ("user.spread",)``); one that reads what the order side writes runs behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from schemas.catalogue import TOPICS
from schemas.shapes import snake
from schemas.user_topics import is_user_topic, schema_of
from streams.signals.declared import (
    NO_TIMER,
    TIMERS,
    BadStrategy,
    Declared,
    NoSettings,
    StrategyState,
    check_declarations,
    check_wakes,
    name_timers,
)
from streams.signals.strategy import WAKE_OF_TOPIC, WAKE_TOPICS, Context, handler_of

__all__ = ["NO_TIMER", "Context", "NoSettings", "Stage", "StageState"]

StageState = StrategyState
READABLE: dict[str, str] = {
    topic: f"on_{snake(entry.record)}"
    for topic, entry in TOPICS.items()
    if entry.kind in ("derived", "order", "loop") or topic.startswith(("md.", "ref."))
}
"""Topics of the pipeline that a stage may read, and their handlers."""


class Stage(Declared):
    """Base of it; the module's text is the contract."""

    TOPIC: ClassVar[str] = ""
    FIELDS: ClassVar[Mapping[str, tuple[str, str, str]]] = {}

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        inputs = cls.__dict__.get("INPUTS", ())
        wakes = (WAKE_OF_TOPIC.get(wake, wake) for wake in (*inputs, *cls.WAKES))
        cls.WAKES = tuple(dict.fromkeys(wakes))
        schema_of(cls.TOPIC, cls.FIELDS, cls.__doc__ or "")
        handlers = {WAKE_OF_TOPIC.get(topic, topic): handler for topic, handler in READABLE.items()}
        users = {wake: handler_of(wake) for wake in cls.WAKES if is_user_topic(wake)}
        if cls.TOPIC in users:
            raise BadStrategy(
                f"{cls.__name__} reads {cls.TOPIC}, which it writes itself; take it out of WAKES"
            )
        check_wakes(cls, handlers | users)
        check_declarations(cls)
        cls.NAME = cls.NAME or cls.__name__
        cls.INPUTS = tuple(
            WAKE_TOPICS[wake][0] if wake in WAKE_TOPICS else wake
            for wake in cls.WAKES
            if wake not in ("timer", TIMERS)
        )
        cls.OUTPUTS = (cls.TOPIC,)
        if TIMERS in cls.WAKES:
            name_timers(cls)

    def publish(self, context: Context, **values: Any) -> None:
        """Write one record: every field by its name; those that may be null may be left out.

        Raises:
            BadStrategy: a field is missing, or there is none of that name.
            BadEmission: a value is not of its field's type.
        """
        cls = type(self)
        if values.keys() != cls.FIELDS.keys():
            unknown = [name for name in values if name not in cls.FIELDS]
            missing = [
                name
                for name, (kind, _, _) in cls.FIELDS.items()
                if name not in values and not kind.endswith("?")
            ]
            if unknown or missing:
                what = (
                    f"has no field {', '.join(unknown)}"
                    if unknown
                    else f"needs {', '.join(missing)}"
                )
                raise BadStrategy(
                    f"{cls.__name__}.publish: a record of {cls.TOPIC} {what}; its fields are "
                    f"{', '.join(cls.FIELDS)}"
                )
        ordered = [values.get(name) for name in cls.FIELDS]
        context.emit(
            tuple(each.item() if isinstance(each, np.generic) else each for each in ordered)
        )
