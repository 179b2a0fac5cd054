"""CRLs of a keystore: fetched, verified, and kept on disk, where a question is answered without decoding them."""

from components.keystore.crl.errors import CrlError, CrlFetchError, CrlRefusedError
from components.keystore.crl.service import (
    CRLS_CHANGED_TOPIC,
    CrlRecord,
    CrlSource,
    RevocationService,
    RevocationStatus,
)

__all__ = [
    "CRLS_CHANGED_TOPIC",
    "CrlError",
    "CrlFetchError",
    "CrlRecord",
    "CrlRefusedError",
    "CrlSource",
    "RevocationService",
    "RevocationStatus",
]
