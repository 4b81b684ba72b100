"""What an isolated strategy asks of its context, and what it gets: the host reads, the child gets
values.

Values go over the pipe as JSON, for amounts are wider than MessagePack takes. The host answers
these names and no others, for arguments that are numbers, texts or None.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from jobs.isolation.framing import StrategyStopped
from schemas import records
from streams.signals.acting import Acting
from streams.signals.services import AccountPosition, Book, StrategyServices
from streams.signals.view import OpenOrder

RESULTS: dict[str, Any] = {
    "position": AccountPosition,
    "cash": int,
    "equity": int | None,
    "amount_precision": int,
    "open_orders": tuple[OpenOrder, ...],
    "queue_estimate": int | None,
    "book": Book,
    "last_trade": records.Trade | None,
    "last_quote": records.Quote | None,
    "last_bar": records.Bar | None,
    "last_mark": records.Mark | None,
    "features": records.MarketFeatures | None,
    "toxicity": records.Toxicity | None,
    "log": type(None),
    "instrument": records.Instrument,
    "working": int,
    "amend": str | None,
    "replace": type(None),
}
"""What may be asked, and the type of its value."""


def value_of(services: Any, name: str, arguments: str) -> bytes:
    """The value of what a child wants, as JSON. Raises StrategyStopped where it wants what is not
    its to ask.
    """
    try:
        given = json.loads(arguments)
    except ValueError:
        given = None
    is_plain = isinstance(given, list) and all(
        each is None or type(each) in (int, str, bool) for each in given
    )
    if services is None or name not in RESULTS or not is_plain:
        raise StrategyStopped("the isolated strategy asked for what no context has")
    found = getattr(services, name)
    return json.dumps(msgspec.to_builtins(found(*given) if callable(found) else found)).encode()


class RemoteServices(Acting):
    """In the child: asks the host for each value.

    Args:
        ask: sends a name and its arguments as JSON, returns the value as JSON.
    """

    notes_requests = False

    def __init__(self, strategy: Any, context: Any, ask: Callable[[str, str], bytes]) -> None:
        self._strategy, self._context, self._name = strategy, context, type(strategy).__name__
        self._ask = ask

    def _value(self, name: str, *arguments: Any) -> Any:
        return msgspec.convert(json.loads(self._ask(name, json.dumps(arguments))), RESULTS[name])


def _remote(name: str) -> Any:
    if isinstance(getattr(StrategyServices, name), property):
        return property(lambda self: self._value(name))
    return lambda self, *arguments: self._value(name, *arguments)


for _name in RESULTS:
    setattr(RemoteServices, _name, _remote(_name))
