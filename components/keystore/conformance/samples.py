"""Keys, certificates and entries that the kit gives to keystores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from components.keystore.certificates import self_signed_certificate
from components.keystore.entries import PrivateKeyEntry, TrustedCertificateEntry
from components.keystore.errors import UnsupportedOperationError
from components.keystore.keys import KeyAlgorithm, PublicKey, SoftwarePrivateKey, as_signing_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

NOW: Final = datetime(2026, 5, 1, tzinfo=UTC)
SUBJECT: Final = x509.Name.from_rfc4514_string("CN=conformance,O=Example")
_CA: Final = x509.Name.from_rfc4514_string("CN=conformance CA")


@cache
def foreign_key() -> SoftwarePrivateKey:
    """A key that was made outside of every keystore."""
    return SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)


@cache
def foreign_pair() -> PrivateKeyEntry:
    """That key with a chain of two certificates."""
    return PrivateKeyEntry(foreign_key(), (issued_to(foreign_key().public_key), trusted().certificate))


@cache
def trusted(number: int = 0) -> TrustedCertificateEntry:
    """A CA's certificate; another one for each number."""
    subject = _CA if number == 0 else x509.Name.from_rfc4514_string(f"CN=conformance CA {number}")
    return TrustedCertificateEntry(self_signed_certificate(_ca_key(), subject, NOW))


def issued_to(public_key: PublicKey, serial_number: int | None = None) -> x509.Certificate:
    """A certificate for a key, issued by the first of those CAs."""
    return (
        x509.CertificateBuilder()
        .subject_name(SUBJECT)
        .issuer_name(_CA)
        .public_key(public_key)
        .serial_number(serial_number or x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=30))
        .sign(as_signing_key(_ca_key()), hashes.SHA256())
    )


@cache
def _ca_key() -> SoftwarePrivateKey:
    return SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)


def unmovable_pair() -> PrivateKeyEntry:
    """A key of some other device, which cannot leave it."""
    key = foreign_key()
    return PrivateKeyEntry(_UnmovableKey(key), (self_signed_certificate(key, SUBJECT, NOW),))


class _UnmovableKey:
    exportable = False

    def __init__(self, key: SoftwarePrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> PublicKey:
        return self._key.public_key

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        return self._key.sign(data, algorithm)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        return self._key.decrypt(ciphertext, padding)

    def export(self) -> NoReturn:
        raise UnsupportedOperationError("export the key", "it cannot leave its device")
