"""OSGi filters (Core R8 3.2.7, after RFC 4515): parsed to a tree, compiled, cached by text."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, final

from framework.filter.errors import FilterError
from framework.filter.matching import compile_matcher
from framework.filter.parser import parse
from framework.filter.tree import Node, required_equalities

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Filter", "FilterError"]

_CACHED: Final = 4096
_LONGEST_CACHED: Final = 1024
"""Longer texts are parsed each time, so that what comes from outside cannot fill the memory."""


@final
class Filter:
    """A target filter such as `(&(objectClass=Store)(!(ranking<=5)))`; immutable.

    Two filters are equal if their normal text forms are: blanks round the structure removed, values as they are.

        >>> Filter.parse("( kura.service.pid = A)")
        Filter('(kura.service.pid= A)')
        >>> Filter.parse("(size>=10)").matches({"Size": 12})
        True

    Attributes:
        required_equalities: Pairs of lower-case attribute and literal that hold wherever the filter matches
            (for attributes whose value is text). Indexes are keyed on them.
    """

    __slots__ = ("_hash", "_matcher", "_text", "required_equalities")

    def __init__(self, node: Node) -> None:
        self._text = str(node)
        self._hash = hash(self._text)
        self._matcher = compile_matcher(node)
        self.required_equalities = required_equalities(node)

    @staticmethod
    def parse(text: str) -> Filter:
        """The filter of a text.

        Raises:
            FilterError: The text is no filter, as "" and None are none; `.position` tells where.
        """
        if not isinstance(text, str):
            raise FilterError("", 0, f"a filter's text instead of {type(text).__name__}")
        return _parse_cached(text) if len(text) <= _LONGEST_CACHED else Filter(parse(text))

    def matches(self, properties: Mapping[str, Any]) -> bool:
        """Whether the properties match; keys are compared without case."""
        folded = getattr(properties, "folded", None)
        return self._matcher({key.lower(): value for key, value in properties.items()} if folded is None else folded)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Filter({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self._text == other._text

    def __hash__(self) -> int:
        return self._hash


@functools.lru_cache(maxsize=_CACHED)
def _parse_cached(text: str) -> Filter:
    return Filter(parse(text))
