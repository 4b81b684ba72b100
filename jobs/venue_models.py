"""Which fill model and which venue a run uses: ``--fill-model`` and ``--venue-model``.

They are settings of the venue's stage, part of a run's identity. The names are those of
``streams/venue/models.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.venue import models

SETTINGS = {"fill_model": "queue_model", "venue_model": "model"}
"""Option, and key at the top of the file: setting in ``[venue]``."""
DEFAULTS = {"queue_model": models.FILL_MODEL, "model": models.VENUE}


def choose(stages: Any, options: Mapping[str, Any]) -> None:
    """Enter what the options name; the default is no setting, for a run without one means it."""
    for option, setting in SETTINGS.items():
        if options.get(option) is None:
            continue
        venue = stages.setdefault("venue", {})
        venue[setting] = options[option]
        if venue[setting] == DEFAULTS[setting]:
            del venue[setting]
        if not venue:
            del stages["venue"]


def named(stages: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """``fill_model`` and ``venue_model`` as a page says them: the name, and its parameters."""
    venue = stages.get("venue", {})
    found = {}
    for option, setting in SETTINGS.items():
        name = str(venue.get(setting, DEFAULTS[setting]))
        values = _parameters(option, name, venue.get("parameters", {}))
        found[option] = name + (f" ({', '.join(values)})" if values else "")
    return found


def _parameters(option: str, name: str, given: Mapping[str, Any]) -> list[str]:
    """Of a model other than the default; none of one that this version does not have."""
    table = models.FILL_MODELS if option == "fill_model" else models.VENUES
    if name not in table or name in DEFAULTS.values():
        return []
    model = models.fill_model(name) if option == "fill_model" else models.venue(name)
    return [f"{key} {given.get(key, value)}" for key, value in model.PARAMETERS.items()]
