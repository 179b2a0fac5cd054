"""Why there is no TLS context."""

from __future__ import annotations


class TlsError(Exception):
    """Base of all errors of `SslContextService`."""


class TlsIdentityError(TlsError):
    """The private key and chain to show to the other side cannot be used.

    Attributes:
        keystore: The `kura.service.pid` of the keystore.
        alias: The entry.
    """

    def __init__(self, keystore: str, alias: str, reason: str) -> None:
        super().__init__(f"the identity {alias!r} of keystore {keystore} cannot be used for TLS: {reason}")
        self.keystore = keystore
        self.alias = alias


class TlsConfigurationError(TlsError):
    """A property is not what OpenSSL takes, or what it asks for is not there.

    Attributes:
        name: The property.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
