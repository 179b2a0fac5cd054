"""Reading the JSON notation, and what its schema refuses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metatype
from metatype import AttributeType, ChangePolicy, MetatypeError, TextFormat
from metatype.json_places import places

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    assert (warning.line, warning.column) == (1, 1 + document.rindex("{"))


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
        Broken(
            "duplicate key",
            '{"objectClasses": [],\n "objectClasses": []}',
            "x.json:2:2: has the key 'objectClasses' twice",
        ),
        Broken("NaN", '{"objectClasses": NaN}', "x.json:1:19: has NaN, which is no JSON"),
        Broken("no UTF-8", b'{"localization":\n "\xff"}', "x.json:2:3: is no well-formed JSON"),
        Broken(
            "half a pair",
            '{"localization": "\\ud800", "objectClasses": []}',
            "x.json:1:18: has half of a surrogate pair",
        ),
        Broken("thousands of digits", '{"x": ' + "9" * 5000 + "}", "x.json:1:7: has a number of more than 4300 digits"),
        Broken("deep", "[" * 17 + "]" * 17, "x.json:1:17: nests deeper than 16"),
        Broken("very deep", "[" * 200_000, "x.json:1:17: nests deeper than 16"),
        Broken("many", "[" + "{}," * 20_000 + "{}]", "x.json:1:59999: has more than 20000 objects and lists"),
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
        Broken("unknown format", with_attribute(format="x"), "'x' is not one of"),
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
    assert schema["$defs"]["attribute"]["properties"]["format"]["enum"] == [one.value for one in TextFormat]


KURA: dict[str, Any] = {
    "id": "o",
    "name": "O",
    "description": "d",
    "icon": [{"resource": "OSGI-INF/o.png", "size": "32"}],
    "ad": [
        {
            "id": "mode",
            "type": "STRING",
            "name": "Mode",
            "cardinality": 0,
            "isRequired": True,
            "defaultValue": "a",
            "option": [{"label": "The A", "value": "a"}, {"value": "b"}],
        },
        {"id": "port", "type": "Char", "min": "a", "max": None, "isRequired": False},
    ],
}


def test_an_object_class_as_kuras_rest_interface_answers_it_is_read() -> None:
    metadata = metatype.loads(json.dumps(KURA))
    (object_class,) = metadata.object_classes.values()
    assert (object_class.name, object_class.description, object_class.icons[0].size) == ("O", "d", 32)
    mode, port = object_class.attributes.values()
    assert (mode.type, mode.required, mode.default_value) == (AttributeType.STRING, True, ("a",))
    assert [(option.value, option.label) for option in mode.options] == [("a", "The A"), ("b", "b")]
    assert (port.type, port.required, port.min, port.max) == (AttributeType.CHARACTER, False, "a", None)
    assert metadata.designates == ()
    assert metatype.loads(metatype.dumps(metadata)) == metadata
    assert metatype.loads(metatype.dumps(metadata, "json")) == metadata


@pytest.mark.parametrize("answer", [{"pid": "p", "definition": KURA}, {"configs": [{"pid": "p", "definition": KURA}]}])
def test_a_configuration_of_kuras_brings_its_definition_for_its_pid(answer: dict[str, Any]) -> None:
    metadata = metatype.loads(json.dumps(answer | {"properties": {"ignored": 1}}))
    assert metadata.object_class_for("p") == metatype.loads(json.dumps(KURA)).object_classes["o"]


def test_cardinality_one_in_kuras_answer_is_a_scalar_if_that_is_asked_for() -> None:
    document = json.dumps({"id": "o", "ad": [{"id": "a", "type": "LONG", "cardinality": 1}]})
    assert metatype.loads(document).object_classes["o"].attributes["a"].coerce("5") == [5]
    assert metatype.loads(document, kura_style=True).object_classes["o"].attributes["a"].coerce("5") == 5


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ('{"id": "o",\n "ad": [{"id": "a", "type": "FOO"}]}', "k.json:2:29: ad/0/type: the type 'FOO' is unknown"),
        ('{"id": "o",\n "ad": [{"id": "a"}]}', "k.json:2:9: ad/0: 'type' is a required property"),
        ('{"id": "o", "ad": [{"id": "a", "type": "LONG", "isRequired": 1}]}', "1 is not of type 'boolean', 'null'"),
        ('{"id": "o", "icon": {"resource": "i", "size": "big"}}', "'big' does not match"),
        ('{"ad": []}', "the document: 'id' is a required property"),
        ('{"configs": {}}', "configs: {} is not of type 'array'"),
        ('{"configs": [{"definition": {"name": "o"}}]}', "configs/0/definition: 'id' is a required property"),
    ],
)
def test_what_is_no_answer_of_kuras_is_refused(document: str, says: str) -> None:
    with pytest.raises(MetatypeError) as error:
        metatype.loads(document, source="k.json")
    assert says in str(error.value)


def test_warnings_on_kuras_answer_have_its_own_places() -> None:
    document = '{"configs": [{"definition":\n{"id": "o", "ad": [\n{"id": "a", "type": "LONG", "defaultValue": "x"}]}}]}'
    (warning,) = metatype.loads(document).warnings
    assert (warning.line, warning.column, warning.element, warning.attribute) == (3, 1, "a", "default")


@pytest.mark.parametrize("name", ["descriptor.schema.json", "kura.schema.json"])
def test_the_schemas_are_published_with_the_package(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(files("metatype").joinpath(name).read_text("utf-8")))


@given(
    st.recursive(
        st.text(max_size=4) | st.integers() | st.none(),
        lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=4), one, max_size=3),
        max_leaves=12,
    ),
    st.sampled_from([None, 1]),
)
def test_every_value_is_found_where_it_stands(document: Any, indent: int | None) -> None:
    text = json.dumps(document, indent=indent)

    def paths(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
        yield path, value
        for key, below in enumerate(value) if isinstance(value, list) else getattr(value, "items", tuple)():
            yield from paths(below, (*path, key))

    values = dict(paths(document, ()))
    found = places(text, values.keys())
    lines = text.splitlines(keepends=True)
    for path, value in values.items():
        line, column = found[path]
        rest = "".join(lines[line - 1 :])[column - 1 :]
        assert json.JSONDecoder().raw_decode(rest)[0] == value
