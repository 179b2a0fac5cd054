"""What can go wrong with CRLs."""

from __future__ import annotations

from components.keystore.errors import KeystoreError


class CrlError(KeystoreError):
    """Base of all errors of CRLs."""


class CrlFetchError(CrlError):
    """A CRL cannot be had from where it is published.

    Attributes:
        url: Where: a URL, or the pid of a `CrlSource`.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"the CRL of {url} cannot be fetched: {reason}")
        self.url = url


class CrlRefusedError(CrlError):
    """What was fetched is no CRL that can be trusted; the earlier one stays.

    Attributes:
        reason: Why, in words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the CRL is refused: {reason}")
        self.reason = reason
