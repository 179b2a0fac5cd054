"""OSGi filters (Core R8 3.2.7, after RFC 4515): parsed to a tree, compiled, cached by text."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from framework.filter.equality import keys_of_literal, keys_of_value, required_alternatives, required_equalities
from framework.filter.errors import FilterError
from framework.filter.matching import compile_matcher
from framework.filter.mismatch import mismatch
from framework.filter.parser import parse
from framework.filter.tree import Comparison, Operator, attributes_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from framework.filter.matching import Matcher
    from framework.filter.tree import Node

__all__ = ["Filter", "FilterError", "keys_of_value", "mismatch"]

KeyedAlternatives: TypeAlias = "tuple[tuple[str, tuple[Hashable, ...]], ...]"
"""Attributes with keys of which at least one is found where a filter matches."""

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
        node: The filter as a tree.
    """

    __slots__ = ("_alternatives", "_exact", "_hash", "_matcher", "_text", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self._text: str | None = None
        self._hash: int | None = None
        self._matcher: Matcher | None = None
        self._exact: tuple[Matcher, frozenset[str]] | None = None
        self._alternatives: tuple[KeyedAlternatives, ...] | None = None

    @staticmethod
    def parse(text: str) -> Filter:
        """The filter of a text.

        Raises:
            FilterError: The text is no filter, as "" and None are none; `.position` tells where.
        """
        if not isinstance(text, str):
            raise FilterError("", 0, f"a filter's text instead of {type(text).__name__}")
        return _parse_cached(text) if len(text) <= _LONGEST_CACHED else Filter(parse(text))

    @staticmethod
    def equal(attribute: str, value: str) -> Filter:
        """The filter `(attribute=value)`, whatever characters the value has.

        >>> Filter.equal("keystore", "A*").matches({"keystore": "A*"})
        True
        >>> Filter.equal("keystore", "A*").matches({"keystore": "AB"})
        False
        """
        return Filter(Comparison(attribute, Operator.EQUAL, value))

    @property
    def required_equalities(self) -> frozenset[tuple[str, str]]:
        """Pairs of an attribute in lower case and a literal, all of which hold wherever the filter matches."""
        return required_equalities(self.node)

    @property
    def alternatives(self) -> tuple[KeyedAlternatives, ...]:
        """What the filter can be looked up by, the parts with the fewest alternatives first.

        Each part is a tuple of pairs of an attribute in lower case and keys. Wherever the filter matches, at least one
        pair of each part has a key in common with the property's `keys_of_value`. Indexes are keyed on that.
        """
        if self._alternatives is None:
            self._alternatives = tuple(
                tuple((attribute, keys_of_literal(literal)) for attribute, literal in part)
                for part in sorted(required_alternatives(self.node), key=len)
            )
        return self._alternatives

    def matches(self, properties: Mapping[str, Any]) -> bool:
        """Whether the properties match; keys are compared without case."""
        folded = getattr(properties, "folded", None)
        if folded is None:
            exactly, attributes = self._exact or self._compile_exact()
            if properties.keys() >= attributes:
                return exactly(properties)
            folded = {key.lower(): value for key, value in properties.items()}
        matcher = self._matcher
        if matcher is None:
            matcher = self._matcher = compile_matcher(self.node)
        return matcher(folded)

    def _compile_exact(self) -> tuple[Matcher, frozenset[str]]:
        """For properties that have all attributes as the filter writes them, so that no case is to be folded."""
        self._exact = compile_matcher(self.node, str), attributes_of(self.node)
        return self._exact

    def __str__(self) -> str:
        if self._text is None:
            self._text = str(self.node)
        return self._text

    def __repr__(self) -> str:
        return f"Filter({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Filter) and str(self) == str(other))

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(str(self))
        return self._hash


@functools.lru_cache(maxsize=_CACHED)
def _parse_cached(text: str) -> Filter:
    return Filter(parse(text))
