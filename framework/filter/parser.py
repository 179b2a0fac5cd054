"""From text to tree, without recursion (the grammar of Core R8 3.2.7, with the rules that follow it)."""

from __future__ import annotations

import unicodedata
from typing import Final

from framework.filter.errors import FilterError
from framework.filter.tree import And, Comparison, Node, Not, Operator, Or, Presence, Substring

DEEPEST: Final = 100
"""Filters that nest deeper are refused."""

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
        open_lists: list[tuple[str, list[Node]]] = []
        while True:
            self._blanks()
            self._take("(")
            self._blanks()
            operator = self._composite()
            if operator is not None:
                if len(open_lists) == DEEPEST:
                    raise self._error(f"at most {DEEPEST} levels of nesting")
                open_lists.append((operator, []))
                continue
            node = self._item()
            while True:
                if not open_lists:
                    self._blanks()
                    if self._position < len(self._text):
                        raise self._error("nothing after the last parenthesis")
                    return node
                operator, operands = open_lists[-1]
                operands.append(node)
                self._blanks()
                if operator != "!" and self._peek() == "(":
                    break
                self._take(")")
                open_lists.pop()
                node = _combine(operator, operands)

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


def _combine(operator: str, operands: list[Node]) -> Node:
    if operator == "!":
        return Not(operands[0])
    return And(tuple(operands)) if operator == "&" else Or(tuple(operands))
