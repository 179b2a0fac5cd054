"""What a token can make, and making a key pair in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pkcs11.constants import Attribute, MechanismFlag
from pkcs11.mechanisms import KeyType, Mechanism
from pkcs11.util.ec import encode_named_curve_parameters

from components.keystore.contract import KeystoreCapabilities
from components.keystore.keys import KeyAlgorithm

if TYPE_CHECKING:
    from pkcs11.types import Session, Token

CURVES: Final = {256: "secp256r1", 384: "secp384r1", 521: "secp521r1"}
"""The curves of EC keys by size in bits."""


def capabilities_of(token: Token, *, writes: bool) -> KeystoreCapabilities:
    """What a keystore in this token can do; `writes`: whether its session can."""
    known = token.slot.get_mechanisms()
    makes = {KeyAlgorithm.RSA: Mechanism.RSA_PKCS_KEY_PAIR_GEN, KeyAlgorithm.EC: Mechanism.EC_KEY_PAIR_GEN}
    uses = {KeyAlgorithm.RSA: Mechanism.RSA_PKCS, KeyAlgorithm.EC: Mechanism.ECDSA}
    generated = {each for each in KeyAlgorithm if makes[each] in known and uses[each] in known}
    return KeystoreCapabilities(
        read_only=not writes,
        generates_keys=writes and bool(generated),
        exports_keys=False,
        stores_foreign_keys=False,
        key_algorithms=frozenset(generated if writes else (each for each in KeyAlgorithm if uses[each] in known)),
    )


def generate(session: Session, alias: str, object_id: bytes, algorithm: KeyAlgorithm, size: int) -> tuple[Any, Any]:
    """A public key that goes with the session, and a private key that stays and does not leave."""
    private = {
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
    }
    public: dict[Attribute, Any] = {Attribute.TOKEN: False, Attribute.PRIVATE: False}
    if algorithm is KeyAlgorithm.RSA:
        made = session.generate_keypair(
            KeyType.RSA,
            size,
            id=object_id,
            label=alias,
            capabilities=MechanismFlag.SIGN | MechanismFlag.DECRYPT | MechanismFlag.VERIFY | MechanismFlag.ENCRYPT,
            public_template=public,
            private_template=private,
        )
    else:
        made = session.generate_keypair(
            KeyType.EC,
            id=object_id,
            label=alias,
            capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
            public_template={**public, Attribute.EC_PARAMS: encode_named_curve_parameters(CURVES[size])},
            private_template=private,
        )
    return made
