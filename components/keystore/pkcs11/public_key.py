"""Public keys of a token as cryptography knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11.util.ec import encode_ec_public_key
from pkcs11.util.rsa import encode_rsa_public_key

from components.keystore.errors import KeystoreError
from components.keystore.keys import KeyAlgorithm

if TYPE_CHECKING:
    from components.keystore.keys import PublicKey


def public_key_of(public: Any, algorithm: KeyAlgorithm) -> PublicKey:
    """The public key of a public key object.

    Raises:
        KeystoreError: The token made something else than it was asked for.
        PKCS11Error: As the module says.
    """
    if algorithm is KeyAlgorithm.RSA:
        # PKCS #1's form, which cryptography reads as well as X.509's.
        key = load_der_public_key(encode_rsa_public_key(public))
    else:
        key = load_der_public_key(encode_ec_public_key(public))
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise KeystoreError(f"the token made a {type(key).__name__}; look after its module")
    return key
