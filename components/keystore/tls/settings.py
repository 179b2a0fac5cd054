"""What contexts are made of: how connections are to be, and the entries. Light: it loads no OpenSSL."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

    from components.keystore.entries import PrivateKeyEntry


class RevocationCheck(enum.StrEnum):
    """Whether the other side's certificate is looked for in CRLs."""

    OFF = "off"
    SOFT_FAIL = "soft-fail"
    """A certificate that a CRL lists is refused; one whose issuer has no CRL here is accepted."""
    HARD_FAIL = "hard-fail"
    """Only a certificate whose issuer has a CRL in force, which does not list it, is accepted."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How connections are to be.

    Attributes:
        minimum_version: `TLSv1.2` or `TLSv1.3`, the oldest version that is spoken.
        ciphers: As OpenSSL writes a list of cipher suites (of TLS 1.2; those of 1.3 are all good); empty: its own.
        hostname_verification: Whether a server's certificate must be for the name that was connected to.
        revocation: Whether certificates are looked for in CRLs.
    """

    minimum_version: str = "TLSv1.2"
    ciphers: str = ""
    hostname_verification: bool = True
    revocation: RevocationCheck = RevocationCheck.OFF


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """What contexts are made of; equal if contexts made of it would be.

    Attributes:
        keystore: The `kura.service.pid` of the keystore with the identity.
        alias: The identity's alias there; empty if none is shown to the other side.
        identity: The entry of that alias, or None if there is none.
        trusted: The trust anchors.
        crls: The CRLs that certificates are looked for in.
    """

    keystore: str
    alias: str
    identity: PrivateKeyEntry | None
    trusted: tuple[x509.Certificate, ...]
    crls: tuple[x509.CertificateRevocationList, ...] = ()
