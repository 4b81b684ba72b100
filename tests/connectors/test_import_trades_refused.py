"""What ``sq import trades`` refuses, and what it says. Oracle: by hand."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest
from binance_lines import records
from trade_tables import BTC, HEADER, as_zip, table, toml, write

from connectors.tables.rows import NotATable
from connectors.tables.trades import import_trades
from jobs.sq import main
from schemas.errors import ShrivenError

GOOD = ("\n".join([HEADER, *table(5)]) + "\n").encode()
WRONG_FILES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty"),
    "a header": (HEADER.encode() + b"\n", "holds no rows of trades"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "text in UTF-16"),
    "UTF-16 in a zip": (as_zip(GOOD.decode().encode("utf-16")), "text in UTF-16"),
    "xz": (b"\xfd7zXZ\x00" + GOOD, "an xz file"),
    "a zip in a zip": (as_zip(as_zip(GOOD), "t.zip"), "unpack it and import that"),
    "a zip in a zip of another name": (as_zip(as_zip(GOOD)), "holds a zip file"),
    "an empty zip": (b"PK\x05\x06" + bytes(18), "holds no file"),
    "half a zip": (as_zip(GOOD)[:60], "cannot be read: the zip is damaged"),
    "a bomb": (as_zip(GOOD + b"\n" * (80 << 20)), "unpacks to over 400 times its size"),
    "one line": (as_zip(b"x" * (20 << 20)), "it has no line ends"),
    "CR alone": (GOOD.replace(b"\n", b"\r"), "CR alone"),
    "JSON": (b'{"price": 1}\n', "seems to be JSON"),
    "a web page": (b"<html></html>\n", "web page"),
    "a recording": (b'1723161255000000000 {"stream":"x"}\n', "'sq import binance' reads them"),
    "no header": (GOOD.split(b"\n", 1)[1], "header = false"),
    "half a Parquet file": (b"PAR1" + bytes(40), "cannot be read as Parquet"),
    "other columns": (b"a,b,c\n1,2,3\n", "no column is known to be the time (it has a, b, c)"),
    "two columns of one kind": (b"time,price,size,amount\n1,1,1,1\n", "size and amount may each"),
    "no times": (b"time,price,size\n17,1,1\n", "is no time in s, ms, us or ns"),
    "times of no zone": (b"time,price,size\n2024-08-08 00:00:00,1,1\n", "names no zone"),
    "texts as ids": (GOOD.replace(b",1,", b",a,").replace(b",2,", b",b,").replace(b",3,", b",c,")
                     .replace(b",4,", b",d,").replace(b",5,", b",e,"),
                     "5 are bad_number; line 2: id"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_FILES)
def test_another_file_is_one_error_that_says_what_it_seems_to_be(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content, words = WRONG_FILES[name]
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    out = tmp_path / "log"
    code = main(["import", "trades", str(path), "--instrument", BTC, "--out", str(out)])
    shown = capsys.readouterr().err.splitlines(keepends=True)
    said = "".join(each for each in shown if not each.startswith("import ["))
    assert code == (1 if "Parquet" in name else 2)
    assert words in said and said.count("\n") == 1, said
    assert code == 1 or not out.exists()


def test_a_wrong_unit_is_named_with_the_right_one(tmp_path: Path) -> None:
    said = (
        '[columns]\ntime = "timestamp"\nprice = "price"\nquantity = "amount"\n[time]\nunit = "ms"\n'
    )
    path = write(tmp_path / "t.csv", table(5))
    with pytest.raises(ShrivenError, match=r'would be one in us: \[time\] unit = "us"'):
        import_trades([path], tmp_path / "log", toml(tmp_path, said), BTC)


def test_the_column_map_of_the_documents_reads_the_table_that_it_describes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text("utf-8")
    said = page.split("### Column maps")[1].split("```")[1]
    path = tmp_path / "t.csv"
    path.write_text("timestamp;px;size;taker;tid\n1723075200000000;101.05;10;b;7\n", "utf-8")
    where = toml(tmp_path, said)
    out = tmp_path / "log"
    assert main(["import", "trades", str(path), "--map", str(where), "--out", str(out)]) == 0
    assert "nse:INFY: 2024-08-08T00:00:00" in capsys.readouterr().out
    only = records(out, "md.trades")[0]
    assert [only[name] for name in ("price", "quantity", "aggressor_side")] == [10105, 10, "BUY"]


@pytest.mark.parametrize(
    "words",
    [["binance", "x", "--map", "m"], ["binance", "x", "--instrument", BTC],
     ["trades", "x", "--unit", "ms"]],
)  # fmt: skip
def test_an_option_of_another_import_is_refused(words: list[str], tmp_path: Path) -> None:
    assert main(["import", *words, "--out", str(tmp_path / "log")]) == 2
    assert not (tmp_path / "log").exists()


WRONG_MAPS = {
    "[columns]\nprize = 'x'\n": "prize is no field",
    "[columns]\ntime = 'timestamp'\n": "which column is the price",
    "[columns]\ntime = 'timestamp'\nprice = 'price'\nquantity = 'amount'\n": "unit is not said",
    "[time]\nunit = 'hours'\n": "unit",
    "[time]\nzone = 'Asia/Bombay'\n": "write UTC, an offset such as +05:30, or a place",
    "[time]\nzone = '../UTC'\n": "write UTC, an offset such as +05:30, or a place",
    "[side]\nbuy = ['x']\n": "words of buy and none of sell",
    "[side]\nsell = ['x']\n": "words of sell and none of buy",
    "[side]\nbuy = ['x']\nsell = ['X']\n": "a word twice",
    "[file]\nseparator = ', '\n": "it is one character",
    "[columns]\ntime = 'when'\nprice = 'price'\nquantity = 'amount'\n[time]\nunit = 'us'\n":
        "no column 'when' for time; it has timestamp, id",
    "[columns]\ntime = 9\nprice = 'price'\nquantity = 'amount'\n[time]\nunit = 'us'\n":
        "no column 9",
    "[instrument]\nkind = 'perpetual'\n":
        "of BTCUSDT on binance, and the instrument table says spot",
    "[instrument]\nkind = 'spot'\ntick = '0.1'\nlot = '1'\nquote = 'X'\n":
        "tick = '0.1' of BTCUSDT on binance, and the instrument table says 0.01",
    "[instrument]\nminimum_notional = '1'\n": "the instrument table says 5",
    "[instrument]\nkind = 'spot'\ntick = '0'\nlot = '1'\nquote = 'X'\n": "must be positive",
    "not toml": "cannot be read as TOML",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG_MAPS)
def test_a_wrong_map_is_refused_before_anything_is_kept(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "t.csv", table(5))
    with pytest.raises(ShrivenError) as refused:
        import_trades([path], tmp_path / "log", toml(tmp_path, text), BTC)
    assert WRONG_MAPS[text] in refused.value.text
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [("", "--instrument SYMBOL@VENUE"), ("BTCUSDT", "is no SYMBOL@VENUE"),
     ("DOGE@binance", 'kind = "spot", tick = ')],
)  # fmt: skip
def test_an_instrument_that_is_not_known_is_an_error_that_says_what_to_write(
    tmp_path: Path, said: str, words: str
) -> None:
    path = write(tmp_path / "t.csv", table(5))
    with pytest.raises(ShrivenError) as refused:
        import_trades([path], tmp_path / "log", None, said)
    assert words in refused.value.text


def test_a_map_that_says_of_an_instrument_what_its_table_says_changes_nothing(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "t.csv", table(5))
    said = toml(tmp_path, '[instrument]\nkind = "spot"\ntick = "0.0100"\nquote = "USDT"\n')
    import_trades([path], tmp_path / "said", said, BTC)
    import_trades([path], tmp_path / "plain", None, BTC)
    found, plain = (records(tmp_path / log, "ref.instruments") for log in ("said", "plain"))
    assert found == plain


def test_a_map_that_describes_an_instrument_in_part_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", table(5))
    with pytest.raises(ShrivenError, match="does not say the tick"):
        import_trades([path], tmp_path / "log", toml(tmp_path, "[instrument]\nkind = 'spot'\n"),
                      "DOGE@binance")  # fmt: skip


def test_a_damaged_gzip_keeps_what_can_be_read_and_no_half_row(tmp_path: Path) -> None:
    packed = gzip.compress(write(tmp_path / "t.csv", table(3000)).read_bytes())
    (tmp_path / "t.csv.gz").write_bytes(packed[: len(packed) // 2])
    summary = import_trades([tmp_path / "t.csv.gz"], tmp_path / "log", instrument=BTC)
    assert len(summary.damages) == 1 and summary.reasons == {"truncated_line": 1}
    found = [f"{each['trade_id']}" for each in records(tmp_path / "log", "md.trades")]
    assert 500 < len(found) < 3000
    assert found == [row.split(",")[1] for row in table(3000)][: len(found)]


# -- recordings


def test_without_polars_csv_is_read_and_parquet_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the image, which has no polars, could not import at all."""
    monkeypatch.delitem(sys.modules, "connectors.tables.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "polars", None)
    path = write(tmp_path / "t.csv", table(5))
    assert import_trades([path], tmp_path / "a", instrument=BTC).counts["md.trades"] == 5
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(NotATable, match="read with polars, and that is not installed here; inst"):
        import_trades([tmp_path / "t.parquet"], tmp_path / "b", instrument=BTC)
