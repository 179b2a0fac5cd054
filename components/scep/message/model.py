"""What a pkiMessage says (RFC 8894 section 3.2), apart from how it is encoded."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

    from components.scep.message.algorithms import Digest


class MessageType(enum.IntEnum):
    """messageType (section 3.2.1.2)."""

    CERT_REP = 3
    RENEWAL_REQ = 17
    UPDATE_REQ = 18
    PKCS_REQ = 19
    CERT_POLL = 20
    GET_CERT = 21
    GET_CRL = 22


class PkiStatus(enum.IntEnum):
    """pkiStatus (section 3.2.1.3)."""

    SUCCESS = 0
    FAILURE = 2
    PENDING = 3


class FailInfo(enum.IntEnum):
    """failInfo (section 3.2.1.4). Servers know further numbers; those stay plain integers."""

    BAD_ALG = 0
    BAD_MESSAGE_CHECK = 1
    BAD_REQUEST = 2
    BAD_TIME = 3
    BAD_CERT_ID = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PkiAttributes:
    """The authenticated attributes of a pkiMessage.

    Attributes:
        message_type: The operation, or that it is a reply.
        transaction_id: The same in all messages of one operation.
        sender_nonce: 16 fresh octets of who sends; replies of some servers have none.
        recipient_nonce: In a reply, the request's sender_nonce.
        status: In a reply; a number if it is none that RFC 8894 knows.
        fail_info: In a FAILURE; a number if it is none that RFC 8894 knows.
        fail_info_text: In a FAILURE, a text for people, as the peer wrote it.
        hresult: In a FAILURE of Microsoft's NDES, the Windows error code (signed 32 bits).
    """

    message_type: MessageType
    transaction_id: str
    sender_nonce: bytes | None = None
    recipient_nonce: bytes | None = None
    status: PkiStatus | int | None = None
    fail_info: FailInfo | int | None = None
    fail_info_text: str | None = None
    hresult: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateIdentifier:
    """Which certificate is meant (RFC 5652 sections 5.3, 6.2.1): issuer and serial number, or the key's identifier.

    Attributes:
        issuer: The issuer's name in DER, or None.
        serial_number: The serial number, or None.
        subject_key_identifier: The subject key identifier, or None.
    """

    issuer: bytes | None = None
    serial_number: int | None = None
    subject_key_identifier: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The one SignerInfo of a pkiMessage.

    Attributes:
        signer: Whose certificate verifies it.
        digest: What the content was hashed with.
        signature_digest: What the attributes were hashed with.
        content_type: The contentType attribute, or None (some servers forget it).
        message_digest: The messageDigest attribute.
        signed: The octets that may have been signed: the attributes in the order that DER demands and, if
            that differs, in the order received.
        value: The signature itself, RSASSA-PKCS1-v1_5.
    """

    signer: CertificateIdentifier
    digest: Digest
    signature_digest: Digest
    content_type: str | None
    message_digest: bytes
    signed: tuple[bytes, ...]
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PkiMessage:
    """A decoded pkiMessage. Nothing of it is to be believed before `verify_signature`.

    Attributes:
        attributes: What it says.
        content: The enveloped data (DER or BER), opaque; None if there is none. Meaningful in requests and in
            a reply of status SUCCESS only: some servers send a filler octet otherwise.
        certificates: The certificates that came with it, in no order that means anything.
        signature: The signature over both.
    """

    attributes: PkiAttributes
    content: bytes | None = field(repr=False)
    certificates: tuple[x509.Certificate, ...]
    signature: Signature = field(repr=False)
