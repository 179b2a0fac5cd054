"""Our keystores under the conformance kit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.keystore import guarded
from components.keystore.conformance import KeystoreConformance, trusted
from components.keystore.filesystem import Pkcs12Keystore
from components.keystore.memory import MemoryKeystore
from metatype import Secret

if TYPE_CHECKING:
    from components.keystore import KeystoreService

PASSWORD = Secret("correct horse")


class TestMemoryKeystore(KeystoreConformance):
    def make_keystore(self) -> KeystoreService:
        return MemoryKeystore()


class TestGuardedKeystore(TestMemoryKeystore):
    """What keeps the contract keeps it behind the guard, too."""

    def make_keystore(self) -> KeystoreService:
        return guarded(MemoryKeystore(), "Memory")


class TestPkcs12Keystore(KeystoreConformance):
    def make_keystore(self) -> KeystoreService:
        keystore = Pkcs12Keystore(self.directory / "keys" / "gateway.p12")
        assert keystore.open(PASSWORD)
        return keystore

    def reopen(self, keystore: KeystoreService) -> KeystoreService:
        assert isinstance(keystore, Pkcs12Keystore)
        reopened = Pkcs12Keystore(keystore.path)
        assert not reopened.open(PASSWORD)
        return reopened


def test_a_read_only_keystore_passes_what_is_asked_of_it() -> None:
    keystore = MemoryKeystore({"b": trusted(), "a": trusted()}, read_only=True)
    kit = TestMemoryKeystore()
    kit.test_an_unknown_alias_is_none(keystore)
    kit.test_aliases_are_sorted_and_agree_with_the_entries(keystore)
    kit.test_a_generated_pair_is_stored_with_a_certificate_of_its_own(keystore)
    kit.test_a_read_only_keystore_refuses_changes(keystore)
    assert keystore.aliases() == ("a", "b")
