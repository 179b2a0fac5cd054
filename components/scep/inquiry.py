"""What an enrolled gateway asks of its CA beside its own certificate: certificates and the CRL (RFC 8894 3.3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.scep.errors import NotEnrolledError
from components.scep.transaction import (
    Capabilities,
    build_get_cert,
    build_get_crl,
    choose_algorithms,
    new_transaction_id,
    read_get_cert_reply,
    read_get_crl_reply,
)

if TYPE_CHECKING:
    from components.keystore import PrivateKeyEntry
    from components.scep.client import ScepClient
    from components.scep.driver import EnrolmentDriver
    from components.scep.transaction import Algorithms, FoundCertificate, FoundCrl, Refused, SecurityProfile
    from components.scep.trust import CaTrust


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who asks, whom, and how."""

    entry: PrivateKeyEntry
    trust: CaTrust
    client: ScepClient
    capabilities: Capabilities
    profile: SecurityProfile
    algorithms: Algorithms


def fetch_certificate(driver: EnrolmentDriver, serial_number: int) -> FoundCertificate | Refused:
    """The certificate of that number that the CA has issued (GetCert); may be called from any thread, and blocks.

    Raises:
        NotEnrolledError: There is no certificate to ask with.
        OperationUnsupportedError: The server does not know GetCert.
        ScepError: The server cannot be reached, or its reply does not hold.
        KeystoreError: The keystore cannot be read.
    """
    asking = _asking(driver)
    request = build_get_cert(
        trust=asking.trust,
        capabilities=asking.capabilities,
        profile=asking.profile,
        key=asking.entry.key,
        signer_certificate=asking.entry.certificate,
        serial_number=serial_number,
        transaction_id=new_transaction_id(asking.entry.key.public_key),
        algorithms=asking.algorithms,
    )
    return read_get_cert_reply(
        asking.client.send(request, asking.capabilities),
        request,
        trust=asking.trust,
        profile=asking.profile,
        key=asking.entry.key,
        signer_certificate=asking.entry.certificate,
        serial_number=serial_number,
    )


def fetch_crl(driver: EnrolmentDriver) -> FoundCrl | Refused:
    """The CRL that the enrolled certificate would be on (GetCRL); the rest as in `fetch_certificate`."""
    asking = _asking(driver)
    request = build_get_crl(
        trust=asking.trust,
        capabilities=asking.capabilities,
        profile=asking.profile,
        key=asking.entry.key,
        signer_certificate=asking.entry.certificate,
        serial_number=asking.entry.certificate.serial_number,
        issuer=asking.entry.certificate.issuer,
        transaction_id=new_transaction_id(asking.entry.key.public_key),
        algorithms=asking.algorithms,
    )
    return read_get_crl_reply(
        asking.client.send(request, asking.capabilities),
        request,
        trust=asking.trust,
        profile=asking.profile,
        key=asking.entry.key,
        signer_certificate=asking.entry.certificate,
        issuer=asking.entry.certificate.issuer,
        now=driver.now(),
    )


def _asking(driver: EnrolmentDriver) -> _Asking:
    settings, stored = driver.settings, driver.store.look()
    if stored.enrolled is None:
        raise NotEnrolledError
    server = driver.trust_record
    capabilities = Capabilities(frozenset(server.capabilities))
    algorithms = choose_algorithms(capabilities, settings.profile, weaker=server.weaker)
    return _Asking(stored.enrolled, stored.trust, driver.client(server.url), capabilities, settings.profile, algorithms)
