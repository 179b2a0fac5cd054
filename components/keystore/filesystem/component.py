"""The filesystem keystore as a component: a Pkcs12Keystore with its configuration and its events."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from components.keystore.contract import (
    CHANGED_TOPIC,
    Changes,
    HealthState,
    KeystoreCapabilities,
    KeystoreHealth,
    KeystoreService,
    changed_properties,
)
from components.keystore.errors import KeystoreUnavailableError
from components.keystore.filesystem.keystore import Pkcs12Keystore
from framework import Secret, component

if TYPE_CHECKING:
    from collections.abc import Mapping

    from components.keystore.entries import Entry
    from framework import ComponentContext, ConfigurationChange, DeactivationReason

_GENERATED_PASSWORD: Final = "generated-password"  # noqa: S105  # the name that the password is kept under
_FILE_PASSWORD: Final = "file-password"  # noqa: S105  # the name that the password is kept under


@component(
    "gatewright.keystore.FilesystemKeystore",
    provides=(KeystoreService,),
    descriptor="FilesystemKeystore.xml",
    factory=True,
)
class FilesystemKeystore(KeystoreService):
    """One PKCS #12 file per configuration.

    The password that the file was last encrypted under is kept sealed in the gateway's store. So the
    configured one may change at any time, also while the gateway is off, and a crash in between is made good
    at the next start.
    """

    def __init__(self) -> None:
        self._keystore: Pkcs12Keystore | None = None

    def activate(self, context: ComponentContext) -> None:
        """Open the file, or make it."""
        self._context = context
        keystore = Pkcs12Keystore(context.state_directory / context.properties["keystore.path"], self._announce)
        password = self._wanted_password(context.properties)
        remembered = context.secrets.get(_FILE_PASSWORD)
        if keystore.open(password, () if remembered is None else (remembered,)):
            context.logger.info("made a new, empty keystore: %s", keystore.path)
        elif keystore.restrict():
            context.logger.warning("%s was open to other users; it no longer is", keystore.path)
        self._remember(password)
        self._keystore = keystore

    def modified(self, change: ConfigurationChange) -> None:
        """Encrypt the file under the new password."""
        if "keystore.password" in change.changed:
            password = self._wanted_password(change.properties)
            self._opened().change_password(password)
            self._remember(password)

    def deactivate(self, _reason: DeactivationReason) -> None:
        """Let go of the file."""
        self._keystore = None

    @property
    def capabilities(self) -> KeystoreCapabilities:
        """See `KeystoreService`."""
        return self._opened().capabilities

    def aliases(self) -> tuple[str, ...]:
        """See `KeystoreService`."""
        return self._opened().aliases()

    def get(self, alias: str) -> Entry | None:
        """See `KeystoreService`."""
        return self._opened().get(alias)

    def entries(self) -> Mapping[str, Entry]:
        """See `KeystoreService`."""
        return self._opened().entries()

    def health(self) -> KeystoreHealth:
        """See `KeystoreService`."""
        if self._keystore is None:
            return KeystoreHealth(HealthState.UNAVAILABLE, ("the component is not active",))
        return self._keystore.health()

    def commit(self, changes: Changes) -> None:
        """See `KeystoreService`."""
        self._opened().commit(changes)

    def _announce(self, changes: Changes) -> None:
        self._context.publish(CHANGED_TOPIC, changed_properties(self._context.service_pid, changes))

    def _opened(self) -> Pkcs12Keystore:
        if (keystore := self._keystore) is None:
            raise KeystoreUnavailableError("(stopped)", "the component is not active; look the service up again")
        return keystore

    def _wanted_password(self, properties: Mapping[str, object]) -> Secret:
        """The configured password, or the random one that is made once."""
        configured = properties.get("keystore.password")
        if isinstance(configured, Secret) and configured:
            return configured
        generated = self._context.secrets.get(_GENERATED_PASSWORD)
        if generated is None:
            generated = Secret(secrets.token_urlsafe(32))
            # Kept before it is used: a crash in between must not leave a file that nothing opens.
            self._context.secrets.set(_GENERATED_PASSWORD, generated)
        return generated

    def _remember(self, password: Secret) -> None:
        if self._context.secrets.get(_FILE_PASSWORD) != password:
            self._context.secrets.set(_FILE_PASSWORD, password)
