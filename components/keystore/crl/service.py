"""What other components see of a keystore's CRLs."""

from __future__ import annotations

import abc
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography import x509

CRLS_CHANGED_TOPIC: Final = "gatewright/keystore/CRLS_CHANGED"
"""The topic of the event when a keystore has another CRL; properties `keystore` (its pid) and `issuers`."""


@dataclass(frozen=True, slots=True)
class CrlRecord:
    """A CRL that is kept, without its entries.

    Attributes:
        issuer: Who signed it, as RFC 4514 writes names.
        number: Its CRL number (RFC 5280 5.2.3), or None.
        this_update: When it was made (aware).
        next_update: When the next one is due at the latest, or None if it does not say.
        entries: How many certificates it lists.
        size: Its bytes in DER.
        source: Where it came from: a URL, or the pid of a `CrlSource`.
    """

    issuer: str
    number: int | None
    this_update: datetime
    next_update: datetime | None
    entries: int
    size: int
    source: str


class RevocationStatus(enum.StrEnum):
    """What the CRLs say of a certificate."""

    GOOD = "good"
    """A CRL in force does not list it."""
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    """There is no CRL of its issuer here, or only one that was to be followed by another long since."""


class CrlSource(abc.ABC):
    """Where a CRL is to be had that is not published at a URL, such as a CA that is asked in a protocol of its own.

    Its `kura.service.pid` names it; a keystore asks those that its `CrlSource.target` selects.
    """

    @abc.abstractmethod
    def fetch(self) -> bytes:
        """The CRL as it is now, in DER; what it is worth is verified by who asked. May wait for a network.

        Raises:
            CrlFetchError: It cannot be had now, and why.
        """


class RevocationService(abc.ABC):
    """The CRLs of one keystore (its `kura.service.pid` is this service's too). May be asked from any thread."""

    @abc.abstractmethod
    def records(self) -> Sequence[CrlRecord]:
        """The CRLs that are kept; none is decoded for it."""

    @abc.abstractmethod
    def status(self, certificate: x509.Certificate) -> RevocationStatus:
        """What the CRLs say of a certificate; a question costs a few reads of the disk.

        Raises:
            CrlError: The CRL cannot be read.
        """

    @abc.abstractmethod
    def refresh(self) -> None:
        """Begin to fetch all CRLs now; returns at once."""

    @abc.abstractmethod
    def problems(self) -> tuple[str, ...]:
        """What an operator should look after, each in a sentence; empty if all is well."""
