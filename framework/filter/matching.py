"""A tree compiled to one function over properties with lower-case keys (Core R8 3.2.7.1).

The property's type decides how its literal is read; what cannot be read so makes the comparison false.
"""

from __future__ import annotations

import math
import operator
import re
from typing import TYPE_CHECKING, Any, Final

from framework.filter.parser import is_blank
from framework.filter.tree import And, Comparison, Node, Not, Operator, Or, Presence, Substring
from framework.foreign import let_interruption_pass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Matcher = Callable[[Mapping[str, Any]], bool]
    Test = Callable[[Any], bool]

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_FLOAT: Final = re.compile(r"[+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?)")
_JAVA_TRIM: Final = "".join(map(chr, range(0x21)))
_SINGLE: Final = frozenset({str, int, float, bool})
_MULTIPLE: Final = (tuple, list, set, frozenset)
_COMPARISONS: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQUAL: operator.eq,
    Operator.APPROXIMATE: operator.eq,
    Operator.GREATER_OR_EQUAL: operator.ge,
    Operator.LESS_OR_EQUAL: operator.le,
}


def compile_matcher(node: Node, key_of: Callable[[str], str] = str.lower) -> Matcher:
    """The function that tells whether properties match.

    Args:
        node: The filter.
        key_of: Makes an attribute the key that it is looked up by; in lower case unless told otherwise.
    """
    match node:
        case And(operands):
            return _all(tuple(compile_matcher(operand, key_of) for operand in operands))
        case Or(operands):
            return _any(tuple(compile_matcher(operand, key_of) for operand in operands))
        case Not(operand):
            negated = compile_matcher(operand, key_of)
            return lambda properties: not negated(properties)
        case Presence(attribute):
            key = key_of(attribute)
            return lambda properties: properties.get(key) is not None
        case Substring(attribute, parts):
            return _item(key_of(attribute), _substring_test(parts))
        case Comparison(attribute, Operator.EQUAL, value):
            return _equality(key_of(attribute), value)
        case Comparison(attribute, how, value):
            return _item(key_of(attribute), _comparison_test(how, value))


def _all(matchers: tuple[Matcher, ...]) -> Matcher:
    def matches(properties: Mapping[str, Any]) -> bool:
        for matcher in matchers:  # noqa: SIM110  # half the time of all()
            if not matcher(properties):
                return False
        return True

    return matches


def _any(matchers: tuple[Matcher, ...]) -> Matcher:
    def matches(properties: Mapping[str, Any]) -> bool:
        for matcher in matchers:  # noqa: SIM110  # half the time of any()
            if matcher(properties):
                return True
        return False

    return matches


def as_integer(literal: str) -> int | None:
    """The literal as an integer property reads it, or None (`5.0`, `1e2`, `0x10` and `1_000` are none)."""
    trimmed = literal.strip(_JAVA_TRIM)
    if _INTEGER.fullmatch(trimmed) is None:
        return None
    try:
        return int(trimmed)
    except ValueError:  # more digits than Python converts
        return None


def as_float(literal: str) -> float | None:
    """The literal as a float property reads it, or None."""
    trimmed = literal.strip(_JAVA_TRIM)
    if _FLOAT.fullmatch(trimmed) is None:
        return None
    named = trimmed.endswith(("NaN", "Infinity"))
    return float(trimmed if named else trimmed.rstrip("fFdD"))


def as_boolean(literal: str) -> bool:
    """The literal as a boolean property reads it: what is not "true" is false."""
    return literal.strip(_JAVA_TRIM).lower() == "true"


def _equality(key: str, literal: str) -> Matcher:
    """Most properties are texts, and most filters ask what they equal: the rest is made when it is first needed."""
    test: Test | None = None

    def matches(properties: Mapping[str, Any]) -> bool:
        value = properties.get(key)
        if value.__class__ is str:
            return bool(value == literal)
        nonlocal test
        if test is None:
            test = _comparison_test(Operator.EQUAL, literal)
        return _one_passes(test, value)

    return matches


def _item(key: str, test: Test) -> Matcher:
    def matches(properties: Mapping[str, Any]) -> bool:
        value = properties.get(key)
        return test(value) if value.__class__ in _SINGLE else _one_passes(test, value)

    return matches


def _one_passes(test: Test, value: Any) -> bool:
    """Of a value of many, one element has to pass."""
    if value is None:
        return False
    if not isinstance(value, _MULTIPLE):
        return test(value)
    for element in value:  # noqa: SIM110  # half the time of any()
        if test(element):
            return True
    return False


def _substring_test(parts: tuple[str, ...]) -> Test:
    """Parts found from left to right, none overlapping; linear in the text, whatever the pattern."""
    first, *middle, last = parts
    if not middle and not last:
        return lambda value: isinstance(value, str) and value.startswith(first)
    if not first and not last and len(middle) == 1:
        return lambda value: isinstance(value, str) and middle[0] in value
    shortest = len(first) + len(last)

    def test(value: Any) -> bool:
        if not isinstance(value, str) or len(value) < shortest:
            return False
        if not (value.startswith(first) and value.endswith(last)):
            return False
        start, end = len(first), len(value) - len(last)
        for part in middle:
            found = value.find(part, start, end)
            if found < 0:
                return False
            start = found + len(part)
        return True

    return test


def _comparison_test(how: Operator, literal: str) -> Test:
    """The literal is read once, as each type of property would; the property's type then chooses."""
    compare = _COMPARISONS[how]
    boolean, integer, number = as_boolean(literal), as_integer(literal), as_float(literal)
    text = _text_test(how, literal)

    def test(value: Any) -> bool:
        kind = value.__class__
        if kind is str:
            return text(value)
        if kind is int:
            return integer is not None and compare(value, integer)
        return test_other(value)

    def test_other(value: Any) -> bool:
        if value is None:
            return False
        if isinstance(value, str):
            return text(value)
        if isinstance(value, bool):
            return value == boolean
        if isinstance(value, int):
            return integer is not None and compare(value, integer)
        if isinstance(value, float):
            return number is not None and compare(_total(value), _total(number))
        return _compare_other(compare, value, literal)

    return test


def _text_test(how: Operator, literal: str) -> Test:
    match how:
        case Operator.EQUAL:
            return lambda value: bool(value == literal)
        case Operator.APPROXIMATE:
            approximate = _approximate(literal)
            return lambda value: _approximate(value) == approximate
        case Operator.GREATER_OR_EQUAL:
            lowest = _code_units(literal)
            return lambda value: _code_units(value) >= lowest
        case Operator.LESS_OR_EQUAL:
            highest = _code_units(literal)
            return lambda value: _code_units(value) <= highest


def _compare_other(compare: Callable[[Any, Any], bool], value: Any, literal: str) -> bool:
    try:
        other = type(value)(literal)
        try:
            return bool(compare(value, other))
        except TypeError:  # it has no order
            return bool(value == other)
    except BaseException as error:  # noqa: BLE001  # the rule: whatever a foreign type raises makes it false
        let_interruption_pass(error)
        return False


def _total(value: float) -> tuple[bool, float]:
    """A key under which NaN equals NaN and is greater than all numbers, as in Java."""
    return (True, 0.0) if math.isnan(value) else (False, value)


def _approximate(text: str) -> str:
    return "".join(character for character in text if not is_blank(character)).lower()


def _code_units(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")
