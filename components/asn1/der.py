"""A writer of DER and a reader of definite lengths (X.690), without a schema compiler.

Reading is lazy: an element's children are parsed when they are asked for, so nothing here recurses, whatever the input.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from framework.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CONSTRUCTED: Final = 0x20
"""The bit of a tag whose content is elements."""

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
UTF8_STRING: Final = 0x0C
PRINTABLE_STRING: Final = 0x13
BMP_STRING: Final = 0x1E
SEQUENCE: Final = 0x30
SET: Final = 0x31

NULL: Final = b"\x05\x00"

_new: Final = tuple.__new__
"""Makes an element of just its fields; its class would look for defaults first, for each of thousands."""


class DerError(ValueError):
    """The bytes are no DER, or not of the expected structure."""


class IndefiniteLengthError(DerError):
    """A length is indefinite: the bytes are BER, which `components.asn1.ber` makes definite."""

    def __init__(self) -> None:
        super().__init__("the length is indefinite (BER); only DER is read")


class Element(Record):
    """One element: its tag (identifier octet), its content, and all its octets."""

    tag: int
    content: bytes
    encoded: bytes

    def children(self, tag: int = SEQUENCE) -> Reader:
        """A reader of the elements inside, after a check that this is a `tag`."""
        return Reader(self.expect(tag))

    def expect(self, tag: int) -> bytes:
        """The content, after a check that this is a `tag`."""
        if self.tag != tag:
            raise DerError(f"found tag 0x{self.tag:02x} where 0x{tag:02x} belongs")
        return self.content

    def integer(self) -> int:
        """The value of an INTEGER."""
        if not self.expect(INTEGER):
            raise DerError("an INTEGER is empty")
        return int.from_bytes(self.content, signed=True)

    def object_identifier(self) -> str:
        """The value of an OBJECT IDENTIFIER, in dots."""
        return _dotted(self.expect(OBJECT_IDENTIFIER))

    def octets(self) -> bytes:
        """The value of an OCTET STRING, which in BER may be constructed of others."""
        if self.tag == OCTET_STRING:
            return self.content
        return joined(self.expect(OCTET_STRING | CONSTRUCTED))


class Reader:
    """Reads elements one after the other."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return self._position == len(self._data)

    def peek(self) -> int | None:
        """The next element's tag, or None at the end."""
        return None if self.at_end else self._data[self._position]

    def next(self) -> Element:
        """The next element."""
        data, start = self._data, self._position
        if len(data) - start < 2:
            raise DerError("an element is missing or cut off")
        tag, length = data[start], data[start + 1]
        if tag & 0x1F == 0x1F:
            raise DerError("tags above 30 do not occur here")
        begin = start + 2
        if length == 0x80:
            raise IndefiniteLengthError
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[begin : begin + size])
            begin += size
        end = begin + length
        if end > len(data):
            raise DerError("an element is cut off")
        self._position = end
        return _new(Element, (tag, data[begin:end], data[start:end]))

    def __iter__(self) -> Iterator[Element]:
        size = len(self._data)
        while self._position != size:
            yield self.next()


DEEPEST: Final = 32
"""Strings within strings, of which a constructed one is made; an honest one has two."""


def joined(content: bytes, depth: int = 0) -> bytes:
    """The value of a constructed string (X.690 8.7.3): the segments in its content, one after the other."""
    if depth == DEEPEST:
        raise DerError(f"more than {DEEPEST} strings within each other")
    return b"".join(
        joined(part.content, depth + 1) if part.tag & CONSTRUCTED else part.content for part in Reader(content)
    )


@functools.lru_cache(maxsize=256)
def _dotted(content: bytes) -> str:
    """An object identifier in dots; remembered, since a few of them come again and again."""
    if not content or content[-1] & 0x80 or len(content) > 64:
        raise DerError("an OBJECT IDENTIFIER is cut off or too long")
    arcs = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def decode(data: bytes) -> Element:
    """The one element that `data` consists of."""
    reader = Reader(data)
    element = reader.next()
    if not reader.at_end:
        raise DerError("something follows the end")
    return element


def encode(tag: int, *contents: bytes) -> bytes:
    """An element of the given contents, one after the other."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size) + content


def sequence(*contents: bytes) -> bytes:
    """A SEQUENCE."""
    return encode(SEQUENCE, *contents)


def set_of(elements: Iterable[bytes], tag: int = SET) -> bytes:
    """A SET OF, its elements in the order that DER demands (X.690 section 11.6)."""
    return encode(tag, *sorted(elements))


def integer(value: int) -> bytes:
    """An INTEGER."""
    bits = (value if value >= 0 else ~value).bit_length()
    return encode(INTEGER, value.to_bytes(bits // 8 + 1, signed=True))


def octet_string(value: bytes) -> bytes:
    """An OCTET STRING."""
    return encode(OCTET_STRING, value)


def text(tag: int, value: str) -> bytes:
    """A character string in UTF-8, of which ASCII is a part: PrintableString, UTF8String."""
    return encode(tag, value.encode("utf-8"))


@functools.lru_cache(maxsize=256)
def object_identifier(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER, from its dotted form."""
    first, second, *others = map(int, dotted.split("."))
    octets = bytearray()
    for arc in (40 * first + second, *others):
        groups = [arc & 0x7F]
        rest = arc >> 7
        while rest:
            groups.append(rest & 0x7F | 0x80)
            rest >>= 7
        octets += bytes(reversed(groups))
    return encode(OBJECT_IDENTIFIER, bytes(octets))
