"""The schema of an object class, for form generators and editors."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import jsonschema
import pytest
from hypothesis import example, given
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
    if jsonschema.Draft202012Validator(schema).is_valid({"a": value}):
        assert object_class.validate({"a": value}) == ()


IN_JSON: Final = {
    T.STRING: TEXTS | st.text(max_size=3),
    T.PASSWORD: TEXTS,
    T.CHARACTER: st.characters() | st.sampled_from("a1-]^\\\n"),
    T.BOOLEAN: st.booleans(),
    T.BYTE: st.integers(-130, 130),
    T.SHORT: st.integers(-3, 3) | st.sampled_from([2**15 - 1, 2**15, -(2**15) - 1]),
    T.INTEGER: st.integers(-3, 3) | st.sampled_from([2**31 - 1, 2**31, 2.0]),
    T.LONG: st.integers(-3, 3) | st.sampled_from([2**63 - 1, 2**63]),
    T.BIG_INTEGER: st.integers(-3, 3) | st.sampled_from([10**30, -(10**30)]),
    T.FLOAT: st.sampled_from([0, 1, 2.5, -1.0, 3.4e38, 3.5e38, -1e300]),
    T.DOUBLE: st.sampled_from([0, 1, 2.5, -1.0, 1e300, 10**400, -(10**400)]),
    T.BIG_DECIMAL: st.sampled_from([0, 1, 2.5, -1.0, 1e300, 10**30, 0.1]),
}
CHARACTER_BOUNDS: Final = st.none() | st.sampled_from(["a", "]", "^", "-", "\\", "[", "\U0001f511", "ab", ""])


@example(Attribute("a", T.STRING, max="-1"), None, None, None)
@given(ATTRIBUTES, CHARACTER_BOUNDS, CHARACTER_BOUNDS, st.data())
def test_schema_and_validate_agree_on_values_of_jsons_own_types(
    attribute: Attribute, least: str | None, most: str | None, data: st.DataObject | None
) -> None:
    if attribute.type is T.CHARACTER:
        attribute = replace(attribute, min=least, max=most)
    one = IN_JSON[attribute.type]
    value: object = (
        ""
        if data is None
        else data.draw(st.lists(one, max_size=3) if attribute.cardinality else one | st.lists(one, max_size=1))
    )
    object_class = ObjectClass("o", "O", attributes={"a": attribute})
    for configuration in ({"a": value}, {}):
        accepted = jsonschema.Draft202012Validator(json_schema(object_class)).is_valid(configuration)
        assert accepted is (object_class.validate(configuration) == ())


@pytest.mark.parametrize("name", ["K.target", "kura.service.pid", "service.pid", "component.x", "a.b"])
@pytest.mark.parametrize("value", [5, "5", True, ["a"], [5], {}, [[]]])
def test_schema_and_validate_agree_on_names_that_every_configuration_may_have(name: str, value: object) -> None:
    for attributes in ({}, {name: Attribute(name, T.INTEGER, cardinality=-2)}):
        object_class = ObjectClass("o", "O", attributes=attributes)
        typed = not attributes or not isinstance(value, int | str)  # JSON has the list that is meant
        accepted = jsonschema.Draft202012Validator(json_schema(object_class)).is_valid({name: value})
        assert accepted is (object_class.validate({name: value}) == ()) or not typed


def test_a_form_generator_learns_of_text_areas() -> None:
    script = Attribute("script", T.STRING, description="Runs | hourly.|textAREA", required=False)
    schema = json_schema(ObjectClass("o", "O", attributes={"script": script}))
    assert schema["properties"]["script"] == {
        "description": "Runs | hourly.",
        "x-gatewright-text-area": True,
        "x-gatewright-change": "modify",
        "type": "string",
    }


@given(ATTRIBUTES)
def test_the_default_that_a_schema_shows_is_accepted_by_it(attribute: Attribute) -> None:
    schema = json_schema(ObjectClass("o", "O", attributes={"a": attribute}))["properties"]["a"]
    if "default" in schema:
        jsonschema.Draft202012Validator(schema).validate(schema["default"])
