"""What a call is refused for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors.captures.numbers import BadField


def reason_of(call: Callable[[], Any]) -> str:
    with pytest.raises(BadField) as refused:
        call()
    return refused.value.reason
