"""What an equality of a filter can be found by, without asking every property whether it matches.

Keys are made of values and of literals so that wherever `(attribute=literal)` matches a value (Core R8 3.2.7.1), they
share a key. The reverse does not hold: what is found by a key is only a candidate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from framework.filter.matching import as_boolean, as_float, as_integer
from framework.filter.tree import And, Comparison, Node, Operator, Or

if TYPE_CHECKING:
    from collections.abc import Hashable

Equality = tuple[str, str]
"""An attribute in lower case and a literal."""

FOREIGN: Final = ("foreign", None)
"""The key of all values of other types: what they equal is for them to say."""

MOST_ALTERNATIVES: Final = 16
"""A part of a filter that has more alternatives is not looked up by them."""

_NOT_A_NUMBER: Final = ("float", "NaN")


def keys_of_value(value: Any) -> tuple[Hashable, ...]:
    """The keys that a property is filed under: one for each of its elements."""
    if isinstance(value, str):
        return (_key(value),)
    if isinstance(value, tuple | list | set | frozenset):
        return tuple({_key(element) for element in value if element is not None})
    return () if value is None else (_key(value),)


def keys_of_literal(literal: str) -> tuple[Hashable, ...]:
    """The keys under which everything is filed that equals the literal."""
    keys: list[Hashable] = [literal, ("bool", as_boolean(literal)), FOREIGN]
    integer, number = as_integer(literal), as_float(literal)
    if integer is not None:
        keys.append(("int", integer))
    if number is not None:
        keys.append(_NOT_A_NUMBER if number != number else ("float", number))  # noqa: PLR0124  # NaN differs from itself
    return tuple(keys)


def required_alternatives(node: Node) -> tuple[tuple[Equality, ...], ...]:
    """Parts of the filter, each a list of equalities of which at least one holds wherever the filter matches."""
    match node:
        case Comparison(attribute, Operator.EQUAL, value):
            return (((attribute.lower(), value),),)
        case And(operands):
            return tuple(alternatives for operand in operands for alternatives in required_alternatives(operand))
        case Or(operands):
            merged: dict[Equality, None] = {}
            for operand in operands:
                best = min(required_alternatives(operand), key=len, default=None)
                if best is None:
                    return ()
                merged.update(dict.fromkeys(best))
            return (tuple(merged),) if len(merged) <= MOST_ALTERNATIVES else ()
        case _:
            return ()


def required_equalities(node: Node) -> frozenset[Equality]:
    """Equalities all of which hold wherever the filter matches."""
    match node:
        case Comparison(attribute, Operator.EQUAL, value):
            return frozenset({(attribute.lower(), value)})
        case And(operands):
            return frozenset().union(*map(required_equalities, operands))
        case Or(operands):
            return frozenset.intersection(*map(required_equalities, operands))
        case _:
            return frozenset()


def _key(value: Any) -> Hashable:
    if isinstance(value, str):
        return value if value.__class__ is str else str.__str__(value)  # a StrEnum is found by the text that it is
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, int):
        return ("int", int(value))
    if isinstance(value, float):
        return _NOT_A_NUMBER if value != value else ("float", float(value))  # noqa: PLR0124  # NaN differs from itself
    return FOREIGN
