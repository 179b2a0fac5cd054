"""The PKCS #11 keystore as a component: a token with its configuration and its events."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from components.keystore.announcements import commit_publisher
from components.keystore.attended import AttendedKeystore
from components.keystore.contract import (
    KeystoreHealth,
    KeystoreService,
)
from components.keystore.errors import KeystoreUnavailableError
from framework import DeactivationReason, Secret, component

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cryptography import x509

    from components.keystore.entries import PrivateKeyEntry
    from components.keystore.keys import KeyAlgorithm
    from components.keystore.pkcs11.keystore import TokenKeystore
    from framework import ComponentContext, ConfigurationChange

    _Attended = AttendedKeystore[TokenKeystore]
else:
    _Attended = AttendedKeystore  # a token's module is loaded where there is a token only

_REFUSED_PIN: Final = "refused-pin"


@component(
    "gatewright.keystore.PKCS11Keystore",
    provides=(KeystoreService,),
    descriptor="PKCS11Keystore.xml",
    factory=True,
)
class PKCS11Keystore(_Attended):
    """One token per configuration.

    The module is loaded and the token opened by the first call, so a module that hangs keeps its callers waiting
    and not the gateway, and a token that comes later is found then. A PIN that the token refused is kept sealed in
    the gateway's store, so that not even a restart tries it again.
    """

    def activate(self, context: ComponentContext) -> None:
        """Make ready to open the token."""
        if importlib.util.find_spec("pkcs11") is None:
            raise KeystoreUnavailableError(
                context.service_pid,
                "the package python-pkcs11 is not installed; install it by: pip install gatewright[pkcs11]",
            )
        from components.keystore.pkcs11.keystore import TokenKeystore  # noqa: PLC0415  # only a token needs it
        from components.keystore.pkcs11.module import TokenChoice  # noqa: PLC0415  # as above

        self._context = context
        properties = context.properties
        choice = TokenChoice(
            properties.get("token.label") or "", properties.get("slot"), properties.get("slot.list.index")
        )
        self._keystore = TokenKeystore(
            properties["library.path"],
            choice,
            _pin(properties),
            committed=commit_publisher(context),
            refused=lambda pin: context.secrets.set(_REFUSED_PIN, self._marker(pin)),
        )
        self._heed_refusal(_pin(properties))
        self._attend(context, context.data_directory / "crl")

    def modified(self, change: ConfigurationChange) -> None:
        """Use the new PIN from now on; look after CRLs and export as is now configured."""
        if "pin" in change.changed:
            self._opened().change_pin(_pin(change.properties))
            self._heed_refusal(_pin(change.properties))
        self._attend_otherwise(change)

    def deactivate(self, reason: DeactivationReason) -> None:
        """Let go of the token; exported certificates stay for other programs, unless the configuration is deleted."""
        keystore = self._keystore
        super().deactivate(reason)
        if keystore is not None:
            keystore.close()

    def generate_key_pair(
        self, alias: str, algorithm: KeyAlgorithm, size: int, *, subject: x509.Name, now: datetime
    ) -> PrivateKeyEntry:
        """See `KeystoreService`."""
        return self._opened().generate_key_pair(alias, algorithm, size, subject=subject, now=now)

    def health(self) -> KeystoreHealth:
        """See `KeystoreService`."""
        return self._with_export(self._opened().health())

    def _heed_refusal(self, pin: Secret) -> None:
        """Let a PIN that was refused rest; forget that once another one is configured."""
        marker = self._context.secrets.get(_REFUSED_PIN)
        if marker is None:
            return
        if marker == self._marker(pin):
            self._opened().refuse(pin)
        else:
            self._context.secrets.delete(_REFUSED_PIN)

    def _marker(self, pin: Secret) -> Secret:
        """What was refused: this PIN by that token."""
        names = ("library.path", "token.label", "slot", "slot.list.index")
        place = "\n".join(str(self._context.properties.get(name)) for name in names)
        return Secret(f"{place}\n{pin.reveal()}")


def _pin(properties: Mapping[str, object]) -> Secret:
    pin = properties.get("pin")
    return pin if isinstance(pin, Secret) else Secret("")
