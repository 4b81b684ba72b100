"""Topics as polars frames: what ``sq cat`` prints, in columns.

polars reads the log's Avro files itself. With `decimal` each column is scaled by its unit, by the
rule that ``sq cat --decimal`` has (`jobs.rendering.precision_of`): exactly, through digits, never
through floats. A column has the decimals of its finest instrument.
"""

from __future__ import annotations

import polars as pl

from jobs.pipeline import read_instruments
from jobs.rendering import (
    ACCOUNT_AMOUNTS,
    LEVELS,
    PRICES,
    QUANTITIES,
    TIMES,
    fields_of,
    precision_of,
)
from schemas.catalogue import topic as topic_of
from schemas.errors import WrongUse
from schemas.records import Instrument
from streams.log.local import LocalLog
from streams.log.segment import segments_of

DIGITS = 38
PRICE, QUANTITY, AMOUNT = "price precision", "quantity precision", "amount precision"
"""Columns that are added while a frame is scaled; no field has a blank in its name."""
ROW = "row number"


def read_topic(log: LocalLog, topic: str, decimal: bool) -> pl.DataFrame:
    """All records of a topic. Raises WrongUse."""
    record = topic_of(topic).record
    if topic not in log.topics():
        raise WrongUse(f"{log.path} holds no {topic}; it has {', '.join(log.topics())}")
    files = [
        path
        for partition in log.partitions(topic)
        for path in segments_of(log.path / topic / str(partition))
    ]
    if not files:
        return pl.DataFrame(schema=[name for name, _, _ in fields_of(record)])
    frame = pl.concat([text_for_enums(pl.read_avro(path)) for path in files])
    if not decimal:
        return frame
    instruments = read_instruments(log) if "ref.instruments" in log.topics() else []
    return scaled(frame, record, instruments)


def text_for_enums(frame: pl.DataFrame) -> pl.DataFrame:
    """Enums as text: a file's own categories cannot be compared with another's."""
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))


def scaled(frame: pl.DataFrame, record: str, instruments: list[Instrument]) -> pl.DataFrame:
    """Prices, quantities and amounts in whole units, times as datetimes.

    Raises:
        WrongUse: a record names an instrument that is not in ref.instruments.
    """
    frame = with_precisions(frame, record, instruments).with_row_index(ROW)
    helpers = [name for name in (PRICE, QUANTITY, AMOUNT) if name in frame.columns]
    finest = {name: int(frame[name].max() or 0) for name in helpers}  # type: ignore[arg-type]
    parts = frame.partition_by(helpers) if helpers and len(frame) else [frame]
    done = []
    for part in parts:
        mine = {name: int(part[name][0]) if len(part) else 0 for name in helpers}
        done.append(part.with_columns(columns_of(frame, record, mine, finest)))
    return pl.concat(done).sort(ROW).drop(ROW, *helpers)


def with_precisions(
    frame: pl.DataFrame, record: str, instruments: list[Instrument]
) -> pl.DataFrame:
    """The frame with the precisions of each row's instrument and account beside its fields."""
    if "amount_precision" in frame.columns:
        frame = frame.with_columns(pl.col("amount_precision").alias(AMOUNT))
    units = {unit for _, _, unit in fields_of(record)}
    if "instrument" not in frame.columns or not units & {PRICES, QUANTITIES, LEVELS}:
        return frame
    table = pl.DataFrame(
        {
            "instrument": [each.instrument for each in instruments],
            PRICE: [each.price_precision for each in instruments],
            QUANTITY: [each.quantity_precision for each in instruments],
        },
        schema={"instrument": pl.Int32, PRICE: pl.Int32, QUANTITY: pl.Int32},
    ).unique("instrument", keep="last", maintain_order=True)
    frame = frame.join(table, on="instrument", how="left", maintain_order="left")
    unknown = frame.filter(pl.col(PRICE).is_null())
    if len(unknown):
        number = unknown["instrument"][0]
        raise WrongUse(f"instrument {number} is not in ref.instruments; read with decimal=False")
    return frame


def columns_of(
    frame: pl.DataFrame, record: str, mine: dict[str, int], finest: dict[str, int]
) -> list[pl.Expr]:
    """The columns that change, for rows of one set of precisions."""
    found = []
    for name, symbols, unit in fields_of(record):
        if symbols is not None or name not in frame.columns:
            continue
        kind = frame.schema[name]
        column = pl.col(name)
        if unit.startswith(TIMES) and kind.is_integer():
            found.append(
                pl.when(column > 0).then(column).cast(pl.Datetime("ns", "UTC")).alias(name)
            )
        elif unit == LEVELS and PRICE in mine:
            found.append(column.list.eval(_level(mine, finest)).alias(name))
        elif (ends := _decimals(unit, mine, finest)) is not None:
            own, most = ends
            if kind.is_float():
                found.append((column / 10**own).alias(name))
            elif kind.is_integer() or kind.is_decimal():
                found.append(whole_units(column, own, most).alias(name))
    return found


def _decimals(unit: str, mine: dict[str, int], finest: dict[str, int]) -> tuple[int, int] | None:
    """Decimals of a unit in these rows and in the finest of the column; null for other units."""
    if unit == ACCOUNT_AMOUNTS:
        return (mine[AMOUNT], finest[AMOUNT]) if AMOUNT in mine else None
    if PRICE not in mine:
        return None
    own = precision_of(unit, mine[PRICE], mine[QUANTITY])
    most = precision_of(unit, finest[PRICE], finest[QUANTITY])
    return None if own is None or most is None else (own, most)


def _level(mine: dict[str, int], finest: dict[str, int]) -> pl.Expr:
    """An entry of a book: price and quantity."""
    parts = {"price": PRICE, "quantity": QUANTITY}
    return pl.struct(
        [
            whole_units(pl.element().struct.field(field), mine[name], finest[name]).alias(field)
            for field, name in parts.items()
        ]
    )


def whole_units(column: pl.Expr, decimals: int, most: int) -> pl.Expr:
    """Integers of 10^-decimals as Decimal(38, most), through their digits."""
    whole = column.cast(pl.Int128)
    digits = whole.abs().cast(pl.String).str.zfill(decimals + 1)
    if decimals:
        digits = digits.str.head(-decimals) + "." + digits.str.tail(decimals)
    sign = pl.when(whole < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return (sign + digits).cast(pl.Decimal(DIGITS, most))
