"""What contexts are made of: how connections are to be, and the entries. Light: it loads no OpenSSL."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryptography import x509

    from components.keystore.crl import RevocationStatus
    from components.keystore.entries import PrivateKeyEntry


class RevocationCheck(enum.StrEnum):
    """Whether the other side's certificate is looked for in CRLs."""

    OFF = "off"
    SOFT_FAIL = "soft-fail"
    """A certificate that a CRL lists is refused; one whose issuer has no CRL here is accepted."""
    HARD_FAIL = "hard-fail"
    """Only a certificate whose issuer has a CRL in force, which does not list it, is accepted."""


class ClientAuthentication(enum.StrEnum):
    """What a server asks of its clients."""

    REQUIRE = "require"
    """A certificate that is trusted; without one there is no connection."""
    WANT = "want"
    """A certificate if they have one, which must be trusted then."""
    NONE = "none"
    """Nothing: whoever connects is anonymous."""


class RevocationAnswers(Protocol):
    """What knows of revoked certificates, such as a `RevocationService`."""

    def status(self, certificate: x509.Certificate) -> RevocationStatus:
        """What is known of a certificate; CrlError if that cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How connections are to be.

    Attributes:
        minimum_version: `TLSv1.2` or `TLSv1.3`, the oldest version that is spoken.
        ciphers: As OpenSSL writes a list of cipher suites (of TLS 1.2; those of 1.3 are all good); empty: its own.
        hostname_verification: Whether a server's certificate must be for the name that was connected to.
        revocation: Whether certificates are looked for in CRLs.
        client_authentication: What a server asks of its clients.
    """

    minimum_version: str = "TLSv1.2"
    ciphers: str = ""
    hostname_verification: bool = True
    revocation: RevocationCheck = RevocationCheck.OFF
    client_authentication: ClientAuthentication = ClientAuthentication.REQUIRE


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """What contexts are made of; equal if contexts made of it would be.

    Attributes:
        keystore: The `kura.service.pid` of the keystore with the identity.
        alias: The identity's alias there; empty if none is shown to the other side.
        identity: The entry of that alias, or None if there is none.
        trusted: The trust anchors.
        revocation: What is asked whether the other side's certificate was revoked; None if nothing is.
    """

    keystore: str
    alias: str
    identity: PrivateKeyEntry | None
    trusted: tuple[x509.Certificate, ...]
    revocation: RevocationAnswers | None = None
