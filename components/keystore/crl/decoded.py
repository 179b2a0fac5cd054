"""CRLs that are in memory whole: what keystores hand out that offer no `RevocationService`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.keystore.crl.service import RevocationStatus
from components.keystore.crl.verification import covers

if TYPE_CHECKING:
    from cryptography import x509

    from framework.clock import Clock


@dataclass(frozen=True, slots=True)
class DecodedCrls:
    """CRLs whose signatures their keystore has checked.

    Attributes:
        crls: The CRLs.
        clock: Tells which of them are in force.
    """

    crls: tuple[x509.CertificateRevocationList, ...]
    clock: Clock

    def status(self, certificate: x509.Certificate) -> RevocationStatus:
        """What they say of a certificate; see `RevocationService`."""
        found, now = RevocationStatus.UNKNOWN, self.clock.now()
        for crl in self.crls:
            if not covers(crl, certificate):
                continue
            if crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
                return RevocationStatus.REVOKED
            if crl.next_update_utc is None or now <= crl.next_update_utc:
                found = RevocationStatus.GOOD
        return found
