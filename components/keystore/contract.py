"""The contract of keystores: what a gateway asks of whatever keeps its keys and certificates.

To bring a keystore of your own, subclass `KeystoreService`, implement its four abstract members, and prove it
with `components.keystore.conformance.KeystoreConformance`.
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from components.keystore.certificates import self_signed_certificate
from components.keystore.csr import create_csr
from components.keystore.entries import (
    Entry,
    PrivateKeyEntry,
    SecretKeyEntry,
    TrustedCertificateEntry,
    check_alias,
)
from components.keystore.errors import EntryError, KeystoreError, UnsupportedOperationError
from components.keystore.keys import KeyAlgorithm, SoftwarePrivateKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography import x509

    from metatype import Secret

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
        stores_secret_keys: `SecretKeyEntry` can be stored.
        keeps_crls: `crls` works.
    """

    read_only: bool = False
    generates_keys: bool = True
    exports_keys: bool = True
    stores_foreign_keys: bool = True
    key_algorithms: frozenset[KeyAlgorithm] = frozenset(KeyAlgorithm)
    stores_secret_keys: bool = False
    keeps_crls: bool = False

    def demand(self, *, changes: bool = False, generates: KeyAlgorithm | None = None, exports: bool = False) -> None:
        """Fail with a reason before something is begun that the keystore cannot take part in.

        Args:
            changes: Entries are to be stored or deleted.
            generates: A key pair of this kind is to be generated.
            exports: A key is to leave the keystore.

        Raises:
            UnsupportedOperationError: The keystore does not do all of that.
        """
        if (changes or generates) and self.read_only:
            raise UnsupportedOperationError("change the keystore", "it is read-only")
        if generates and (not self.generates_keys or generates not in self.key_algorithms):
            raise UnsupportedOperationError(
                f"generate a key pair ({generates})", "this keystore does not: generate it elsewhere and store it"
            )
        if exports and not self.exports_keys:
            raise UnsupportedOperationError("export a private key", "keys do not leave this keystore")


class HealthState(enum.StrEnum):
    """How a keystore is."""

    OK = "ok"
    DEGRADED = "degraded"
    """It works, but somebody should look after it."""
    UNAVAILABLE = "unavailable"
    """It cannot be used just now."""


@dataclass(frozen=True, slots=True)
class KeystoreHealth:
    """How a keystore is, and what is wrong with it.

    Attributes:
        state: In one word.
        problems: What is wrong, each in a sentence that says what to do; empty if it is well.
    """

    state: HealthState = HealthState.OK
    problems: tuple[str, ...] = ()


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
        self.capabilities.demand(generates=algorithm)
        check_alias(alias)
        key = SoftwarePrivateKey.generate(algorithm, size)
        self.set(alias, PrivateKeyEntry(key, (self_signed_certificate(key, subject, now),)))
        stored = self.get(alias)
        if not isinstance(stored, PrivateKeyEntry) or stored.key.public_key != key.public_key:
            raise KeystoreError(f"the key pair {alias} was replaced by somebody else while it was being stored")
        return stored

    def create_csr(
        self,
        alias: str,
        subject: x509.Name | None = None,
        *,
        challenge_password: Secret | None = None,
        subject_alternative_names: Sequence[x509.GeneralName] = (),
        extensions: Sequence[x509.Extension[x509.ExtensionType]] = (),
        attributes: Sequence[tuple[str, bytes]] = (),
    ) -> bytes:
        """Make a certification request for the key pair `alias`, as `components.keystore.create_csr` does.

        Args:
            alias: The key pair.
            subject: The requested subject; that of the key's certificate if None.
            challenge_password: As there, as are the following.
            subject_alternative_names: Requested names.
            extensions: Other requested extensions.
            attributes: Other attributes.

        Raises:
            EntryError: There is no private key of that alias.
            KeystoreError: The keystore cannot be read, or its key does not sign.
        """
        entry = self.get(alias)
        if not isinstance(entry, PrivateKeyEntry):
            raise EntryError(f"there is no private key {alias!r}; generate one, or take another alias")
        return create_csr(
            entry.key,
            entry.certificate.subject if subject is None else subject,
            challenge_password=challenge_password,
            subject_alternative_names=subject_alternative_names,
            extensions=extensions,
            attributes=attributes,
        )

    def crls(self) -> Sequence[x509.CertificateRevocationList]:
        """The certificate revocation lists that the keystore keeps, each verified, one for each issuer and scope.

        Raises:
            UnsupportedOperationError: It keeps none (`capabilities.keeps_crls`). Not an empty answer: who asks
                would take it for "nothing was revoked".
            KeystoreError: They cannot be read.
        """
        raise UnsupportedOperationError("look at CRLs", "this keystore keeps none")

    def health(self) -> KeystoreHealth:
        """How the keystore is. It answers at once, and raises nothing."""
        try:
            self.aliases()
        except KeystoreError as error:
            return KeystoreHealth(HealthState.UNAVAILABLE, (str(error),))
        return KeystoreHealth()


class KeystoreEdit:
    """Changes that are committed together; made by `KeystoreService.edit`, used in one `with` block."""

    __slots__ = ("_capabilities", "_changes", "_keystore", "_over")

    def __init__(self, keystore: KeystoreService) -> None:
        self._capabilities = keystore.capabilities
        self._capabilities.demand(changes=True)
        self._keystore = keystore
        self._changes: dict[str, Entry | None] = {}
        self._over = False

    @property
    def changes(self) -> Changes:
        """The changes so far; the last one of each alias counts."""
        return MappingProxyType(self._changes)

    def set(self, alias: str, entry: Entry) -> None:
        """Store `entry` under `alias`, in place of what may be there."""
        if not isinstance(entry, PrivateKeyEntry | TrustedCertificateEntry | SecretKeyEntry):
            raise EntryError(f"{type(entry).__name__} is no keystore entry")
        if isinstance(entry, SecretKeyEntry) and not self._capabilities.stores_secret_keys:
            raise UnsupportedOperationError(f"store {alias}", "this keystore keeps no secret keys")
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
        each of them in that order `private-key`, `trusted-certificate`, `secret-key` or `deleted`.
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
        case SecretKeyEntry():
            return "secret-key"
        case None:
            return "deleted"
