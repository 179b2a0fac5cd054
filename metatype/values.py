"""Texts to typed values by the rules of Metatype (Compendium R8 105): pure functions on one scalar or list."""

from __future__ import annotations

import enum
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from metatype.secret import Secret

NO_LIMIT: Final = 2**31 - 1
"""The cardinality that means any number (and its negative, and -2**31)."""


class AttributeType(enum.Enum):
    """The types that an attribute can have."""

    STRING = "String"
    LONG = "Long"
    DOUBLE = "Double"
    FLOAT = "Float"
    INTEGER = "Integer"
    BYTE = "Byte"
    CHARACTER = "Character"
    BOOLEAN = "Boolean"
    SHORT = "Short"
    PASSWORD = "Password"
    BIG_INTEGER = "BigInteger"
    BIG_DECIMAL = "BigDecimal"

    @property
    def is_text(self) -> bool:
        """Whether values are measured by their length."""
        return self in (AttributeType.STRING, AttributeType.PASSWORD)


INTEGER_BITS: Final = {
    AttributeType.BYTE: 8,
    AttributeType.SHORT: 16,
    AttributeType.INTEGER: 32,
    AttributeType.LONG: 64,
    AttributeType.BIG_INTEGER: None,
}
"""Widths of the integer types; None for any."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,400}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_BLANKS: Final = " \t\n\r\f\v"


class ValueProblem(Exception):
    """A scalar does not fit its type; says what would."""

    def __init__(self, accepted: str) -> None:
        super().__init__(accepted)
        self.accepted = accepted


def scalar(kind: AttributeType, value: object) -> Any:
    """The typed value of a text, or of a value that has its type already; ValueProblem if it does not fit."""
    if kind in INTEGER_BITS:
        return _integer(kind, value)
    if kind in (AttributeType.DOUBLE, AttributeType.FLOAT):
        return _float(value)
    match kind:
        case AttributeType.STRING:
            if not isinstance(value, str):
                raise ValueProblem("text")
            return value
        case AttributeType.PASSWORD:
            if not isinstance(value, str | Secret):
                raise ValueProblem("text")
            return value if isinstance(value, Secret) else Secret(value)
        case AttributeType.BOOLEAN:
            return _boolean(value)
        case AttributeType.CHARACTER:
            if not isinstance(value, str) or len(value) != 1:
                raise ValueProblem("one character")
            return value
        case _:
            return _decimal(value)


def _integer(kind: AttributeType, value: object) -> int:
    bits = INTEGER_BITS[kind]
    accepted = "a whole number"
    if bits is not None:
        accepted += f" from {-(2 ** (bits - 1))} to {2 ** (bits - 1) - 1}"
    if isinstance(value, str):
        trimmed = value.strip(_BLANKS)
        if _INTEGER.fullmatch(trimmed) is None:
            raise ValueProblem(accepted)
        value = int(trimmed)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueProblem(accepted)
    if bits is not None and not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise ValueProblem(accepted)
    return value


def _float(value: object) -> float:
    if isinstance(value, str):
        trimmed = value.strip(_BLANKS)
        if _DECIMAL.fullmatch(trimmed) is None:
            raise ValueProblem("a decimal number")
        value = float(trimmed)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueProblem("a decimal number")
    try:
        number = float(value)
    except OverflowError:
        raise ValueProblem("a decimal number") from None
    if not math.isfinite(number):
        raise ValueProblem("a finite decimal number")
    return number


def _decimal(value: object) -> Decimal:
    if isinstance(value, str):
        trimmed = value.strip(_BLANKS)
        if _DECIMAL.fullmatch(trimmed) is None:
            raise ValueProblem("a decimal number")
        return Decimal(trimmed)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueProblem("a decimal number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueProblem("a decimal number") from None
    if not number.is_finite():
        raise ValueProblem("a finite decimal number")
    return number


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip(_BLANKS).lower() in ("true", "false"):
        return value.strip(_BLANKS).lower() == "true"
    raise ValueProblem("true or false")


def split(text: str) -> tuple[str, ...]:
    """The elements of a list in a text (105.6.3, `default`).

    Split at commas; blanks round elements are cut off; a backslash keeps the character after it, a comma, a blank
    or a backslash, from being taken so.

        >>> split(r"  a\\,b,b\\,c,\\ c\\\\,d   ")
        ('a,b', 'b,c', ' c\\\\', 'd')
    """
    elements: list[str] = []
    current: list[tuple[str, bool]] = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            current.append((next(characters, "\\"), True))
        elif character == ",":
            elements.append(_trimmed(current))
            current = []
        else:
            current.append((character, False))
    elements.append(_trimmed(current))
    return tuple(elements)


def join(elements: tuple[str, ...]) -> str:
    """The text that `split` splits into these elements."""
    return ",".join(re.sub(r"([\\,\s])", r"\\\1", element) for element in elements)


def unescape(text: str) -> str:
    """A scalar's text without the backslashes that descriptors put before commas, blanks and backslashes."""
    return re.sub(r"\\([,\\ ])", r"\1", text)


def _trimmed(characters: list[tuple[str, bool]]) -> str:
    start, end = 0, len(characters)
    while start < end and _cut(characters[start]):
        start += 1
    while end > start and _cut(characters[end - 1]):
        end -= 1
    return "".join(character for character, _ in characters[start:end])


def _cut(character: tuple[str, bool]) -> bool:
    return not character[1] and character[0].isspace()
