"""How the keystore under test is made, opened again and let go; what a third party says of it."""
# ruff: noqa: S101 - an assert of pytest.

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from components.keystore.conformance.samples import NOW, SUBJECT, foreign_pair
from components.keystore.contract import KeystoreService
from components.keystore.entries import PrivateKeyEntry
from components.keystore.keys import KeyAlgorithm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from components.keystore.announcements import PublishingContext


class KeystoreUnderTest:
    """What the kit is told of a keystore: at least `factory`, or `make_keystore`.

    Attributes:
        factory: `module:function`, which opens the keystore of a directory (a `pathlib.Path`), empty at first. The
            module is imported by its name, also in another process, which is killed in the middle of its commits. With
            it, the next three methods need not be overridden.
        component_class: The class that provides the keystore in a gateway; the events of its commits are watched.
        configuration: Its properties there.
        directory: A fresh directory for each test.
    """

    factory: ClassVar[str | None] = None
    component_class: ClassVar[type | None] = None
    configuration: ClassVar[Mapping[str, Any]] = {}
    directory: Path

    def make_keystore(self) -> KeystoreService:
        """Make a fresh, empty keystore; a read-only one may hold entries."""
        if self.factory is None:
            raise NotImplementedError("say factory, or override make_keystore, in your subclass")
        return open_by_name(self.factory, self.directory)

    def reopen(self, keystore: KeystoreService) -> KeystoreService | None:
        """Open what `keystore` has stored a second time, as after a restart; None if nothing outlives it."""
        if self.factory is None:
            return None
        self.close(keystore)
        return open_by_name(self.factory, self.directory)

    def close(self, keystore: KeystoreService) -> None:
        """Let go of a keystore after a test; override it if yours holds something open.

        It may be called a second time for the same keystore.
        """

    def make_publishing_keystore(self, context: PublishingContext) -> KeystoreService | None:
        """Make a fresh keystore that publishes the events of its commits by `context`, as a component does by its own.

        For keystores that are no components; those name their `component_class`. None if it tells nobody of them.
        """
        del context
        return None

    @pytest.fixture
    def keystore(self, tmp_path: Path) -> Iterator[KeystoreService]:
        """The keystore, fresh."""
        self.directory = tmp_path
        keystore = self.make_keystore()
        yield keystore
        self.close(keystore)

    @pytest.fixture
    def writable(self, keystore: KeystoreService) -> KeystoreService:
        """The keystore, if it can be changed."""
        if keystore.capabilities.read_only:
            pytest.skip("the keystore is read-only")
        return keystore

    @pytest.fixture
    def pair(self, writable: KeystoreService) -> PrivateKeyEntry:
        """A key pair in the keystore under the alias `pair`, made there or brought there."""
        stored = store_pair(writable, "pair")
        if stored is None:
            pytest.skip("the keystore neither generates keys nor takes foreign ones")
        return stored


def open_by_name(factory: str, directory: Path) -> KeystoreService:
    """Call the function that `module:function` names."""
    module, _, name = factory.partition(":")
    made = getattr(importlib.import_module(module), name)(directory)
    if not isinstance(made, KeystoreService):
        raise TypeError(f"{factory} returned a {type(made).__name__} and no KeystoreService")
    return made


def store_pair(keystore: KeystoreService, alias: str) -> PrivateKeyEntry | None:
    """Have a key pair in the keystore, made there or else brought there; None if it takes none."""
    if keystore.capabilities.generates_keys:
        return keystore.generate_key_pair(alias, *kind_of_key(keystore), subject=SUBJECT, now=NOW)
    if not keystore.capabilities.stores_foreign_keys:
        return None
    keystore.set(alias, foreign_pair())
    stored = keystore.get(alias)
    assert isinstance(stored, PrivateKeyEntry)
    return stored


def kind_of_key(keystore: KeystoreService) -> tuple[KeyAlgorithm, int]:
    """A key that SCEP can use, if the keystore has such."""
    if KeyAlgorithm.RSA in keystore.capabilities.key_algorithms:
        return KeyAlgorithm.RSA, 2048
    return KeyAlgorithm.EC, 256


def check_signature(entry: PrivateKeyEntry) -> None:
    """Have the key sign, and verify that; raises what cryptography raises if it does not hold."""
    signature = entry.key.sign(b"data", hashes.SHA256())
    public_key = entry.key.public_key
    if isinstance(public_key, rsa.RSAPublicKey):
        public_key.verify(signature, b"data", padding.PKCS1v15(), hashes.SHA256())
    else:
        public_key.verify(signature, b"data", ec.ECDSA(hashes.SHA256()))
