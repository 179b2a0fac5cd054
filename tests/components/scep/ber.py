"""Rewrites DER as other encoders write it, and spoils it on purpose; the input is taken to be DER."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONSTRUCTED = 0x20
_OCTET_STRING = 0x04
_SEQUENCE = 0x30


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
        if tag & _CONSTRUCTED and not _is_certificate(tag, content):
            inner = rewritten(content, change)
        replacement = None if _is_certificate(tag, content) else change(tag, inner)
        written.append(element(tag, inner) if replacement is None else replacement)
    return b"".join(written)


def _is_certificate(tag: int, content: bytes) -> bool:
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
    """Long OCTET STRINGs, in chunks of 1000 octets and of indefinite length, as BouncyCastle writes them."""

    def change(tag: int, content: bytes) -> bytes | None:
        if tag != _OCTET_STRING or len(content) < 300:
            return None
        chunks = [content[start : start + 1000] for start in range(0, len(content), 1000)]
        return b"\x24\x80" + b"".join(element(_OCTET_STRING, chunk) for chunk in chunks) + b"\x00\x00"

    return rewritten(data, change)


def constructed_encrypted_content(data: bytes) -> bytes:
    """The implicitly tagged encryptedContent constructed of one string, as Debian's server writes it."""

    def change(tag: int, content: bytes) -> bytes | None:
        return element(0xA0, element(_OCTET_STRING, content)) if tag == 0x80 else None

    return rewritten(data, change)


def with_shorter_encrypted_content(data: bytes) -> bytes:
    """The implicitly tagged encryptedContent without its last octet, no whole number of blocks then."""
    return rewritten(data, lambda tag, content: element(tag, content[:-1]) if tag == 0x80 else None)


def without_null_parameters(data: bytes) -> bytes:
    """NULL parameters of algorithms left out."""
    return rewritten(data, lambda tag, content: b"" if (tag, content) == (0x05, b"") else None)


def without_certificates(data: bytes) -> bytes:
    """A SignedData without its certificates."""

    def change(tag: int, content: bytes) -> bytes | None:
        return b"" if tag == 0xA0 and content and _is_certificate(*next(elements(content))) else None

    return rewritten(data, change)


def replaced(data: bytes, old: bytes, new: bytes, occurrence: int | None = None) -> bytes:
    """Elements replaced by others, all of them or the one counted from 0, lengths around them put right."""
    count = -1

    def change(tag: int, content: bytes) -> bytes | None:
        nonlocal count
        if element(tag, content) != old:
            return None
        count += 1
        return new if occurrence in (None, count) else None

    return rewritten(data, change)
