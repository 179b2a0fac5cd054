"""Opens keystores of a directory, by name: what the conformance kit has other processes call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.keystore.filesystem import Pkcs12Keystore
from components.keystore.pkcs11.keystore import TokenKeystore
from components.keystore.pkcs11.module import TokenChoice
from metatype import Secret
from tests.components.keystore.soft_hsm import MODULE, PIN

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = Secret("correct horse")


def pkcs12_keystore(directory: Path) -> Pkcs12Keystore:
    keystore = Pkcs12Keystore(directory / "keys" / "gateway.p12")
    keystore.open(PASSWORD)
    return keystore


def token_keystore(_directory: Path) -> TokenKeystore:
    """The token that SOFTHSM2_CONF leads to."""
    return TokenKeystore(MODULE, TokenChoice("gateway"), PIN)
