"""The error of a filter that is none."""

from __future__ import annotations

from framework.errors import FrameworkError


class FilterError(FrameworkError, ValueError):
    """A text is no filter.

    Attributes:
        text: The whole text.
        position: Index of the character at fault; the text's length if it ends too early.
        expected: What should have been there.
    """

    def __init__(self, text: str, position: int, expected: str) -> None:
        shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
        super().__init__(f"expected {expected} at position {position}\n  {shown}\n  {' ' * position}^")
        self.text = text
        self.position = position
        self.expected = expected
