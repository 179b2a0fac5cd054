"""The thirteen rules of OSGi's filters, each by name."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Final
from uuid import UUID

import pytest

from framework.errors import FrameworkError
from framework.filter import Filter, FilterError

ABSENT: Final = object()


@dataclass(frozen=True)
class Case:
    """Whether a filter matches where `a` has a value."""

    filter: str
    value: object
    matches: bool

    def check(self) -> None:
        properties = {} if self.value is ABSENT else {"a": self.value}
        assert Filter.parse(self.filter).matches(properties) is self.matches


@dataclass(frozen=True)
class Fault:
    """Where a text ceases to be a filter."""

    text: str
    position: int


def cases(*rows: tuple[str, object, bool]) -> pytest.MarkDecorator:
    def name(case: Case) -> str:
        """The same in every run: without where an object stands in memory."""
        return re.sub(r" at 0x[0-9a-f]+", "", repr(case))[:80]

    return pytest.mark.parametrize("case", [Case(*row) for row in rows], ids=name)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("", 0),
        Fault("   ", 3),
        Fault("a=b", 0),
        Fault("(a=b", 4),
        Fault("()", 1),
        Fault("(a)", 2),
        Fault("(&)", 2),
        Fault("(|)", 2),
        Fault("(!)", 2),
        Fault("(=b)", 1),
        Fault("(a=b)c", 5),
        Fault("(a=b) (c=d)", 6),
        Fault("(a=b))", 5),
        Fault("(&(a=b)", 7),
        Fault("(&(a=b)c=d)", 7),
        Fault("(!(a=b)(c=2))", 7),
        Fault("(a=1)(b=2)", 5),
    ],
    ids=lambda fault: fault.text,
)
def test_rule_1_what_is_no_filter_is_an_error_at_its_place(fault: Fault) -> None:
    with pytest.raises(FilterError) as caught:
        Filter.parse(fault.text)
    assert caught.value.position == fault.position
    assert caught.value.text == fault.text
    assert str(fault.position) in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FrameworkError)


def test_rule_1_no_text_is_an_error() -> None:
    with pytest.raises(FilterError):
        Filter.parse(None)  # type: ignore[arg-type]  # what an untyped caller may pass


@pytest.mark.parametrize("text", ["(&(a=b))", "(|(a=b)(c=d)(e=f))", "(!(a=b))", "(&(|(a=b)(!(c=d)))(e=f))"])
def test_rule_1_lists_and_negations_nest(text: str) -> None:
    assert str(Filter.parse(text)) == text


def test_rule_1_blanks_may_stand_round_the_structure() -> None:
    assert str(Filter.parse(" ( & \t(a=b)\n( ! ( c=d) ) ) ")) == "(&(a=b)(!(c=d)))"


@pytest.mark.parametrize("opening", ["(", "(&", "(!", "(|(a=b)", "(&(!"])
def test_rule_1_any_depth_is_an_error_or_works(opening: str) -> None:
    with pytest.raises(FilterError):
        Filter.parse(opening * 20_000)
    deep = "(!" * 50_000 + "(a=b)" + ")" * 50_000
    with pytest.raises(FilterError, match="levels"):
        Filter.parse(deep)


def test_rule_1_ordinary_depths_work() -> None:
    text = "(!" * 64 + "(a=b)" + ")" * 64
    assert Filter.parse(text).matches({"a": "b"})
    assert str(Filter.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ("(&=c)", "&", "c"),
        ("(|=c)", "|", "c"),
        ("(!=c)", "!", "c"),
        ("(!  ab=b)", "!  ab", "b"),
        ("(&a=b)", "&a", "b"),
        ("(a!=1)", "a!", "1"),
        ("(a&|!=1)", "a&|!", "1"),
    ],
)
def test_rule_2_an_operator_without_parenthesis_begins_a_name(text: str, attribute: str, value: str) -> None:
    assert Filter.parse(text).matches({attribute: value})
    assert str(Filter.parse(text)) == text


def test_rule_3_blanks_round_an_attribute_are_ignored_and_inside_kept() -> None:
    assert Filter.parse("(  my  key\t=b)").matches({"my  key": "b"})
    assert not Filter.parse("(my key=b)").matches({"my  key": "b"})


@pytest.mark.parametrize("blank", ["\u2003", "\u3000", "\u1680", "\u2028", "\x1c", "\x0b"])
def test_rule_3_blanks_are_javas(blank: str) -> None:
    assert str(Filter.parse(f"{blank}({blank}a{blank}=b){blank}")) == "(a=b)"


@pytest.mark.parametrize("letter", ["\u00a0", "\u2007", "\u202f", "\x85", "\u200b", "\ufeff"])
def test_rule_3_what_does_not_break_is_no_blank(letter: str) -> None:
    assert Filter.parse(f"({letter}a=b)").matches({f"{letter}a": "b"})
    with pytest.raises(FilterError):
        Filter.parse(f"(a=b){letter}")


def test_rule_3_an_attribute_is_compared_without_case() -> None:
    assert Filter.parse("(Kura.Service.PID=X)").matches({"kura.service.pid": "X"})
    assert Filter.parse("(kura.service.pid=X)").matches({"KURA.service.Pid": "X"})
    assert Filter.parse("(OBJECTCLASS=*)").matches({"objectClass": ["A"]})


def test_rule_3_an_attribute_has_no_escapes() -> None:
    assert Filter.parse("(a\\b=c)").matches({"a\\b": "c"})
    with pytest.raises(FilterError):
        Filter.parse("(a\\(b=c)")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("(a<b)", 2),
        Fault("(a>b)", 2),
        Fault("(a~b)", 2),
        Fault("(a<)", 2),
        Fault("(a~=)", 4),
        Fault("(a>=)", 4),
        Fault("(a<=)", 4),
    ],
    ids=lambda fault: fault.text,
)
def test_rule_4_half_operators_and_empty_values_are_errors(fault: Fault) -> None:
    with pytest.raises(FilterError) as caught:
        Filter.parse(fault.text)
    assert caught.value.position == fault.position


@cases(
    ("(a=)", "", True),
    ("(a=)", " ", False),
    ("(a=)", ABSENT, False),
    ("(a=)", 0, False),
    ("(a>= )", " ", True),
    ("(a<=b)", "a", True),
    ("(a>=b)", "a", False),
)
def test_rule_4_an_empty_value_is_legal_for_equality(case: Case) -> None:
    case.check()


@cases(
    ("(a= b )", " b ", True),
    ("(a= b )", "b", False),
    (r"(a=\(\)\*\\)", r"()*\ ".rstrip(), True),
    (r"(a=\b)", "b", True),
    (r"(a=\2a)", "2a", True),
    (r"(a=\2a)", "*", False),
    ("(a==<>~&|!)", "=<>~&|!", True),
    (r"(a=\ )", " ", True),
    ("(a=line\nbreak)", "line\nbreak", True),
    ("(a=ü€😀)", "ü€😀", True),
)
def test_rule_5_values_are_what_they_say(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("fault", [Fault("(a=b(c)", 4), Fault("(a=b\\", 5), Fault("(a=b\\)", 6)])
def test_rule_5_a_parenthesis_must_be_quoted_and_a_quote_must_quote(fault: Fault) -> None:
    with pytest.raises(FilterError) as caught:
        Filter.parse(fault.text)
    assert caught.value.position == fault.position


@cases(
    ("(a=*)", "x", True),
    ("(a=*)", "", True),
    ("(a=*)", [], True),
    ("(a=*)", 0, True),
    ("(a=*)", False, True),
    ("(a=*)", None, False),
    ("(a=*)", ABSENT, False),
    ("(a=*  )", 7, True),
    (r"(a=\*)", "x", False),
    (r"(a=\*)", "*", True),
)
def test_rule_6_presence(case: Case) -> None:
    case.check()


@cases(
    ("(a=a*)", "abc", True),
    ("(a=*c)", "abc", True),
    ("(a=*b*)", "abc", True),
    ("(a=a*c)", "abc", True),
    ("(a=a*c)", "ac", True),
    ("(a=a*c)", "abcd", False),
    ("(a=ab*ba)", "aba", False),
    ("(a=*ab*ba*)", "aba", False),
    ("(a=*ab*ba*)", "abba", True),
    ("(a=a**c)", "abc", True),
    ("(a=**)", "anything", True),
    ("(a=**)", "", True),
    ("(a=**)", 5, False),
    ("(a=***)", ABSENT, False),
    ("(a=4*)", 42, False),
    ("(a=a*z)", "a\n\nz", True),
    ("(a~=*)", "*", True),
    ("(a~=*)", "x", False),
    ("(a>=*)", "*", True),
    ("(a<=b*)", "b*", True),
    ("(a~=b*)", "bcd", False),
    (r"(a=a\**)", "a*b", True),
    (r"(a=a\**)", "ab", False),
    ("(a= *)", " b", True),
    ("(a= *)", "b", False),
    ("(a=b*)", ["a", "b1"], True),
)
def test_rule_7_wildcards(case: Case) -> None:
    case.check()


@cases(
    ("(a=B)", "b", False),
    ("(a>=b)", "c", True),
    ("(a>=B)", "a", True),
    ("(a<=\uffff)", "\U0001f600", True),  # by code unit the surrogate comes first; by code point it would not
    ("(a=5)", 5, True),
    ("(a= +5 )", 5, True),
    ("(a=-5)", -5, True),
    ("(a>=5)", 6, True),
    ("(a<=5)", 6, False),
    ("(a=5.0)", 5, False),
    ("(a<=1e2)", 5, False),
    ("(a>=0x10)", 500, False),
    ("(a=1_000)", 1000, False),
    ("(a=\u0665)", 5, False),
    ("(a>=five)", 6, False),
    ("(a=*5)", 5, False),
    ("(a=123456789012345678901234567890)", 123456789012345678901234567890, True),
    (f"(a<={'9' * 5000})", 5, False),
    ("(a>=4)", HTTPStatus.OK, True),
    ("(a=OK)", HTTPStatus.OK, False),
    ("(a=2.5)", 2.5, True),
    ("(a= 25e-1 )", 2.5, True),
    ("(a=.5)", 0.5, True),
    ("(a>=2)", 2.5, True),
    ("(a=NaN)", math.nan, True),
    ("(a=NaN)", 1.0, False),
    ("(a=1_0.0)", 10.0, False),
    ("(a<=inf)", 1.0, False),
    ("(a<=one)", 1.0, False),
    ("(a=true)", True, True),
    ("(a= TRUE )", True, True),
    ("(a=yes)", True, False),
    ("(a=yes)", False, True),
    ("(a=false)", False, True),
    ("(a=)", False, True),
    ("(a=1)", True, False),
    ("(a>=true)", True, True),
    ("(a<=true)", False, False),
    ("(a>=false)", True, False),
    ("(a~=true)", True, True),
)
def test_rule_8_the_type_decides(case: Case) -> None:
    case.check()


@cases(
    ("(a~=helloworld)", "Hello World", True),
    ("(a~= He LLo\tworld)", "hello\u2003world", True),
    ("(a~=helloworld)", "hello\u00a0world", False),
    ("(a~=hello)", "hell", False),
    ("(a~=5)", 5, True),
    ("(a~=5)", 6, False),
    ("(a~=2.50)", 2.5, True),
    ("(a~=b)", ["A", "B"], True),
)
def test_rule_9_approximately(case: Case) -> None:
    case.check()


class Colour:
    """Has a constructor that takes a text, equality, and no order."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Colour) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


class Grumpy(Colour):
    """Raises whenever it is compared."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("leave me alone")

    __hash__ = Colour.__hash__


class Nullary:
    """Cannot be made from a text."""


@cases(
    ("(a>=1.10)", Decimal("1.2"), True),
    ("(a<=1.10)", Decimal("1.2"), False),
    ("(a=no number)", Decimal("1.2"), False),
    ("(a=12345678-1234-1234-1234-123456789abc)", UUID("12345678-1234-1234-1234-123456789ABC"), True),
    ("(a=/etc/hosts)", PurePosixPath("/etc/hosts"), True),
    ("(a=red)", Colour("red"), True),
    ("(a>=red)", Colour("red"), True),
    ("(a>=blue)", Colour("red"), False),
    ("(a~=red)", Colour("red"), True),
    ("(a=red)", Grumpy("red"), False),
    ("(!(a=red))", Grumpy("red"), True),
    ("(a=x)", Nullary(), False),
    ("(a=*)", Nullary(), True),
    ("(a=x*)", PurePosixPath("xy"), False),
)
def test_rule_10_other_types_are_made_from_the_literal(case: Case) -> None:
    case.check()


@cases(
    ("(a=3)", [1, 2, 3], True),
    ("(a=3)", (1, 2), False),
    ("(a=3)", frozenset({"3"}), True),
    ("(a=3)", ["x", None, 3.0, False], True),
    ("(a=3)", [], False),
    ("(a=3)", [None], False),
    ("(!(a=3))", [1, 2, 3], False),
    ("(!(a=3))", [1, 2], True),
    ("(&(a>=2)(a<=1))", [0, 5], True),
)
def test_rule_11_any_element_suffices(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("comparison", ["(x=1)", "(x=)", "(x~=1)", "(x>=1)", "(x<=1)", "(x=*)", "(x=1*)", "(x=**)"])
@pytest.mark.parametrize("properties", [{}, {"x": None}], ids=["absent", "none"])
def test_rule_12_what_is_missing_matches_nothing(comparison: str, properties: dict[str, None]) -> None:
    assert not Filter.parse(comparison).matches(properties)
    assert Filter.parse(f"(!{comparison})").matches(properties)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" ( a = b ) ", "(a= b )"),
        ("( & ( a=b ) ( | (c=d) ) )", "(&(a=b )(|(c=d)))"),
        (r"(a=\b\*\(\)\\)", r"(a=b\*\(\)\\)"),
        ("(a=*  )", "(a=*)"),
        ("(a=b**c***)", "(a=b*c*)"),
        ("(a=***)", "(a=**)"),
        ("(a>=*)", r"(a>=\*)"),
        ("(Mixed Case =x)", "(Mixed Case=x)"),
    ],
)
def test_rule_13_the_text_form_is_normal(text: str, normal: str) -> None:
    one, other = Filter.parse(text), Filter.parse(normal)
    assert str(one) == normal
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one) == f"Filter({normal!r})"


def test_rule_13_different_filters_are_different() -> None:
    assert Filter.parse("(a=b)") != Filter.parse("(a=B)")
    assert Filter.parse("(a=*)") != Filter.parse("(a=**)")
    assert Filter.parse("(a=b)") != "(a=b)"
