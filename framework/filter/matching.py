"""A tree compiled to one function over properties with lower-case keys (Core R8 3.2.7.1).

The property's type decides how its literal is read; what cannot be read so makes the comparison false.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from framework.filter.parser import is_blank
from framework.filter.tree import And, Comparison, Node, Not, Operator, Or, Presence, Substring

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Matcher = Callable[[Mapping[str, Any]], bool]
    Test = Callable[[Any], bool]

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_FLOAT: Final = re.compile(r"[+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?)")
_JAVA_TRIM: Final = "".join(map(chr, range(0x21)))


def compile_matcher(node: Node) -> Matcher:
    """The function that tells whether properties (keys in lower case) match."""
    match node:
        case And(operands):
            matchers = tuple(map(compile_matcher, operands))
            return lambda properties: all(matcher(properties) for matcher in matchers)
        case Or(operands):
            matchers = tuple(map(compile_matcher, operands))
            return lambda properties: any(matcher(properties) for matcher in matchers)
        case Not(operand):
            negated = compile_matcher(operand)
            return lambda properties: not negated(properties)
        case Presence(attribute):
            key = attribute.lower()
            return lambda properties: properties.get(key) is not None
        case Substring(attribute, parts):
            return _item(attribute, _substring_test(parts))
        case Comparison(attribute, operator, value):
            return _item(attribute, _comparison_test(operator, value))


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


def _item(attribute: str, test: Test) -> Matcher:
    key = attribute.lower()

    def matches(properties: Mapping[str, Any]) -> bool:
        value = properties.get(key)
        if isinstance(value, list | tuple | set | frozenset):
            return any(test(element) for element in value)
        return test(value)

    return matches


def _substring_test(parts: tuple[str, ...]) -> Test:
    """Parts found from left to right, none overlapping; linear in the text, whatever the pattern."""
    first, *middle, last = parts

    def test(value: Any) -> bool:
        if not isinstance(value, str) or len(value) < len(first) + len(last):
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


def _comparison_test(operator: Operator, literal: str) -> Test:
    """The literal is read once, as each type of property would."""
    boolean, integer, number = as_boolean(literal), as_integer(literal), as_float(literal)

    def test(value: Any) -> bool:
        if isinstance(value, str):
            return _compare_text(operator, value, literal)
        if value is None:
            return False
        if isinstance(value, bool):
            return value == boolean
        if isinstance(value, int):
            return integer is not None and _ordered(operator, value, integer)
        if isinstance(value, float):
            return number is not None and _ordered(operator, _total(value), _total(number))
        return _compare_other(operator, value, literal)

    return test


def _compare_text(operator: Operator, value: str, literal: str) -> bool:
    match operator:
        case Operator.EQUAL:
            return value == literal
        case Operator.APPROXIMATE:
            return _approximate(value) == _approximate(literal)
        case Operator.GREATER_OR_EQUAL:
            return _code_units(value) >= _code_units(literal)
        case Operator.LESS_OR_EQUAL:
            return _code_units(value) <= _code_units(literal)


def _compare_other(operator: Operator, value: Any, literal: str) -> bool:
    try:
        other = type(value)(literal)
        if operator in (Operator.GREATER_OR_EQUAL, Operator.LESS_OR_EQUAL):
            try:
                return bool(_ordered(operator, value, other))
            except TypeError:
                return bool(value == other)
        return bool(value == other)
    except Exception:  # noqa: BLE001  # the rule: whatever a foreign type raises makes the comparison false
        return False


def _ordered(operator: Operator, value: Any, literal: Any) -> bool:
    if operator is Operator.GREATER_OR_EQUAL:
        return bool(value >= literal)
    if operator is Operator.LESS_OR_EQUAL:
        return bool(value <= literal)
    return bool(value == literal)


def _total(value: float) -> tuple[bool, float]:
    """A key under which NaN equals NaN and is greater than all numbers, as in Java."""
    return (True, 0.0) if math.isnan(value) else (False, value)


def _approximate(text: str) -> str:
    return "".join(character for character in text if not is_blank(character)).lower()


def _code_units(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")
