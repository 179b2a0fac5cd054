"""Texts to typed values (Compendium R8 105): pure functions on one scalar or one list."""

from __future__ import annotations

import enum
import math
import re
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from metatype.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NO_LIMIT: Final = 2**31 - 1
"""A cardinality as large as this, or as small as its negative, means any number of values."""


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
    PASSWORD = "Password"  # noqa: S105  # a type's name
    BIG_INTEGER = "BigInteger"
    BIG_DECIMAL = "BigDecimal"

    @property
    def is_text(self) -> bool:
        """Whether values are measured by their length, and may be empty."""
        return self in (AttributeType.STRING, AttributeType.PASSWORD)


INTEGER_BITS: Final = {
    AttributeType.BYTE: 8,
    AttributeType.SHORT: 16,
    AttributeType.INTEGER: 32,
    AttributeType.LONG: 64,
    AttributeType.BIG_INTEGER: None,
}
"""Widths of the integer types; None for any."""

# Lengths are bounded: making a number of a text takes more than linear time.
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,400}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?")
LARGEST_FLOAT: Final = 3.4028234663852886e38
"""The largest number of 32 bits."""

_BLANKS: Final = " \t\n\r\f\v"
_CHARACTER: Final = re.compile(r"\\[,\\\s]|.", re.DOTALL)


class NotOfTypeError(ValueError):
    """A scalar does not fit its type; `accepted` says in words what would."""

    def __init__(self, accepted: str) -> None:
        super().__init__(f"must be {accepted}")
        self.accepted = accepted


def scalar(kind: AttributeType, value: object) -> Any:
    """The typed value of a text, or of a value that has its type already.

    Raises:
        NotOfTypeError: It does not fit.
    """
    return _READERS[kind](value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise NotOfTypeError("text")
    return value


def _secret(value: object) -> Secret:
    return value if isinstance(value, Secret) else Secret(_text(value))


def _character(value: object) -> str:
    if not isinstance(value, str) or len(value) != 1:
        raise NotOfTypeError("one character")
    return value


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip(_BLANKS).lower() if isinstance(value, str) else None
    if word not in ("true", "false"):
        raise NotOfTypeError("true or false")
    return word == "true"


def _integer(value: object, *, bits: int | None) -> int:
    accepted = "a whole number"
    if bits is not None:
        accepted += f" from {-(2 ** (bits - 1))} to {2 ** (bits - 1) - 1}"
    if isinstance(value, str):
        trimmed = value.strip(_BLANKS)
        if _INTEGER.fullmatch(trimmed) is None:
            raise NotOfTypeError(accepted)
        value = int(trimmed)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows no difference between 1 and 1.0
    if not isinstance(value, int) or isinstance(value, bool):
        raise NotOfTypeError(accepted)
    if bits is not None and not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise NotOfTypeError(accepted)
    return value


def _float(value: object, *, single: bool) -> float:
    if isinstance(value, str):
        value = float(_decimal_literal(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotOfTypeError("a decimal number")
    try:
        number = float(value)
    except OverflowError:
        raise NotOfTypeError("a decimal number of no more than 64 bits") from None
    if not math.isfinite(number):
        raise NotOfTypeError("a finite decimal number")
    if single and abs(number) > LARGEST_FLOAT:
        raise NotOfTypeError("a decimal number of no more than 32 bits")
    return number


def _decimal(value: object) -> Decimal:
    if isinstance(value, str):
        return Decimal(_decimal_literal(value))
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise NotOfTypeError("a decimal number")
    # By its shortest text: 0.1 means 0.1 to who wrote it, not the binary fraction next to it.
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise NotOfTypeError("a finite decimal number")
    return number


def _decimal_literal(text: str) -> str:
    trimmed = text.strip(_BLANKS)
    if _DECIMAL.fullmatch(trimmed) is None:
        raise NotOfTypeError("a decimal number")
    return trimmed


_READERS: Final[Mapping[AttributeType, Callable[[object], Any]]] = {
    AttributeType.STRING: _text,
    AttributeType.PASSWORD: _secret,
    AttributeType.CHARACTER: _character,
    AttributeType.BOOLEAN: _boolean,
    AttributeType.DOUBLE: partial(_float, single=False),
    AttributeType.FLOAT: partial(_float, single=True),
    AttributeType.BIG_DECIMAL: _decimal,
    **{kind: partial(_integer, bits=bits) for kind, bits in INTEGER_BITS.items()},
}


def split(text: str) -> tuple[str, ...]:
    r"""The elements of a list in a text (105.8.2.1, `default`).

    Split at commas; blanks round elements are cut off; a backslash keeps a comma, a blank or a backslash
    after it from being taken so, and stands for itself before anything else. The text `a\,b , c` has the
    elements `a,b` and `c`.
    """
    elements: list[str] = []
    current: list[tuple[str, bool]] = []
    for match in _CHARACTER.finditer(text):
        character = match[0]
        if character == ",":
            elements.append(_trimmed(current))
            current = []
        else:
            current.append((character[-1], len(character) > 1))
    elements.append(_trimmed(current))
    return tuple(elements)


def unescape(text: str) -> str:
    r"""A scalar's text without the backslashes that descriptors put before `,`, blank and backslash."""
    return re.sub(r"\\([,\\ ])", r"\1", text)


def _trimmed(characters: list[tuple[str, bool]]) -> str:
    start, end = 0, len(characters)
    while start < end and _is_cut(characters[start]):
        start += 1
    while end > start and _is_cut(characters[end - 1]):
        end -= 1
    return "".join(character for character, _ in characters[start:end])


def _is_cut(character: tuple[str, bool]) -> bool:
    text, escaped = character
    return not escaped and text.isspace()
