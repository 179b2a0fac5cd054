"""The schema of an object class, for form generators and editors."""

from __future__ import annotations

from typing import Final

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatype import Attribute, AttributeType, ChangePolicy, ObjectClass, Option, json_schema

T = AttributeType
SERVER: Final = ObjectClass(
    "a server",
    "Server",
    "Where to go.",
    attributes={
        one.id: one
        for one in (
            Attribute("url", T.STRING, name="URL", description="The server.", min="1", change=ChangePolicy.BOOTSTRAP),
            Attribute("port", T.INTEGER, default="443", min="1", max="65535"),
            Attribute("password", T.PASSWORD, default="changeit"),
            Attribute("size", T.INTEGER, default="2", options=(Option("1", "One"), Option("2", "Two"))),
            Attribute("names", T.STRING, cardinality=3, default="a,b"),
            Attribute("ports", T.SHORT, cardinality=-(2**31)),
            Attribute("ratio", T.BIG_DECIMAL, required=False, max="1.5"),
        )
    },
)


def test_schema_says_what_a_form_needs() -> None:
    schema = json_schema(SERVER)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert (schema["title"], schema["description"]) == ("Server", "Where to go.")
    assert schema["$id"] == "urn:gatewright:object-class:a%20server"
    assert schema["required"] == ["url", "ports"]
    assert schema["properties"] == {
        "url": {
            "title": "URL",
            "description": "The server.",
            "x-gatewright-change": "bootstrap",
            "type": "string",
            "minLength": 1,
        },
        "port": {
            "default": 443,
            "x-gatewright-change": "modify",
            "type": "integer",
            "minimum": 1,
            "maximum": 65535,
        },
        "password": {"writeOnly": True, "x-gatewright-change": "modify", "type": "string"},
        "size": {
            "default": 2,
            "x-gatewright-change": "modify",
            "type": "integer",
            "minimum": -(2**31),
            "maximum": 2**31 - 1,
            "oneOf": [{"const": 1, "title": "One"}, {"const": 2, "title": "Two"}],
        },
        "names": {
            "default": ["a", "b"],
            "x-gatewright-change": "modify",
            "type": "array",
            "items": {"type": "string"},
            "maxItems": 3,
        },
        "ports": {
            "x-gatewright-change": "modify",
            "type": "array",
            "items": {"type": "integer", "minimum": -(2**15), "maximum": 2**15 - 1},
            "minItems": 1,
        },
        "ratio": {"x-gatewright-change": "modify", "type": "number", "maximum": 1.5},
    }


@pytest.mark.parametrize(
    ("configuration", "accepted"),
    [
        ({"url": "u", "ports": [1]}, True),
        (
            {"url": "u", "ports": [1], "K.target": "(a=b)", "kura.service.pid": "x", "service.ranking": 1},
            True,
        ),
        ({"url": "u", "ports": []}, False),
        ({"url": "", "ports": [1]}, False),
        ({"url": "u", "ports": [1], "size": 3}, False),
        ({"url": "u", "ports": [1], "prot": 3}, False),
        ({"url": "u", "ports": [1], "K.target": 5}, False),
        ({"url": "u", "ports": [1], "service.x": {}}, False),
        ({"ports": [1]}, False),
    ],
)
def test_schema_and_object_class_agree(configuration: dict[str, object], accepted: bool) -> None:
    assert jsonschema.Draft202012Validator(json_schema(SERVER)).is_valid(configuration) is accepted
    assert (SERVER.validate(configuration) == ()) is accepted


TEXTS: Final = st.sampled_from(["", "0", "1", "-1", "2.5", "a", "ab", "true", "1,2", "128", "1e400"])
ATTRIBUTES: Final = st.builds(
    Attribute,
    id=st.just("a"),
    type=st.sampled_from(AttributeType),
    cardinality=st.sampled_from([0, 1, -1, 2, -(2**31)]),
    required=st.booleans(),
    default=st.none() | TEXTS,
    min=st.none() | TEXTS,
    max=st.none() | TEXTS,
    options=st.lists(st.builds(Option, TEXTS, TEXTS), max_size=3).map(tuple),
)
SCALARS: Final = (
    st.integers(-200, 200) | st.integers() | st.booleans() | TEXTS | st.sampled_from([0.5, 2.5, 1e300, None])
)


@given(ATTRIBUTES, SCALARS | st.lists(SCALARS, max_size=3))
def test_what_the_schema_accepts_is_valid(attribute: Attribute, value: object) -> None:
    object_class = ObjectClass("o", "O", attributes={"a": attribute})
    schema = json_schema(object_class)
    jsonschema.Draft202012Validator.check_schema(schema)
    bounded_character = attribute.type is T.CHARACTER and (attribute.min or attribute.max)
    if jsonschema.Draft202012Validator(schema).is_valid({"a": value}) and not bounded_character:
        assert object_class.validate({"a": value}) == ()


@given(ATTRIBUTES)
def test_the_default_that_a_schema_shows_is_accepted_by_it(attribute: Attribute) -> None:
    schema = json_schema(ObjectClass("o", "O", attributes={"a": attribute}))["properties"]["a"]
    if "default" in schema:
        jsonschema.Draft202012Validator(schema).validate(schema["default"])
