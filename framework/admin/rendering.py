"""Answers for people and values for JSON; secrets in neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as their widest cell, without trailing blanks; "-" for None."""
    cells = [[printable("-" if cell is None else str(cell)) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def fields(pairs: Sequence[tuple[str, object]]) -> str:
    """One labelled value a line."""
    width = max((len(label) for label, _ in pairs), default=0)
    return "\n".join(f"{label:<{width}}  {printable(str(value))}" for label, value in pairs)


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
