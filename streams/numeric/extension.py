"""What types of our own in compiled code are made with. Numba has no types, and mypy lets no strict
module call it.
"""

from __future__ import annotations

from typing import Any

from numba import extending, types
from numba.core import typeconv
from numba.core.typing import templates

infer_global: Any = templates.infer_global
signature: Any = templates.signature
AbstractTemplate: Any = templates.AbstractTemplate
Conversion: Any = typeconv.Conversion  # type: ignore[attr-defined]
TypeBase: Any = types.Type
lower_builtin: Any = extending.lower_builtin
lower_cast: Any = extending.lower_cast
models: Any = extending.models
overload: Any = extending.overload
register_model: Any = extending.register_model
