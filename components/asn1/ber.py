"""BER with indefinite lengths made definite: received bytes are walked over once, in bounds and without recursion.

Peers write BER as well as DER (old BouncyCastle servers use indefinite lengths throughout). Readers of definite lengths
take over from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from components.asn1.der import DerError

LARGEST: Final = 256 * 1024
"""Octets of the largest structure that is read."""

DEEPEST: Final = 32
"""Elements within elements; an honest reply has some 15."""

MOST_ELEMENTS: Final = 8_192
"""Elements in all; an honest reply has some hundreds, the longest CA chain that is read some thousands."""

_CONSTRUCTED: Final = 0x20
_INDEFINITE: Final = 0x80
_PADDING: Final = b"\x00\t\n\r "


@dataclass(slots=True)
class _Open:
    """A constructed element whose end was not reached yet."""

    start: int
    header: bytes
    content: int
    end: int | None
    changed: bool
    parts: list[bytes] = field(default_factory=list)


def definite(data: bytes) -> bytes:
    """The element that `data` begins with, indefinite lengths made definite, everything else as it came.

    Args:
        data: BER. White space and zero octets may follow the element; some servers send a line end.

    Raises:
        DerError: It is no BER, something follows, or it is too large, too deep or of too many parts.
    """
    if len(data) > LARGEST:
        raise DerError(f"more than the {LARGEST} octets that are accepted")
    position = 0
    opened: list[_Open] = []
    done: list[bytes] = []
    for _ in range(MOST_ELEMENTS):
        header = _header(data, position)
        limit = next((frame.end for frame in reversed(opened) if frame.end is not None), len(data))
        if header.end is not None and header.end > limit:
            raise DerError("an element reaches beyond the one that it is in")
        if data[position] & _CONSTRUCTED:
            if len(opened) == DEEPEST:
                raise DerError(f"more than {DEEPEST} elements within each other")
            opened.append(header)
            position = header.content
        elif header.end is None:
            raise DerError("a primitive element of indefinite length")
        else:
            position = header.end
            (opened[-1].parts if opened else done).append(data[header.start : position])
        position = _close(data, position, opened, done)
        if not opened:
            if data[position:].strip(_PADDING):
                raise DerError("something follows the end")
            return done[0]
    raise DerError(f"more than {MOST_ELEMENTS} elements")


def _header(data: bytes, start: int) -> _Open:
    """The element that begins at `start`; `end` is None if its length is indefinite."""
    position = start + 1
    if start < len(data) and data[start] & 0x1F == 0x1F:
        while position < len(data) and data[position] & 0x80:
            position += 1
        position += 1
    if position >= len(data):
        raise DerError("it is cut off, or not ASN.1 at all")
    tag = data[start:position]
    length = data[position]
    position += 1
    if length == _INDEFINITE:
        return _Open(start, tag, position, None, changed=True)
    if length > _INDEFINITE:
        octets = data[position : position + length - _INDEFINITE]
        position += len(octets)
        length = int.from_bytes(octets)
    if position + length > len(data):
        raise DerError("it is cut off, or not ASN.1 at all")
    return _Open(start, tag, position, position + length, changed=False)


def _close(data: bytes, position: int, opened: list[_Open], done: list[bytes]) -> int:
    """Close the elements that end at `position` and give the position after them."""
    while opened:
        frame = opened[-1]
        if frame.end is None and data[position : position + 2] == b"\x00\x00":
            position += 2
        elif frame.end != position:
            break
        opened.pop()
        octets = data[frame.start : position]
        if frame.changed:
            octets = _with_length(frame.header, b"".join(frame.parts))
        if opened:
            opened[-1].changed |= frame.changed
            opened[-1].parts.append(octets)
        else:
            done.append(octets)
    return position


def _with_length(tag: bytes, content: bytes) -> bytes:
    """An element of definite length."""
    size = len(content)
    if size < _INDEFINITE:
        return tag + bytes((size,)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return tag + bytes((_INDEFINITE | len(octets),)) + octets + content
