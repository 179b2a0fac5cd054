"""The error of a filter that is none."""

from __future__ import annotations

from typing import Final

from framework.errors import FrameworkError

_SHOWN: Final = 40
"""So many characters before and after the fault are shown."""


class FilterError(FrameworkError, ValueError):
    """A text is no filter; the message shows the place with a caret under it.

    Attributes:
        text: The whole text.
        position: Index of the character at fault; the text's length if it ends too early.
        expected: What should have been there.
    """

    def __init__(self, text: str, position: int, expected: str) -> None:
        start, end = max(0, position - _SHOWN), position + _SHOWN
        before = ("..." if start else "") + text[start:position]
        line = before + text[position:end] + ("..." if end < len(text) else "")
        shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
        super().__init__(f"expected {expected} at position {position}\n  {shown}\n  {' ' * len(before)}^")
        self.text = text
        self.position = position
        self.expected = expected
