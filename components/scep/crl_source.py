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
from components.scep.inquiry import fetch_crl
from components.scep.transaction import Refused

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
            found = fetch_crl(self._driver)
        except (ScepError, KeystoreError) as error:
            raise CrlFetchError(self._name, str(error)) from error
        if isinstance(found, Refused):
            raise CrlFetchError(self._name, f"the CA refused the request: {found.summary}; {found.hint}")
        return found.crl.public_bytes(Encoding.DER)
