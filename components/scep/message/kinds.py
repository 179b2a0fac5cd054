"""SCEP's enumerations and object identifiers (RFC 8894 3.2)."""

from __future__ import annotations

import enum
from typing import Final


class MessageType(enum.IntEnum):
    """What a message is (RFC 8894 3.2.1.2)."""

    CERT_REP = 3
    RENEWAL_REQ = 17
    UPDATE_REQ = 18  # of the drafts before RFC 8894
    PKCS_REQ = 19
    CERT_POLL = 20
    GET_CERT = 21
    GET_CRL = 22


class PkiStatus(enum.IntEnum):
    """What came of a request (RFC 8894 3.2.1.3)."""

    SUCCESS = 0
    FAILURE = 2
    PENDING = 3


class FailInfo(enum.IntEnum):
    """Why a request was refused (RFC 8894 3.2.1.4)."""

    BAD_ALG = 0
    BAD_MESSAGE_CHECK = 1
    BAD_REQUEST = 2
    BAD_TIME = 3
    BAD_CERT_ID = 4

    @property
    def label(self) -> str:
        """The name that RFC 8894 gives it."""
        head, *tail = self.name.lower().split("_")
        return head + "".join(word.capitalize() for word in tail)


class Digest(enum.Enum):
    """Digests that messages are signed with. MD5 is none of them."""

    SHA1 = "SHA-1"
    SHA256 = "SHA-256"
    SHA384 = "SHA-384"
    SHA512 = "SHA-512"


class Cipher(enum.Enum):
    """Ciphers that messages are encrypted with."""

    DES = "DES"
    DES3 = "3DES"
    AES128 = "AES-128"
    AES192 = "AES-192"
    AES256 = "AES-256"


DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
ENVELOPED_DATA: Final = "1.2.840.113549.1.7.3"

CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
MESSAGE_TYPE: Final = "2.16.840.1.113733.1.9.2"
PKI_STATUS: Final = "2.16.840.1.113733.1.9.3"
FAIL_INFO: Final = "2.16.840.1.113733.1.9.4"
SENDER_NONCE: Final = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE: Final = "2.16.840.1.113733.1.9.6"
TRANSACTION_ID: Final = "2.16.840.1.113733.1.9.7"
FAIL_INFO_TEXT: Final = "1.3.6.1.5.5.7.24.1"
NDES_HRESULT: Final = "1.3.6.1.4.1.311.21.33"

RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"
RSA_OAEP: Final = "1.2.840.113549.1.1.7"

DIGEST_OIDS: Final = {
    Digest.SHA1: "1.3.14.3.2.26",
    Digest.SHA256: "2.16.840.1.101.3.4.2.1",
    Digest.SHA384: "2.16.840.1.101.3.4.2.2",
    Digest.SHA512: "2.16.840.1.101.3.4.2.3",
}
RSA_SIGNATURE_OIDS: Final = {
    Digest.SHA1: "1.2.840.113549.1.1.5",
    Digest.SHA256: "1.2.840.113549.1.1.11",
    Digest.SHA384: "1.2.840.113549.1.1.12",
    Digest.SHA512: "1.2.840.113549.1.1.13",
}
ECDSA_SIGNATURE_OIDS: Final = {
    Digest.SHA1: "1.2.840.10045.4.1",
    Digest.SHA256: "1.2.840.10045.4.3.2",
    Digest.SHA384: "1.2.840.10045.4.3.3",
    Digest.SHA512: "1.2.840.10045.4.3.4",
}
CIPHER_OIDS: Final = {
    Cipher.DES: "1.3.14.3.2.7",
    Cipher.DES3: "1.2.840.113549.3.7",
    Cipher.AES128: "2.16.840.1.101.3.4.1.2",
    Cipher.AES192: "2.16.840.1.101.3.4.1.22",
    Cipher.AES256: "2.16.840.1.101.3.4.1.42",
}
