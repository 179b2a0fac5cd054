"""From text to tree, without recursion (the grammar of Core R8 3.2.7, with the rules that follow it)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from framework.filter.errors import FilterError
from framework.filter.tree import And, Comparison, Node, Not, Operator, Or, Presence, Substring

DEEPEST: Final = 100
"""Filters that nest deeper are refused."""

_PLAIN_ITEM: Final = re.compile(r"\(([\w.-]+)(=|~=|>=|<=)([^\\()]*)\)", re.ASCII).match
"""An item as most are: no blanks round the attribute, nothing quoted. All others are read character by character."""

_PLAIN_COMPOSITE: Final = re.compile(r"\(([&|!])(?=\()").match

_OPERATORS: Final = {operator.value: operator for operator in Operator}

_NO_BREAK: Final = frozenset("\u00a0\u2007\u202f")
_CONTROLS: Final = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f")


def is_blank(character: str) -> bool:
    """Whether Java's `Character.isWhitespace` holds, which OSGi's grammar means by white space."""
    if character in _CONTROLS:
        return True
    return unicodedata.category(character) in ("Zs", "Zl", "Zp") and character not in _NO_BREAK


def parse(text: str) -> Node:
    """The tree of one filter; FilterError with the position of the first fault."""
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def parse(self) -> Node:
        text = self._text
        open_lists: list[tuple[str, list[Node]]] = []
        while True:
            node = self._begin()
            if isinstance(node, str):
                if len(open_lists) == DEEPEST:
                    raise self._error(f"at most {DEEPEST} levels of nesting")
                open_lists.append((node, []))
                continue
            while True:
                if not open_lists:
                    self._blanks()
                    if self._position < len(text):
                        raise self._error("nothing after the last parenthesis")
                    return node
                operator, operands = open_lists[-1]
                operands.append(node)
                following = text[self._position : self._position + 1]
                if following not in ("(", ")"):
                    self._blanks()
                    following = text[self._position : self._position + 1]
                if following == "(" and operator != "!":
                    break
                self._take(")")
                open_lists.pop()
                node = _combine(operator, operands)

    def _begin(self) -> str | Node:
        """What begins here: the operator of a composite, which ends before its first operand, or a whole item."""
        found = _PLAIN_ITEM(self._text, self._position)
        if found is not None:
            node = _plain_item(*found.groups())
            if node is not None:
                self._position = found.end()
                return node
        elif (found := _PLAIN_COMPOSITE(self._text, self._position)) is not None:
            self._position += 2
            return found[1]
        self._blanks()
        self._take("(")
        self._blanks()
        return self._composite() or self._item()

    def _composite(self) -> str | None:
        """The operator `&`, `|` or `!`, if a parenthesis follows; else it begins an attribute's name."""
        operator = self._peek()
        if operator not in ("&", "|", "!"):
            return None
        after = self._position + 1
        while after < len(self._text) and is_blank(self._text[after]):
            after += 1
        if self._text[after : after + 1] != "(":
            return None
        self._position = after
        return operator

    def _item(self) -> Node:
        attribute = self._attribute()
        operator = self._operator()
        if operator is not Operator.EQUAL:
            value = self._literal()
            if not value:
                raise self._error("a value")
            self._take(")")
            return Comparison(attribute, operator, value)
        if self._presence():
            return Presence(attribute)
        parts = self._parts()
        self._take(")")
        if len(parts) == 1:
            return Comparison(attribute, operator, parts[0])
        return Substring(attribute, (parts[0], *filter(None, parts[1:-1]), parts[-1]))

    def _attribute(self) -> str:
        start = self._position
        while self._position < len(self._text) and self._text[self._position] not in "=<>~()":
            self._position += 1
        end = self._position
        while end > start and is_blank(self._text[end - 1]):
            end -= 1
        if end == start:
            raise self._error("an attribute's name")
        return self._text[start:end]

    def _operator(self) -> Operator:
        for operator in (
            Operator.APPROXIMATE,
            Operator.GREATER_OR_EQUAL,
            Operator.LESS_OR_EQUAL,
            Operator.EQUAL,
        ):
            if self._text.startswith(operator.value, self._position):
                self._position += len(operator.value)
                return operator
        raise self._error("one of = ~= >= <=")

    def _presence(self) -> bool:
        if self._peek() != "*":
            return False
        after = self._position + 1
        while after < len(self._text) and is_blank(self._text[after]):
            after += 1
        if self._text[after : after + 1] != ")":
            return False
        self._position = after + 1
        return True

    def _literal(self) -> str:
        return "*".join(self._parts())

    def _parts(self) -> list[str]:
        """The value up to the closing parenthesis, split at unescaped asterisks."""
        parts = [""]
        while True:
            character = self._peek()
            if character is None or character == "(":
                raise self._error("')' at the value's end ('(' is written as '\\(')")
            if character == ")":
                return parts
            self._position += 1
            if character == "*":
                parts.append("")
                continue
            if character == "\\":
                quoted = self._peek()
                if quoted is None:
                    raise self._error("a character after the backslash")
                self._position += 1
                character = quoted
            parts[-1] += character

    def _blanks(self) -> None:
        while self._position < len(self._text) and is_blank(self._text[self._position]):
            self._position += 1

    def _peek(self) -> str | None:
        return self._text[self._position] if self._position < len(self._text) else None

    def _take(self, character: str) -> None:
        if self._peek() != character:
            raise self._error(f"'{character}'")
        self._position += 1

    def _error(self, expected: str) -> FilterError:
        return FilterError(self._text, self._position, expected)


def _plain_item(attribute: str, operator: str, value: str) -> Node | None:
    """The item, or None if it must be read character by character to tell what it is or what is wrong with it."""
    if operator != "=":
        return Comparison(attribute, _OPERATORS[operator], value) if value else None
    if "*" not in value:
        return Comparison(attribute, Operator.EQUAL, value)
    if value == "*":
        return Presence(attribute)
    first, *middle, last = value.split("*")
    if not first and not middle and last.isspace():
        return None
    return Substring(attribute, (first, *filter(None, middle), last))


def _combine(operator: str, operands: list[Node]) -> Node:
    if operator == "!":
        return Not(operands[0])
    return And(tuple(operands)) if operator == "&" else Or(tuple(operands))
