"""Certificates as SCEP carries them: one, or a degenerate certs-only SignedData (RFC 8894 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.asn1 import der
from components.scep.errors import DecodingError
from components.scep.message import cms
from components.scep.message.kinds import DATA, SIGNED_DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from components.asn1.der import Element


T = TypeVar("T")

MOST_CERTIFICATES: Final = 32
"""Certificates, or CRLs, in one message: each pair of them may cost a verification."""

UNREADABLE: Final = (ValueError, TypeError, x509.InvalidVersion)
"""What cryptography raises where a part of a certificate or CRL is damaged; TypeError for a name's BIT STRING."""

NO_EXTENSION: Final = (
    *UNREADABLE,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What it raises where an extension is not there, or cannot be read."""


def encode_certificates(
    certificates: Iterable[x509.Certificate], crls: Iterable[x509.CertificateRevocationList] = ()
) -> bytes:
    """A degenerate SignedData with these certificates and CRLs, as DER."""
    parts = [
        der.set_of((one.public_bytes(Encoding.DER) for one in members), tag)
        for tag, members in ((cms.CONTEXT_0, tuple(certificates)), (cms.CONTEXT_1, tuple(crls)))
        if members
    ]
    encapsulated = der.sequence(der.object_identifier(DATA))
    return cms.content_info(
        SIGNED_DATA, der.sequence(der.integer(1), der.set_of(()), encapsulated, *parts, der.set_of(()))
    )


def decode_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in an answer: one in DER, or a SignedData in BER, told apart by content.

    Raises:
        DecodingError: It is neither, or holds no certificate, or too many.
    """
    try:
        return (load_certificate(data),)
    except DecodingError:
        found, _ = cms.read(data, _degenerate)
    if not found:
        raise DecodingError("the answer holds no certificate")
    return load_certificates(found)


def decode_degenerate(data: bytes) -> tuple[tuple[x509.Certificate, ...], tuple[x509.CertificateRevocationList, ...]]:
    """The certificates and the CRLs of a degenerate SignedData (RFC 8894 3.4), each perhaps none.

    Raises:
        DecodingError: It is none, or something in it cannot be read.
    """
    certificates, crls = cms.read(data, _degenerate)
    if len(crls) > MOST_CERTIFICATES:
        raise DecodingError(f"more than {MOST_CERTIFICATES} CRLs")
    return load_certificates(certificates), tuple(map(load_crl, crls))


def load_certificates(encoded: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """Several certificates in DER; DecodingError if one is none, or if they are too many."""
    if len(encoded) > MOST_CERTIFICATES:
        raise DecodingError(f"more than {MOST_CERTIFICATES} certificates")
    return tuple(map(load_certificate, encoded))


def load_certificate(data: bytes) -> x509.Certificate:
    """A certificate in DER; what follows it (a newline, say) is ignored.

    Raises:
        DecodingError: It is no certificate.
    """
    return _load(data, _certificate, "X.509 certificate")


def load_crl(data: bytes) -> x509.CertificateRevocationList:
    """A CRL in DER.

    Raises:
        DecodingError: It is none.
    """
    return _load(data, _crl, "CRL")


def _load(data: bytes, load: Callable[[bytes], T], what: str) -> T:
    """What cryptography makes of the element that `data` begins with, which may be BER."""
    encoded = cms.read(data, lambda element: element.encoded)
    try:
        try:
            return load(encoded)
        except UNREADABLE:
            return load(cms.definite(encoded))
    except UNREADABLE as error:
        raise DecodingError(f"what came is no {what}: {error}") from None


def _certificate(encoded: bytes) -> x509.Certificate:
    """A certificate; an error if a name or a time is damaged, which cryptography reads only when it is asked for.

    Extensions are left to those who want one: a certificate with an odd one may be good for all that is done with it.
    """
    certificate = x509.load_der_x509_certificate(encoded)
    _ = certificate.issuer, certificate.subject
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return certificate


def _crl(encoded: bytes) -> x509.CertificateRevocationList:
    crl = x509.load_der_x509_crl(encoded)
    _ = crl.issuer, crl.last_update_utc, crl.next_update_utc
    return crl


def _degenerate(element: Element) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The certificates and CRLs of a SignedData as they came; whether anybody signed it does not matter."""
    fields = cms.content_of(element, SIGNED_DATA)
    fields.next().integer()
    fields.next().expect(der.SET)
    fields.next().expect(der.SEQUENCE)
    return cms.set_of_raw(fields, cms.CONTEXT_0), cms.set_of_raw(fields, cms.CONTEXT_1)
