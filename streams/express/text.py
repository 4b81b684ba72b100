"""The express entry as text, written into the module of the venue's loop: events in order, the
venue stepped between them.

It does what ``Engine._drive_window`` does, for signals, requests and marks, until it meets what
Python does.
"""

from __future__ import annotations

from collections.abc import Callable

HEADER = (
    "from streams.express.steps import FAULT as EXPRESS_FAULT",
    "from streams.express.steps import FULL, LEFT, REPORTS, TIMER, WAITS, Made, Stages, has_room",
    "from streams.express.steps import is_at_fault, on_mark, on_report, on_request, on_signal",
    "from streams.numeric.table import table_at",
    "from streams.routing.records import COMMAND",
)

ENTRY = '''
x = express_lane[0]
stages = Stages(
    express_sizing, express_sizing_out, express_ids, express_risk, express_risk_out,
    express_routing, express_routing_out, express_portfolio, express_portfolio_out,
    express_reporting,
)
made = Made(express_requests, express_reports)
routing_out = express_routing_out[0]
x.outcome = LEFT
x.handled = 0
reports_most = {reports_most}
while x.at < x.total:
    event = express_window[x.at]
    step, due, topic = event.step, event.clock, event.topic
    if x.timer_step < step or (x.timer_step == step and x.timer_clock < due):
        break
    if is_at_fault(stages):
        break
    if topic != x.signal_topic and topic != x.mark_topic and topic != x.request_topic:
        break
    if not has_room(x, stages, made, reports_most):
        x.outcome = FULL
        break
    if control[{ACTIVE}] != 0:
        control[{LIMIT}] = step >> 1
        control[{LIMIT_CLOCK}] = {NEVER} if step & 1 else due - 1
        run(packed)
        if control[{OUTCOME}] == {DELIVERED}:
            x.limit = control[{CURSOR}]
            x.limit_clock = control[{PRESENT}]
            x.clock = control[{PRESENT}]
            x.sequence = x.base + x.limit
            x.handled = 0
            while x.handled < control[{DELIVERED_COUNT}]:
                if not on_report(x, stages, made, rows_venue_reports[x.handled]):
                    break
                x.handled += 1
            if x.handled < control[{DELIVERED_COUNT}]:
                x.outcome = REPORTS
                break
            continue
        if control[{OUTCOME}] == {FAULT}:
            x.outcome = EXPRESS_FAULT
        if control[{OUTCOME}] != {DONE}:
            break
    led = 0
    clock_before, sequence_before = x.clock, x.sequence
    x.clock = due
    x.sequence = x.base + min((step + 1) >> 1, x.records)
    if topic == x.mark_topic:
        if not on_mark(x, stages, express_marks[event.row]):
            x.clock, x.sequence = clock_before, sequence_before
            break
        x.marks += 1
    elif topic == x.request_topic:
        led = on_request(x, stages, made, express_asked[event.row])
        if led < 0:
            x.clock, x.sequence = clock_before, sequence_before
            break
        x.asked += 1
    else:
        led = on_signal(x, stages, made, express_signals[event.row])
        if led < 0:
            x.clock, x.sequence = clock_before, sequence_before
            break
        x.signals += 1
    if step & 1:
        x.limit = (step >> 1) + 1
        x.limit_clock = -1
    else:
        x.limit = step >> 1
        x.limit_clock = due - 1
    x.at += 1
    if led == WAITS:
        x.outcome = TIMER
        break
    if led == 1:
        control[{LIMIT}] = x.limit
        control[{LIMIT_CLOCK}] = x.limit_clock
        if control[{CURSOR}] < x.limit:
            run(packed)
            if control[{OUTCOME}] != {DONE}:
                x.outcome = EXPRESS_FAULT
                break
        if control[{PRESENT}] < due:
            control[{PRESENT}] = due
        {venue}.clock[0] = control[{PRESENT}]
        {venue}_on_venue_command({venue}, {books}table_at(routing_out.commands, COMMAND)[routing_out.commands_used - 1], {venue}_out)
        control[{ACTIVE}] = 1 if {venue}.timer[0] != {NEVER} or {venue}.working[0] != 0 else 0
        if {faults}:
            x.outcome = EXPRESS_FAULT
            break
'''


def write(put: Callable[[int, str], None], names: dict[str, int | str]) -> None:
    """Write the body of the entry by ``put(depth, line)``; ``names``: the loop's constants, the venue's name, books and most reports a call."""
    for line in ENTRY.strip("\n").splitlines():
        text = line.lstrip()
        if text:
            put(1 + (len(line) - len(text)) // 4, text.format(**names))
