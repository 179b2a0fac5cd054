"""A filter as an immutable tree; each node knows its normal text form (Core R8 3.2.7)."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Operator(enum.Enum):
    """How an attribute is compared with a literal."""

    EQUAL = "="
    APPROXIMATE = "~="
    GREATER_OR_EQUAL = ">="
    LESS_OR_EQUAL = "<="


@dataclass(frozen=True, slots=True)
class Comparison:
    """`(attribute=value)` and its kin."""

    attribute: str
    operator: Operator
    value: str

    def __str__(self) -> str:
        return f"({self.attribute}{self.operator.value}{_escape(self.value)})"


@dataclass(frozen=True, slots=True)
class Presence:
    """`(attribute=*)`."""

    attribute: str

    def __str__(self) -> str:
        return f"({self.attribute}=*)"


@dataclass(frozen=True, slots=True)
class Substring:
    """`(attribute=a*b*c)`: the literal parts, of which the first and the last are anchored and may be empty."""

    attribute: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        pattern = "*".join(_escape(part) for part in self.parts)
        return f"({self.attribute}={'**' if pattern == '*' else pattern})"


@dataclass(frozen=True, slots=True)
class Not:
    """`(!(...))`."""

    operand: Node

    def __str__(self) -> str:
        return f"(!{self.operand})"


@dataclass(frozen=True, slots=True)
class And:
    """`(&(...)(...))`."""

    operands: tuple[Node, ...]

    def __str__(self) -> str:
        return f"(&{''.join(map(str, self.operands))})"


@dataclass(frozen=True, slots=True)
class Or:
    """`(|(...)(...))`."""

    operands: tuple[Node, ...]

    def __str__(self) -> str:
        return f"(|{''.join(map(str, self.operands))})"


Node = Comparison | Presence | Substring | Not | And | Or


def _escape(value: str) -> str:
    return "".join(f"\\{character}" if character in "\\*()" else character for character in value)
