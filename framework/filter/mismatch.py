"""Why properties do not match a filter, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.filter.matching import compile_matcher
from framework.filter.tree import And, Node, Not, Or

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.filter import Filter


def mismatch(condition: Filter, properties: Mapping[str, Any]) -> str | None:
    """The first part of the filter that does not hold and what is there instead; None if the filter matches."""
    if condition.matches(properties):
        return None
    return _why(condition.node, {key.lower(): value for key, value in properties.items()})


def _why(node: Node, folded: Mapping[str, Any]) -> str:
    match node:
        case And(operands):
            return next(_why(operand, folded) for operand in operands if not compile_matcher(operand)(folded))
        case Or(operands):
            return " and ".join(_why(operand, folded) for operand in operands)
        case Not(operand):
            return f"{operand} holds"
        case _:
            value = folded.get(node.attribute.lower())
            return f"it has no {node.attribute}" if value is None else f"its {node.attribute} is {_shown(value)}"


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
