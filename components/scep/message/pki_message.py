"""pkiMessage (RFC 8894 3): a SignedData whose signed attributes say what it is, of which transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from components.asn1 import der
from components.asn1.der import CONSTRUCTED, DerError, Element, joined
from components.scep.errors import DecodingError
from components.scep.message.cms import read
from components.scep.message.kinds import (
    FAIL_INFO,
    FAIL_INFO_TEXT,
    MESSAGE_TYPE,
    NDES_HRESULT,
    PKI_STATUS,
    RECIPIENT_NONCE,
    SENDER_NONCE,
    TRANSACTION_ID,
    Digest,
)
from components.scep.message.signed_data import Signature, decode_signed_data, encode_signed_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509

    from components.keystore import PrivateKey


_ENCODINGS: Final = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as everybody reads it
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
"""How the character strings of X.680 are encoded, by their tags."""


@dataclass(frozen=True, slots=True)
class MessageAttributes:
    """The signed attributes of a message (RFC 8894 3.2.1).

    Attributes:
        message_type: What the message is.
        transaction_id: The transaction that it belongs to.
        sender_nonce: 16 fresh bytes; old servers leave it out of replies.
        recipient_nonce: In a reply, the request's `sender_nonce`.
        status: In a reply, what came of the request; a number that RFC 8894 does not know is kept.
        fail_info: In a refusal, the code; codes that RFC 8894 does not know are kept as numbers.
        fail_info_text: In a refusal, more for people.
        hresult: In a refusal of Microsoft's NDES, its own error code.
    """

    message_type: int
    transaction_id: str
    sender_nonce: bytes | None = None
    recipient_nonce: bytes | None = None
    status: int | None = None
    fail_info: int | None = None
    fail_info_text: str | None = None
    hresult: int | None = None


@dataclass(frozen=True, slots=True)
class PkiMessage:
    """A decoded message, of which nothing is verified yet.

    Attributes:
        content: The encrypted part, or empty: a refusal has none.
        content_type: The object identifier of what the content is; `data` in SCEP.
        certificates: The certificates that came with it.
    """

    attributes: MessageAttributes
    content: bytes
    content_type: str
    certificates: tuple[x509.Certificate, ...]
    signature: Signature


def encode_pki_message(
    attributes: MessageAttributes,
    content: bytes | None,
    *,
    key: PrivateKey,
    certificate: x509.Certificate,
    digest: Digest,
) -> bytes:
    """Sign a message with an RSA key; only the signer's certificate goes along (some servers choke on more).

    Args:
        attributes: What the message says.
        content: The encrypted part, or None.
        key: The key of `certificate`; it may be one that cannot leave its keystore.
        certificate: The signer's certificate.
        digest: What content and attributes are hashed with.
    """
    return encode_signed_data(content, _encoded_attributes(attributes), key=key, certificate=certificate, digest=digest)


def decode_pki_message(data: bytes) -> PkiMessage:
    """Decode a message in BER or DER; attributes may come in any order.

    Raises:
        DecodingError: It is no pkiMessage.
        UnsupportedAlgorithmError: It is signed with an algorithm that is not known here.
    """
    signed = decode_signed_data(data)
    if not signed.attributes:
        raise DecodingError("the message has no signed attributes")
    return PkiMessage(
        attributes=_decoded_attributes(signed.attributes),
        content=signed.content,
        content_type=signed.content_type,
        certificates=signed.certificates,
        signature=signed.signature,
    )


def _encoded_attributes(attributes: MessageAttributes) -> list[tuple[str, bytes]]:
    """Object identifiers and values in DER."""
    pairs = [
        (MESSAGE_TYPE, _printable(int(attributes.message_type))),
        (TRANSACTION_ID, _printable(attributes.transaction_id)),
    ]
    if attributes.sender_nonce is not None:
        pairs.append((SENDER_NONCE, der.octet_string(attributes.sender_nonce)))
    if attributes.recipient_nonce is not None:
        pairs.append((RECIPIENT_NONCE, der.octet_string(attributes.recipient_nonce)))
    if attributes.status is not None:
        pairs.append((PKI_STATUS, _printable(int(attributes.status))))
    if attributes.fail_info is not None:
        pairs.append((FAIL_INFO, _printable(int(attributes.fail_info))))
    if attributes.fail_info_text is not None:
        pairs.append((FAIL_INFO_TEXT, der.text(der.UTF8_STRING, attributes.fail_info_text)))
    if attributes.hresult is not None:
        pairs.append((NDES_HRESULT, _printable(attributes.hresult)))
    return pairs


def _printable(value: object) -> bytes:
    return der.text(der.PRINTABLE_STRING, str(value))


def _decoded_attributes(found: Mapping[str, bytes]) -> MessageAttributes:
    message_type = _number(found, MESSAGE_TYPE)
    transaction_id = _text(found, TRANSACTION_ID)
    if message_type is None or transaction_id is None:
        raise DecodingError("the message has no messageType or no transactionID")
    return MessageAttributes(
        message_type=message_type,
        transaction_id=transaction_id,
        sender_nonce=_octets(found, SENDER_NONCE),
        recipient_nonce=_octets(found, RECIPIENT_NONCE),
        status=_number(found, PKI_STATUS),
        fail_info=_number(found, FAIL_INFO),
        fail_info_text=_text(found, FAIL_INFO_TEXT),
        hresult=_number(found, NDES_HRESULT),
    )


def _octets(found: Mapping[str, bytes], oid: str) -> bytes | None:
    return None if oid not in found else read(found[oid], Element.octets)


def _text(found: Mapping[str, bytes], oid: str) -> str | None:
    if oid not in found:
        return None
    try:
        return read(found[oid], _characters)
    except UnicodeError:
        raise DecodingError(f"the signed attribute {oid} is no text") from None


def _characters(element: Element) -> str:
    """The value of a character string of whatever kind, which may be constructed of others."""
    encoding = _ENCODINGS.get(element.tag & ~CONSTRUCTED)
    if encoding is None:
        raise DerError(f"a tag 0x{element.tag:02x} is that of no text")
    return (joined(element.content) if element.tag & CONSTRUCTED else element.content).decode(encoding)


def _number(found: Mapping[str, bytes], oid: str) -> int | None:
    text = _text(found, oid)
    if text is None:
        return None
    digits = text.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        raise DecodingError(f"the signed attribute {oid} is no number")
    return int(text)
