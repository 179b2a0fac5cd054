"""Which certificate a CMS structure means: by issuer and serial number, or by the key's identifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509

from components.scep.certificates import extension_of
from components.scep.message.model import CertificateIdentifier

if TYPE_CHECKING:
    from collections.abc import Iterable


def certificate_identifier(choice: Any) -> CertificateIdentifier:
    """Read a SignerIdentifier or RecipientIdentifier (RFC 5652 sections 5.3 and 6.2.1)."""
    from components.scep.message import asn1  # noqa: PLC0415  # heavy

    if choice.getName() == "issuerAndSerialNumber":
        named = choice["issuerAndSerialNumber"]
        return CertificateIdentifier(
            issuer=asn1.encode(named["issuer"]), serial_number=int(named["serialNumber"])
        )
    return CertificateIdentifier(subject_key_identifier=bytes(choice["subjectKeyIdentifier"]))


def identified(
    identifier: CertificateIdentifier, certificates: Iterable[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Those of the certificates that are meant; more than one only if somebody numbers twice."""
    return tuple(certificate for certificate in certificates if identifies(identifier, certificate))


def identifies(identifier: CertificateIdentifier, certificate: x509.Certificate) -> bool:
    """Whether this certificate is meant. Values are compared, not how they came encoded."""
    if identifier.subject_key_identifier is not None:
        key_identifier = extension_of(certificate, x509.SubjectKeyIdentifier)
        return key_identifier is not None and key_identifier.digest == identifier.subject_key_identifier
    return (
        certificate.serial_number == identifier.serial_number
        and certificate.issuer.public_bytes() == identifier.issuer
    )
