"""What a strategy may use: the tables of the allow-list that ``strategy_lint.py`` reads.

A name that stands in no table is refused. Add one only if the same input gives the same bits on
every machine, and if nothing that it returns leads to a file, a clock, a process, or to a function
or class that others use.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from schemas import records
from schemas.shapes import shapes
from streams.runtime.tools.words import words

ROOT = Path(__file__).resolve().parents[3]


# module -> names that may be taken from it
MODULES: dict[str, frozenset[str]] = {
    "__future__": words("annotations"),
    "typing": words(
        "Annotated Any Callable ClassVar Final Generic Iterable Iterator Literal Mapping "
        "NamedTuple Optional Protocol Self Sequence TypeAlias TypeVar Union cast final override "
        "TYPE_CHECKING Dict List Tuple"
    ),
    "collections": words("Counter OrderedDict defaultdict deque"),
    "collections.abc": words(
        "Callable Collection Iterable Iterator Mapping MutableMapping MutableSequence Sequence"
    ),
    "dataclasses": words("dataclass field replace"),
    "enum": words("Enum Flag IntEnum IntFlag auto unique"),
    "types": words("MappingProxyType"),
    "math": words(
        "ceil comb copysign e fabs factorial floor fmod frexp fsum gcd inf isclose isfinite isinf "
        "isnan isqrt lcm ldexp modf nan nextafter perm pi remainder sqrt tau trunc ulp"
    ),
    "bisect": words("bisect bisect_left bisect_right insort insort_left insort_right"),
    "heapq": words("heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest"),
    "itertools": words(
        "accumulate chain compress count cycle dropwhile groupby islice pairwise product repeat "
        "starmap takewhile zip_longest"
    ),
    "functools": words("reduce"),
    "operator": words("add sub mul floordiv mod neg lt le eq ne gt ge"),
    "fractions": words("Fraction"),
    "decimal": words(
        "Decimal ROUND_CEILING ROUND_DOWN ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN "
        "ROUND_HALF_UP ROUND_UP"
    ),
    "msgspec": words("Meta Struct UNSET UnsetType ValidationError field"),
    "msgspec.structs": words("asdict astuple replace"),
    "numba": words("njit int64 float64 uint64 int32 boolean"),
    "numpy": words(
        "abs absolute add all any append arange argmax argmin array array_equal asarray "
        "ascontiguousarray atleast_1d bincount bool_ broadcast_to ceil clip column_stack "
        "concatenate copysign count_nonzero diff digitize divide dtype equal expand_dims eye fabs "
        "finfo flatnonzero flip float32 float64 floor floor_divide frombuffer full full_like "
        "greater greater_equal hstack iinfo inf int16 int32 int64 int8 isfinite isin isinf isnan "
        "less less_equal logical_and logical_not logical_or max maximum min minimum mod multiply "
        "nan ndarray negative newaxis nonzero not_equal ones ones_like pi ravel remainder repeat "
        "reshape rint roll round searchsorted shape sign size sort split sqrt squeeze stack "
        "subtract tile transpose trunc uint16 uint32 uint64 uint8 unique vstack where zeros "
        "zeros_like"
    ),
    "numpy.typing": words("ArrayLike NDArray"),
    "schemas.kernel": words("inlined kernel unlocked_kernel"),
    "streams.numeric.int128": words("high is_int64 join low narrow wide"),
    "streams.numeric.book": words("depth levels_of next_level quantity_at slot_of top_flags"),
    "streams.signals.user_stage": words("Context NO_TIMER NoSettings Stage StageState"),
    "streams.signals.strategy": words(
        "BUY CANCEL Context GTC IOC Instrument LIMIT MARKET NEW NO_TIMER NoSettings OrderRequest "
        "SELL Signal Strategy StrategyState"
    ),
}
# modules of ours whose own definitions may be taken, what they import may not
OF_OURS = (
    "schemas.records", "schemas.vocabulary", "streams.numeric.bits", "streams.numeric.book_queries",
    "streams.numeric.borrowing",
    "streams.numeric.draws", "streams.numeric.elementary", "streams.numeric.error_function",
    "streams.numeric.fixed", "streams.numeric.normal",
    "streams.numeric.order_changes", "streams.numeric.order_requests",
    "streams.numeric.order_targets", "streams.numeric.strategy_reads",
    "streams.numeric.ring", "streams.numeric.rolling", "streams.numeric.session",
    "streams.numeric.shared", "streams.numeric.smoothing",
    "streams.numeric.strategy_log", "streams.numeric.timers",
    "streams.numeric.vwap", "streams.numeric.wide", "streams.signals.ema_cross",
    "streams.signals.ema_cross_python",
    "streams.signals.indicators", "streams.signals.noop_python", "streams.signals.template",
    "streams.signals.measures",
    *(
        f"streams.numeric.measures.{name}"
        for name in (
            "amihud", "bulk", "hasbrouck", "hawkes", "kyle", "markouts", "microprice", "order_flow",
            "quote_slope", "regression", "roll", "signing", "solving", "spreads",
            "variance_ratio", "vpin_null", "weighted_mid",
        )
    ),
)  # fmt: skip
PACKAGES = words(
    "numpy msgspec typing collections schemas streams streams.numeric streams.numeric.measures "
    "streams.signals"
)
"""Modules that are named on the way to others."""

BUILTINS = words(
    "abs all any bool bytearray bytes chr classmethod dict divmod enumerate filter float frozenset "
    "int isinstance issubclass iter len list map max min next ord property range reversed round "
    "set slice sorted staticmethod str sum super tuple zip NotImplemented Ellipsis ArithmeticError "
    "AssertionError Exception IndexError KeyError LookupError NotImplementedError OverflowError "
    "RuntimeError StopIteration TypeError ValueError ZeroDivisionError"
)
IN_ANNOTATIONS = words("object type complex")
HIGHER = words(
    "map filter sorted min max reduce isinstance issubclass starmap accumulate takewhile dropwhile "
    "groupby nlargest nsmallest super"
)
"""Functions that take a function or a class and keep neither."""

DECORATORS = words(
    "staticmethod classmethod property dataclasses.dataclass typing.final typing.override "
    "enum.unique schemas.kernel.kernel schemas.kernel.unlocked_kernel schemas.kernel.inlined "
    "streams.numeric.borrowing.borrowing_kernel streams.numeric.shared.shared_step numba.njit"
)
CLASS_KEYWORDS = words(
    "frozen kw_only forbid_unknown_fields omit_defaults array_like gc eq order tag tag_field "
    "rename total"
)
METHODS = words(
    "__init__ __post_init__ __len__ __iter__ __next__ __getitem__ __contains__ __eq__ __ne__ "
    "__lt__ __le__ __gt__ __ge__ __repr__ __str__ __add__ __sub__ __mul__ __neg__ __abs__ __bool__ "
    "__int__ __float__"
)
"""Methods with such a name that a class may have."""

STRATEGY = words(
    "ACCOUNT ARTEFACTS INPUTS NAME OUTPUTS STATE_VERSION STRATEGY Settings State WAKES account "
    "artefact cancel clock emit instruments on_bar on_end on_fill on_mark on_market_features "
    "on_order_event on_position on_quote on_timer on_toxicity on_trade order order_id settings "
    "signal signals state timer LOGS READS amount_precision asks average_price bids book cash "
    "equity features last_bar last_mark last_quote last_trade log open_orders position "
    "queue_estimate remaining toxicity cancel_timer instrument modify on_book_ticker "
    "on_depth_update on_instrument on_pnl on_risk_decision on_risk_event order_target "
    "order_target_percent order_target_value set_timer working is_valued order_high order_low "
    "FIELDS TOPIC publish on_microstructure"
)
CONTEXT = words(
    "account artefacts clock emit first journal_id last_sequence ordinal pending sequence services "
    "shard"
)
"""The runtime's context: read, never written."""

VALUES = words(
    # numbers, text, bytes
    "as_integer_ratio bit_count bit_length capitalize casefold denominator endswith find "
    "from_bytes fromhex hex is_integer isalnum isalpha isascii isdecimal isdigit isidentifier "
    "islower isnumeric isspace istitle isupper join ljust lower lstrip numerator partition "
    "quantize removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split "
    "splitlines startswith strip swapcase title to_bytes to_integral_value upper zfill value name "
    "is_nan is_infinite "
    # collections
    "add append appendleft clear copy count difference difference_update discard elements extend "
    "extendleft fromkeys get index insert intersection intersection_update isdisjoint issubset "
    "issuperset items keys maxlen most_common move_to_end pop popitem popleft remove reverse "
    "rotate setdefault sort start stop step subtract symmetric_difference union update values "
    # arrays
    "T all any argmax argmin astype clip copy dtype eps fill flat flatten item itemsize max min "
    "nbytes ndim nonzero ravel repeat reshape searchsorted shape size squeeze swapaxes take tiny "
    "tolist transpose "
    # structs
    "default default_factory"
)
MUTATING = words(
    "add append appendleft clear difference_update discard extend extendleft fill insert "
    "intersection_update move_to_end pop popitem popleft remove reverse rotate setdefault sort "
    "subtract update"
)
FIELDS = frozenset(
    name for kind in vars(records).values() for name in getattr(kind, "__struct_fields__", ())
)
"""Fields of every record."""
COLUMNS = frozenset(
    f"{field.name}_{half}"
    for shape in shapes().values()
    for field in shape.fields
    if field.kind in ("id", "decimal")
    for half in ("high", "low")
)
"""Of a record's row, as compiled code has it, where they are no fields: an id is two, and so is an
amount."""

# attribute -> the rule that says what to use instead
REFUSED: dict[str, str] = {
    **dict.fromkeys(words(
        "mean std var sum dot prod cumsum cumprod trace nansum average einsum matmul inner vdot "
        "reduce accumulate"
    ), "float-reduction"),
    **dict.fromkeys(["exp", "log", "log2", "log10", "pow", "tanh", "sin", "cos"], "unstable-math"),
    **dict.fromkeys(
        words(
        "open read readline readlines write writelines tofile fromfile memmap load loads loadtxt "
        "genfromtxt save savez savetxt dump dumps read_text read_bytes write_text write_bytes "
        "read_avro read_csv read_parquet DataSource ctypeslib ctypes lib environ system"
    ),
        "input-output",
    ),
    **dict.fromkeys(("format", "format_map"), "dynamic"),
    **dict.fromkeys(
        words(
        "gi_frame gi_code gi_yieldfrom cr_frame cr_code cr_await ag_frame ag_code f_back "
        "f_builtins f_code f_globals f_locals f_trace tb_frame tb_next func_globals func_code "
        "co_consts co_code mro with_traceback add_note py_func overloads"
    ),
        "program",
    ),
    "random": "random",
}  # fmt: skip

ALWAYS_REFUSED = frozenset(
    name for name, rule in REFUSED.items() if rule in ("program", "dynamic")
) | words("tofile dump dumps ctypes")
"""These are refused even where the strategy has a field of that name."""


@functools.cache
def names_of(module: str) -> frozenset[str] | None:
    """Names that may be taken from a module; None if the module is not allowed at all."""
    if module in MODULES:
        return MODULES[module]
    if module not in OF_OURS:
        return frozenset() if module in PACKAGES else None
    found: set[str] = set()
    for node in ast.parse(file_of(module).read_bytes()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            found.update(
                each.id for each in ast.walk(target) if isinstance(each, ast.Name)
            ) if target is not None else None
    return frozenset(name for name in found if not name.startswith("_"))


def file_of(module: str) -> Path:
    """Source of a module of ours."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def is_module(name: str) -> bool:
    """True if a strategy may import the module of this name."""
    return names_of(name) is not None
