"""What a CA is asked about (RFC 8894 3.3.3, 3.3.4): a request or a certificate, named by its issuer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from components.asn1 import der
from components.asn1.der import DerError
from components.scep.message.cms import read

if TYPE_CHECKING:
    from components.asn1.der import Element


def encode_issuer_and_subject(issuer: x509.Name, subject: x509.Name) -> bytes:
    """The content of a CertPoll: the CA's subject, and the one that was requested."""
    return der.sequence(issuer.public_bytes(), subject.public_bytes())


def decode_issuer_and_subject(data: bytes) -> tuple[x509.Name, x509.Name]:
    """The CA's subject and the requested one; DecodingError if it is no IssuerAndSubject."""

    def parse(element: Element) -> tuple[x509.Name, x509.Name]:
        fields = element.children()
        issuer, subject = _name(fields.next()), _name(fields.next())
        _expect_end(at_end=fields.at_end)
        return issuer, subject

    return read(data, parse)


def encode_issuer_and_serial_number(issuer: x509.Name, serial_number: int) -> bytes:
    """The content of a GetCert or GetCRL."""
    return der.sequence(issuer.public_bytes(), der.integer(serial_number))


def decode_issuer_and_serial_number(data: bytes) -> tuple[x509.Name, int]:
    """The issuer and the serial number; DecodingError if it is no IssuerAndSerialNumber."""

    def parse(element: Element) -> tuple[x509.Name, int]:
        fields = element.children()
        issuer, serial_number = _name(fields.next()), fields.next().integer()
        _expect_end(at_end=fields.at_end)
        return issuer, serial_number

    return read(data, parse)


def _name(element: Element) -> x509.Name:
    try:
        return x509.Name.from_bytes(element.encoded)
    except (ValueError, TypeError) as error:
        raise DerError(f"holds no name that can be read: {error}") from None


def _expect_end(*, at_end: bool) -> None:
    if not at_end:
        raise DerError("has more fields than belong there")
