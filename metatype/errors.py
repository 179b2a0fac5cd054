"""What can be wrong with a descriptor or with values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a value.

    Attributes:
        property: The attribute's id.
        rule: The rule that is broken: "type", "min", "max", "option", "required", "cardinality" or "unknown".
        message: What is wrong, for people; never shows a secret.
        value: The value, or None if it is a secret or absent.
        accepted: What would be accepted, in words, or None.
        fatal: Whether the configuration is refused for it; an unknown property can be reported and kept.
    """

    property: str
    rule: str
    message: str
    value: object | None = None
    accepted: str | None = None
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.property}: {self.message}"


@dataclass(frozen=True, slots=True)
class ReadingWarning:
    """Something odd in a descriptor that could still be read.

    Attributes:
        message: What is odd and how it was taken.
        source: The file's name, or what else the descriptor came from.
        line: The line, counted from 1, or None where the file as a whole is meant.
        column: The column, counted from 1, or None.
        element: The element's or key's name.
        attribute: The attribute's name, or None.
    """

    message: str
    source: str
    line: int | None = None
    element: str | None = None
    attribute: str | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.source, self.line, self.column) if part is not None)
        return f"{place}: {self.message}"


class MetatypeError(ValueError):
    """A descriptor cannot be read, or values do not fit their object class.

    Attributes:
        reason: What is wrong, without the place.
        source: Where the descriptor came from, or None.
        line: The line at fault, counted from 1, or None.
        column: The column at fault, counted from 1, or None.
        element: The element at fault, or None.
        attribute: The element's attribute at fault, or None.
        problems: What is wrong with values, all at once; empty for a descriptor.
        warnings: What else was odd in a descriptor before it came to this.
    """

    def __init__(
        self,
        message: str,
        *,
        source: str | None = None,
        line: int | None = None,
        column: int | None = None,
        element: str | None = None,
        attribute: str | None = None,
        problems: tuple[Problem, ...] = (),
        warnings: tuple[ReadingWarning, ...] = (),
    ) -> None:
        place = ":".join(str(part) for part in (source, line, column) if part is not None)
        super().__init__(f"{place}: {message}" if place else message)
        self.reason = message
        self.source = source
        self.line = line
        self.column = column
        self.element = element
        self.attribute = attribute
        self.problems = problems
        self.warnings = warnings
