"""What keystores that are components have in common: a store, open while they are active, its CRLs, its export."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from components.keystore.contract import Changes, KeystoreCapabilities, KeystoreHealth, KeystoreService
from components.keystore.crl import CrlSource
from components.keystore.errors import KeystoreUnavailableError
from components.keystore.export import PemExport
from framework import DeactivationReason, reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryptography import x509

    from components.keystore.crl.upkeep import CrlUpkeep
    from components.keystore.entries import Entry
    from framework import ComponentContext, ConfigurationChange

Store = TypeVar("Store", bound=KeystoreService)


class AttendedKeystore(KeystoreService, Generic[Store]):
    """A component around a store: CRLs are looked after and entries exported as its configuration says.

    A subclass opens the store in `activate`, and then calls `_attend`.
    """

    crl_sources = reference(
        CrlSource, name="CrlSource", cardinality="0..n", policy="dynamic", target="(kura.service.pid=changeme)"
    )

    def __init__(self) -> None:
        self._keystore: Store | None = None
        self._crls: CrlUpkeep | None = None
        self._export: PemExport | None = None

    @abstractmethod
    def activate(self, context: ComponentContext) -> None:
        """Open the store."""

    @crl_sources.bind
    def _crl_source_came(self, _source: CrlSource, _properties: Mapping[str, object]) -> None:
        if self._crls is not None:
            self._crls.look()

    def deactivate(self, reason: DeactivationReason) -> None:
        """Let go of the store; what was exported stays for other programs, unless the configuration is deleted."""
        if self._export is not None:
            self._export.close(withdraw=reason is DeactivationReason.CONFIGURATION_DELETED)
        self._keystore = None

    @property
    def capabilities(self) -> KeystoreCapabilities:
        """See `KeystoreService`."""
        return replace(self._opened().capabilities, keeps_crls=self._crls is not None)

    def aliases(self) -> tuple[str, ...]:
        """See `KeystoreService`."""
        return self._opened().aliases()

    def get(self, alias: str) -> Entry | None:
        """See `KeystoreService`."""
        return self._opened().get(alias)

    def entries(self) -> Mapping[str, Entry]:
        """See `KeystoreService`."""
        return self._opened().entries()

    def crls(self) -> Sequence[x509.CertificateRevocationList]:
        """See `KeystoreService`."""
        return super().crls() if self._crls is None else self._crls.decoded()

    def commit(self, changes: Changes) -> None:
        """See `KeystoreService`."""
        self._opened().commit(changes)

    def _attend(self, context: ComponentContext, crls: Path) -> None:
        """Look after CRLs, which are kept in the directory `crls`, and export, as far as either is configured."""
        if context.properties["crl.management.enabled"]:
            from components.keystore.crl.upkeep import look_after_crls  # noqa: PLC0415  # where CRLs are wanted only

            self._crls = look_after_crls(context, self, crls)
        self._export = PemExport(context, self)

    def _attend_otherwise(self, change: ConfigurationChange) -> None:
        """Go on with both as is configured now."""
        if self._crls is not None:
            self._crls.configure(change.properties)
        if self._export is not None:
            self._export.configure(change.properties, change.changed)

    def _with_export(self, health: KeystoreHealth) -> KeystoreHealth:
        """How the keystore is, its export included."""
        return health if self._export is None else self._export.told_in(health)

    def _opened(self) -> Store:
        if (keystore := self._keystore) is None:
            raise KeystoreUnavailableError("(stopped)", "the component is not active; look the service up again")
        return keystore
