"""Keystores in PKCS #11 tokens: hardware security modules, TPMs, smart cards. The component; light to import."""

from components.keystore.pkcs11.component import PKCS11Keystore

__all__ = ["PKCS11Keystore"]
