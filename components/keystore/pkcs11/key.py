"""Handles on keys in a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, final

from components.keystore.errors import UnsupportedOperationError
from components.keystore.keys import KeyAlgorithm, PublicKey, describe_public_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

    from components.keystore.keys import ExportedPrivateKey
    from components.keystore.pkcs11.keystore import TokenKeystore


@final
class TokenPrivateKey:
    """A handle on a key in a token.

    Args:
        keystore: The keystore that it is in.
        object_id: Its CKA_ID.
        public_key: Its public half.
    """

    __slots__ = ("_keystore", "_public_key", "id")

    def __init__(self, keystore: TokenKeystore, object_id: bytes, public_key: PublicKey) -> None:
        self._keystore = keystore
        self.id = object_id
        self._public_key = public_key

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return self._public_key

    @property
    def exportable(self) -> bool:
        """Never: the key cannot leave the token."""
        return False

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        """See `PrivateKey`."""
        return self._keystore.sign(self, data, algorithm)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """See `PrivateKey`."""
        return self._keystore.decrypt(self, ciphertext, padding)

    def export(self) -> NoReturn:
        """See `PrivateKey`."""
        raise UnsupportedOperationError("export the key", "it cannot leave the token")

    def __repr__(self) -> str:
        return f"TokenPrivateKey({describe_public_key(self._public_key)})"


class SessionKey:
    """A key whose session is at hand already: to sign while the module's turn is ours."""

    exportable = False

    def __init__(self, key: TokenPrivateKey, sign: Callable[[bytes, hashes.HashAlgorithm], bytes]) -> None:
        self._key = key
        self._sign = sign

    @property
    def public_key(self) -> PublicKey:
        """See `PrivateKey`."""
        return self._key.public_key

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        """See `PrivateKey`."""
        return self._sign(data, algorithm)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> NoReturn:
        """See `PrivateKey`."""
        del ciphertext, padding
        raise UnsupportedOperationError("decrypt", "the key is only being made")

    def export(self) -> ExportedPrivateKey:
        """See `PrivateKey`."""
        return self._key.export()


def algorithm_of(public_key: PublicKey) -> KeyAlgorithm:
    """RSA or EC."""
    return KeyAlgorithm.RSA if describe_public_key(public_key).startswith(KeyAlgorithm.RSA) else KeyAlgorithm.EC
