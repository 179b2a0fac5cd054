"""SCEP messages (RFC 8894 3): encoded in DER, decoded from BER, in both directions, without a network."""

from components.scep.message.certificates import decode_certificates, encode_certificates, load_certificate
from components.scep.message.envelope import OpenedEnvelope, envelope, open_envelope
from components.scep.message.kinds import Cipher, Digest, FailInfo, MessageType, PkiStatus
from components.scep.message.pki_message import (
    MessageAttributes,
    PkiMessage,
    Signature,
    decode_pki_message,
    encode_pki_message,
    verify_signature,
)

__all__ = [
    "Cipher",
    "Digest",
    "FailInfo",
    "MessageAttributes",
    "MessageType",
    "OpenedEnvelope",
    "PkiMessage",
    "PkiStatus",
    "Signature",
    "decode_certificates",
    "decode_pki_message",
    "encode_certificates",
    "encode_pki_message",
    "envelope",
    "load_certificate",
    "open_envelope",
    "verify_signature",
]
