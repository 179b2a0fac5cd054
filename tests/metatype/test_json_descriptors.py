"""Reading the JSON notation, and what its schema refuses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

import metatype
from metatype import AttributeType, ChangePolicy, MetatypeError

COMPLETE: dict[str, Any] = {
    "$schema": "https://gatewright.org/schemas/descriptor-v1.json",
    "localization": "l10n/x",
    "extras": {"{urn:f}a": "b"},
    "objectClasses": [
        {
            "id": "o",
            "name": "O",
            "description": "d",
            "icons": [{"resource": "i.png", "size": 16.0}, {"resource": "j.png"}],
            "attributes": [
                {
                    "id": "mode",
                    "type": "String",
                    "cardinality": 2,
                    "required": False,
                    "default": "a, b",
                    "options": [{"value": "a", "label": "A"}, {"value": "b"}],
                    "change": "reactivate",
                },
                {"id": "port", "type": "Integer", "min": "1", "max": "9"},
            ],
        }
    ],
    "designates": [{"pid": "p", "ocdref": "o"}, {"factoryPid": "f", "ocdref": "o"}],
}


def with_attribute(**given: object) -> str:
    return json.dumps({"objectClasses": [{"id": "o", "attributes": [{"id": "a", "type": "Long", **given}]}]})


def test_everything_that_the_notation_has_is_read() -> None:
    metadata = metatype.loads(json.dumps(COMPLETE))
    object_class = metadata.object_classes["o"]
    assert metadata.warnings == ()
    assert (metadata.localization, metadata.extras) == ("l10n/x", {"{urn:f}a": "b"})
    assert metadata.object_class_for("p") is metadata.object_class_for("f~name") is object_class
    assert [(icon.resource, icon.size) for icon in object_class.icons] == [("i.png", 16), ("j.png", None)]
    mode, port = object_class.attributes.values()
    assert mode.default_value == ("a", "b")
    assert [(option.value, option.label) for option in mode.options] == [("a", "A"), ("b", "b")]
    assert (mode.change, mode.required, mode.cardinality) == (ChangePolicy.REACTIVATE, False, 2)
    assert (port.type, port.required, port.cardinality, port.min, port.max) == (
        AttributeType.INTEGER,
        True,
        0,
        "1",
        "9",
    )


def test_it_is_read_from_bytes_with_a_byte_order_mark_and_blanks() -> None:
    assert metatype.loads(b"\xef\xbb\xbf\r\n " + json.dumps(COMPLETE).encode()) == metatype.loads(json.dumps(COMPLETE))


@pytest.mark.parametrize(
    ("document", "element", "attribute"),
    [
        (with_attribute(default="x"), "a", "default"),
        (with_attribute(min="x"), "a", "min"),
        (json.dumps({"objectClasses": [{"id": "o"}, {"id": "o"}]}), "o", "id"),
        (
            json.dumps({"objectClasses": [{"id": "o", "attributes": [{"id": "a", "type": "Long"}] * 2}]}),
            "a",
            "id",
        ),
        (
            json.dumps({"objectClasses": [], "designates": [{"pid": "p", "ocdref": "o"}]}),
            "designates",
            "ocdref",
        ),
    ],
)
def test_what_is_odd_is_read_with_a_warning(document: str, element: str, attribute: str) -> None:
    (warning,) = metatype.loads(document, source="odd.json").warnings
    assert (warning.source, warning.element, warning.attribute) == ("odd.json", element, attribute)


def test_kura_takes_cardinality_one_for_a_scalar() -> None:
    document = with_attribute(cardinality=-1)
    assert metatype.loads(document).object_classes["o"].attributes["a"].coerce(5) == [5]
    assert metatype.loads(document, kura_style=True).object_classes["o"].attributes["a"].coerce(5) == 5


@dataclass(frozen=True)
class Broken:
    what: str
    document: str | bytes
    says: str


@pytest.mark.parametrize(
    "case",
    [
        Broken("torn", '{"objectClasses": [', "x.json:1:20: is no well-formed JSON"),
        Broken("duplicate key", '{"objectClasses": [], "objectClasses": []}', "the key 'objectClasses' twice"),
        Broken("NaN", '{"objectClasses": NaN}', "NaN, which is no JSON"),
        Broken("no UTF-8", b'{"localization": "\xff"}', "is no well-formed JSON"),
        Broken("half a pair", '{"localization": "\\ud800", "objectClasses": []}', "surrogate pair"),
        Broken("thousands of digits", '{"x": ' + "9" * 5000 + "}", "is no well-formed JSON"),
        Broken("deep", "[" * 17 + "]" * 17, "deeper than 16"),
        Broken("very deep", "[" * 200_000, "is no well-formed JSON"),
        Broken("many", "[" + "{}," * 20_000 + "{}]", "more than 20000 objects and lists"),
        Broken("large", '{"x": "' + " " * 2**20 + '"}', "larger than 1048576"),
        Broken("a list", "[]", "the document: [] is not of type 'object'"),
        Broken("nothing", "{}", "'objectClasses' is a required property"),
        Broken("unknown key", '{"objectClasses": [], "ocd": 1}', "'ocd' was unexpected"),
        Broken(
            "unknown type",
            with_attribute(type="Foo"),
            "objectClasses/0/attributes/0/type: 'Foo' is not one of",
        ),
        Broken("unknown change", with_attribute(change="restart"), "'restart' is not one of"),
        Broken("cardinality", with_attribute(cardinality="1"), "'1' is not of type 'integer'"),
        Broken("huge cardinality", with_attribute(cardinality=10**30), "greater than the maximum"),
        Broken("bound that is no text", with_attribute(min=1), "1 is not of type 'string'"),
        Broken("extra", with_attribute(extras={"a": 1}), "extras/a: 1 is not of type 'string'"),
        Broken(
            "two pids",
            json.dumps({"objectClasses": [], "designates": [{"pid": "p", "factoryPid": "f", "ocdref": "o"}]}),
            "designates/0",
        ),
    ],
    ids=lambda case: case.what,
)
def test_what_is_no_descriptor_is_refused(case: Broken) -> None:
    with pytest.raises(MetatypeError) as error:
        metatype.loads(case.document, source="x.json")
    assert case.says in str(error.value)
    assert len(str(error.value)) < 500
    assert error.value.source == "x.json"


def test_the_published_schema_is_a_schema() -> None:
    schema = json.loads(files("metatype").joinpath("descriptor.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == COMPLETE["$schema"]
    assert set(schema["$defs"]["attribute"]["properties"]["type"]["enum"]) == {kind.value for kind in AttributeType}
    assert schema["$defs"]["attribute"]["properties"]["change"]["enum"] == [policy.value for policy in ChangePolicy]
