"""The conformance kit on the faulty keystores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.keystore.conformance import KeystoreConformance

from .hasty import HastyKeystore
from .keystore import FaultyKeystore

if TYPE_CHECKING:
    from pathlib import Path

    from components.keystore import KeystoreService


def open_hasty_keystore(directory: Path) -> HastyKeystore:
    """Open the keystore of a directory."""
    keystore = HastyKeystore()
    keystore.open(directory / "certificates.pem")
    return keystore


class TestFaultyKeystore(KeystoreConformance):
    """Five of these fail."""

    def make_keystore(self) -> KeystoreService:
        """An empty one."""
        return FaultyKeystore()


class TestHastyKeystore(KeystoreConformance):
    """Three of these fail."""

    factory = "faulty_keystore.conformance:open_hasty_keystore"
    component_class = HastyKeystore
