"""The contract of keystores: what a gateway asks of whatever keeps its keys and certificates.

To bring a keystore of your own, subclass `KeystoreService`, implement its four abstract members, and prove it
with `components.keystore.conformance.KeystoreConformance`.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from components.keystore.certificates import self_signed_certificate
from components.keystore.entries import Entry, PrivateKeyEntry, TrustedCertificateEntry, check_alias
from components.keystore.errors import EntryError, KeystoreError, UnsupportedOperationError
from components.keystore.keys import KeyAlgorithm, SoftwarePrivateKey

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

Changes: TypeAlias = Mapping[str, Entry | None]
"""What one commit changes: the new entry of each alias, or None where the alias is deleted."""

CHANGED_TOPIC: Final = "gatewright/keystore/CHANGED"
"""The topic of the event that follows each commit; `changed_properties` makes its properties."""


@dataclass(frozen=True, slots=True)
class KeystoreCapabilities:
    """What a keystore can do; a consumer asks before it begins.

    Attributes:
        read_only: Nothing can be stored, deleted or generated.
        generates_keys: `generate_key_pair` works.
        exports_keys: Keys that the keystore holds are exportable.
        stores_foreign_keys: Private keys that were made elsewhere can be stored. (A key that came from this
            very keystore can always be stored again, also with another chain, unless all is read-only.)
        key_algorithms: What keys can be stored and generated.
    """

    read_only: bool = False
    generates_keys: bool = True
    exports_keys: bool = True
    stores_foreign_keys: bool = True
    key_algorithms: frozenset[KeyAlgorithm] = frozenset(KeyAlgorithm)


class KeystoreService(abc.ABC):
    """Keeps private keys with their certificates, and trusted certificates, under aliases.

    Every member may be called from any thread. What a call returned is a snapshot: it does not change. When a
    call that changes something has returned, the change is durable; when it raised, nothing was changed.
    """

    @property
    @abc.abstractmethod
    def capabilities(self) -> KeystoreCapabilities:
        """What this keystore can do."""

    @abc.abstractmethod
    def aliases(self) -> tuple[str, ...]:
        """All aliases, sorted.

        Raises:
            KeystoreError: The keystore cannot be read.
        """

    @abc.abstractmethod
    def get(self, alias: str) -> Entry | None:
        """The entry of `alias`, or None if there is none.

        Raises:
            KeystoreError: The keystore cannot be read.
        """

    @abc.abstractmethod
    def commit(self, changes: Changes) -> None:
        """Make all changes, or none: a reader or a crash sees either the state before or the state after.

        Entries of other aliases stay as they are, also when several threads or processes commit at once.
        Deleting an alias that does not exist changes nothing. Consumers use `edit`, `set` and `delete`, which
        check aliases and entries and then call this.

        Raises:
            UnsupportedOperationError: The keystore is read-only, or does not store such an entry.
            KeystoreError: The keystore cannot be read or written.
        """

    def entries(self) -> Mapping[str, Entry]:
        """All entries by alias, in the order of aliases."""
        found = ((alias, self.get(alias)) for alias in self.aliases())
        return MappingProxyType({alias: entry for alias, entry in found if entry is not None})

    def edit(self) -> KeystoreEdit:
        """Begin changes that belong together; they are committed when the `with` block ends without an error.

        >>> from components.keystore.memory import MemoryKeystore
        >>> keystore = MemoryKeystore()
        >>> with keystore.edit() as edit:
        ...     edit.delete("outdated")
        """
        return KeystoreEdit(self)

    def set(self, alias: str, entry: Entry) -> None:
        """Store `entry` under `alias`, in place of what may be there."""
        with self.edit() as edit:
            edit.set(alias, entry)

    def delete(self, alias: str) -> None:
        """Delete `alias`; nothing happens if there is none."""
        with self.edit() as edit:
            edit.delete(alias)

    def generate_key_pair(
        self, alias: str, algorithm: KeyAlgorithm, size: int, *, subject: x509.Name, now: datetime
    ) -> PrivateKeyEntry:
        """Make a key pair, store it with a self-signed certificate, and return the stored entry.

        Keystores that make keys where they keep them override this.

        Args:
            alias: Where to store it, in place of what may be there.
            algorithm: The kind of key.
            size: Its size in bits: of the modulus (RSA), or of the curve (256, 384 or 521).
            subject: The subject of the self-signed certificate.
            now: The present (aware), for the certificate's validity.

        Raises:
            UnsupportedOperationError: The keystore generates no keys, or none of this kind and size.
        """
        self._demand_generation(algorithm)
        check_alias(alias)
        key = SoftwarePrivateKey.generate(algorithm, size)
        self.set(alias, PrivateKeyEntry(key, (self_signed_certificate(key, subject, now),)))
        stored = self.get(alias)
        if not isinstance(stored, PrivateKeyEntry) or stored.key.public_key != key.public_key:
            raise KeystoreError(f"the key pair {alias} was replaced by somebody else while it was being stored")
        return stored

    def _demand_generation(self, algorithm: KeyAlgorithm) -> None:
        capabilities = self.capabilities
        if not capabilities.generates_keys or algorithm not in capabilities.key_algorithms:
            raise UnsupportedOperationError(
                f"generate a key pair ({algorithm})",
                "this keystore does not: generate it elsewhere and store it",
            )


class KeystoreEdit:
    """Changes that are committed together; made by `KeystoreService.edit`, used in one `with` block."""

    __slots__ = ("_changes", "_keystore", "_over")

    def __init__(self, keystore: KeystoreService) -> None:
        if keystore.capabilities.read_only:
            raise UnsupportedOperationError("change the keystore", "it is read-only")
        self._keystore = keystore
        self._changes: dict[str, Entry | None] = {}
        self._over = False

    @property
    def changes(self) -> Changes:
        """The changes so far; the last one of each alias counts."""
        return MappingProxyType(self._changes)

    def set(self, alias: str, entry: Entry) -> None:
        """Store `entry` under `alias`, in place of what may be there."""
        if not isinstance(entry, PrivateKeyEntry | TrustedCertificateEntry):
            raise EntryError(f"{type(entry).__name__} is no keystore entry")
        self._note(alias, entry)

    def delete(self, alias: str) -> None:
        """Delete `alias`, if there is one."""
        self._note(alias, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over = True
        if kind is None and self._changes:
            self._keystore.commit(self.changes)

    def _note(self, alias: str, entry: Entry | None) -> None:
        if self._over:
            raise KeystoreError("this edit is over: begin another one with edit()")
        self._changes[check_alias(alias)] = entry


def changed_properties(keystore_pid: str, changes: Changes) -> dict[str, str | tuple[str, ...]]:
    """The properties of the event on `CHANGED_TOPIC` that a keystore component publishes after each commit.

    Returns:
        `keystore`: the keystore's `kura.service.pid`; `aliases`: those that changed, sorted; `kinds`: for
        each of them in that order `private-key`, `trusted-certificate` or `deleted`.
    """
    aliases = tuple(sorted(changes))
    return {
        "keystore": keystore_pid,
        "aliases": aliases,
        "kinds": tuple(_kind(changes[alias]) for alias in aliases),
    }


def _kind(entry: Entry | None) -> str:
    match entry:
        case PrivateKeyEntry():
            return "private-key"
        case TrustedCertificateEntry():
            return "trusted-certificate"
        case None:
            return "deleted"
