"""No change of a schema may leave data that some version cannot read (FULL_TRANSITIVE).

Oracle: planted changes of each class; for the allowed ones fastavro reads each version's data with
the other's schema.
"""

from __future__ import annotations

import copy
import io
import json

import fastavro
import pytest

from schemas.compatibility import IncompatibleSchema, changes, check, lint, lint_all, refusals
from schemas.shapes import FOLDER, schemas

BASE = {
    "type": "record",
    "name": "Sample",
    "namespace": "shrivenquant",
    "doc": "A record to change.",
    "fields": [
        {"name": "price", "doc": "Price.", "unit": "ticks", "type": "long"},
        {"name": "count", "doc": "Count.", "unit": "count", "type": "int"},
        {
            "name": "side",
            "doc": "Side.",
            "unit": "enum",
            "type": {
                "type": "enum",
                "name": "SampleSide",
                "doc": "Side.",
                "symbols": ["UNKNOWN", "BUY", "SELL"],
                "default": "UNKNOWN",
            },
        },
        {
            "name": "ratio",
            "doc": "Ratio.",
            "unit": "ratio",
            "type": ["null", "double"],
            "default": None,
        },
        {
            "name": "fee",
            "doc": "Fee.",
            "unit": "cash",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 0},
        },
        {
            "name": "levels",
            "doc": "Levels.",
            "unit": "levels",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "SampleLevel",
                    "doc": "A level.",
                    "fields": [{"name": "price", "doc": "Price.", "unit": "ticks", "type": "long"}],
                },
            },
            "default": [],
        },
    ],
}


def changed(edit):
    """A copy of the sample after an edit of its fields by name."""
    schema = copy.deepcopy(BASE)
    edit(schema, {field["name"]: field for field in schema["fields"]})
    return schema


def add(schema, field):
    schema["fields"].append({"name": "later", "doc": "Later.", "unit": "count", **field})


def remove(schema, name):
    schema["fields"] = [field for field in schema["fields"] if field["name"] != name]


ENUM = {
    "type": "enum",
    "name": "Inner",
    "doc": "Inner.",
    "symbols": ["UNKNOWN", "A"],
    "default": "UNKNOWN",
}
LEVEL = {"name": "size", "doc": "Size.", "unit": "lots", "type": "long"}
NULLABLE_LEVEL = {**LEVEL, "type": ["null", "long"], "default": None}

BAD = {
    "field removed without default": lambda s, f: remove(s, "count"),
    "field renamed": lambda s, f: f["count"].update(name="number"),
    "field renamed with an alias": lambda s, f: f["count"].update(name="number", aliases=["count"]),
    "long to int": lambda s, f: f["price"].update(type="int"),
    "int to long": lambda s, f: f["count"].update(type="long"),
    "long to double": lambda s, f: f["price"].update(type="double"),
    "long to string": lambda s, f: f["price"].update(type="string"),
    "decimal to plain bytes": lambda s, f: f["fee"].update(type="bytes"),
    "decimal of another scale": lambda s, f: f["fee"]["type"].update(scale=2),
    "decimal of another precision": lambda s, f: f["fee"]["type"].update(precision=20),
    "union widened from a plain type": lambda s, f: f["price"].update(
        type=["null", "long"], default=None
    ),
    "union widened by a branch": lambda s, f: f["ratio"].update(type=["null", "double", "long"]),
    "union narrowed": lambda s, f: (f["ratio"].update(type="double"), f["ratio"].pop("default")),
    "union of another type": lambda s, f: f["ratio"].update(type=["null", "long"]),
    "enum symbol removed": lambda s, f: f["side"]["type"].update(symbols=["UNKNOWN", "BUY"]),
    "enum symbol renamed": lambda s, f: f["side"]["type"].update(
        symbols=["UNKNOWN", "BUY", "SHORT"]
    ),
    "enum symbols moved": lambda s, f: f["side"]["type"].update(symbols=["UNKNOWN", "SELL", "BUY"]),
    "enum symbol put in between": lambda s, f: f["side"]["type"].update(
        symbols=["UNKNOWN", "NONE", "BUY", "SELL"]
    ),
    "enum renamed": lambda s, f: f["side"]["type"].update(name="Direction"),
    "enum without default": lambda s, f: f["side"]["type"].pop("default"),
    "enum with another default": lambda s, f: f["side"]["type"].update(default="BUY"),
    "enum to string": lambda s, f: f["side"].update(type="string"),
    "enum in a union": lambda s, f: add(s, {"type": ["null", ENUM], "default": None}),
    "enum inside an array": lambda s, f: f["levels"]["type"]["items"]["fields"].append(
        {**LEVEL, "type": ENUM}
    ),
    "array of enums": lambda s, f: add(
        s, {"type": {"type": "array", "items": ENUM}, "default": []}
    ),
    "array of plain values": lambda s, f: add(
        s, {"type": {"type": "array", "items": "long"}, "default": []}
    ),
    "array items changed": lambda s, f: f["levels"]["type"].update(items="long"),
    "array record renamed": lambda s, f: f["levels"]["type"]["items"].update(name="Step"),
    "field added inside an array without default": lambda s, f: f["levels"]["type"]["items"][
        "fields"
    ].append(LEVEL),
    "field inside an array of another type": lambda s, f: f["levels"]["type"]["items"]["fields"][
        0
    ].update(type="int"),
    "field added without default": lambda s, f: add(s, {"type": "long"}),
    "field added with default 0": lambda s, f: add(s, {"type": "long", "default": 0}),
    "field added with default text": lambda s, f: add(s, {"type": "string", "default": ""}),
    "field added as union with another default": lambda s, f: add(
        s, {"type": ["long", "null"], "default": 0}
    ),
    "field added as union without default": lambda s, f: add(s, {"type": ["null", "long"]}),
    "list added with a filled default": lambda s, f: add(
        s, {"type": f["levels"]["type"], "default": [{"price": 1}]}
    ),
    "enum added": lambda s, f: add(s, {"type": ENUM}),
    "default dropped": lambda s, f: f["levels"].pop("default"),
    "map added": lambda s, f: add(s, {"type": {"type": "map", "values": "long"}, "default": {}}),
    "fixed added": lambda s, f: add(s, {"type": {"type": "fixed", "name": "Digest", "size": 32}}),
    "float added": lambda s, f: add(s, {"type": "float"}),
    "timestamp added": lambda s, f: add(
        s, {"type": {"type": "long", "logicalType": "timestamp-micros"}}
    ),
    "record in a record": lambda s, f: add(
        s, {"type": {"type": "record", "name": "Part", "doc": "Part.", "fields": [LEVEL]}}
    ),
    "record renamed": lambda s, f: s.update(name="Example"),
    "namespace changed": lambda s, f: s.update(namespace="other"),
    "unit changed": lambda s, f: f["price"].update(unit="cents"),
    "doc dropped": lambda s, f: f["price"].pop("doc"),
    "unit dropped": lambda s, f: f["price"].pop("unit"),
    "doc inside an array dropped": lambda s, f: f["levels"]["type"]["items"]["fields"][0].update(
        doc=" "
    ),
    "named type used twice": lambda s, f: add(s, {"type": {**f["side"]["type"]}}),
    "field named twice": lambda s, f: s["fields"].append(dict(f["price"])),
    "first symbol not UNKNOWN": lambda s, f: f["side"]["type"].update(
        symbols=["BUY", "SELL", "UNKNOWN"]
    ),
    "symbol twice": lambda s, f: f["side"]["type"].update(
        symbols=["UNKNOWN", "BUY", "SELL", "SELL"]
    ),
}

GOOD = {
    "nothing changed": lambda s, f: None,
    "null-union added": lambda s, f: add(s, {"type": ["null", "long"], "default": None}),
    "null-union of a decimal added": lambda s, f: add(
        s, {"type": ["null", dict(f["fee"]["type"])], "default": None}
    ),
    "list added": lambda s, f: add(
        s,
        {
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "Part", "doc": "Part.", "fields": [LEVEL]},
            },
            "default": [],
        },
    ),
    "null-union removed": lambda s, f: remove(s, "ratio"),
    "list removed": lambda s, f: remove(s, "levels"),
    "enum symbol appended": lambda s, f: f["side"]["type"]["symbols"].append("CROSS"),
    "null-union added inside an array": lambda s, f: f["levels"]["type"]["items"]["fields"].append(
        {**LEVEL, "type": ["null", "long"], "default": None}
    ),
    "doc rewritten": lambda s, f: f["price"].update(doc="The price."),
    "fields moved": lambda s, f: s["fields"].reverse(),
}


@pytest.mark.parametrize("edit", BAD.values(), ids=BAD.keys())
def test_a_bad_change_is_refused(edit):
    later = changed(edit)
    found = refusals([BASE, later])
    assert found
    with pytest.raises(IncompatibleSchema) as caught:
        check([BASE, later])
    assert all(problem in str(caught.value) for problem in found)


@pytest.mark.parametrize("edit", GOOD.values(), ids=GOOD.keys())
def test_a_legal_change_is_accepted(edit):
    check([BASE, changed(edit)])


def value(schema):
    """An ordinary record of a version; enums take the last symbol there is."""
    known = {"price": 5, "count": 3, "ratio": 0.5, "fee": b"\x05", "size": 7}
    found = {}
    for field in schema["fields"]:
        kind = field["type"]
        if isinstance(kind, dict) and kind["type"] == "enum":
            found[field["name"]] = kind["symbols"][-1]
        elif isinstance(kind, dict) and kind["type"] == "array":
            found[field["name"]] = [value(kind["items"])] * 2
        else:
            found[field["name"]] = None if isinstance(kind, list) else known[field["name"]]
    return found


@pytest.mark.parametrize("edit", GOOD.values(), ids=GOOD.keys())
def test_what_is_accepted_is_read_both_ways(edit):
    """Old reader with new data, and new reader with old data. Oracle: fastavro's schema resolution.
    """
    plain = json.loads(
        json.dumps(BASE).replace(', "logicalType": "decimal", "precision": 38, "scale": 0', "")
    )
    later = json.loads(
        json.dumps(changed(edit)).replace(
            ', "logicalType": "decimal", "precision": 38, "scale": 0', ""
        )
    )
    for writer, reader in ((plain, later), (later, plain)):
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, fastavro.parse_schema(writer), value(writer))
        found = fastavro.schemaless_reader(
            io.BytesIO(stream.getvalue()),
            fastavro.parse_schema(writer),
            fastavro.parse_schema(reader),
        )
        assert found["price"] == 5 and found["count"] == 3
        assert list(found) == [field["name"] for field in reader["fields"]] or set(found) == {
            field["name"] for field in reader["fields"]
        }
        known = next(field for field in reader["fields"] if field["name"] == "side")["type"][
            "symbols"
        ]
        assert found["side"] == (
            value(writer)["side"] if value(writer)["side"] in known else "UNKNOWN"
        )


def test_every_version_is_compared_with_every_other():
    """Transitive: each neighbour differs legally, yet the first and the last give one name two
    types.
    """
    with_count = changed(lambda s, f: add(s, {"type": ["null", "long"], "default": None}))
    without = changed(lambda s, f: None)
    with_text = changed(lambda s, f: add(s, {"type": ["null", "string"], "default": None}))
    check([with_count, without])
    check([without, with_text])
    with pytest.raises(IncompatibleSchema, match="Sample.later"):
        check([with_count, without, with_text])


@pytest.mark.parametrize("name", list(schemas()))
def test_a_committed_schema_follows_every_rule(name):
    assert lint(schemas()[name]) == []
    assert changes(schemas()[name], schemas()[name]) == []


def test_the_committed_schemas_agree_with_each_other():
    assert (
        lint_all(
            {
                path.name: json.loads(path.read_text(encoding="utf-8"))
                for path in FOLDER.glob("*.avsc")
            }
        )
        == []
    )


def test_schemas_that_disagree_are_refused():
    other = changed(
        lambda s, f: (
            s.update(name="Other"),
            f["side"]["type"]["symbols"].append("CROSS"),
            remove(s, "levels"),
        )
    )
    found = lint_all({"sample.avsc": BASE, "other.avsc": other})
    assert found == ["sample.avsc: enum SampleSide has other symbols elsewhere"]
    assert any(
        "whose file is sample.avsc" in problem for problem in lint_all({"example.avsc": BASE})
    )
    twice = changed(lambda s, f: s.update(name="Twice"))
    assert any(
        "record SampleLevel is also in" in problem
        for problem in lint_all({"sample.avsc": BASE, "twice.avsc": twice})
    )


@pytest.mark.parametrize("name", list(schemas()))
def test_every_field_has_doc_and_unit(name):
    """OutputReader out here, apart from the lint. Oracle: the files."""

    def fields(schema):
        for field in schema["fields"]:
            yield field
            if isinstance(field["type"], dict) and field["type"]["type"] == "array":
                yield from fields(field["type"]["items"])

    assert all(field["doc"].strip() and field["unit"].strip() for field in fields(schemas()[name]))
