"""The conformance kit on the faulty keystore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.keystore.conformance import KeystoreConformance

from .keystore import FaultyKeystore

if TYPE_CHECKING:
    from components.keystore import KeystoreService


class TestFaultyKeystore(KeystoreConformance):
    """Five of these fail."""

    def make_keystore(self) -> KeystoreService:
        """An empty one."""
        return FaultyKeystore()
