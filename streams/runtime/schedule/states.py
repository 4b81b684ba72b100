"""What an engine holds between input batches, as canonical bytes: taken for snapshots and digests,
put back at a recovery.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from streams.numeric import book as book_module
from streams.runtime.failures import StageFailed
from streams.runtime.schedule.array_state import bytes_of_arrays, check_length, take_arrays
from streams.runtime.schedule.engine import Engine
from streams.runtime.schedule.loop import PRESENT
from streams.runtime.schedule.python_stage import KeepsOwnBooks, KeepsOwnState


def stage_states(engine: Engine) -> list[tuple[str, bytes]]:
    """Canonical bytes of every stage's state, in stage order, and of the driver's own."""
    states: list[tuple[int, str, bytes]] = []
    for stage in [*engine.topology.upstream, *engine.topology.on_demand]:
        states.append((stage.rank, stage.name, bytes_of_arrays(stage.state)))
    for each in engine.order_side_stages:
        try:
            if isinstance(each.instance, KeepsOwnState):
                encoded = each.instance.encoded_state()
            else:
                encoded = msgspec.msgpack.encode(each.instance.state)
            states.append((each.rank, each.name, encoded))
        except (TypeError, ValueError, OverflowError) as problem:
            what = f"the state of {each.name} holds what no snapshot can: {problem}"
            raise StageFailed(f"{what}; keep numbers, text, lists and dicts in it") from problem
    if engine.topology.books is not None:
        states.append((100, "books", book_module.snapshot(engine.topology.books)))
    if engine.topology.on_demand_books is not None:
        states.append((101, "venue-books", book_module.snapshot(engine.topology.on_demand_books)))
    context = engine.context
    driver = [
        engine.consumed,
        engine.present,
        context.clock,
        context.sequence,
        context.last_sequence,
        context.ordinal,
        int(engine.ended),
    ]
    driver += [engine.early.context.last_sequence, engine.early.context.ordinal]
    driver += [
        int(loop.control[PRESENT]) if loop is not None else 0
        for loop in (engine.upstream, engine.on_demand)
    ]
    states.append((102, "driver", msgspec.msgpack.encode(driver)))
    return [
        (name, state) for _, name, state in sorted(states, key=lambda entry: (entry[0], entry[1]))
    ]


def state_digests(engine: Engine) -> list[tuple[str, bytes]]:
    """SHA-256 of each stage's canonical state."""
    return [(name, hashlib.sha256(state).digest()) for name, state in stage_states(engine)]


def restore(engine: Engine, states: dict[str, bytes]) -> None:
    """Take up the states that :func:`stage_states` gave.

    Raises:
        StageFailed: a state is not of the type its stage declares; nothing was changed then.
    """
    decoded: list[Any] = []
    for each in engine.order_side_stages:
        if isinstance(each.instance, KeepsOwnState):
            decoded.append(None)
            continue
        try:
            decoded.append(
                msgspec.msgpack.decode(states[each.name], type=type(each.instance.state))
            )
        except msgspec.ValidationError as problem:
            raise StageFailed(
                f"the state of {each.name} is not of the type it declares: {problem}; correct the "
                "stage"
            ) from problem
    kernels = [*engine.topology.upstream, *engine.topology.on_demand]
    for stage in kernels:
        check_length(stage.name, stage.state, states[stage.name])
    for stage in kernels:
        take_arrays(stage.state, states[stage.name])
    for each, state in zip(engine.order_side_stages, decoded, strict=True):
        if isinstance(each.instance, KeepsOwnState):
            each.instance.take_state(states[each.name])
        else:
            each.instance.state = state
    if engine.topology.books is not None:
        book_module.restore(engine.topology.books, states["books"])
    if engine.topology.on_demand_books is not None:
        book_module.restore(engine.topology.on_demand_books, states["venue-books"])
    driver = msgspec.msgpack.decode(states["driver"], type=list[int])
    context = engine.context
    (
        engine.consumed,
        engine.present,
        context.clock,
        context.sequence,
        context.last_sequence,
        context.ordinal,
        ended,
    ) = driver[:7]
    engine.early.context.last_sequence, engine.early.context.ordinal = driver[7:9]
    engine.ended = bool(ended)
    for each in engine.order_side_stages:
        if isinstance(each.instance, KeepsOwnBooks) and "books" in states:
            each.instance.take_books(states["books"], engine.consumed)
    engine.scheduler.look_again()
    for loop, value in zip((engine.upstream, engine.on_demand), driver[9:], strict=True):
        if loop is not None:
            loop.control[PRESENT] = value
            loop.refresh()
