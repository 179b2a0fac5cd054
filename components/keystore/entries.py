"""What a keystore holds: private keys with their certificates, trusted certificates, secret keys."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias, final

from cryptography.exceptions import UnsupportedAlgorithm

from components.keystore.errors import AliasError, EntryError

if TYPE_CHECKING:
    from cryptography import x509

    from components.keystore.keys import PrivateKey

_LONGEST_ALIAS = 255


@dataclass(frozen=True, slots=True, eq=False)
class PrivateKeyEntry:
    """A private key and the certificates that speak for it.

    Two entries are equal if their chains, and so their public keys, are, whatever handles they hold.

    Attributes:
        key: The handle on the key.
        chain: The key's certificate first, then its issuers; never empty.

    Raises:
        EntryError: There is no certificate, or the first one is for another key.
    """

    key: PrivateKey
    chain: tuple[x509.Certificate, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "chain", tuple(self.chain))
        if not self.chain:
            raise EntryError("a private key is stored with its certificate, or with a self-signed one for now")
        try:
            certified = self.chain[0].public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise EntryError(f"the certificate's public key cannot be read: {error}") from error
        if certified != self.key.public_key:
            raise EntryError("the first certificate of the chain is for another key: put the key's own first")

    @property
    def certificate(self) -> x509.Certificate:
        """The key's own certificate."""
        return self.chain[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrivateKeyEntry) and self.chain == other.chain

    def __hash__(self) -> int:
        return hash(self.chain)


@dataclass(frozen=True, slots=True)
class TrustedCertificateEntry:
    """A certificate that is trusted, such as a CA's."""

    certificate: x509.Certificate


@final
class SecretKeyEntry:
    """A secret (symmetric) key. Its repr shows nothing of it.

    Args:
        algorithm: What it is for, as Java names it (`AES`, `HmacSHA256`), or an object identifier in dots.
        material: The key itself.

    Attributes:
        algorithm: As given.

    Raises:
        EntryError: It is empty, or for nothing.
    """

    __slots__ = ("_material", "algorithm")

    def __init__(self, algorithm: str, material: bytes) -> None:
        if not algorithm or not material:
            raise EntryError("a secret key is not empty, and is for an algorithm")
        self.algorithm = algorithm
        self._material = bytes(material)

    @property
    def size(self) -> int:
        """Its size in bits."""
        return 8 * len(self._material)

    def reveal(self) -> bytes:
        """The key itself: for the place that uses it, never for a message."""
        return self._material

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SecretKeyEntry)
            and self.algorithm == other.algorithm
            and hmac.compare_digest(self._material, other._material)
        )

    def __hash__(self) -> int:
        return hash((self.algorithm, hashlib.sha256(self._material).digest()))

    def __repr__(self) -> str:
        return f"SecretKeyEntry({self.algorithm}, {self.size} bits)"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret key is not pickled; use reveal() and write it encrypted")


Entry: TypeAlias = PrivateKeyEntry | TrustedCertificateEntry | SecretKeyEntry


def check_alias(alias: str) -> str:
    """Return `alias` if it can be one: 1 to 255 characters, none of them a control character or a surrogate.

    Aliases are case-sensitive. (Java's PKCS #12 keystores are not: avoid aliases that differ only in case.)

    Raises:
        AliasError: It cannot.
    """
    if not isinstance(alias, str):
        raise AliasError(alias, "an alias is a text")
    if not 0 < len(alias) <= _LONGEST_ALIAS:
        raise AliasError(alias, f"an alias has 1 to {_LONGEST_ALIAS} characters")
    if not alias.isprintable():
        raise AliasError(alias, "an alias holds printable characters and the space only")
    return alias
