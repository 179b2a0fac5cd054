"""What no honest descriptor exceeds: a reader meets hostile ones too."""

from __future__ import annotations

from typing import Final

LARGEST: Final = 1024 * 1024
"""Bytes in a descriptor."""

DEEPEST: Final = 16
"""Elements, or objects and lists, inside one another."""

MOST_ELEMENTS: Final = 20_000
"""Elements, or objects and lists, in a descriptor."""

MOST_ATTRIBUTES: Final = 64
"""Attributes of one XML element."""

LONGEST_NAMESPACE: Final = 256
"""Characters in the name of an XML namespace: it is part of every name that is of it."""
