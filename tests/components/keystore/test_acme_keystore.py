"""The keystore of the third-party plugin under the kit that third parties are given."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from components.keystore import DamagedKeystoreError, KeystoreService, guarded
from components.keystore.conformance import KeystoreConformance

if TYPE_CHECKING:
    from types import ModuleType

DISTRIBUTION = Path(__file__).resolve().parents[2] / "plugins" / "acme_keystore"


def acme() -> ModuleType:
    if str(DISTRIBUTION) not in sys.path:
        sys.path.append(str(DISTRIBUTION))
    return importlib.import_module("acme_keystore.keystore")


class TestAcmeKeystore(KeystoreConformance):
    def make_keystore(self) -> KeystoreService:
        keystore = acme().AcmeKeystore()
        assert isinstance(keystore, KeystoreService)
        keystore.open(self.directory / "keys.json")  # type: ignore[attr-defined]  # the plugin is loaded at run time
        return keystore

    def reopen(self, keystore: KeystoreService) -> KeystoreService:
        return self.make_keystore()


class TestGuardedAcmeKeystore(TestAcmeKeystore):
    """Its handles stay in it, and go through the guard and back."""

    def make_keystore(self) -> KeystoreService:
        return guarded(super().make_keystore(), "AcmeKeystore")

    def reopen(self, keystore: KeystoreService) -> KeystoreService:
        return self.make_keystore()


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"a": {}}')
    with pytest.raises(DamagedKeystoreError):
        acme().AcmeKeystore().open(tmp_path / "keys.json")
