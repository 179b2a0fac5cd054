"""DER rewritten as other encoders write it: with indefinite lengths, and strings in chunks (legal BER)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONSTRUCTED: Final = 0x20
_OCTET_STRING: Final = 0x04
_SEQUENCE: Final = 0x30
_CHUNK: Final = 1000
_LONG: Final = 300
"""Octets of a string from which on it is written in chunks; keys and nonces are shorter."""


def elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of the elements one after the other."""
    position = 0
    while position < len(content):
        tag, length = content[position], content[position + 1]
        position += 2
        if length > 0x80:
            size = length - 0x80
            length = int.from_bytes(content[position : position + size])
            position += size
        yield tag, content[position : position + length]
        position += length


def element(tag: int, content: bytes) -> bytes:
    """An element in DER."""
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + content


def rewritten(data: bytes, change: Callable[[int, bytes], bytes | None]) -> bytes:
    """`data` with each element replaced by what `change` makes of it, inner ones first; None keeps it.

    Certificates (a SEQUENCE of a SEQUENCE of `[0]`) stay: to rewrite one would be forgery.
    """
    written = []
    for tag, content in elements(data):
        inner = content
        if tag & _CONSTRUCTED and not is_certificate(tag, content):
            inner = rewritten(content, change)
        replacement = None if is_certificate(tag, content) else change(tag, inner)
        written.append(element(tag, inner) if replacement is None else replacement)
    return b"".join(written)


def is_certificate(tag: int, content: bytes) -> bool:
    """Whether an element looks like a certificate."""
    if tag != _SEQUENCE or content[:1] != b"\x30":
        return False
    _, first = next(elements(content))
    return first[:1] == b"\xa0"


def indefinite(data: bytes) -> bytes:
    """All lengths of constructed elements indefinite."""

    def change(tag: int, content: bytes) -> bytes | None:
        return bytes((tag, 0x80)) + content + b"\x00\x00" if tag & _CONSTRUCTED else None

    return rewritten(data, change)


def constructed(data: bytes) -> bytes:
    """Long OCTET STRINGs in chunks and of indefinite length, as BouncyCastle writes them."""

    def change(tag: int, content: bytes) -> bytes | None:
        if tag != _OCTET_STRING or len(content) < _LONG:
            return None
        chunks = [content[start : start + _CHUNK] for start in range(0, len(content), _CHUNK)]
        return b"\x24\x80" + b"".join(element(_OCTET_STRING, chunk) for chunk in chunks) + b"\x00\x00"

    return rewritten(data, change)
