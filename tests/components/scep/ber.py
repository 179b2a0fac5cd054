"""Rewrites DER as other encoders write it, and spoils it on purpose; the input is taken to be DER."""

from __future__ import annotations

from tools.scep_ca.ber_output import constructed, element, elements, indefinite, is_certificate, rewritten

__all__ = [
    "constructed",
    "constructed_encrypted_content",
    "element",
    "elements",
    "indefinite",
    "named_by_bit_string",
    "replaced",
    "rewritten",
    "with_shorter_encrypted_content",
    "without_certificates",
    "without_null_parameters",
]

_OCTET_STRING = 0x04


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
        return b"" if tag == 0xA0 and content and is_certificate(*next(elements(content))) else None

    return rewritten(data, change)


def named_by_bit_string(data: bytes, name: str) -> bytes:
    """A name that is a UTF8String as a BIT STRING of the same length, whose first octet counts unused bits."""
    encoded = name.encode()
    return data.replace(element(0x0C, encoded), element(0x03, b"\x00" + encoded[1:]))


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
