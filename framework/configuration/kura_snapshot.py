"""Reads snapshots of Kura and ESF (`esf:configurations`): expat with own handlers and hard limits."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

from framework.errors import FrameworkError
from metatype import Attribute, AttributeType, MetatypeError

NAMESPACE: Final = "http://eurotech.com/esf/2.0"
LARGEST: Final = 2 * 1024 * 1024
"""Bytes in a snapshot."""

DEEPEST: Final = 16
MOST_ELEMENTS: Final = 100_000
MOST_ATTRIBUTES: Final = 64

_TYPES: Final = {kind.value.lower(): kind for kind in AttributeType} | {"char": AttributeType.CHARACTER}
_ENCODINGS: Final = ("utf-8", "utf-16", "us-ascii", "iso-8859-1", "windows-1252")
_ANY_NUMBER: Final = -(2**31)
_CHUNK: Final = 64 * 1024


class KuraSnapshotError(FrameworkError):
    """A file is no snapshot that can be read.

    Attributes:
        source: What the file is called.
        line: The line at fault, counted from 1, or None.
    """

    def __init__(self, message: str, source: str, line: int | None = None) -> None:
        super().__init__(f"{source if line is None else f'{source}:{line}'}: {message}")
        self.source = source
        self.line = line


@dataclass(slots=True)
class KuraConfiguration:
    """One configuration of a snapshot.

    Attributes:
        properties: Typed values by name.
        unread: Why properties could not be read, by name.
    """

    pid: str
    properties: dict[str, Any] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def read_snapshot(data: bytes, source: str) -> tuple[KuraConfiguration, ...]:
    """The configurations in a snapshot, in its order; the definitions that may be in it are passed over.

    Raises:
        KuraSnapshotError: It is none, or is larger than any honest one.
    """
    if len(data) > LARGEST:
        raise KuraSnapshotError(f"is larger than {LARGEST} bytes", source)
    return _Reader(source).read(data)


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._path: list[str] = []
        self._elements = 0
        self._found: list[KuraConfiguration] = []
        self._property: dict[str, str] = {}
        self._values: list[str] = []
        self._text: list[str] | None = None
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def read(self, data: bytes) -> tuple[KuraConfiguration, ...]:
        try:
            # In pieces: after a refusal nothing more of the document is looked at.
            for start in range(0, len(data), _CHUNK):
                self._parser.Parse(data[start : start + _CHUNK], False)
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            message = f"is no well-formed XML: {expat.ErrorString(error.code)}"
            raise KuraSnapshotError(message, self._source, error.lineno) from None
        return tuple(self._found)

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise self._error(f"is in the encoding {encoding!r}; known are {', '.join(_ENCODINGS)}")

    def _doctype(self, *_: object) -> None:
        raise self._error("has a DOCTYPE, which is refused; remove it, snapshots need none")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise self._error(f"has more than {MOST_ELEMENTS} elements")
        if len(self._path) >= DEEPEST:
            raise self._error(f"nests deeper than {DEEPEST} elements")
        if len(attributes) > MOST_ATTRIBUTES:
            raise self._error(f"has an element with more than {MOST_ATTRIBUTES} attributes")
        self._path.append(name.removeprefix(f"{NAMESPACE} "))
        match self._path:
            case ["configurations"]:
                pass
            case [other]:
                raise self._error(f"begins with {other}; a snapshot begins with configurations of {NAMESPACE}")
            case [_, "configuration"]:
                if not attributes.get("pid"):
                    raise self._error("has a configuration without pid")
                self._found.append(KuraConfiguration(attributes["pid"]))
            case [_, "configuration", "properties", "property"]:
                self._property, self._values = attributes, []
            case [_, "configuration", "properties", "property", "value"]:
                self._text = []

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _end(self, _name: str) -> None:
        match self._path:
            case [_, "configuration", "properties", "property", "value"]:
                self._values.append("".join(self._text or ()))
                self._text = None
            case [_, "configuration", "properties", "property"]:
                self._close_property()
        self._path.pop()

    def _close_property(self) -> None:
        given, into = self._property, self._found[-1]
        name = given.get("name", "")
        kind = _TYPES.get(given.get("type", "").strip().lower())
        if not name:
            into.unread["(no name)"] = "a property has no name"
        elif name in into.properties or name in into.unread:
            into.unread[name] = "is there twice; the first is taken"
        elif kind is None:
            into.unread[name] = f"is of the unknown type {given.get('type', '')!r}"
        elif self._values:
            try:
                into.properties[name] = self._value(name, kind)
            except ValueError as error:
                into.unread[name] = str(error)

    def _value(self, name: str, kind: AttributeType) -> Any:
        values = self._values
        if self._property.get("encrypted", "").strip().lower() == "true":
            values = [_decoded(value) for value in values]
        several = self._property.get("array", "").strip().lower() == "true"
        attribute = Attribute(name, kind, cardinality=_ANY_NUMBER if several else 0, required=False)
        try:
            return attribute.coerce(values if several else values[0])
        except MetatypeError as error:
            raise ValueError("; ".join(problem.message for problem in error.problems)) from None

    def _error(self, message: str) -> KuraSnapshotError:
        return KuraSnapshotError(message, self._source, self._parser.CurrentLineNumber)


def _decoded(text: str) -> str:
    """A value that is marked as encrypted: base64 in shipped snapshots; others only their own gateway can open."""
    try:
        decoded = base64.b64decode(text.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        decoded = "\0"
    if not decoded.isprintable():
        raise ValueError("is encrypted under the key of the gateway that it comes from; set it by hand")
    return decoded
