"""Where in a JSON text something stands; asked only once something is wrong or odd, since `json` does not tell."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from metatype.limits import DEEPEST, MOST_ELEMENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Path = tuple[str | int, ...]
"""The keys and indices that lead to a value."""

Place = tuple[int, int]
"""Line and column, counted from 1."""

SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_CONSTANTS: Final = ("NaN", "Infinity", "-Infinity")
_LONGEST_NUMBER: Final = 4300  # what Python makes an int of


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a text that has JSON's grammar."""

    message: str
    place: Place
    key: str | None = None


def place_at(text: str, offset: int) -> Place:
    """The place of a character."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def places(text: str, wanted: Collection[Path]) -> dict[Path, Place]:
    """The places of values in a well-formed text; those that it does not have are left out."""
    if not wanted:
        return {}
    ends = [match.start() for match in re.finditer("\n", text)]
    found: dict[Path, Place] = {}
    for token in _tokens(text):
        if token.path in wanted and not token.is_key:
            line = bisect_left(ends, token.offset)
            found[token.path] = line + 1, token.offset - (ends[line - 1] if line else -1)
    return found


def first_fault(text: str) -> Fault | None:
    """The first thing in a text that JSON's grammar allows, or Python's reader, but a descriptor does not."""
    containers = 0
    seen: dict[Path, set[str]] = {}
    for token in _tokens(text):
        message = None
        containers += token.text in "{["
        if SURROGATE.search(token.decoded):
            message = "has half of a surrogate pair, which is no character"
        elif token.is_key:
            keys = seen.setdefault(token.path[:-1], set())
            if token.decoded in keys:
                message = f"has the key {token.decoded!r} twice in one object"
            keys.add(token.decoded)
        elif token.text in _CONSTANTS:
            message = f"has {token.text}, which is no JSON"
        elif token.text[0] in "-0123456789" and len(token.text) > _LONGEST_NUMBER:
            message = f"has a number of more than {_LONGEST_NUMBER} digits"
        elif token.text in "{[" and len(token.path) >= DEEPEST:
            message = f"nests deeper than {DEEPEST} objects and lists"
        elif containers > MOST_ELEMENTS:
            message = f"has more than {MOST_ELEMENTS} objects and lists"
        if message is not None:
            return Fault(message, place_at(text, token.offset), token.decoded if token.is_key else None)
    return None


@dataclass(slots=True)
class _Token:
    text: str
    offset: int
    path: Path
    is_key: bool

    @property
    def decoded(self) -> str:
        return str(json.loads(self.text)) if self.text.startswith('"') else ""


@dataclass(slots=True)
class _Container:
    is_object: bool
    path: Path
    at: str | int = field(init=False)
    expects_key: bool = field(init=False)

    def __post_init__(self) -> None:
        self.at = "" if self.is_object else 0
        self.expects_key = self.is_object


def _tokens(text: str) -> Iterator[_Token]:
    """The keys and values of a text, as far as it is well formed."""
    within: list[_Container] = []
    for match in _TOKEN.finditer(text):
        found = match[0]
        inside = within[-1] if within else None
        if found in "]}":
            if inside is None:
                return
            within.pop()
        elif found == ",":
            if inside is not None and isinstance(inside.at, int):
                inside.at += 1
            elif inside is not None:
                inside.expects_key = True
        elif found == ":":
            continue
        elif inside is not None and inside.expects_key:
            if not found.startswith('"'):
                return
            inside.at, inside.expects_key = json.loads(found), False
            yield _Token(found, match.start(), (*inside.path, inside.at), is_key=True)
        else:
            path = () if inside is None else (*inside.path, inside.at)
            yield _Token(found, match.start(), path, is_key=False)
            if found in "{[":
                within.append(_Container(found == "{", path))
