"""A token keystore on SoftHSM 2, and what is on its token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pkcs11 import Attribute

from components.keystore import (
    Entry,
    KeyAlgorithm,
    KeystoreService,
    PrivateKeyEntry,
    TrustedCertificateEntry,
    self_signed_certificate,
)
from components.keystore.conformance import NOW, SUBJECT, foreign_key
from components.keystore.pkcs11.keystore import TokenKeystore
from components.keystore.pkcs11.module import Module, TokenChoice
from tests.components.keystore.soft_hsm import MODULE, PIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatype import Secret

SHA256 = hashes.SHA256()


def begin_anew() -> None:
    """What a restart of the process means to the module."""
    with Module.of(MODULE).using() as module:
        module.initialise_anew()


def opened(pin: Secret = PIN, label: str = "gateway", **hooks: Callable[[Any], None]) -> TokenKeystore:
    return TokenKeystore(MODULE, TokenChoice(label), pin, **hooks)


def pair(keystore: KeystoreService, alias: str = "pair", algorithm: KeyAlgorithm = KeyAlgorithm.EC) -> PrivateKeyEntry:
    size = 2048 if algorithm is KeyAlgorithm.RSA else 256
    return keystore.generate_key_pair(alias, algorithm, size, subject=SUBJECT, now=NOW)


def another_ca(name: str = "CN=another") -> TrustedCertificateEntry:
    subject = type(SUBJECT).from_rfc4514_string(name)
    return TrustedCertificateEntry(self_signed_certificate(foreign_key(), subject, NOW))


def objects_of(keystore: TokenKeystore) -> list[tuple[Any, str]]:
    """All objects on the token, by class and label."""
    keystore.aliases()
    session = keystore._session
    assert session is not None
    return sorted((each[Attribute.CLASS], each[Attribute.LABEL]) for each in session.get_objects({}))


def check(entry: Entry | None) -> None:
    """The key signs."""
    assert isinstance(entry, PrivateKeyEntry)
    public_key = entry.key.public_key
    signature = entry.key.sign(b"data", SHA256)
    if isinstance(public_key, rsa.RSAPublicKey):
        public_key.verify(signature, b"data", padding.PKCS1v15(), SHA256)
    else:
        public_key.verify(signature, b"data", ec.ECDSA(SHA256))
