"""What is generated is what is committed, and says what the schemas say. Oracle: the ``.avsc``
files themselves.
"""

from __future__ import annotations

import collections
import enum
import importlib
import json
import pkgutil
import re
import typing

import msgspec
import numpy as np
import pytest
from codec_harness import ROWED, example

from schemas import errors, records, vocabulary
from schemas.catalogue import (
    STORED_AS,
    TOPICS,
    BadTopologyName,
    UnknownTopic,
    cluster_topics,
    topic,
    topic_of_record,
    topology_topics,
)
from schemas.codec import NoRows, UnknownRecord, codec
from schemas.generate import FLAGS, outputs
from schemas.generate_kernels import columns
from schemas.shapes import FOLDER, enums, schemas, shapes, snake


@pytest.mark.parametrize("path", list(outputs()), ids=lambda path: str(path.relative_to(FOLDER)))
def test_the_generator_reproduces_the_committed_file(path):
    assert path.read_text(encoding="utf-8") == outputs()[path]


def test_nothing_else_lies_among_the_compiled_modules():
    assert set((FOLDER / "compiled").glob("*.py")) == {
        path for path in outputs() if path.parent.name == "compiled"
    }


@pytest.mark.parametrize("name", list(enums()))
def test_an_enum_class_has_the_symbols_of_its_schema_in_order(name):
    found = getattr(vocabulary, name)
    assert [member.name for member in found] == list(enums()[name].symbols)
    assert [int(member) for member in found] == list(range(len(found)))
    assert found.UNKNOWN == 0


def test_the_flags_are_those_the_field_documents():
    """Oracle: the doc of the ``flags`` field, which names every bit."""
    docs = {
        field["doc"]
        for schema in schemas().values()
        for field in schema["fields"]
        if field["name"] == "flags"
    }
    assert len(docs) == 1
    bits = [int(bit) for bit in re.findall(r"\b(\d+) [a-z]", docs.pop())]
    assert bits == [int(flag) for flag in vocabulary.Flag] == [value for _, value, _ in FLAGS]
    assert bits == [1 << place for place in range(16)]


@pytest.mark.parametrize("name", list(shapes()))
def test_a_struct_has_the_fields_of_its_schema_in_order(name):
    struct = getattr(records, name)
    assert list(struct.__struct_fields__) == [field["name"] for field in schemas()[name]["fields"]]
    assert struct in records.RECORDS
    config = struct.__struct_config__
    assert config.frozen and config.array_like


@pytest.mark.parametrize("name", list(shapes()))
def test_a_record_prints_every_field(name):
    """COR-13: a log line or a failing test shows the whole record."""
    record = example(name)
    text = repr(record)
    assert text.startswith(f"{name}(")
    assert all(f"{field}=" in text for field in record.__struct_fields__)
    assert " at 0x" not in text


@pytest.mark.parametrize("name", list(shapes()))
def test_a_record_cannot_be_changed(name):
    record = example(name)
    with pytest.raises(AttributeError):
        setattr(record, record.__struct_fields__[0], 1)


@pytest.mark.parametrize("name", list(shapes()))
def test_a_record_survives_msgpack(name):
    """The form in which ledgers keep records in their state. Oracle: msgspec decodes with types
    checked.
    """
    record = example(name, 1)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=type(record)) == record


@pytest.mark.parametrize("name", list(shapes()))
def test_the_types_of_a_struct_are_those_of_its_schema(name):
    hints = typing.get_type_hints(getattr(records, name))
    plain = {
        "int": int,
        "long": int,
        "double": float,
        "boolean": bool,
        "string": str,
        "bytes": bytes,
    }
    for field in schemas()[name]["fields"]:
        kind = field["type"]
        if isinstance(kind, str):
            assert hints[field["name"]] is plain[kind]
        elif isinstance(kind, dict) and kind["type"] in ("enum", "bytes"):
            assert hints[field["name"]] is int
        elif isinstance(kind, list):
            assert hints[field["name"]] in (int | None, float | None)


@pytest.mark.parametrize("name", ROWED)
def test_a_row_is_aligned_and_has_the_columns_of_its_record(name):
    dtype = codec(name).dtype
    assert list(dtype.names) == [column for column, _ in columns(shapes()[name])]
    assert dtype.isalignedstruct
    assert all(
        dtype[column] in (np.int32, np.int64, np.uint64, np.float64, np.uint8)
        for column in dtype.names
    )


def test_the_catalogue_names_each_record_once():
    """Dead letters have two topics, of the import and of the pipeline; every other record has one,
    and perhaps an input that a recording holds under that name.
    """
    held = [entry.record for name, entry in TOPICS.items() if name not in STORED_AS]
    assert all(TOPICS[name].record == TOPICS[held].record for name, held in STORED_AS.items())
    assert sorted(held) == sorted([*shapes(), "DeadLetter"])
    assert all(
        entry.name == name and entry.merge_rank == rank
        for rank, (name, entry) in enumerate(TOPICS.items())
    )
    assert {entry.kind for entry in TOPICS.values()} == {
        "external",
        "derived",
        "order",
        "loop",
        "runtime",
    }


def test_the_merge_ranks_are_those_of_the_design():
    """Design section 5: control, ref, trades, depth, book tickers, then catalogue order."""
    ranked = sorted(TOPICS.values(), key=lambda entry: entry.merge_rank)
    assert [entry.name for entry in ranked[:5]] == [
        "control",
        "ref.instruments",
        "md.trades",
        "md.depth",
        "md.book_tickers",
    ]


@pytest.mark.parametrize(
    ("asked", "near"),
    [("md.trade", "md.trades"), ("order.requests", "orders.requests"), ("fill", "fills")],
)
def test_an_unknown_topic_names_near_matches(asked, near):
    with pytest.raises(UnknownTopic, match=re.escape(near)):
        topic(asked)


def test_a_topic_is_found_by_its_record():
    assert topic_of_record("Quote").name == "md.quotes"
    for wrong in ("DeadLetter", "Quotes"):
        with pytest.raises(UnknownTopic):
            topic_of_record(wrong)


def test_an_unknown_record_and_missing_rows_are_typed_errors():
    with pytest.raises(UnknownRecord, match="DepthUpdate"):
        codec("Depth")
    with pytest.raises(NoRows, match="encode_records"):
        codec("Instrument").decode_rows(b"", 0)
    assert codec("Quote") is codec("Quote")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DepthUpdate", "depth_update"),
        ("PnL", "pnl"),
        ("Quote", "quote"),
        ("SimulationTruth", "simulation_truth"),
    ],
)
def test_a_record_name_becomes_a_file_name(name, expected):
    assert snake(name) == expected
    assert (FOLDER / f"{expected}.avsc").is_file()


def all_errors(base: type[errors.ShrivenError]) -> list[type[errors.ShrivenError]]:
    return [base, *(inner for one in base.__subclasses__() for inner in all_errors(one))]


@pytest.mark.parametrize("package", ["schemas", "streams", "connectors", "jobs", "infra"])
def test_error_codes_are_unique_whatever_is_imported(package):
    """Every module of the product is imported here, so that the answer does not depend on which
    tests ran before.
    """
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    named = collections.defaultdict(set)
    for error in all_errors(errors.ShrivenError):
        if not error.__module__.startswith("tests."):
            named[error.code].add(f"{error.__module__}.{error.__qualname__}")
    assert {code: names for code, names in named.items() if len(names) > 1} == {}


def test_errors_have_a_message_and_an_exit_code():
    assert errors.WrongUse.exit_code == 2 and errors.BadData.exit_code == 1
    assert str(errors.BadData("what happened; what to do")) == "what happened; what to do"
    full = errors.CapacityExceeded("book.tail_capacity", 64)
    assert full.setting in str(full) and "64" in str(full)


def test_errors_survive_a_process_boundary():
    """Oracle: pickle, which child processes use."""
    import pickle

    from schemas.general import MalformedRecord

    for error in (
        errors.CapacityExceeded("a.b", 3),
        MalformedRecord("Quote", 2),
        errors.WrongUse("text"),
    ):
        assert repr(pickle.loads(pickle.dumps(error))) == repr(error)


def test_every_schema_is_canonical_json():
    """Two spaces, one newline at the end: a change shows as what it is."""
    for path in FOLDER.glob("*.avsc"):
        text = path.read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def test_enum_members_are_plain_integers():
    assert issubclass(vocabulary.Side, enum.IntEnum) and int(vocabulary.Side.SELL) == 2


def test_any_topology_has_a_journal_snapshots_and_dead_letters_of_its_own():
    assert topology_topics("market-eu") == [
        "market-eu.journal",
        "market-eu.snapshots",
        "market-eu.dlq",
        "market-eu.dlq.decisions",
    ]
    records = [topic(name).record for name in topology_topics("market-eu")]
    assert records == ["JournalRecord", "SnapshotChunk", "DeadLetter", "DeadLetterDecision"]
    names = [entry.name for entry in cluster_topics(["market-eu", "pipeline", "market-eu"])]
    assert names[-8:] == [*topology_topics("market-eu"), *topology_topics("pipeline")]
    assert len(names) == len(set(names))
    assert not {"import.dlq", "sim.truth", *STORED_AS} & set(names)
    for name in ("Market", "a.b", "", "import"):  # import.dlq is a recording's
        with pytest.raises(BadTopologyName, match="cannot name a topology"):
            topology_topics(name)


def test_a_cluster_keeps_for_ever_what_nobody_can_compute_again():
    """Design section 3: ref keeps everything, topologies for ever; a topic with one partition has
    it whatever the number of shards.
    """
    kept = {entry.name for entry in cluster_topics() if entry.retention_days is None}
    assert {
        "control",
        "ref.instruments",
        "topologies",
        "fills",
        "orders.events",
        "venue.reports",
        "pipeline.journal",
        "pipeline.snapshots",
    } <= kept
    assert not {"md.trades", "md.quotes"} & kept
    single = {entry.name for entry in cluster_topics() if not entry.is_sharded}
    assert single == {"control", "ref.instruments", "topologies", "pipeline.dlq.decisions"}
