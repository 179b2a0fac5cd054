"""Texts and typed values by the rules of an attribute (Compendium R8 105.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatype import Attribute, AttributeType, ChangePolicy, MetatypeError, Option, Secret

T = AttributeType


@dataclass(frozen=True)
class Taken:
    kind: AttributeType
    value: object
    typed: object
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    kind: AttributeType
    value: object
    rule: str
    options: dict[str, Any] = field(default_factory=dict)


def choice(*values: str) -> dict[str, Any]:
    return {"options": tuple(Option(value, value) for value in values)}


OPTIONAL = {"required": False}
LIST = {"cardinality": 3}

TAKEN = [
    Taken(T.STRING, " a, b ", " a, b "),
    Taken(T.STRING, "", ""),
    Taken(T.INTEGER, " +42\n", 42),
    Taken(T.INTEGER, "-2147483648", -(2**31)),
    Taken(T.INTEGER, 42, 42),
    Taken(T.INTEGER, 42.0, 42),
    Taken(T.LONG, "9223372036854775807", 2**63 - 1),
    Taken(T.SHORT, "32767", 32767),
    Taken(T.BYTE, "-128", -128),
    Taken(T.BIG_INTEGER, "9" * 40, int("9" * 40)),
    Taken(T.DOUBLE, "1e3", 1000.0),
    Taken(T.DOUBLE, 3, 3.0),
    Taken(T.FLOAT, ".5", 0.5),
    Taken(T.BIG_DECIMAL, "0.1", Decimal("0.1")),
    Taken(T.BIG_DECIMAL, 0.1, Decimal("0.1")),
    Taken(T.BOOLEAN, " TRUE ", True),
    Taken(T.BOOLEAN, "false", False),
    Taken(T.BOOLEAN, False, False),
    Taken(T.CHARACTER, "\U0001f511", "\U0001f511"),
    Taken(T.CHARACTER, " ", " "),
    Taken(T.PASSWORD, "x", Secret("x")),
    Taken(T.PASSWORD, Secret("x"), Secret("x")),
    Taken(T.PASSWORD, "", Secret("")),
    Taken(T.INTEGER, "", None, OPTIONAL),
    Taken(T.BOOLEAN, " ", None, OPTIONAL),
    Taken(T.CHARACTER, "", None, OPTIONAL),
    Taken(T.INTEGER, None, None, OPTIONAL),
    Taken(T.STRING, "a,b", ["a", "b"], LIST),
    Taken(T.STRING, ["a,b", " c"], ["a,b", " c"], LIST),
    Taken(T.STRING, "", [], LIST),
    Taken(T.STRING, [], [], LIST),
    Taken(T.INTEGER, [1, "2"], [1, 2], LIST),
    Taken(T.INTEGER, (1,), [1], LIST),
    Taken(T.INTEGER, 7, [7], LIST),
    Taken(T.INTEGER, "7", [7], {"cardinality": -1}),
    Taken(T.INTEGER, [], [], {"cardinality": 3, "required": False}),
    Taken(T.PASSWORD, Secret("x"), [Secret("x")], LIST),
    Taken(T.INTEGER, list(range(100)), list(range(100)), {"cardinality": 2**31 - 1}),
    Taken(T.INTEGER, list(range(100)), list(range(100)), {"cardinality": -(2**31)}),
    Taken(T.STRING, "ab", "ab", {"min": "2", "max": "2"}),
    Taken(T.CHARACTER, "m", "m", {"min": "a", "max": "z"}),
    Taken(T.DOUBLE, "1.5", 1.5, {"min": "1.5", "max": "1.50"}),
    Taken(T.STRING, "a", "a", {"min": "many"}),
    Taken(T.INTEGER, " 1 ", 1, choice("1", "2")),
    Taken(T.INTEGER, 1, 1, choice("1", "2")),
    Taken(T.DOUBLE, 1.0, 1.0, choice("1")),
    Taken(T.BOOLEAN, "True", True, choice("true", "false")),
    Taken(T.PASSWORD, Secret("a"), Secret("a"), choice("a")),
    Taken(T.STRING, ["a", "b"], ["a", "b"], {**LIST, **choice("a", "b")}),
]

NO_INTEGERS: tuple[object, ...] = (True, 1.5, float("nan"), float("inf"), 2**31, {}, Secret("1"))

REFUSED = [
    *(Refused(T.INTEGER, text, "type") for text in ("5.0", "1e2", "0x10", "1_000", "٣", "2147483648", "a")),
    *(Refused(T.INTEGER, value, "type") for value in NO_INTEGERS),
    Refused(T.BYTE, "128", "type"),
    Refused(T.SHORT, "-32769", "type"),
    Refused(T.LONG, "9223372036854775808", "type"),
    Refused(T.BIG_INTEGER, "9" * 5000, "type"),
    Refused(T.INTEGER, "", "required"),
    Refused(T.BOOLEAN, " ", "required"),
    Refused(T.STRING, None, "required"),
    *(Refused(T.DOUBLE, text, "type") for text in ("NaN", "inf", "1e999", "1.0f", "0x1p3", "1,5")),
    *(Refused(T.DOUBLE, value, "type") for value in (True, float("nan"), 10**400)),
    Refused(T.FLOAT, "1e39", "type"),
    Refused(T.BIG_DECIMAL, float("inf"), "type"),
    Refused(T.BIG_DECIMAL, False, "type"),
    *(Refused(T.BOOLEAN, value, "type") for value in ("yes", "1", 1)),
    Refused(T.CHARACTER, "ab", "type"),
    Refused(T.STRING, 42, "type"),
    Refused(T.PASSWORD, 42, "type"),
    Refused(T.STRING, ["a"], "cardinality"),
    Refused(T.STRING, "a,b,c,d", "cardinality", LIST),
    Refused(T.STRING, ["a", "b"], "cardinality", {"cardinality": -1}),
    Refused(T.INTEGER, "", "required", LIST),
    Refused(T.INTEGER, [], "required", LIST),
    Refused(T.INTEGER, ["1", ""], "type", LIST),
    Refused(T.STRING, [None], "type", LIST),
    Refused(T.STRING, "a", "min", {"min": "2"}),
    Refused(T.PASSWORD, "abc", "max", {"max": "2"}),
    Refused(T.CHARACTER, "A", "min", {"min": "a"}),
    Refused(T.INTEGER, "0", "min", {"min": "1"}),
    Refused(T.INTEGER, "10", "max", {"max": "9"}),
    Refused(T.INTEGER, "01", "option", choice("1")),
    Refused(T.STRING, "A", "option", choice("a")),
    Refused(T.STRING, "", "option", choice("a")),
    Refused(T.PASSWORD, Secret("b"), "option", choice("a")),
]


@pytest.mark.parametrize("case", TAKEN, ids=str)
def test_value_is_taken(case: Taken) -> None:
    attribute = Attribute("a", case.kind, **case.options)
    assert attribute.problems(case.value) == ()
    typed = attribute.coerce(case.value)
    assert typed == case.typed
    assert type(typed) is type(case.typed)


@pytest.mark.parametrize("case", [case for case in TAKEN if case.typed is not None], ids=str)
def test_typed_value_is_taken_as_it_is(case: Taken) -> None:
    assert Attribute("a", case.kind, **case.options).coerce(case.typed) == case.typed


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_value_is_refused(case: Refused) -> None:
    attribute = Attribute("a", case.kind, **case.options)
    (problem,) = attribute.problems(case.value)
    assert (problem.property, problem.rule) == ("a", case.rule)
    assert problem.accepted
    with pytest.raises(MetatypeError) as error:
        attribute.coerce(case.value)
    (raised,) = error.value.problems
    assert repr(raised) == repr(problem)  # NaN is not equal to itself


def test_every_bad_element_of_a_list_is_named() -> None:
    problems = Attribute("ports", T.INTEGER, cardinality=5, min="1").validate("a, 0, 5, b")
    assert [(problem.rule, problem.value) for problem in problems] == [
        ("type", "a"),
        ("min", "0"),
        ("type", "b"),
    ]
    assert str(problems[1]) == "ports: must be at least 1, not '0'"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (Attribute("p", T.PASSWORD, min="40"), "canary-5a1c"),
        (Attribute("p", T.PASSWORD, max="2"), Secret("canary-5a1c")),
        (Attribute("p", T.PASSWORD, options=(Option("a", "a"),)), "canary-5a1c"),
        (Attribute("p", T.PASSWORD), ["canary-5a1c"]),
        (Attribute("p", T.PASSWORD), {"value": "canary-5a1c"}),
        (Attribute("p", T.PASSWORD, cardinality=1), ["canary-5a1c", "canary-5a1c"]),
    ],
    ids=lambda one: None if isinstance(one, Attribute) else type(one).__name__,
)
def test_no_problem_shows_a_password(attribute: Attribute, value: object) -> None:
    with pytest.raises(MetatypeError) as error:
        attribute.coerce(value)
    assert "canary" not in repr(error.value) + repr(error.value.problems)


def test_a_long_value_is_shown_shortened() -> None:
    (problem,) = Attribute("a", T.INTEGER).validate("x" * 10_000)
    assert len(problem.message) < 200
    assert problem.value == "x" * 10_000


@dataclass(frozen=True)
class Default:
    kind: AttributeType
    text: str | None
    elements: tuple[str, ...] | None
    options: dict[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    "case",
    [
        Default(T.STRING, None, None),
        Default(T.STRING, "", ("",)),
        Default(T.PASSWORD, "", ("",)),
        Default(T.INTEGER, "", None),
        Default(T.CHARACTER, "", None),
        Default(T.CHARACTER, " ", (" ",)),
        Default(T.STRING, "", (), LIST),
        Default(T.PASSWORD, " ", (), LIST),
        Default(T.INTEGER, "", None, LIST),
        Default(T.STRING, "a,b", ("a,b",)),
        Default(T.STRING, r"a\,b\n", (r"a,b\n",)),
        Default(T.STRING, "a\r\nb ", ("a\r\nb ",)),
        Default(T.STRING, r"  a\,b,b\,c,\ c\\,d   ", ("a,b", "b,c", " c\\", "d"), {"cardinality": 9}),
        Default(T.STRING, "a, ,\tb", ("a", "", "b"), LIST),
        Default(T.STRING, r"\d+,\ ", (r"\d+", " "), LIST),
        Default(T.STRING, "a\\", ("a\\",), LIST),
        Default(T.INTEGER, " 1 , 2", ("1", "2"), {"cardinality": -2}),
        Default(T.INTEGER, "1,2,3", None, {"cardinality": -2}),
        Default(T.INTEGER, "x", None),
        Default(T.INTEGER, "0", None, {"min": "1"}),
        Default(T.STRING, "c", None, choice("a", "b")),
        Default(T.STRING, "abc", None, {"max": "2"}),
    ],
    ids=str,
)
def test_default_value(case: Default) -> None:
    assert Attribute("a", case.kind, default=case.text, **case.options).default_value == case.elements


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_any_elements_can_be_written_in_a_default(elements: list[str]) -> None:
    escaped = ("".join(f"\\{one}" if one in ",\\" or one.isspace() else one for one in text) for text in elements)
    attribute = Attribute("a", T.STRING, cardinality=-(2**31), default=",".join(escaped))
    expected = () if elements == [""] else tuple(elements)
    assert attribute.default_value == expected


@given(
    st.sampled_from(AttributeType),
    st.integers(-3, 3),
    st.booleans(),
    st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text()), st.binary()),
)
def test_a_value_is_valid_or_told_what_is_wrong(
    kind: AttributeType, cardinality: int, required: bool, value: object
) -> None:
    attribute = Attribute("a", kind, cardinality=cardinality, required=required)
    if attribute.problems(value):
        with pytest.raises(MetatypeError):
            attribute.coerce(value)
    else:
        typed = attribute.coerce(value)
        assert typed is None or attribute.coerce(typed) == typed


def test_change_policies_are_in_order_of_weight() -> None:
    assert [policy.value for policy in ChangePolicy] == ["modify", "reactivate", "bootstrap"]


def test_only_some_of_many_options_are_shown() -> None:
    options = tuple(Option(f"option-{index}", "") for index in range(1000))
    (problem,) = Attribute("a", T.STRING, options=options).validate("x")
    assert problem.message.startswith("must be one of option-0, option-1, ")
    assert len(problem.message) < 500
