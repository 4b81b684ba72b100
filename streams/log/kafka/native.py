"""librdkafka's C interface under confluent-kafka's client: its functions, a client's handle, and
calls to both from kernels.

Source of the signatures: ``rdkafka.h`` of the client's own version; they are part of its stable
binary interface.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

import confluent_kafka
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_POINTER, _TEXT, _INT, _SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
# name: (result, arguments)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "rd_kafka_version": (_INT, []),
    "rd_kafka_topic_name": (_TEXT, [_POINTER]),
    "rd_kafka_queue_new": (_POINTER, [_POINTER]),
    "rd_kafka_queue_get_partition": (_POINTER, [_POINTER, _TEXT, ctypes.c_int32]),
    "rd_kafka_queue_forward": (None, [_POINTER, _POINTER]),
    "rd_kafka_queue_destroy": (None, [_POINTER]),
    "rd_kafka_consume_batch_queue": (ctypes.c_ssize_t, [_POINTER, _INT, _POINTER, _SIZE]),
    "rd_kafka_message_timestamp": (ctypes.c_int64, [_POINTER, _POINTER]),
    "rd_kafka_message_destroy": (None, [_POINTER]),
}
# The client's object is a header and then its handle (``Handle`` in confluent_kafka.h).
_HANDLE_AT = object.__basicsize__


@functools.cache
def library() -> Any:
    """The library that the client runs on, functions declared; None where it cannot be reached or
    is laid out in another way.
    """
    package = Path(confluent_kafka.__file__).parent
    found = [
        *package.parent.glob("confluent_kafka.libs/librdkafka*"),
        *package.glob(".dylibs/librdkafka*"),
    ]
    if len(found) != 1:
        return None
    try:
        loaded = ctypes.CDLL(str(found[0]))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    if (
        loaded.rd_kafka_version() != confluent_kafka.libversion()[1]
        or not _handle_is_where_expected()
    ):
        return None
    return loaded


def handle_of(client: Any) -> int:
    """Address of the client's handle; 0 after its ``close``."""
    return ctypes.c_void_p.from_address(id(client) + _HANDLE_AT).value or 0


def _handle_is_where_expected() -> bool:
    """Whether the field is set while a client is open and empty when it is closed; nothing is read
    through it.
    """
    probe = confluent_kafka.Consumer({"group.id": "probe", "log_level": 0})
    opened = handle_of(probe)
    probe.close()
    return opened != 0 and handle_of(probe) == 0


def address_of_function(function: Any) -> int:
    """Address of a function of :func:`library`, for :func:`call`."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@intrinsic  # type: ignore[untyped-decorator]
def _call(typing: Any, function: Any, first: Any, second: Any) -> Any:
    """``call(function, first, second)``: call a C function at an address with two words, an int64
    back.

    A function of one argument ignores the second and one without a result returns anything: both
    hold in the C calling conventions used here.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        pointer = builder.inttoptr(arguments[0], ir.FunctionType(word, [word, word]).as_pointer())
        return builder.call(pointer, arguments[1:])

    return types.int64(types.int64, types.int64, types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def _copy_bytes(typing: Any, target: Any, source: Any, count: Any) -> Any:
    """``copy_bytes(target, source, count)``: addresses; the two must not overlap."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        cgutils.raw_memcpy(  # type: ignore[no-untyped-call]
            builder,
            builder.inttoptr(arguments[0], byte),
            builder.inttoptr(arguments[1], byte),
            arguments[2],
            1,
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


call: Any = _call
copy_bytes: Any = _copy_bytes
