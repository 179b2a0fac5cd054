"""Sets of certificates: one certificate, or the certificates-only SignedData (RFC 8894 sections 3.4 and 4.2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from components.scep.certificates import load_certificate
from components.scep.errors import MalformedMessageError
from components.scep.message import ber

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

_MOST_ELEMENTS: Final = 32_768
_SEQUENCE: Final = 0x30
_OBJECT_IDENTIFIER: Final = 0x06
_WHAT: Final = "set of certificates"


def encode_certificates(certificates: Sequence[x509.Certificate]) -> bytes:
    """Write a certificates-only SignedData in DER."""
    from components.scep.message import asn1  # noqa: PLC0415  # heavy

    signed_data = asn1.SignedData()
    signed_data["version"] = "v1"
    signed_data["digestAlgorithms"].clear()
    signed_data["encapContentInfo"]["eContentType"] = asn1.DATA
    put_certificates(signed_data, certificates)
    signed_data["signerInfos"].clear()
    return asn1.encode_content(asn1.SIGNED_DATA, signed_data)


def decode_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """Read one certificate, or the certificates of a SignedData, in DER or BER; told apart by content.

    Servers label both kinds wrongly, and some send a line end after it.

    Raises:
        MalformedMessageError: It is neither.
    """
    element = ber.definite(data, _WHAT, _MOST_ELEMENTS)
    inner = ber.content(element, _WHAT)
    if element[0] != _SEQUENCE or not inner:
        raise MalformedMessageError(_WHAT, "it is neither a certificate nor a PKCS #7 message")
    if inner[0] != _OBJECT_IDENTIFIER:
        return (load_certificate(element),)
    from components.scep.message import asn1  # noqa: PLC0415  # heavy

    return certificates_of(asn1.decode_content(element, asn1.SIGNED_DATA, asn1.SignedData(), _WHAT))


def put_certificates(signed_data: Any, certificates: Sequence[x509.Certificate]) -> None:
    """Fill in the certificates of a SignedData."""
    for certificate in certificates:
        signed_data["certificates"].append(certificate.public_bytes(Encoding.DER))


def certificates_of(signed_data: Any) -> tuple[x509.Certificate, ...]:
    """The X.509 certificates in a SignedData; attribute certificates and others are left out."""
    field = signed_data["certificates"]
    elements = [bytes(element) for element in field] if field.hasValue() else []
    return tuple(load_certificate(element) for element in elements if element[0] == _SEQUENCE)
