"""Certification requests (PKCS #10, RFC 2986) that carry a challenge password (RFC 2985 section 5.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.asn1 import der
from components.keystore.errors import EntryError, KeystoreError

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
    extensions: Sequence[x509.Extension[x509.ExtensionType]] = (),
    attributes: Sequence[tuple[str, bytes]] = (),
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
        extensions: Other extensions to be requested.
        attributes: Other attributes: each one's object identifier in dots, and its one value in DER.

    Raises:
        EntryError: An extension or an attribute is there twice.
        KeystoreError: The key does not sign, or its signature does not fit its public key.
    """
    requested = [(one.oid.dotted_string, one.critical, one.value.public_bytes()) for one in extensions]
    if subject_alternative_names:
        names = x509.SubjectAlternativeName(subject_alternative_names).public_bytes()
        requested.insert(0, (_SUBJECT_ALTERNATIVE_NAME, not list(subject), names))
    values = list(attributes)
    if challenge_password:
        values.append((_CHALLENGE_PASSWORD, _directory_string(challenge_password.reveal())))
    if requested:
        values.append((_EXTENSION_REQUEST, der.sequence(*(_extension(*one) for one in requested))))
    for what, kinds in (("extension", [one[0] for one in requested]), ("attribute", [one[0] for one in values])):
        if len(set(kinds)) < len(kinds):
            raise EntryError(f"an {what} is requested twice; name each once ({', '.join(kinds)})")
    request_info = der.sequence(
        der.integer(0),
        subject.public_bytes(),
        key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        der.set_of([_attribute(*one) for one in values], tag=_ATTRIBUTES),
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


def _extension(identifier: str, critical: bool, value: bytes) -> bytes:
    criticality = _BOOLEAN_TRUE if critical else b""
    return der.sequence(der.object_identifier(identifier), criticality, der.octet_string(value))


def _directory_string(text: str) -> bytes:
    if _PRINTABLE.issuperset(text):
        return der.encode(der.PRINTABLE_STRING, text.encode("ascii"))
    return der.encode(der.UTF8_STRING, text.encode())


def _signature_algorithm(key: PrivateKey) -> bytes:
    if isinstance(key.public_key, rsa.RSAPublicKey):
        return der.sequence(der.object_identifier(_SHA256_WITH_RSA), der.NULL)
    return der.sequence(der.object_identifier(_ECDSA_WITH_SHA256))
