"""Filters against a naive evaluator that was written from the rules alone."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from framework.filter import Filter, FilterError
from tools.fuzz.filters import check

WILDCARD: Final = object()

BLANKS: Final = [" ", "\t", "\u2003", ""]


@dataclass(frozen=True)
class Item:
    """An item as the grammar has it; the value is texts and wildcards."""

    attribute: str
    operator: str
    value: tuple[object, ...]


Tree = Item | tuple[str, tuple[Any, ...]]

LITERALS: Final = (
    *("", " ", "a", "A", "aA", " a\tA ", "b", "ab", "a\u00a0a", "*", "(\\)", "\uffff", "\U0001f600"),
    *("true", " TRUE\n", "false", "yes", "1", " 1 ", "+1", "-2", "1.0", "1.5", " 1.5 ", "15e-1", "1_0", "0x1"),
    *("NaN", "nan", "\u00a01", "ab cd", "abcd"),
)
NUMBERS: Final = (-2, 0, 1, 10, -2.0, 0.0, 1.0, 1.5, math.nan)
OTHERS: Final = (Decimal("1.5"), Decimal(1), PurePosixPath("ab"), {"a": 1}, object())

# Few attributes and values, so that filters and properties meet often.
_attributes = st.sampled_from(["a", "A", "b c"])
_texts = st.sampled_from(LITERALS)
_chunks: st.SearchStrategy[tuple[object, ...]] = st.tuples(st.sampled_from(["a", "b"])) | st.lists(
    _texts.filter(bool) | st.just(WILDCARD), max_size=4
).map(tuple)
_items = st.builds(Item, _attributes, st.sampled_from(["=", "=", "=", "~=", ">=", "<="]), _chunks)


def trees(items: st.SearchStrategy[Item]) -> st.SearchStrategy[Tree]:
    return st.recursive(
        items,
        lambda inner: (
            st.tuples(st.sampled_from("&|"), st.lists(inner, min_size=1, max_size=3).map(tuple))
            | st.tuples(st.just("!"), st.tuples(inner))
        ),
        max_leaves=6,
    )


_scalars = st.sampled_from(["a", "b"]) | st.sampled_from([*LITERALS, *NUMBERS, *OTHERS, True, False, None])
_values = _scalars | st.lists(_scalars, max_size=3) | st.lists(_scalars, max_size=3).map(tuple)
_properties = st.fixed_dictionaries({}, optional={"a": _values, "B C": _values, "z": _values})


def write(draw: st.DrawFn, tree: Tree) -> str:
    """One of the texts that mean the tree."""

    def blanks() -> str:
        return draw(st.sampled_from(BLANKS))

    if not isinstance(tree, Item):
        operator, operands = tree
        inner = "".join(blanks() + write(draw, operand) for operand in operands)
        return f"{blanks()}({blanks()}{operator}{inner}{blanks()}){blanks()}"
    value = ""
    for chunk in tree.value:
        if chunk is WILDCARD:
            value += "*"
            continue
        assert isinstance(chunk, str)
        for character in chunk:
            # A blank after the wildcard of a presence would be one too: it is always quoted.
            quoted = character in "*()\\" or (character.isspace() and "*" in value) or draw(st.booleans())
            value += "\\" + character if quoted else character
    return f"({blanks()}{tree.attribute}{blanks()}{tree.operator}{value})"


def naive(tree: Tree, properties: dict[str, Any]) -> bool:
    """Whether properties match, straight from the rules."""
    if not isinstance(tree, Item):
        operator, operands = tree
        results = [naive(operand, properties) for operand in operands]
        if operator == "!":
            return not results[0]
        return all(results) if operator == "&" else any(results)
    found = [value for key, value in properties.items() if key.lower() == tree.attribute.lower()]
    if not found or found[0] is None:
        return False
    if tree.operator == "=" and tree.value == (WILDCARD,):
        return True
    elements = found[0] if isinstance(found[0], list | tuple) else [found[0]]
    return any(naive_element(tree, element) for element in elements)


def naive_element(item: Item, value: Any) -> bool:
    if item.operator == "=" and WILDCARD in item.value:
        pattern = "".join(".*" if part is WILDCARD else re.escape(str(part)) for part in item.value)
        return isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL) is not None
    literal = "".join("*" if part is WILDCARD else str(part) for part in item.value)
    try:
        return value is not None and naive_comparison(item.operator, value, literal)
    except (ArithmeticError, TypeError, ValueError):
        return False


def naive_comparison(operator: str, value: Any, literal: str) -> bool:
    """The comparison of one value; a literal that its type cannot read raises."""
    if isinstance(value, bool):
        return value is (literal.strip(" \n").lower() == "true")
    if isinstance(value, str) and operator == "~=":
        return squeezed(value) == squeezed(literal)
    if isinstance(value, str):
        return ordered(operator, code_units(value), code_units(literal))
    if isinstance(value, int) and re.fullmatch("[-+]?[0-9]+", literal.strip(" \n")) is None:
        return False
    if isinstance(value, float):
        if not re.fullmatch(r"[-+]?([0-9.]+(e[-+]?[0-9]+)?|NaN)", literal.strip(" \n")):
            return False
        return ordered(operator, java_order(value), java_order(float(literal.strip(" \n"))))
    return ordered(operator, value, type(value)(literal))


def java_order(number: float) -> tuple[bool, float]:
    return (True, 0.0) if math.isnan(number) else (False, number)


def code_units(text: str) -> list[int]:
    units: list[int] = []
    for point in map(ord, text):
        above = point - 0x10000
        units += [point] if above < 0 else [0xD800 + (above >> 10), 0xDC00 + (above & 0x3FF)]
    return units


def squeezed(text: str) -> str:
    return re.sub(r"[ \n\t]", "", text).lower()


def ordered(operator: str, value: Any, literal: Any) -> bool:
    if operator == ">=":
        return bool(value >= literal)
    return bool(value <= literal) if operator == "<=" else bool(value == literal)


def quoted(value: tuple[object, ...]) -> str:
    return "".join("*" if part is WILDCARD else re.sub(r"([*()\\])", r"\\\1", str(part)) for part in value)


@pytest.mark.parametrize("operator", ["=", "~=", ">=", "<="])
def test_every_literal_compares_with_every_value_as_the_naive_evaluator_says(operator: str) -> None:
    alone: list[object] = [*LITERALS, *NUMBERS, *OTHERS, True, False, None]
    together = [[one, other] for one in ("x", 1, 1.5, None) for other in ("1", 2, True, Decimal("1.5"))]
    for literal in LITERALS:
        if not literal and operator != "=":
            continue
        item = Item("a", operator, (literal,) if literal else ())
        parsed = Filter.parse(f"(a{operator}{quoted(item.value)})")
        for value in [*alone, *together]:
            assert parsed.matches({"A": value}) is naive(item, {"A": value}), (literal, value)


def test_every_short_pattern_matches_every_short_text_as_the_naive_evaluator_says() -> None:
    texts = ["".join(letters) for length in range(5) for letters in itertools.product("ab", repeat=length)]
    for length in range(1, 6):
        for pattern in itertools.product(("a", "b", WILDCARD), repeat=length):
            item = Item("a", "=", pattern)
            parsed = Filter.parse(f"(a={quoted(pattern)})")
            for text in texts:
                assert parsed.matches({"a": text}) is naive(item, {"a": text}), (str(parsed), text)


@given(st.data(), trees(_items), _properties)
def test_filters_match_as_the_naive_evaluator_says(data: st.DataObject, tree: Tree, properties: dict[str, Any]) -> None:
    text = data.draw(st.composite(write)(tree), label="text")
    try:
        parsed = Filter.parse(text)
    except FilterError:
        assert has_empty_value(tree)
        return
    assert not has_empty_value(tree)
    assert parsed.matches(properties) is naive(tree, properties)
    assert Filter.parse(str(parsed)) == parsed


def has_empty_value(tree: Tree) -> bool:
    """Whether an operator other than `=` stands before nothing."""
    if isinstance(tree, Item):
        return tree.operator != "=" and not any(tree.value)
    return any(has_empty_value(operand) for operand in tree[1])


@given(st.text(alphabet="()&|!=<>~*\\ ab1", max_size=30) | st.text(max_size=30))
def test_any_text_is_a_filter_or_an_error_with_a_place(text: str) -> None:
    if (position := place_of_fault(text)) is not None:
        assert 0 <= position <= len(text)
        return
    parsed = Filter.parse(text)
    again = Filter.parse(str(parsed))
    assert (again, hash(again), str(again)) == (parsed, hash(parsed), str(parsed))


def place_of_fault(text: str) -> int | None:
    try:
        Filter.parse(text)
    except FilterError as error:
        return error.position
    return None


@given(
    trees(st.builds(Item, _attributes, st.just("="), st.tuples(st.sampled_from("ab")))),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("A", "B c"), st.sampled_from(["a", "b", ["a", "b"], 1]))),
    st.data(),
)
def test_required_equalities_hold_wherever_the_filter_matches(
    tree: Tree, properties: dict[str, Any], data: st.DataObject
) -> None:
    parsed = Filter.parse(data.draw(st.composite(write)(tree)))
    assume(parsed.matches(properties))
    folded = {key.lower(): value for key, value in properties.items()}
    for attribute, literal in parsed.required_equalities:
        value = folded[attribute]
        elements = value if isinstance(value, list | tuple) else [value]
        assert any(element == literal or not isinstance(element, str) for element in elements)


@given(st.text(alphabet="()&|!=<>~*\\ ab1", max_size=30) | st.text(max_size=30))
def test_the_target_of_fuzzers_finds_nothing(text: str) -> None:
    check(text.encode("utf-8", "surrogateescape"))
