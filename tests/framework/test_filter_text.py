"""What a filter says of itself and of faults, and how often a text is parsed."""

from __future__ import annotations

import pytest

from framework.filter import Filter, FilterError, mismatch


def test_a_fault_is_shown_with_a_caret_under_it() -> None:
    with pytest.raises(FilterError) as caught:
        Filter.parse("(&(a=b)(c<d))")
    _, text, caret = str(caught.value).splitlines()
    assert text[caret.index("^")] == "<"


def test_a_long_text_is_shown_only_round_its_fault() -> None:
    with pytest.raises(FilterError) as caught:
        Filter.parse("(a=" + "x" * 60_000 + "(" + "y" * 60_000 + ")")
    _, text, caret = str(caught.value).splitlines()
    assert text[caret.index("^")] == "("
    assert len(text) < 120
    assert len(caught.value.text) > 120_000


def test_long_texts_are_not_cached() -> None:
    # Filters come from outside: a cache of texts of any length could fill the memory.
    text = "(a=" + "x" * 10_000 + ")"
    assert Filter.parse(text) == Filter.parse(text)
    assert Filter.parse(text) is not Filter.parse(text)


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    with pytest.raises(FilterError) as caught:
        Filter.parse("(a=\x1b[2J")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "equalities"),
    [
        ("(A=b)", {("a", "b")}),
        (r"(a=\*)", {("a", "*")}),
        ("(&(a=b)(c=d)(e>=f))", {("a", "b"), ("c", "d")}),
        ("(|(a=b)(c=d))", set()),
        ("(|(&(a=b)(c=d))(&(a=b)(e=f)))", {("a", "b")}),
        ("(&(a=b)(!(c=d)))", {("a", "b")}),
        ("(a=b*)", set()),
        ("(a=*)", set()),
        ("(a~=b)", set()),
    ],
)
def test_a_filter_tells_what_it_requires(text: str, equalities: set[tuple[str, str]]) -> None:
    assert Filter.parse(text).required_equalities == equalities


def test_a_text_is_parsed_once() -> None:
    assert Filter.parse("(cached=yes)") is Filter.parse("(cached=yes)")


def test_the_cache_has_a_bound() -> None:
    first = Filter.parse("(cached=first)")
    for number in range(10_000):
        Filter.parse(f"(cached={number})")
    assert Filter.parse("(cached=first)") is not first


def test_matching_leaves_the_properties_alone() -> None:
    properties = {"A": ["x"], "b": 1}
    Filter.parse("(&(a=x)(b=1))").matches(properties)
    assert properties == {"A": ["x"], "b": 1}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("(a=1)", None),
        ("(b=2)", "its b is 3"),
        ("(missing=x)", "it has no missing"),
        ("(&(a=1)(b=2))", "its b is 3"),
        ("(|(b=2)(c=x))", "its b is 3 and its c is y, z"),
        ("(!(a=1))", "(a=1) holds"),
        ("(&(a=1)(|(b=3)(c=x))(!(c=z)))", "(c=z) holds"),
    ],
)
def test_a_mismatch_names_the_part_that_does_not_hold(text: str, why: str | None) -> None:
    assert mismatch(Filter.parse(text), {"A": 1, "b": 3, "c": ["y", "z"]}) == why
