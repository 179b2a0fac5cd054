"""Private keys as handles: something that signs and decrypts, wherever the key material may be."""

from __future__ import annotations

import enum
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    NoReturn,
    Protocol,
    TypeAlias,
    assert_never,
    final,
    runtime_checkable,
)

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.keystore.errors import EntryError, UnsupportedOperationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.utils import Buffer

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
ExportedPrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class KeyAlgorithm(enum.StrEnum):
    """What a key pair is made for."""

    RSA = "RSA"
    EC = "EC"


_LARGEST_RSA: Final = 8192
"""Bits of the largest RSA key that is made: one of twice as many takes minutes, in which nothing stops it."""
_CURVES: Final[dict[int, type[ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1]]] = {
    256: ec.SECP256R1,
    384: ec.SECP384R1,
    521: ec.SECP521R1,
}


@runtime_checkable
class PrivateKey(Protocol):
    """A handle on a private key. Its repr shows nothing of the key material."""

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        ...

    @property
    def exportable(self) -> bool:
        """Whether `export` can succeed."""
        ...

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        """Hash `data` and sign the digest: RSASSA-PKCS1-v1_5 with an RSA key, ECDSA (DER) with an EC key."""
        ...

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """Decrypt what was encrypted for an RSA key.

        Raises:
            ValueError: The ciphertext was not made for this key.
            UnsupportedOperationError: The key does not decrypt (no EC key does), or not with this padding.
        """
        ...

    def export(self) -> ExportedPrivateKey:
        """The key itself.

        Raises:
            UnsupportedOperationError: The key cannot leave its keystore.
        """
        ...


@final
class SoftwarePrivateKey:
    """A private key in memory. Two are equal if their public keys are.

    Args:
        key: What cryptography loaded or generated.

    Raises:
        EntryError: It is neither an RSA nor an EC key.
    """

    __slots__ = ("_key", "_public_key")

    def __init__(self, key: PrivateKeyTypes) -> None:
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise EntryError(f"{type(key).__name__} is not supported: use an RSA or an EC key")
        self._key = key
        self._public_key = key.public_key()

    @classmethod
    def generate(cls, algorithm: KeyAlgorithm, size: int) -> SoftwarePrivateKey:
        """Make a new key: RSA of `size` bits (1024 to 8192), or EC on the NIST curve of 256, 384 or 521 bits.

        Raises:
            UnsupportedOperationError: There is no such key.
        """
        match algorithm:
            case KeyAlgorithm.RSA:
                if size > _LARGEST_RSA:
                    raise UnsupportedOperationError(f"an RSA key of {size} bits", f"the largest has {_LARGEST_RSA}")
                try:
                    return cls(rsa.generate_private_key(public_exponent=65537, key_size=size))
                except ValueError as error:
                    raise UnsupportedOperationError(f"an RSA key of {size} bits", str(error)) from error
            case KeyAlgorithm.EC:
                if size not in _CURVES:
                    sizes = ", ".join(map(str, _CURVES))
                    raise UnsupportedOperationError(f"an EC key of {size} bits", f"the sizes are {sizes}")
                return cls(ec.generate_private_key(_CURVES[size]()))
            case _:
                assert_never(algorithm)

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return self._public_key

    @property
    def exportable(self) -> bool:
        """Always: the key is in memory."""
        return True

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        """See `PrivateKey.sign`."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), algorithm)
        return self._key.sign(data, ec.ECDSA(algorithm))

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """See `PrivateKey.decrypt`."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.decrypt(ciphertext, padding)
        raise UnsupportedOperationError("decrypt", "an EC key does not decrypt")

    def export(self) -> ExportedPrivateKey:
        """The key itself."""
        return self._key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SoftwarePrivateKey) and self._public_key == other._public_key

    def __hash__(self) -> int:
        return hash(self._public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def __repr__(self) -> str:
        return f"SoftwarePrivateKey({describe_public_key(self._public_key)})"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a private key is not pickled; use export() and write it encrypted")


def describe_public_key(public_key: PublicKey) -> str:
    """The kind and size of a key for people, such as `RSA 2048`; a curve that is not NIST's is named too."""
    size = public_key.key_size
    if isinstance(public_key, rsa.RSAPublicKey):
        return f"{KeyAlgorithm.RSA} {size}"
    is_nist = size in _CURVES and isinstance(public_key.curve, _CURVES[size])
    return f"{KeyAlgorithm.EC} {size}" if is_nist else f"{KeyAlgorithm.EC} {size} ({public_key.curve.name})"


def as_rsa_private_key(key: PrivateKey) -> rsa.RSAPrivateKey:
    """Show a handle to cryptography's builders and PKCS #7 functions as the RSA key that they expect.

    Signing and decrypting are done by the handle, so the key may be one that cannot leave its keystore.

    Raises:
        UnsupportedOperationError: It is no RSA key.
    """
    public_key = key.public_key
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise UnsupportedOperationError(
            "use as an RSA key", f"the key is {describe_public_key(public_key)}; make an RSA key"
        )
    return _RSAHandle(key, public_key)


class _Handle:
    """What both adapters share: the material is had from the handle, or not at all."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key

    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> bytes:
        return self._key.export().private_bytes(encoding, format, encryption_algorithm)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _memo: Any) -> Any:
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._key!r})"


class _RSAHandle(_Handle, rsa.RSAPrivateKey):
    def __init__(self, key: PrivateKey, public_key: rsa.RSAPublicKey) -> None:
        super().__init__(key)
        self._public_key = public_key

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public_key

    def sign(self, data: bytes, padding: AsymmetricPadding, algorithm: Any) -> bytes:
        if padding.name != "EMSA-PKCS1-v1_5" or not isinstance(algorithm, hashes.HashAlgorithm):
            raise UnsupportedOperationError("sign", "a handle signs whole data with RSASSA-PKCS1-v1_5 only")
        return self._key.sign(data, algorithm)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        return self._key.decrypt(ciphertext, padding)

    def private_numbers(self) -> rsa.RSAPrivateNumbers:
        exported = self._key.export()
        if isinstance(exported, rsa.RSAPrivateKey):
            return exported.private_numbers()
        raise UnsupportedOperationError("private_numbers", "the keystore exported a key of another kind")


class _ECHandle(_Handle, ec.EllipticCurvePrivateKey):
    def __init__(self, key: PrivateKey, public_key: ec.EllipticCurvePublicKey) -> None:
        super().__init__(key)
        self._public_key = public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        if not isinstance(signature_algorithm.algorithm, hashes.HashAlgorithm):
            raise UnsupportedOperationError("sign", "a handle signs whole data only")
        return self._key.sign(bytes(data), signature_algorithm.algorithm)

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        del algorithm, peer_public_key
        raise UnsupportedOperationError("exchange", "a handle signs, it does not agree on keys")

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        exported = self._key.export()
        if isinstance(exported, ec.EllipticCurvePrivateKey):
            return exported.private_numbers()
        raise UnsupportedOperationError("private_numbers", "the keystore exported a key of another kind")


def as_signing_key(key: PrivateKey) -> ExportedPrivateKey:
    """Show a handle to cryptography's certificate builders as the RSA or EC key that they expect."""
    public_key = key.public_key
    if isinstance(public_key, rsa.RSAPublicKey):
        return _RSAHandle(key, public_key)
    return _ECHandle(key, public_key)
