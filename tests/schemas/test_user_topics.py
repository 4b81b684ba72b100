"""Topics of users' own stages in the catalogue: which can be, and that nothing is left of them.

Oracle: fastavro and its validator for the records; the catalogue as it was before.
"""

from __future__ import annotations

import io
from typing import Any

import fastavro
import fastavro.validation
import pytest

import schemas.records
from schemas.catalogue import TOPICS, UnknownTopic
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.shapes import schemas as all_schemas
from schemas.shapes import shapes
from schemas.user_topics import BadUserTopic, record_name, register, schema_of, scope

FIELDS = {
    "instrument": ("int", "id", "Which."),
    "level": ("long", "ticks", "How far."),
    "ratio": ("double?", "1", "How much, if known."),
    "is_late": ("boolean", "true or false", "Whether it came late."),
    "word": ("string?", "text", "What for."),
}
SCHEMA = schema_of("user.levels", FIELDS, "Levels.")


def known() -> tuple[set[str], set[str], set[str], set[str]]:
    return set(TOPICS), set(all_schemas()), set(shapes()), set(vars(schemas.records))


def test_records_of_a_user_s_topic_are_fastavro_s_bytes_and_come_back() -> None:
    with scope():
        register("user.levels", SCHEMA)
        form = codec("UserLevels")
        records = [
            form.record(5, 1, -7, 0.5, True, "a"),
            form.record(6, 2**31 - 1, 2**63 - 1, None, False, None),
        ]
        body = form.encode_records(records)
        expected = io.BytesIO()
        parsed = fastavro.parse_schema(SCHEMA)
        for each in records:
            values = {name: getattr(each, name) for name in each.__struct_fields__}
            assert fastavro.validation.validate(values, parsed)
            fastavro.schemaless_writer(expected, parsed, values)
        assert body == expected.getvalue()
        assert form.decode_records(body, 2) == records
        assert topic_of("user.levels")[1:4] == ("UserLevels", "instrument", "user")


def test_what_became_known_in_a_scope_is_forgotten_at_its_end() -> None:
    before = known()
    other = schema_of("user.levels", {"level": ("long", "ticks", "How far.")}, "Others.")
    with scope():
        register("user.levels", SCHEMA)
        with scope():
            register("user.levels", other)
            register("user.more", schema_of("user.more", FIELDS, "More."))
            assert len(codec("UserLevels").record.__struct_fields__) == 2
        assert len(codec("UserLevels").record.__struct_fields__) == 6
        with pytest.raises(UnknownTopic, match="--stage"):
            topic_of("user.more")
    assert known() == before


def test_what_a_folder_says_gives_way_to_what_a_stage_declares() -> None:
    other = schema_of("user.levels", {"level": ("long", "ticks", "How far.")}, "Others.")
    with scope():
        register("user.levels", other, is_found=True)
        register("user.levels", SCHEMA)
        register("user.levels", other, is_found=True)
        assert all_schemas()["UserLevels"] == SCHEMA


@pytest.mark.parametrize(
    "topic",
    ["user.", "user.A", "user.1", "user._a", "user.a__b", "user.a.b", "md.trades", "user.x" * 20]
    + ["user.a/b", "user.a_1", "user..a"],
)
def test_a_name_that_no_topic_can_have_is_refused(topic: str) -> None:
    with pytest.raises(BadUserTopic, match="user.spread"):
        record_name(topic)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"a": ("float", "1", "A.")}, "a: type float is not one of int, long, double"),
        ({"a": ("bytes", "1", "A.")}, "type bytes"),
        ({"a": ("long??", "1", "A.")}, r"type long\?\?"),
        ({"event_time": ("long", "ns", "A.")}, "event_time is there already"),
        ({"a": ("long", "", "A.")}, "a: has no unit"),
        ({"a": ("long", "1", "")}, "a: has no doc"),
        ({"a b": ("long", "1", "A.")}, "a b"),
    ],
)
def test_a_field_that_cannot_be_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadUserTopic, match=words):
        schema_of("user.levels", fields, "Levels.")


@pytest.mark.parametrize(
    "schema",
    [
        None,
        "string",
        {},
        {**SCHEMA, "name": "Trade"},
        {**SCHEMA, "fields": SCHEMA["fields"][1:]},
        {**SCHEMA, "fields": "none"},
        all_schemas()["Trade"] | {"name": "UserLevels"},
        all_schemas()["DepthUpdate"] | {"name": "UserLevels"},
        all_schemas()["PnL"] | {"name": "UserLevels"},
    ],
)
def test_a_schema_that_no_stage_has_changes_nothing(schema: Any) -> None:
    """It may stand in a folder, a registry or a journal of somebody else."""
    with scope():
        before = known()
        with pytest.raises(BadUserTopic):
            register("user.levels", schema, is_found=True)
        assert known() == before
