"""The digests and content encryptions that SCEP messages use (RFC 8894 section 2.9), by name and identifier."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes

if TYPE_CHECKING:
    from collections.abc import Callable


class Digest(enum.StrEnum):
    """A digest algorithm. There is no MD5: RFC 8894 forbids it."""

    SHA1 = "SHA-1"
    SHA224 = "SHA-224"
    SHA256 = "SHA-256"
    SHA384 = "SHA-384"
    SHA512 = "SHA-512"

    @property
    def weak(self) -> bool:
        """Whether collisions can be made."""
        return self is Digest.SHA1

    @property
    def identifier(self) -> str:
        """The object identifier of the digest."""
        return _DIGESTS[self].identifier

    @property
    def signature_identifier(self) -> str:
        """The object identifier of RSASSA-PKCS1-v1_5 with this digest."""
        return _DIGESTS[self].signature_identifier

    def hash_algorithm(self) -> hashes.HashAlgorithm:
        """What cryptography takes."""
        return _DIGESTS[self].hash_algorithm()

    def hash(self, data: bytes) -> bytes:
        """The digest of `data`."""
        digest = hashes.Hash(self.hash_algorithm())
        digest.update(data)
        return digest.finalize()

    @classmethod
    def of_identifier(cls, identifier: str) -> Digest | None:
        """The digest with this object identifier, or of this RSA signature; None if it is none of ours."""
        return _DIGEST_OF_IDENTIFIER.get(identifier)


class Cipher(enum.StrEnum):
    """A content encryption, always in CBC mode. Single DES is read only, see `SecurityProfile`."""

    AES_128_CBC = "AES-128-CBC"
    AES_192_CBC = "AES-192-CBC"
    AES_256_CBC = "AES-256-CBC"
    DES_EDE3_CBC = "3DES-CBC"
    DES_CBC = "DES-CBC"

    @property
    def weak(self) -> bool:
        """Whether it is one of the past: DES and 3DES."""
        return self in {Cipher.DES_EDE3_CBC, Cipher.DES_CBC}

    @property
    def identifier(self) -> str:
        """The object identifier."""
        return _CIPHERS[self].identifier

    @property
    def key_size(self) -> int:
        """Octets of a key."""
        return _CIPHERS[self].key_size

    @property
    def block_size(self) -> int:
        """Octets of a block, and of the initialisation vector."""
        return _CIPHERS[self].block_size

    @classmethod
    def of_identifier(cls, identifier: str) -> Cipher | None:
        """The cipher with this object identifier; None if it is none of ours."""
        return _CIPHER_OF_IDENTIFIER.get(identifier)


@dataclass(frozen=True, slots=True)
class _DigestFacts:
    identifier: str
    signature_identifier: str
    hash_algorithm: Callable[[], hashes.HashAlgorithm]


@dataclass(frozen=True, slots=True)
class _CipherFacts:
    identifier: str
    key_size: int
    block_size: int


_DIGESTS: Final = {
    Digest.SHA1: _DigestFacts("1.3.14.3.2.26", "1.2.840.113549.1.1.5", hashes.SHA1),
    Digest.SHA224: _DigestFacts("2.16.840.1.101.3.4.2.4", "1.2.840.113549.1.1.14", hashes.SHA224),
    Digest.SHA256: _DigestFacts("2.16.840.1.101.3.4.2.1", "1.2.840.113549.1.1.11", hashes.SHA256),
    Digest.SHA384: _DigestFacts("2.16.840.1.101.3.4.2.2", "1.2.840.113549.1.1.12", hashes.SHA384),
    Digest.SHA512: _DigestFacts("2.16.840.1.101.3.4.2.3", "1.2.840.113549.1.1.13", hashes.SHA512),
}
_DIGEST_OF_IDENTIFIER: Final = {
    identifier: digest
    for digest, facts in _DIGESTS.items()
    for identifier in (facts.identifier, facts.signature_identifier)
}
_CIPHERS: Final = {
    Cipher.AES_128_CBC: _CipherFacts("2.16.840.1.101.3.4.1.2", 16, 16),
    Cipher.AES_192_CBC: _CipherFacts("2.16.840.1.101.3.4.1.22", 24, 16),
    Cipher.AES_256_CBC: _CipherFacts("2.16.840.1.101.3.4.1.42", 32, 16),
    Cipher.DES_EDE3_CBC: _CipherFacts("1.2.840.113549.3.7", 24, 8),
    Cipher.DES_CBC: _CipherFacts("1.3.14.3.2.7", 8, 8),
}
_CIPHER_OF_IDENTIFIER: Final = {facts.identifier: cipher for cipher, facts in _CIPHERS.items()}
