"""Answers for people and values for JSON; secrets in neither.

Colours are marked where a text is made and painted where it is known whether a terminal shows it: `Toned` cells of
`table` and `fields`, or `mark`, and at the end `paint`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final, Self

from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Tone(enum.Enum):
    """How a word is meant; a terminal shows it in a colour."""

    GOOD = "32"
    WARNING = "33"
    BAD = "31"


_MARKS: Final = {tone: chr(0xF0000 + number) for number, tone in enumerate(Tone)}
"""Private-use characters, which `printable` keeps out of texts from elsewhere."""
_END: Final = chr(0xF00FF)


class Toned(str):
    """A word with a tone, for `table` and `fields`; elsewhere it is a plain text."""

    __slots__ = ("tone",)
    tone: Tone

    def __new__(cls, text: str, tone: Tone) -> Self:
        """Make one."""
        made = super().__new__(cls, text)
        made.tone = tone
        return made


def mark(text: str) -> str:
    """A text as part of an answer, with its tone if it has one."""
    return f"{_MARKS[text.tone]}{printable(text)}{_END}" if isinstance(text, Toned) else printable(text)


def paint(text: str, *, colour: bool) -> str:
    """A marked text as it is printed: in colours, or plain."""
    for tone, mark_of_tone in _MARKS.items():
        text = text.replace(mark_of_tone, f"\x1b[{tone.value}m" if colour else "")
    return text.replace(_END, "\x1b[0m" if colour else "")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as their widest cell, without trailing blanks; "-" for None."""
    cells = [["-" if cell is None else _word(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join("  ".join(map(_padded, row, widths)).rstrip() for row in cells)


def fields(pairs: Sequence[tuple[str, object]]) -> str:
    """One labelled value a line."""
    width = max((len(label) for label, _ in pairs), default=0)
    return "\n".join(f"{label:<{width}}  {mark(_word(value))}" for label, value in pairs)


def _word(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _padded(cell: str, width: int) -> str:
    return mark(cell) + " " * (width - len(cell))


def first_line(text: str, columns: int | None = None) -> str:
    """What of a text has its place in one line of that many columns (None: of any length)."""
    first, *rest = text.split("\n", 1)
    shown = f"{first.rstrip()} …" if rest else first
    if columns is None or len(shown) <= columns:
        return shown
    return f"{shown[: max(0, columns - 1)].removesuffix('…').rstrip()}…"


def printable(text: str) -> str:
    """Text from elsewhere, without what could steer a terminal."""
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def as_json(value: Any) -> Any:
    """A property's value as JSON data; a secret as the mark that keeps it when it is sent back."""
    if isinstance(value, Secret):
        return {"$unchanged": True} if value else ""
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(element) for element in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def as_text(value: Any) -> str:
    """A property's value for people; a secret as stars."""
    if isinstance(value, Secret):
        return "****" if value else "(empty)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value)) or "(empty)"
    text = str(value)
    if "\n" in text:
        return f"{text.splitlines()[0]} … ({len(text.splitlines())} lines)"
    return text or "(empty)"


def json_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties as JSON data, by name."""
    return {name: as_json(value) for name, value in sorted(properties.items())}
