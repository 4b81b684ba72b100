"""Calling a stage's entry by its address: who calls does not import stages, nor is it compiled
anew where one of them changes.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

STAGE_SIGNATURE = (types.int64,) * 5
"""Of every stage's entry: kind of handler, header, record or deadline, clock, outputs."""


def _call_stage(
    typing_context: Any, address: Any, kind: Any, header: Any, given: Any, clock: Any, out: Any
) -> Any:
    """The entry at ``address``, called with the rest; what it returns, an int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args[1:]
        entry = context.call_conv.get_function_type(types.int64, kinds).as_pointer()
        function = builder.inttoptr(arguments[0], entry)
        status, code = context.call_conv.call_function(
            builder, function, types.int64, kinds, arguments[1:]
        )
        with cgutils.if_unlikely(builder, status.is_error):  # type: ignore[no-untyped-call]
            context.call_conv.return_status_propagate(builder, status)
        return code

    return types.int64(types.int64, *STAGE_SIGNATURE), generate


call_stage: Any = intrinsic(_call_stage)
