"""The conformance kit on the Acme keystore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.keystore.conformance import KeystoreConformance

from .keystore import AcmeKeystore

if TYPE_CHECKING:
    from pathlib import Path


def open_keystore(directory: Path) -> AcmeKeystore:
    """Open the keystore of a directory."""
    keystore = AcmeKeystore()
    keystore.open(directory / "keys.json")
    return keystore


class TestAcmeKeystore(KeystoreConformance):
    """It is opened by name, also in other processes, and tells of its commits as a component."""

    factory = "acme_keystore.conformance:open_keystore"
    component_class = AcmeKeystore
