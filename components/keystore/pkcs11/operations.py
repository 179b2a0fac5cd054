"""Signing and decrypting in a token: from the contract's words to PKCS #11's mechanisms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11.exceptions import (
    ArgumentsBad,
    DataInvalid,
    DataLenRange,
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    MechanismInvalid,
    MechanismParamInvalid,
)
from pkcs11.mechanisms import MGF, Mechanism

from components.asn1 import der
from components.keystore.errors import UnsupportedOperationError
from components.keystore.keys import KeyAlgorithm

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

_DIGEST_IDENTIFIERS: Final = {
    "sha1": "1.3.14.3.2.26",
    "sha224": "2.16.840.1.101.3.4.2.4",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
_OAEP_DIGESTS: Final = {
    "sha1": (Mechanism.SHA_1, MGF.SHA1),
    "sha224": (Mechanism.SHA224, MGF.SHA224),
    "sha256": (Mechanism.SHA256, MGF.SHA256),
    "sha384": (Mechanism.SHA384, MGF.SHA384),
    "sha512": (Mechanism.SHA512, MGF.SHA512),
}
NOT_MADE_FOR_KEY: Final = (EncryptedDataInvalid, EncryptedDataLenRange, DataInvalid, DataLenRange)
"""How tokens say that a ciphertext was not made for a key."""


def sign(key: Any, algorithm: KeyAlgorithm, size: int, data: bytes, digest: hashes.HashAlgorithm) -> bytes:
    """Sign data by a key of the token: RSASSA-PKCS1-v1_5 (RFC 8017, 8.2), or ECDSA in DER (RFC 3279, 2.2.3).

    The data is hashed here: tokens hash slowly, and not all know each digest.

    Args:
        key: The key's object.
        algorithm: What it is.
        size: Its size in bits.
        data: What is to be signed.
        digest: How it is hashed.

    Raises:
        UnsupportedOperationError: The digest is none that a signature is made with.
        PKCS11Error: As the module says.
    """
    hashed = hashes.Hash(digest)
    hashed.update(data)
    value = hashed.finalize()
    if algorithm is KeyAlgorithm.EC:
        # Only the leftmost bits count (FIPS 186-5, 6.4.1), and some tokens take no more.
        width = (size + 7) // 8
        raw: bytes = key.sign(value[:width], mechanism=Mechanism.ECDSA)
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
    identifier = _DIGEST_IDENTIFIERS.get(digest.name)
    if identifier is None:
        raise UnsupportedOperationError(f"sign with {digest.name}", "use SHA-256, SHA-384 or SHA-512")
    digest_info = der.sequence(der.sequence(der.object_identifier(identifier), der.NULL), der.octet_string(value))
    signature: bytes = key.sign(digest_info, mechanism=Mechanism.RSA_PKCS)
    return signature


def decrypt(key: Any, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
    """Decrypt by an RSA key of the token.

    Raises:
        ValueError: The ciphertext was not made for this key.
        UnsupportedOperationError: Not with this padding.
        PKCS11Error: As the module says.
    """
    mechanism, parameter = _decryption(padding)
    try:
        plain: bytes = key.decrypt(ciphertext, mechanism=mechanism, mechanism_param=parameter)
    except NOT_MADE_FOR_KEY as error:
        raise ValueError("the ciphertext was not made for this key") from error
    except (MechanismInvalid, MechanismParamInvalid, ArgumentsBad) as error:
        raise UnsupportedOperationError(f"decrypt ({padding.name})", "the token does not know this padding") from error
    return plain


def _decryption(padding: AsymmetricPadding) -> tuple[Mechanism, object]:
    if isinstance(padding, rsa_padding.PKCS1v15):
        return Mechanism.RSA_PKCS, None
    if isinstance(padding, rsa_padding.OAEP) and isinstance(padding.mgf, rsa_padding.MGF1):
        digest = _OAEP_DIGESTS.get(padding.algorithm.name)
        mask = _OAEP_DIGESTS.get(padding.mgf._algorithm.name)  # noqa: SLF001  # there is no other way to ask
        if digest and mask:
            return Mechanism.RSA_PKCS_OAEP, (digest[0], mask[1], padding._label or None)  # noqa: SLF001  # as above
    raise UnsupportedOperationError(f"decrypt ({padding.name})", "use PKCS #1 v1.5 or OAEP with MGF1")
