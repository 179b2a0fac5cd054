"""A filter as an immutable tree; each node knows its normal text form (Core R8 3.2.7)."""

from __future__ import annotations

import enum

from framework.record import Record


class Operator(enum.Enum):
    """How an attribute is compared with a literal."""

    EQUAL = "="
    APPROXIMATE = "~="
    GREATER_OR_EQUAL = ">="
    LESS_OR_EQUAL = "<="


class Comparison(Record):
    """`(attribute=value)` and its kin."""

    attribute: str
    operator: Operator
    value: str

    def __str__(self) -> str:
        return f"({self.attribute}{self.operator.value}{_escape(self.value)})"


class Presence(Record):
    """`(attribute=*)`."""

    attribute: str

    def __str__(self) -> str:
        return f"({self.attribute}=*)"


class Substring(Record):
    """`(attribute=a*b*c)`: the literal parts, of which the first and the last are anchored and may be empty."""

    attribute: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        first, *others = map(_escape, self.parts)
        pattern = "*".join([first, *others])
        if pattern.startswith("*") and not pattern[1:].strip():  # which would be read as presence
            pattern = f"*\\{pattern[1:]}" if len(pattern) > 1 else "**"
        return f"({self.attribute}={pattern})"


class Not(Record):
    """`(!(...))`."""

    operand: Node

    def __str__(self) -> str:
        return f"(!{self.operand})"


class And(Record):
    """`(&(...)(...))`."""

    operands: tuple[Node, ...]

    def __str__(self) -> str:
        return f"(&{''.join(map(str, self.operands))})"


class Or(Record):
    """`(|(...)(...))`."""

    operands: tuple[Node, ...]

    def __str__(self) -> str:
        return f"(|{''.join(map(str, self.operands))})"


Node = Comparison | Presence | Substring | Not | And | Or


def attributes_of(node: Node) -> frozenset[str]:
    """All attributes that the filter asks for, as it writes them."""
    match node:
        case And(operands) | Or(operands):
            return frozenset().union(*map(attributes_of, operands))
        case Not(operand):
            return attributes_of(operand)
        case Comparison(attribute) | Presence(attribute) | Substring(attribute):
            return frozenset({attribute})


def _escape(value: str) -> str:
    return "".join(f"\\{character}" if character in "\\*()" else character for character in value)
