"""Our keystores under the conformance kit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from components.keystore import commit_publisher, guarded
from components.keystore.conformance import KeystoreConformance, trusted
from components.keystore.filesystem import FilesystemKeystore
from components.keystore.memory import MemoryKeystore

if TYPE_CHECKING:
    from components.keystore import KeystoreService
    from components.keystore.announcements import PublishingContext


class TestMemoryKeystore(KeystoreConformance):
    def make_keystore(self) -> KeystoreService:
        return MemoryKeystore()

    def make_publishing_keystore(self, context: PublishingContext) -> KeystoreService:
        return MemoryKeystore(committed=commit_publisher(context))


class TestGuardedKeystore(TestMemoryKeystore):
    """What keeps the contract keeps it behind the guard, too."""

    def make_keystore(self) -> KeystoreService:
        return guarded(MemoryKeystore(), "Memory")

    def make_publishing_keystore(self, context: PublishingContext) -> KeystoreService:
        return guarded(MemoryKeystore(committed=commit_publisher(context)), "Memory")


class TestPkcs12Keystore(KeystoreConformance):
    factory = "tests.components.keystore.opening:pkcs12_keystore"
    component_class = FilesystemKeystore
    configuration: ClassVar = {"keystore.path": "gateway.p12"}


def test_a_read_only_keystore_passes_what_is_asked_of_it() -> None:
    keystore = MemoryKeystore({"b": trusted(), "a": trusted()}, read_only=True)
    kit = TestMemoryKeystore()
    kit.test_an_unknown_alias_is_none(keystore)
    kit.test_aliases_are_sorted_and_agree_with_the_entries(keystore)
    kit.test_a_generated_pair_is_stored_with_a_certificate_of_its_own(keystore)
    kit.test_a_read_only_keystore_refuses_changes(keystore)
    assert keystore.aliases() == ("a", "b")
