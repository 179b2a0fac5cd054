"""Questions about certificates, answered without surprises when the certificate is odd."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.scep.errors import MalformedMessageError
from components.scep.text import printable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PublicKeyTypes

Extension = TypeVar("Extension", bound=x509.ExtensionType)


def load_certificate(der: bytes) -> x509.Certificate:
    """Read a certificate.

    Raises:
        MalformedMessageError: It is none.
    """
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise MalformedMessageError("certificate", printable(str(error))) from error


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the whole certificate in lower-case hexadecimal (RFC 8894 section 2.2)."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def describe(certificate: x509.Certificate) -> str:
    """Subject and fingerprint for people."""
    return f"{subject_text(certificate.subject)} (SHA-256 {fingerprint(certificate)})"


def subject_text(name: x509.Name) -> str:
    """A distinguished name for people, such as `CN=gateway,O=Acme`."""
    return printable(name.rfc4514_string()) or "the empty subject"


def extension_of(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    """The value of an extension, or None if the certificate has none of this kind.

    Raises:
        MalformedMessageError: The certificate's extensions cannot be read.
    """
    try:
        value = certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise MalformedMessageError(f"certificate of {subject_text(certificate.subject)}", str(error)) from error
    return value


def public_key_of(certificate: x509.Certificate) -> CertificatePublicKeyTypes | None:
    """The certificate's public key, or None if it is of no known kind."""
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def rsa_key_of(certificate: x509.Certificate) -> rsa.RSAPublicKey | None:
    """The certificate's public key if it is an RSA key."""
    key = public_key_of(certificate)
    return key if isinstance(key, rsa.RSAPublicKey) else None


def spki(public_key: PublicKeyTypes) -> bytes:
    """The SubjectPublicKeyInfo in DER: two keys are the same if theirs are."""
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether it is a certification authority's: by basic constraints, or self-issued of version 1, which has none."""
    constraints = extension_of(certificate, x509.BasicConstraints)
    if constraints is not None:
        return constraints.ca
    return certificate.version is x509.Version.v1 and certificate.issuer == certificate.subject
