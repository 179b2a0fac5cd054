"""Certificates as SCEP carries them: one, or a degenerate certs-only SignedData (RFC 8894 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.scep.errors import DecodingError
from components.scep.message import asn1
from components.scep.message.ber import definite
from components.scep.message.kinds import DATA, SIGNED_DATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


MOST_CERTIFICATES: Final = 32
"""Certificates, or CRLs, in one message: each pair of them may cost a verification."""


def encode_certificates(
    certificates: Iterable[x509.Certificate], crls: Iterable[x509.CertificateRevocationList] = ()
) -> bytes:
    """A degenerate SignedData with these certificates and CRLs, as DER."""
    signed = asn1.SignedData()
    signed["version"] = 1
    signed["digestAlgorithms"].clear()
    signed["encapContentInfo"]["eContentType"] = DATA
    for part, members in (("certificates", certificates), ("crls", crls)):
        encoded = [one.public_bytes(Encoding.DER) for one in members]
        if encoded:
            signed[part].extend(encoded)
    signed["signerInfos"].clear()
    return asn1.encode_content(SIGNED_DATA, signed)


def decode_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in an answer: one in DER, or a SignedData in BER, told apart by content.

    Raises:
        DecodingError: It is neither, or holds no certificate, or too many.
    """
    try:
        return (load_certificate(data),)
    except DecodingError:
        signed = asn1.decode_content(data, SIGNED_DATA, asn1.SignedData())
    found = raw_certificates(signed)
    if not found:
        raise DecodingError("the answer holds no certificate")
    return load_certificates(found)


def decode_degenerate(data: bytes) -> tuple[tuple[x509.Certificate, ...], tuple[x509.CertificateRevocationList, ...]]:
    """The certificates and the CRLs of a degenerate SignedData (RFC 8894 3.4), each perhaps none.

    Raises:
        DecodingError: It is none, or something in it cannot be read.
    """
    signed = asn1.decode_content(data, SIGNED_DATA, asn1.SignedData())
    lists = signed["crls"]
    raw = tuple(bytes(one) for one in lists) if lists.isValue else ()
    if len(raw) > MOST_CERTIFICATES:
        raise DecodingError(f"more than {MOST_CERTIFICATES} CRLs")
    return load_certificates(raw_certificates(signed)), tuple(map(load_crl, raw))


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
    try:
        certificate = x509.load_der_x509_certificate(definite(data))
        _read_whole(certificate)
    except (ValueError, x509.InvalidVersion) as error:
        raise DecodingError(f"is no X.509 certificate: {error}") from None
    return certificate


def load_crl(data: bytes) -> x509.CertificateRevocationList:
    """A CRL in DER.

    Raises:
        DecodingError: It is none.
    """
    try:
        crl = x509.load_der_x509_crl(definite(data))
        _ = crl.issuer, crl.last_update_utc, crl.next_update_utc
    except (ValueError, x509.InvalidVersion) as error:
        raise DecodingError(f"is no CRL: {error}") from None
    return crl


def _read_whole(certificate: x509.Certificate) -> None:
    """ValueError if a name or a time is damaged, which cryptography reads only when it is asked for.

    Extensions are left to those who want one: a certificate with an odd one may be good for all that is done with it.
    """
    _ = certificate.issuer, certificate.subject
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc


def raw_certificates(signed: asn1.SignedData) -> tuple[bytes, ...]:
    """The certificates of a SignedData as they came."""
    certificates = signed["certificates"]
    return tuple(bytes(one) for one in certificates) if certificates.isValue else ()
