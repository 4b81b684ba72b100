"""Tables of trades for the tests of ``sq import trades``, and what is read back."""

from __future__ import annotations

import io
import random
import shutil
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from binance_lines import records

from schemas.errors import ShrivenError
from streams.log.manifest import LOG_MANIFEST, read_manifest

BTC = "BTCUSDT@binance"
T0 = 1_723_075_200_000_000
HEADER = "timestamp,id,side,price,amount"


def table(count: int = 500, seed: int = 1) -> list[str]:
    """Rows of a table in microseconds, in order of time."""
    draw, time, price = random.Random(seed), T0, 6_100_000
    rows = []
    for number in range(1, count + 1):
        time += draw.randrange(0, 3000)
        price += draw.randrange(-3, 4)
        side, size = draw.choice(("buy", "sell")), Decimal(draw.randrange(1, 500_000)).scaleb(-5)
        rows.append(f"{time},{number},{side},{Decimal(price).scaleb(-2)},{size:f}")
    return rows


def write(path: Path, rows: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def digest(log: Path) -> str:
    found: str = read_manifest(log / LOG_MANIFEST)["topics"]["md.trades"]["digest"]
    return found


def toml(folder: Path, text: str) -> Path:
    path = folder / "columns.toml"
    path.write_text(text, encoding="utf-8")
    return path


def letters(log: Path) -> list[tuple[str, int]]:
    return [(each["reason"], each["origin_offset"]) for each in records(log, "import.dlq")]


def summary_or_error(seed: int, log: Path, run: Callable[[], Any]) -> Any:
    """The summary of an import into a new folder; None where it ended in words. A failure names its
    seed.
    """
    shutil.rmtree(log, ignore_errors=True)
    try:
        return run()
    except ShrivenError:
        return None
    except Exception as problem:  # noqa: BLE001 - the seed belongs to it
        raise AssertionError(f"seed {seed}: {problem!r}") from problem


def as_zip(text: bytes, name: str = "trades.csv") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return packed.getvalue()


# -- what is read
