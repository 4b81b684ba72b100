"""The order state machine: from approved requests to venue commands, and from venue reports to
order events and fills.

``orders.decisions``, ``venue.reports``, ``control``  ->  ``orders.events``, ``venue.commands``,
``fills``

Start reading at ``machine.py`` (the published transition table), then ``guards.py`` (which reports
are refused, and why), ``records.py`` (what is remembered of an order, and for how long), then
``handlers.py``; ``stage.py`` is the shell that a topology names. Three rules hold everywhere:

- validate, then change: a refused event changes nothing and is recorded as an OrderEvent with
  ``refused`` set and a reason;
- the venue is right: a cancel is a request, a fill that arrives after it is booked and flagged
  LATE_FILL;
- one order id gives at most one live order, however often it is submitted.
"""
