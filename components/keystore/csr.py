"""Certification requests (PKCS #10, RFC 2986) that carry a challenge password (RFC 2985 section 5.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.keystore import der
from components.keystore.errors import KeystoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.keystore.keys import PrivateKey
    from metatype import Secret

_CHALLENGE_PASSWORD: Final = "1.2.840.113549.1.9.7"  # noqa: S105  # an object identifier
_EXTENSION_REQUEST: Final = "1.2.840.113549.1.9.14"
_SUBJECT_ALTERNATIVE_NAME: Final = "2.5.29.17"
_SHA256_WITH_RSA: Final = "1.2.840.113549.1.1.11"
_ECDSA_WITH_SHA256: Final = "1.2.840.10045.4.3.2"

_PRINTABLE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")
_BOOLEAN_TRUE: Final = b"\x01\x01\xff"
_BIT_STRING: Final = 0x03
_ATTRIBUTES: Final = 0xA0


def create_csr(
    key: PrivateKey,
    subject: x509.Name,
    *,
    challenge_password: Secret | None,
    subject_alternative_names: Sequence[x509.GeneralName] = (),
) -> bytes:
    """Make a certification request in DER, signed by `key` with SHA-256.

    cryptography's own builder has no public way to choose the string type of the challenge password, and old
    servers take a PrintableString only; hence this one. The result holds the challenge password in clear.

    Args:
        key: The key to be certified, which may be one that cannot leave its keystore.
        subject: The requested subject.
        challenge_password: Sent as PrintableString if its characters allow, else as UTF8String; None or an
            empty one leaves the attribute out.
        subject_alternative_names: Requested names; critical if the subject is empty (RFC 5280, 4.2.1.6).

    Raises:
        KeystoreError: The key does not sign, or its signature does not fit its public key.
    """
    attributes = []
    if challenge_password:
        attributes.append(_attribute(_CHALLENGE_PASSWORD, _directory_string(challenge_password.reveal())))
    if subject_alternative_names:
        names = x509.SubjectAlternativeName(subject_alternative_names).public_bytes()
        criticality = b"" if list(subject) else _BOOLEAN_TRUE
        extension = der.sequence(der.object_identifier(_SUBJECT_ALTERNATIVE_NAME), criticality, der.octet_string(names))
        attributes.append(_attribute(_EXTENSION_REQUEST, der.sequence(extension)))
    request_info = der.sequence(
        der.integer(0),
        subject.public_bytes(),
        key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        der.set_of(attributes, tag=_ATTRIBUTES),
    )
    signature = key.sign(request_info, hashes.SHA256())
    request = der.sequence(request_info, _signature_algorithm(key), der.encode(_BIT_STRING, b"\x00", signature))
    if not x509.load_der_x509_csr(request).is_signature_valid:
        raise KeystoreError(
            "the signature of the certification request does not fit the public key: the keystore's key "
            "handle is at fault; check the keystore with the conformance kit"
        )
    return request


def _attribute(identifier: str, value: bytes) -> bytes:
    return der.sequence(der.object_identifier(identifier), der.set_of([value]))


def _directory_string(text: str) -> bytes:
    if _PRINTABLE.issuperset(text):
        return der.encode(der.PRINTABLE_STRING, text.encode("ascii"))
    return der.encode(der.UTF8_STRING, text.encode())


def _signature_algorithm(key: PrivateKey) -> bytes:
    if isinstance(key.public_key, rsa.RSAPublicKey):
        return der.sequence(der.object_identifier(_SHA256_WITH_RSA), der.NULL)
    return der.sequence(der.object_identifier(_ECDSA_WITH_SHA256))
