"""Whole configurations: unknown and missing properties, defaults, all problems at once."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from metatype import (
    Attribute,
    AttributeType,
    Designate,
    MetaData,
    MetatypeError,
    ObjectClass,
    Secret,
    is_common,
)

T = AttributeType
SERVER = ObjectClass(
    "server",
    "Server",
    attributes={
        one.id: one
        for one in (
            Attribute("url", T.STRING, min="1"),
            Attribute("port", T.INTEGER, default="443", min="1", max="65535"),
            Attribute("password", T.PASSWORD, default="changeit"),
            Attribute("note", T.STRING, required=False),
            Attribute("timeout", T.INTEGER, required=False),
            Attribute("names", T.STRING, cardinality=5, default="a,b"),
            Attribute("odd", T.INTEGER, required=False, default="x"),
        )
    },
)


def test_defaults_are_filled_and_texts_typed() -> None:
    assert SERVER.coerce({"url": "u", "port": "80"}) == {
        "url": "u",
        "port": 80,
        "password": Secret("changeit"),
        "names": ["a", "b"],
    }


def test_absent_values_leave_the_default_or_nothing() -> None:
    typed = SERVER.coerce({"url": "u", "port": None, "note": None, "timeout": ""})
    assert typed["port"] == 443
    assert not typed.keys() & {"note", "timeout", "odd"}


def test_all_problems_are_told_at_once() -> None:
    given = {"port": 0, "prot": 1, "note": 5, "password": 7}
    problems = SERVER.validate(given)
    assert {(problem.property, problem.rule) for problem in problems} == {
        ("url", "required"),
        ("port", "min"),
        ("prot", "unknown"),
        ("note", "type"),
        ("password", "type"),
    }
    with pytest.raises(MetatypeError, match="prot: is not a property of server") as error:
        SERVER.coerce(given)
    assert error.value.problems == problems


def test_an_explicit_empty_value_is_no_request_for_the_default() -> None:
    assert [problem.rule for problem in SERVER.validate({"url": "u", "port": ""})] == ["required"]
    assert SERVER.coerce({"url": "u", "names": []})["names"] == []


def test_the_value_of_an_unknown_property_is_not_shown() -> None:
    (problem,) = SERVER.validate({"url": "u", "pasword": "canary-5a1c"})
    assert "canary" not in repr(problem)
    assert problem.accepted == "one of url, port, password, note, timeout, names, odd"


def test_unknown_properties_may_be_kept() -> None:
    assert SERVER.validate({"url": "u", "x": 1}, unknown="keep") == ()
    assert SERVER.coerce({"url": "u", "x": 1}, unknown="keep")["x"] == 1


def test_unknown_properties_may_be_reported_and_kept() -> None:
    (problem,) = SERVER.validate({"url": "u", "x": 1}, unknown="report")
    assert (problem.property, problem.rule, problem.fatal) == ("x", "unknown", False)
    assert SERVER.coerce({"url": "u", "x": 1}, unknown="report")["x"] == 1
    with pytest.raises(MetatypeError) as error:
        SERVER.coerce({"x": 1}, unknown="report")
    assert [one.property for one in error.value.problems] == ["url"]


@pytest.mark.parametrize(
    ("description", "shown", "is_text_area"),
    [
        (None, None, False),
        ("plain", "plain", False),
        ("A script.|TextArea", "A script.", True),
        ("a|b |TEXTAREA ", "a|b", True),
        ("|TextArea|", "|TextArea|", False),
        ("TextArea", "TextArea", False),
        ("a|TextArea|b", "a|TextArea|b", False),
    ],
)
def test_kuras_text_area_hint_is_the_last_part_of_a_description(
    description: str | None, shown: str | None, is_text_area: bool
) -> None:
    attribute = Attribute("a", T.STRING, description=description)
    assert (attribute.shown_description, attribute.is_text_area) == (shown, is_text_area)
    assert attribute.description == description


def test_targets_and_identities_need_no_attribute() -> None:
    given = {
        "url": "u",
        "KeystoreService.target": "(a=b)",
        "kura.service.pid": "name",
        "kura.ui.service.hide": True,
        "service.ranking": 5,
        "component.tags": ["a", "b"],
    }
    assert all(is_common(name) for name in given.keys() - {"url"})
    assert SERVER.validate(given) == ()
    assert SERVER.coerce(given).items() >= given.items()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("K.target", 5),
        ("kura.service.pid", True),
        ("service.pid", ["a"]),
        ("service.x", {}),
        ("component.x", [None]),
    ],
)
def test_targets_and_identities_have_simple_values(name: str, value: object) -> None:
    (problem,) = SERVER.validate({"url": "u", name: value})
    assert (problem.property, problem.rule) == (name, "type")


def test_the_model_cannot_be_changed_through_what_it_was_made_of() -> None:
    attributes = {"a": Attribute("a", T.STRING)}
    object_class = ObjectClass("o", "O", attributes=attributes)
    attributes.clear()
    assert list(object_class.attributes) == ["a"]
    assert isinstance(object_class.attributes, MappingProxyType)


def test_object_class_of_a_pid() -> None:
    single, made = ObjectClass("single", "s"), ObjectClass("made", "m")
    metadata = MetaData(
        object_classes={"single": single, "made": made},
        designates=(Designate("single", pid="a.Single"), Designate("made", factory_pid="a.Factory")),
    )
    assert metadata.object_class_for("a.Single") is single
    assert metadata.object_class_for("a.Factory") is made
    assert metadata.object_class_for("a.Factory~name~x") is made
    assert metadata.object_class_for("a.Single~name") is None
    assert metadata.object_class_for("a.Other") is None
