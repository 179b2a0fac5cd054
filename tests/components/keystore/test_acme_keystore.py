"""The keystore of the third-party plugin under the kit that third parties are given."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from components.keystore import DamagedKeystoreError, guarded
from components.keystore.conformance import KeystoreConformance

if TYPE_CHECKING:
    from components.keystore import KeystoreService

DISTRIBUTION = Path(__file__).resolve().parents[2] / "plugins" / "acme_keystore"
if str(DISTRIBUTION) not in sys.path:
    sys.path.append(str(DISTRIBUTION))
acme = importlib.import_module("acme_keystore.keystore")


class TestAcmeKeystore(KeystoreConformance):
    factory = "acme_keystore.conformance:open_keystore"
    component_class: ClassVar[type] = acme.AcmeKeystore


class TestGuardedAcmeKeystore(KeystoreConformance):
    """Its handles stay in it, and go through the guard and back."""

    factory = "acme_keystore.conformance:open_keystore"
    kills = 1

    def make_keystore(self) -> KeystoreService:
        return guarded(super().make_keystore(), "AcmeKeystore")

    def reopen(self, keystore: KeystoreService) -> KeystoreService:
        return self.make_keystore()


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"a": {}}')
    with pytest.raises(DamagedKeystoreError):
        acme.AcmeKeystore().open(tmp_path / "keys.json")
