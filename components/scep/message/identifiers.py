"""What a CA is asked about (RFC 8894 3.3.3, 3.3.4): a request or a certificate, named by its issuer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from components.scep.errors import DecodingError
from components.scep.message import asn1
from components.scep.message.ber import definite

if TYPE_CHECKING:
    from typing import Any


def encode_issuer_and_subject(issuer: x509.Name, subject: x509.Name) -> bytes:
    """The content of a CertPoll: the CA's subject, and the one that was requested."""
    value = asn1.IssuerAndSubject()
    value["issuer"], value["subject"] = _to_asn1(issuer), _to_asn1(subject)
    return asn1.encode(value)


def decode_issuer_and_subject(data: bytes) -> tuple[x509.Name, x509.Name]:
    """The CA's subject and the requested one; DecodingError if it is no IssuerAndSubject."""
    value = asn1.decode(definite(data), asn1.IssuerAndSubject())
    return _from_asn1(value["issuer"]), _from_asn1(value["subject"])


def encode_issuer_and_serial_number(issuer: x509.Name, serial_number: int) -> bytes:
    """The content of a GetCert or GetCRL."""
    value = asn1.rfc5652.IssuerAndSerialNumber()
    value["issuer"], value["serialNumber"] = _to_asn1(issuer), serial_number
    return asn1.encode(value)


def decode_issuer_and_serial_number(data: bytes) -> tuple[x509.Name, int]:
    """The issuer and the serial number; DecodingError if it is no IssuerAndSerialNumber."""
    value = asn1.decode(definite(data), asn1.rfc5652.IssuerAndSerialNumber())
    return _from_asn1(value["issuer"]), int(value["serialNumber"])


def _to_asn1(name: x509.Name) -> Any:
    return asn1.decode(name.public_bytes(), asn1.rfc5280.Name())


def _from_asn1(name: Any) -> x509.Name:
    try:
        return x509.Name.from_bytes(asn1.encode(name))
    except (ValueError, TypeError) as error:
        raise DecodingError(f"holds no name that can be read: {error}") from None
