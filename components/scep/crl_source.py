"""The CA's CRL by GetCRL (RFC 8894 3.3.4, 4.6), for a keystore that looks after CRLs.

A CA is better asked by the distribution points of its certificates (RFC 8894 2.7): a reply here is short, and each
one is signed and encrypted for who asked. It is for CAs that publish their CRL nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import KeystoreError
from components.keystore.crl import CrlFetchError, CrlSource
from components.scep.errors import ScepError
from components.scep.transaction import (
    Capabilities,
    Refused,
    build_get_crl,
    new_transaction_id,
    read_get_crl_reply,
)

if TYPE_CHECKING:
    from components.scep.driver import EnrolmentDriver


class ScepCrlSource(CrlSource):
    """Asks the CA of the enrolled certificate for the CRL that this would be on.

    Args:
        name: The enrolment's pid.
        driver: The enrolment, which knows the server.
    """

    def __init__(self, name: str, driver: EnrolmentDriver) -> None:
        self._name = name
        self._driver = driver

    def fetch(self) -> bytes:
        """See `CrlSource`."""
        try:
            return self._ask()
        except CrlFetchError:
            raise
        except (ScepError, KeystoreError) as error:
            raise CrlFetchError(self._name, str(error)) from error

    def _ask(self) -> bytes:
        driver = self._driver
        settings, stored = driver.settings, driver.store.look()
        entry = stored.enrolled
        if entry is None:
            raise CrlFetchError(self._name, "there is no enrolled certificate yet to ask the CA with")
        trust, server = stored.trust, driver.trust_record
        capabilities = Capabilities(frozenset(server.capabilities))
        request = build_get_crl(
            trust=trust,
            capabilities=capabilities,
            profile=settings.profile,
            key=entry.key,
            signer_certificate=entry.certificate,
            serial_number=entry.certificate.serial_number,
            issuer=entry.certificate.issuer,
            transaction_id=new_transaction_id(entry.key.public_key),
        )
        found = read_get_crl_reply(
            driver.client(server.url).send(request, capabilities),
            request,
            trust=trust,
            profile=settings.profile,
            key=entry.key,
            signer_certificate=entry.certificate,
            now=driver.now(),
        )
        if isinstance(found, Refused):
            raise CrlFetchError(self._name, f"the CA refused the request: {found.summary}; {found.hint}")
        return found.crl.public_bytes(Encoding.DER)
