"""JSON that somebody else may have written."""

from __future__ import annotations

import json
from typing import Any


def parsed(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError, RecursionError.

    JSON's escapes can spell half of a surrogate pair. No UTF-8 text can hold it: a report, a record
    or a console would refuse it later, so it is refused here, in names and in values.
    """
    found = json.loads(text)
    json.dumps(found, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return found
